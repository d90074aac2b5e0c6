/*
 * Places of BARs: see pci_host.h. Memory BARs get machine addresses where no memory is, so
 * that the guest names them in its page tables; what is plain memory in them KVM maps, the
 * rest leaves the guest and goes to io_space.
 */
#include <errno.h>
#include <stddef.h>

#include "vmm/io_space.h"
#include "vmm/machine.h"
#include "vmm/pci_host.h"

static struct vmm_pci *pci_of(struct pci_host *h)
{
	return (struct vmm_pci *)((char *)h - offsetof(struct vmm_pci, host));
}

/* BAR 6 is the ROM. */
static struct pci_bar *bar_at(struct pci_device *d, unsigned i)
{
	return i < PCI_NR_BARS ? &d->bar[i] : &d->rom;
}
#define NR_PLACES (PCI_NR_BARS + 1)

static bool is_there(const struct pci_bar *b)
{
	return b->kind != PCI_BAR_NONE && b->size;
}

static enum io_kind kind_of(const struct pci_bar *b)
{
	return b->kind == PCI_BAR_IO ? IO_PORTS : IO_MEMORY;
}

static bool is_sane(const struct pci_bar *b)
{
	uint64_t min = b->kind == PCI_BAR_IO ? 4 : PAGE_SIZE;

	if (b->size & (b->size - 1) || b->size < min || b->nr_areas > PCI_MAX_AREAS ||
	    (b->kind == PCI_BAR_IO && (b->size > 256 || b->nr_areas)))
		return false;
	for (unsigned i = 0; i < b->nr_areas; i++)
		if (b->area[i].offset % PAGE_SIZE || b->area[i].size % PAGE_SIZE ||
		    b->area[i].offset > b->size || b->area[i].size > b->size - b->area[i].offset)
			return false;
	return true;
}

static uint64_t find_place(struct vmm_pci *p, const struct pci_bar *b)
{
	struct io_space *io = p->machine->io;
	uint64_t above = p->above;

	if (b->kind == PCI_BAR_IO)
		return io_space_find(io, IO_PORTS, PCI_PORTS_START, PCI_PORTS_END, b->size);
	if (b->kind == PCI_BAR_MEM64) {
		uint64_t at = io_space_find(io, IO_MEMORY, above, 1ull << p->machine->address_bits,
					    b->size);
		if (at)
			return at;
	}
	return p->reachable
		       ? io_space_find(io, IO_MEMORY, PCI_WINDOW_START, PCI_WINDOW_END, b->size)
		       : 0;
}

static int permit(struct domain *d, const struct pci_bar *b)
{
	if (b->kind == PCI_BAR_IO)
		return domain_permit_ioports(d, (unsigned)b->address, (unsigned)b->size);
	return domain_permit_iomem(d, b->address >> PAGE_SHIFT, b->size >> PAGE_SHIFT);
}

static void revoke(struct domain *d, const struct pci_bar *b)
{
	if (b->kind == PCI_BAR_IO)
		domain_revoke_ioports(d, (unsigned)b->address, (unsigned)b->size);
	else
		domain_revoke_iomem(d, b->address >> PAGE_SHIFT, b->size >> PAGE_SHIFT);
}

/* What KVM refuses goes to io_space: slower, and the same to the guest. */
static void give_to_kvm(struct vmm_pci *p, const struct pci_bar *b, bool rom)
{
	struct machine *m = p->machine;

	for (unsigned i = 0; i < b->nr_areas; i++)
		if (!machine_map(m, b->address + b->area[i].offset, b->area[i].size,
				 b->area[i].memory, rom))
			p->mapped++;
	/* Ports never reach KVM: PV guests' instructions are emulated here. */
	for (unsigned i = 0; b->kind != PCI_BAR_IO && i < b->nr_notify; i++)
		if (!machine_notify(m, b->address + b->notify[i].offset, b->notify[i].bytes,
				    b->notify[i].fd, true))
			p->notified++;
}

static void take_from_kvm(struct vmm_pci *p, const struct pci_bar *b)
{
	struct machine *m = p->machine;

	for (unsigned i = 0; i < b->nr_areas; i++)
		if (!machine_unmap(m, b->address + b->area[i].offset))
			p->mapped--;
	for (unsigned i = 0; b->kind != PCI_BAR_IO && i < b->nr_notify; i++)
		if (!machine_notify(m, b->address + b->notify[i].offset, b->notify[i].bytes,
				    b->notify[i].fd, false))
			p->notified--;
}

static void unplace_first(struct vmm_pci *p, struct pci_device *d, unsigned nr)
{
	while (nr-- > 0) {
		struct pci_bar *b = bar_at(d, nr);

		if (!is_there(b))
			continue;
		revoke(p->host.domain, b);
		take_from_kvm(p, b);
		io_space_remove(p->machine->io, kind_of(b), b);
		b->address = 0;
	}
}

static int place_bar(struct vmm_pci *p, struct pci_device *d, unsigned i)
{
	struct pci_bar *b = bar_at(d, i);
	int rc;

	if (!is_sane(b))
		return -EINVAL;
	b->address = find_place(p, b);
	if (!b->address)
		return -ENOSPC;
	rc = io_space_add(p->machine->io, kind_of(b), d, b, i);
	if (rc) {
		b->address = 0;
		return rc;
	}
	give_to_kvm(p, b, i == PCI_NR_BARS);
	rc = permit(p->host.domain, b);
	if (rc)
		unplace_first(p, d, i + 1);
	return rc;
}

static int place(struct pci_host *h, struct pci_device *d)
{
	struct vmm_pci *p = pci_of(h);

	domain_raise_pirqs(h->domain);
	for (unsigned i = 0; i < NR_PLACES; i++) {
		int rc = is_there(bar_at(d, i)) ? place_bar(p, d, i) : 0;

		if (rc) {
			unplace_first(p, d, i);
			return rc;
		}
	}
	return 0;
}

static void unplace(struct pci_host *h, struct pci_device *d)
{
	unplace_first(pci_of(h), d, NR_PLACES);
}

static int guest_memory(struct pci_host *h, int *fd, uint64_t *offset, uint64_t *size,
			void **memory)
{
	const struct machine *m = pci_of(h)->machine;

	*fd = m->memory_fd;
	*offset = 0;
	*size = m->fd_size;
	*memory = m->memory;
	return m->memory_fd < 0 ? -ENOTSUP : 0;
}

static void pin_memory(struct pci_host *h, bool pinned)
{
	struct vmm_pci *p = pci_of(h);

	if (pinned)
		p->pins++;
	else
		p->pins--;
}

void vmm_pci_init(struct vmm_pci *p, struct machine *m, struct domain *d, struct event_loop *l)
{
	/* The guest's own addresses of memory may go on behind the hole, too. */
	uint64_t above = PCI_HOLE_END + d->map_pages * PAGE_SIZE;

	*p = (struct vmm_pci){
		.host =
			{
				.domain = d,
				.loop = l,
				.place = place,
				.unplace = unplace,
				.guest_memory = guest_memory,
				.pin_memory = pin_memory,
			},
		.machine = m,
		.above = above < m->memory_size ? m->memory_size : above,
		.reachable = m->memory_size <= PCI_WINDOW_START || d->hole_frames,
	};
}
