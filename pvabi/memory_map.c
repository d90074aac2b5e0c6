/*
 * XENMEM_memory_map and XENMEM_set_memory_map: the pseudo-physical memory map
 * of a PV domain (memory.h; Xen: arch/x86/mm.c, arch_memory_op).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/memory_op.h"
#include "pvabi/mm.h"

#define E820_MAX      1024 /* Xen: E820MAX */
#define E820_RAM      1
#define E820_RESERVED 2
#define E820_UNUSABLE 5
#define FRAMES_4G     (1ull << (32 - PAGE_SHIFT))

/* Not in the public headers: an entry as the BIOS call gives it. */
struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

long memory_map_get(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct domain *d = v->domain;
	struct xen_memory_map *m = arg;
	/* libxl gives a PV domain one entry: xc_domain_set_memmap_limit(). */
	const struct e820_entry whole = {
		.addr = 0, .size = d->map_pages * PAGE_SIZE, .type = E820_RAM};
	const struct e820_entry *map = d->memory_map ? d->memory_map : &whole;
	uint32_t nr = d->memory_map ? d->nr_memory_map : 1;

	if (!nr)
		return -ENOSYS; /* as of a domain that was never given any */
	if (m->nr_entries > nr)
		m->nr_entries = nr;
	if (m->nr_entries &&
	    guest_copy_to(v, (uintptr_t)m->buffer.p, map, m->nr_entries * sizeof(*map)))
		return -EFAULT;
	return 0;
}

/* A domain may set its own. */
long memory_map_set(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_foreign_memory_map *f = arg;
	struct domain *d = v->domain;
	uint32_t nr = f->map.nr_entries;
	struct e820_entry *map;

	if (nr > E820_MAX)
		return -EINVAL;
	int rc = mm_any_domain(d, f->domid);
	if (rc)
		return rc;
	map = calloc(nr ? nr : 1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	if (nr && guest_copy_from(v, map, (uintptr_t)f->map.buffer.p, nr * sizeof(*map))) {
		free(map);
		return -EFAULT;
	}
	free(d->memory_map);
	d->memory_map = map;
	d->nr_memory_map = nr;
	return 0;
}

/* What libxl makes of a PC's map with e820_host=1 (libxl_x86.c, e820_sanitize()): what is
 * RAM of the machine but not the guest's is unusable, lest the guest looks for room for
 * devices there; what would be in the hole, and what it may have later, is above 4 GiB. */
int domain_map_hole(struct domain *d, uint64_t start, uint64_t end, uint64_t now, uint64_t balloon)
{
	uint64_t low = now < start ? now : start, high = now - low + balloon;
	struct e820_entry *map = calloc(4, sizeof(*map));
	uint32_t n = 0;

	if (!map)
		return -ENOMEM;
	map[n++] = (struct e820_entry){0, low * PAGE_SIZE, E820_RAM};
	if (low < start)
		map[n++] = (struct e820_entry){low * PAGE_SIZE, (start - low) * PAGE_SIZE,
					       E820_UNUSABLE};
	map[n++] =
		(struct e820_entry){end * PAGE_SIZE, (FRAMES_4G - end) * PAGE_SIZE, E820_RESERVED};
	if (high)
		map[n++] = (struct e820_entry){FRAMES_4G * PAGE_SIZE, high * PAGE_SIZE, E820_RAM};
	free(d->memory_map);
	d->memory_map = map;
	d->nr_memory_map = n;
	return 0;
}
