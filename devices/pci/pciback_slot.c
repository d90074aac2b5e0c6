/*
 * Where a guest finds its functions: Linux's two topologies (xen-pciback/vpci.c,
 * passthrough.c).
 */
#include <errno.h>

#include "devices/pci/pciback_internal.h"

#define NR_SLOTS 32

static bool same_device(const struct host_bdf *a, const struct host_bdf *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

/* A function that is in virtual slot `slot`; NULL: it is free. */
static const struct pci_fn *in_slot(const struct pciback *p, unsigned slot)
{
	for (unsigned i = 0; i < p->nr; i++)
		if (p->fn[i]->f.device && p->fn[i]->f.guest.device == slot)
			return p->fn[i];
	return NULL;
}

/* Functions of one device of the host stay together. */
static int virtual_slot(const struct pciback *p, const struct pci_fn *fn)
{
	for (unsigned i = 0; i < p->nr; i++)
		if (p->fn[i]->f.device && same_device(&p->fn[i]->f.host, &fn->f.host))
			return p->fn[i]->f.guest.device;
	for (unsigned slot = 0; slot < NR_SLOTS; slot++)
		if (!in_slot(p, slot))
			return (int)slot;
	return -ENOSPC;
}

int pciback_assign_slot(struct pciback *p, struct pci_fn *fn)
{
	int slot = fn->f.options.vslot;

	fn->f.guest = fn->f.host;
	if (p->params.topology == PCIBACK_PASSTHROUGH)
		return 0;
	if (slot < 0) {
		slot = virtual_slot(p, fn);
		if (slot < 0)
			return slot;
	} else {
		const struct pci_fn *there = in_slot(p, (unsigned)slot);
		if (there && !same_device(&there->f.host, &fn->f.host))
			return -EEXIST;
	}
	fn->f.guest = (struct host_bdf){0, 0, (uint8_t)slot, fn->f.host.function};
	return 0;
}

struct pci_fn *pciback_lookup(struct pciback *p, uint32_t domain, uint32_t bus, uint32_t devfn)
{
	for (unsigned i = 0; i < p->nr; i++) {
		struct pci_fn *fn = p->fn[i];
		const struct host_bdf *g = &fn->f.guest;

		if (fn->f.device && fn->exported && g->domain == domain && g->bus == bus &&
		    pci_devfn(g) == devfn)
			return fn;
	}
	return NULL;
}
