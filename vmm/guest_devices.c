/*
 * A domain's devices, from the options to the statistics.
 */
#include <errno.h>
#include <string.h>

#include "devices/device.h"
#include "vmm/guest_devices.h"
#include "vmm/vmm.h"

const struct device_kind *const device_kinds[] = {&disk_kind, &vif_kind, &pci_kind, NULL};

int guest_devices_check(const struct run_options *o, struct error *err)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < o->nr_devices; i++)
		rc = o->device[i].kind->check(o->device[i].spec, err);
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

int guest_devices_attach(struct guest_devices *g, const struct device_kind *k, const char *spec,
			 struct backend **added, struct error *err)
{
	if (added)
		*added = NULL;
	if (k->shared)
		return k->shared->attach(g, spec, err);
	if (g->nr == MAX_GUEST_DEVICES)
		return error_set(err, -ENOSPC, "a domain has room for %d devices",
				 MAX_GUEST_DEVICES);
	struct backend *b = k->create(g, spec, err);
	if (!b)
		return -EINVAL;
	b->gone = forget;
	b->gone_arg = g;
	g->backend[g->nr++] = b;
	if (added)
		*added = b;
	return 0;
}

static bool is_kind(const struct backend *b, const struct device_kind *k)
{
	return !strcmp(b->class->type, k->type);
}

struct backend *guest_devices_find(const struct guest_devices *g, const struct device_kind *k,
				   const char *which)
{
	for (unsigned i = 0; i < g->nr; i++)
		if (is_kind(g->backend[i], k) && k->is(g->backend[i], which))
			return g->backend[i];
	return NULL;
}

int guest_devices_create(struct guest_devices *g, const struct run_options *o, struct event_loop *l,
			 struct xenstore *xs, struct domain *d, struct error *err)
{
	int rc = 0;

	g->loop = l;
	g->xenstore = xs;
	g->domain = d;
	g->pci_defaults = o->pci_defaults;
	for (unsigned i = 0; !rc && i < o->nr_devices; i++)
		rc = guest_devices_attach(g, o->device[i].kind, o->device[i].spec, NULL, err);
	g->pci_defaults = (struct pci_defaults){0};
	return rc;
}

void guest_devices_destroy(struct guest_devices *g)
{
	for (const struct device_kind *const *k = device_kinds; *k; k++)
		if ((*k)->shared)
			(*k)->shared->destroy(g);
	while (g->nr)
		backend_destroy(g->backend[g->nr - 1]);
}

/* xl turns e820_host on for PV guests with PCI devices (xl_parse.c). */
bool guest_wants_hole(const struct run_options *o)
{
	bool wants = o->e820_host;

	for (unsigned i = 0; i < o->nr_devices; i++)
		wants |= o->device[i].kind == &pci_kind;
	return wants;
}

bool guest_shares_memory(const struct run_options *o)
{
	bool shares = o->shared_memory;

	for (unsigned i = 0; i < o->nr_devices; i++)
		shares |= o->device[i].kind == &pci_kind &&
			  pci_spec_shares_memory(o->device[i].spec);
	return shares;
}

/* ---- statistics ---- */

void guest_devices_text(FILE *f, const struct guest_devices *g)
{
	for (const struct device_kind *const *k = device_kinds; *k; k++) {
		if ((*k)->shared)
			(*k)->shared->text(f, g);
		for (unsigned i = 0; i < g->nr; i++)
			if (is_kind(g->backend[i], *k))
				(*k)->text(f, g->backend[i]);
	}
}

void guest_devices_json(FILE *f, const struct guest_devices *g)
{
	for (const struct device_kind *const *k = device_kinds; *k; k++) {
		const char *sep = "";

		fprintf(f, "  \"%s\": {", (*k)->plural);
		if ((*k)->shared)
			(*k)->shared->json(f, g);
		for (unsigned i = 0; i < g->nr; i++) {
			if (!is_kind(g->backend[i], *k))
				continue;
			fprintf(f, "%s\n    ", sep);
			(*k)->json(f, g->backend[i]);
			sep = ",";
		}
		fprintf(f, "},\n");
	}
}
