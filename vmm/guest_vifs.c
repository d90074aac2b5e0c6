/*
 * Network interfaces as a kind of device: --vif.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/net.h"
#include "vmm/guest_devices.h"

static int read_spec(struct vif_spec *spec, const char *text, struct error *err)
{
	char why[300];
	int rc = vif_spec_parse(spec, text, why, sizeof(why));

	return rc ? error_set(err, rc, "vif '%s': %s", text, why) : 0;
}

static int parse(const char *text, struct error *err)
{
	struct vif_spec spec;

	return read_spec(&spec, text, err);
}

static int check(const char *text, struct error *err)
{
	struct vif_spec spec;
	char why[400];
	int rc = read_spec(&spec, text, err);

	if (!rc) {
		rc = netback_check(&spec, why, sizeof(why));
		if (rc)
			error_set(err, rc, "vif '%s': %s", text, why);
	}
	return rc;
}

static bool is_taken(const struct guest_devices *g, unsigned id)
{
	for (unsigned i = 0; i < g->nr; i++)
		if (!strcmp(g->backend[i]->class->type, vif_kind.type) && g->backend[i]->id == id)
			return true;
	return false;
}

static struct backend *create(struct guest_devices *g, const char *text, struct error *err)
{
	struct vif_spec spec;
	char why[400];

	if (read_spec(&spec, text, err))
		return NULL;
	if (spec.devid < 0)
		do
			spec.devid++;
		while (is_taken(g, (unsigned)spec.devid));
	struct backend *b =
		netback_create(g->loop, g->xenstore, g->domain, &spec, why, sizeof(why));
	if (!b)
		error_set(err, -EINVAL, "vif '%s': %s", text, why);
	return b;
}

/* xl: libxl_devid_to_device_nic() and libxl_mac_to_device_nic(); the host's name, too. */
static bool is(const struct backend *b, const char *which)
{
	uint8_t mac[6];
	char *end;

	if (vif_mac_parse(mac, which))
		return !memcmp(mac, netback_spec(b)->mac, sizeof(mac));
	unsigned long n = strtoul(which, &end, 10);
	if (*which && !*end)
		return n == b->id;
	return !strcmp(which, netback_name(b));
}

/* ---- statistics ---- */

static unsigned long count(const _Atomic uint64_t *n)
{
	return (unsigned long)*n;
}

static void text(FILE *f, const struct backend *b)
{
	const struct vif_stats *s = netback_stats(b);

	fprintf(f,
		"  vif %s: %lu packets sent (%lu KiB), %lu received (%lu KiB), %lu and %lu "
		"dropped, %lu and %lu errors; woken %lu times, %lu events\n",
		netback_name(b), count(&s->tx_packets), count(&s->tx_bytes) / 1024,
		count(&s->rx_packets), count(&s->rx_bytes) / 1024, count(&s->tx_drops),
		count(&s->rx_drops), count(&s->tx_errors), count(&s->rx_errors), count(&s->wakeups),
		count(&s->notifications));
}

static void json(FILE *f, const struct backend *b)
{
	const struct vif_stats *s = netback_stats(b);

	fprintf(f,
		"\"%s\": {\"tx_packets\": %lu, \"tx_bytes\": %lu, \"tx_drops\": %lu, "
		"\"tx_errors\": %lu, \"tx_gso\": %lu, ",
		netback_name(b), count(&s->tx_packets), count(&s->tx_bytes), count(&s->tx_drops),
		count(&s->tx_errors), count(&s->tx_gso));
	fprintf(f,
		"\"rx_packets\": %lu, \"rx_bytes\": %lu, \"rx_drops\": %lu, \"rx_errors\": %lu, "
		"\"rx_gso\": %lu, ",
		count(&s->rx_packets), count(&s->rx_bytes), count(&s->rx_drops),
		count(&s->rx_errors), count(&s->rx_gso));
	fprintf(f,
		"\"wakeups\": %lu, \"notifications\": %lu, \"copied_bytes\": %lu, "
		"\"ctrl_requests\": %lu}",
		count(&s->wakeups), count(&s->notifications), count(&s->copied),
		count(&s->ctrl_requests));
}

const struct device_kind vif_kind = {
	.type = "vif",
	.option = "vif",
	.plural = "vifs",
	.parse = parse,
	.check = check,
	.create = create,
	.is = is,
	.text = text,
	.json = json,
};
