/*
 * A domain's devices, from the options to the statistics.
 */
#include <errno.h>
#include <string.h>

#include "devices/block/block.h"
#include "devices/block/image.h"
#include "devices/device.h"
#include "vmm/guest_devices.h"
#include "vmm/vmm.h"

static int parse_disk(struct disk_spec *spec, const char *text, struct error *err)
{
	char why[200];
	int rc = disk_spec_parse(spec, text, why, sizeof(why));

	return rc ? error_set(err, rc, "disk '%s': %s", text, why) : 0;
}

static int check_disk(const char *text, struct error *err)
{
	struct disk_spec spec;
	struct image img;
	char why[300];
	int rc = parse_disk(&spec, text, err);

	if (rc)
		return rc;
	if (spec.format != DISK_RAW)
		rc = error_set(err, -ENOTSUP, "disk '%s': format %s is not supported yet (raw is)",
			       text, disk_format_name(spec.format));
	else if (!spec.target[0])
		rc = error_set(err, -ENOTSUP, "disk '%s': an empty drive is not supported yet",
			       text);
	if (!rc) {
		rc = image_open(&img, spec.target, spec.readonly, why, sizeof(why));
		if (rc)
			error_set(err, rc, "disk %s", why);
		else
			image_close(&img);
	}
	disk_spec_free(&spec);
	return rc;
}

int guest_devices_check(const struct run_options *o, struct error *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < o->nr_disks; i++)
		rc = check_disk(o->disk[i], err);
	return rc;
}

static void forget(void *arg, struct backend *b)
{
	struct guest_devices *g = arg;

	for (unsigned i = 0; i < g->nr; i++)
		if (g->backend[i] == b) {
			g->backend[i] = g->backend[--g->nr];
			return;
		}
}

static void add(struct guest_devices *g, struct backend *b)
{
	b->gone = forget;
	b->gone_arg = g;
	g->backend[g->nr++] = b;
}

int guest_devices_create(struct guest_devices *g, const struct run_options *o, struct event_loop *l,
			 struct xenstore *xs, struct domain *d, struct error *err)
{
	for (unsigned i = 0; i < o->nr_disks; i++) {
		struct disk_spec spec;
		char why[300];
		int rc = parse_disk(&spec, o->disk[i], err);

		if (rc)
			return rc;
		struct backend *b = blkback_create(l, xs, d, &spec, why, sizeof(why));
		if (!b)
			return error_set(err, -EINVAL, "%s", why);
		add(g, b);
	}
	return 0;
}

void guest_devices_destroy(struct guest_devices *g)
{
	while (g->nr)
		backend_destroy(g->backend[g->nr - 1]);
}

/* ---- statistics ---- */

static bool is_disk(const struct backend *b)
{
	return !strcmp(b->class->type, "vbd");
}

static unsigned long count(const _Atomic uint64_t *n)
{
	return (unsigned long)*n;
}

void guest_devices_text(FILE *f, const struct guest_devices *g)
{
	for (unsigned i = 0; i < g->nr; i++) {
		if (!is_disk(g->backend[i]))
			continue;
		const struct blk_stats *s = blkback_stats(g->backend[i]);
		fprintf(f,
			"  disk %s: %lu reads (%lu KiB), %lu writes (%lu KiB), %lu flushes, "
			"%lu discards, %lu errors; woken %lu times, %lu events\n",
			blkback_spec(g->backend[i])->vdev, count(&s->reads),
			count(&s->read_bytes) / 1024, count(&s->writes),
			count(&s->written_bytes) / 1024, count(&s->flushes), count(&s->discards),
			count(&s->errors), count(&s->wakeups), count(&s->notifications));
	}
}

void guest_devices_json(FILE *f, const struct guest_devices *g)
{
	const char *sep = "";

	fprintf(f, "  \"disks\": {");
	for (unsigned i = 0; i < g->nr; i++) {
		if (!is_disk(g->backend[i]))
			continue;
		const struct blk_stats *s = blkback_stats(g->backend[i]);
		fprintf(f,
			"%s\n    \"%s\": {\"reads\": %lu, \"read_bytes\": %lu, \"writes\": %lu, "
			"\"written_bytes\": %lu, \"flushes\": %lu, \"discards\": %lu, "
			"\"errors\": %lu, \"wakeups\": %lu, \"notifications\": %lu}",
			sep, blkback_spec(g->backend[i])->vdev, count(&s->reads),
			count(&s->read_bytes), count(&s->writes), count(&s->written_bytes),
			count(&s->flushes), count(&s->discards), count(&s->errors),
			count(&s->wakeups), count(&s->notifications));
		sep = ",";
	}
	fprintf(f, "},\n");
}
