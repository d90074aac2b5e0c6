/*
 * PCI functions as a kind of device: --pci. All of a domain's have one backend, so this kind
 * keeps them itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/guest_devices.h"
#include "vmm/pci_spec.h"
#include "vmm/vmm.h"

const struct pci_model *const pci_models[] = {&pci_testcard, &pci_nvme, &pci_vfio, &pci_vfio_user, NULL};

static int in_spec(struct error *err, int rc, const char *text)
{
	char why[sizeof(err->text)];

	snprintf(why, sizeof(why), "%s", err->text);
	return error_set(err, rc, "pci '%.100s': %s", text, why);
}

static int check_model(const struct pci_spec *s, bool files, struct error *err)
{
	char why[300] = "";
	int rc = s->model->check ? s->model->check(s->model_options, files, why, sizeof(why)) : 0;

	return rc ? error_set(err, rc, "%s", why) : 0;
}

static int look(const char *text, bool files, struct error *err)
{
	struct pci_spec s;
	int rc = pci_spec_parse(&s, text, NULL, err);

	if (!rc) {
		rc = check_model(&s, files, err);
		pci_spec_free(&s);
	}
	return rc ? in_spec(err, rc, text) : 0;
}

static int parse(const char *text, struct error *err)
{
	return look(text, false, err);
}

static int check(const char *text, struct error *err)
{
	return look(text, true, err);
}

/* ---- attach and detach ---- */

static int backend_of(struct guest_devices *g, struct error *err)
{
	const struct pciback_params p = {
		.loop = g->loop,
		.xenstore = g->xenstore,
		.host = &g->pci.host,
		.topology = PCIBACK_VPCI,
	};

	if (!g->pciback)
		g->pciback = pciback_create(&p);
	return g->pciback ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int add_function(struct guest_devices *g, const struct pci_spec *s, struct error *err)
{
	char why[300] = "";
	int rc = backend_of(g, err);

	if (rc)
		return rc;
	struct pci_device *d = s->model->create(&g->pci.host, s->model_options, why, sizeof(why));
	if (!d)
		return error_set(err, -EINVAL, "%s", why);
	rc = pciback_add(g->pciback, d, &s->options, why, sizeof(why));
	if (!rc)
		return 0;
	d->ops->destroy(d);
	return error_set(err, rc, "%s%s", why,
			 rc == -ENOSPC && !g->pci.reachable
				 ? "; the domain was made without room for it below 4 GiB, which "
				   "e820_host=1 in its file gives"
				 : "");
}

/* What xl says, and what it does silently. */
static void warn(struct guest_devices *g, const struct pci_spec *s)
{
	struct domain *d = g->domain;

	if (s->seize)
		domain_log(d, LOG_WARN,
			   "pci: seize=1 has no effect: bind the function to vfio-pci");
	if (s->options.power_mgmt)
		domain_log(d, LOG_WARN, "pci: power_mgmt=1 has no effect with PV guests");
	if (s->options.rdm_relaxed)
		domain_log(d, LOG_WARN, "pci: rdm_policy has no effect with PV guests");
}

/* Functions 0 to 7 of the host's device that are there. */
static int add_all(struct guest_devices *g, const char *text, struct error *err)
{
	struct pci_spec s;
	struct host_function there;
	unsigned added = 0;
	int rc = 0;

	for (uint8_t i = 0; !rc && i < 8; i++) {
		char one[300];
		const char *star = strstr(text, ".*");

		snprintf(one, sizeof(one), "%.*s.%u%s", (int)(star - text), text, i, star + 2);
		rc = pci_spec_parse(&s, one, &g->pci_defaults, err);
		if (rc)
			break;
		if (!host_function_look(HOST_SYSFS, &s.options.host, &there)) {
			if (i && s.options.vslot >= 0)
				s.options.vslot = -1;
			rc = add_function(g, &s, err);
			added++;
		}
		pci_spec_free(&s);
	}
	return rc || added ? rc : error_set(err, -ENODEV, "the host has no such device");
}

static int attach(struct guest_devices *g, const char *text, struct error *err)
{
	struct pci_spec s;
	int rc = pci_spec_parse(&s, text, &g->pci_defaults, err);

	if (!rc) {
		warn(g, &s);
		rc = s.all_functions ? add_all(g, text, err) : add_function(g, &s, err);
		pci_spec_free(&s);
	}
	return rc ? in_spec(err, rc, text) : 0;
}

const struct pciback_function *pci_find(const struct guest_devices *g, const char *text)
{
	const struct pciback_function *f = g->pciback ? pciback_find(g->pciback, text) : NULL;
	char bdf[HOST_BDF_SIZE];
	struct pci_spec s;
	struct error ignored;

	if (f || !g->pciback || pci_spec_parse_which(&s, text, &ignored))
		return f;
	if (s.options.has_host)
		f = pciback_find(g->pciback, host_bdf_print(&s.options.host, bdf));
	else if (s.name)
		f = pciback_find(g->pciback, s.name);
	pci_spec_free(&s);
	return f;
}

static int detach(struct guest_devices *g, const char *which, bool force, struct error *err)
{
	const struct pciback_function *f = pci_find(g, which);
	int rc = f ? pciback_remove(g->pciback, f, force) : -ENODEV;

	if (!rc)
		return 0;
	return error_set(err, -ENODEV, "it has no PCI function '%.60s'; pci-list has them", which);
}

static bool has(const struct guest_devices *g, const char *which)
{
	return pci_find(g, which);
}

static void destroy_all(struct guest_devices *g)
{
	pciback_destroy(g->pciback);
	g->pciback = NULL;
}

/* ---- statistics ---- */

static const struct pciback_function *at(const struct guest_devices *g, unsigned i)
{
	return g->pciback ? pciback_at(g->pciback, i) : NULL;
}

static void text_all(FILE *f, const struct guest_devices *g)
{
	const struct pciback_function *p;

	if (!at(g, 0))
		return;
	const struct pciback_stats *s = pciback_stats(g->pciback);
	fprintf(f,
		"  pci: %lu reads and %lu writes of configuration space, %lu refused, %lu to no "
		"function; interrupts set up %lu times; %lu errors told, %lu unanswered\n",
		(unsigned long)s->reads, (unsigned long)s->writes, (unsigned long)s->refused,
		(unsigned long)s->unknown, (unsigned long)s->interrupts_set, (unsigned long)s->aer,
		(unsigned long)s->aer_unanswered);
	for (unsigned i = 0; (p = at(g, i)); i++) {
		char host[HOST_BDF_SIZE], guest[HOST_BDF_SIZE];

		fprintf(f, "  pci %s: %s %s\n", host_bdf_print(&p->guest, guest), p->device->name,
			host_bdf_print(&p->host, host));
	}
}

static void json_all(FILE *f, const struct guest_devices *g)
{
	const struct pciback_function *p;

	for (unsigned i = 0; (p = at(g, i)); i++) {
		char host[HOST_BDF_SIZE], guest[HOST_BDF_SIZE];

		fprintf(f, "%s\n    \"%s\": {\"model\": \"%s\", \"host\": \"%s\"", i ? "," : "",
			host_bdf_print(&p->guest, guest), p->device->ops->model,
			host_bdf_print(&p->host, host));
		if (p->device->ops->stats) {
			fputs(", ", f);
			p->device->ops->stats(p->device, f);
		}
		fputs("}", f);
	}
	if (!at(g, 0))
		return;
	const struct pciback_stats *s = pciback_stats(g->pciback);
	fprintf(f,
		",\n    \"backend\": {\"reads\": %lu, \"writes\": %lu, \"refused\": %lu, "
		"\"unknown\": %lu, \"interrupts_set\": %lu, \"aer\": %lu, \"aer_unanswered\": %lu, "
		"\"areas_mapped\": %u, \"notifies_in_kvm\": %u}",
		(unsigned long)s->reads, (unsigned long)s->writes, (unsigned long)s->refused,
		(unsigned long)s->unknown, (unsigned long)s->interrupts_set, (unsigned long)s->aer,
		(unsigned long)s->aer_unanswered, g->pci.mapped, g->pci.notified);
}

const struct device_kind pci_kind = {
	.type = "pci",
	.option = "pci",
	.plural = "pci",
	.parse = parse,
	.check = check,
	.shared =
		&(const struct device_kind_shared){
			.attach = attach,
			.detach = detach,
			.has = has,
			.destroy = destroy_all,
			.text = text_all,
			.json = json_all,
		},
};
