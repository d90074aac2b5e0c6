/*
 * The BARs of a function behind a link. What can be mapped is an area, which the guest
 * reaches without us; what is left goes through the link, an access at a time.
 *
 * Never mapped is a page that has a part of the MSI-X table: what is written there would
 * choose where in the host the device's interrupts go. The guest reads a table that is made
 * up and writes nothing, as on Xen, which maps the table read-only for PV guests
 * (msix_capability_init() adds it to mmio_ro_ranges) and fills it itself.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/vfio.h"
#include "pvabi/pvabi.h"

#define MAX_CAPS_SIZE 65536
#define MAX_REGION    (1ull << 46)

struct span {
	uint64_t start, end;
};

/* Adds an area of whole pages, without the table's. */
static void add_area(struct vfio_function *f, unsigned i, struct span s)
{
	struct pci_bar *bar = &f->dev.bar[i];

	s.start = (s.start + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
	s.end &= ~(uint64_t)(PAGE_SIZE - 1);
	if (s.start >= s.end)
		return;
	if (i == f->table_bar) {
		uint64_t table = f->table_offset & ~(uint64_t)(PAGE_SIZE - 1);
		uint64_t behind = (f->table_offset + (uint64_t)f->table_size * PCI_MSIX_ENTRY_SIZE +
				   PAGE_SIZE - 1) &
				  ~(uint64_t)(PAGE_SIZE - 1);
		if (s.start < behind && table < s.end) {
			struct span below = {s.start, table}, above = {behind, s.end};
			if (below.start < below.end)
				add_area(f, i, below);
			if (above.start < above.end)
				add_area(f, i, above);
			return;
		}
	}
	for (unsigned a = 0; a < bar->nr_areas; a++)
		if (s.start < bar->area[a].offset + bar->area[a].size &&
		    bar->area[a].offset < s.end)
			return; /* two that overlap: the first counts */
	/* What there is no room for is reached through the link. */
	if (bar->nr_areas == PCI_MAX_AREAS)
		return;
	void *memory = f->link->ops->map(f->link, i, s.start, s.end - s.start);
	if (memory)
		bar->area[bar->nr_areas++] =
			(struct pci_bar_area){s.start, s.end - s.start, memory};
}

/* The region's capabilities, `size` bytes with the fixed part: is there a list of the areas that
 * can be mapped? Offsets that lead outside or in circles end it. */
static const struct vfio_region_info_cap_sparse_mmap *find_sparse(const void *info, size_t size)
{
	const struct vfio_region_info *r = info;
	uint32_t at = r->cap_offset, last = 0;

	if (!(r->flags & VFIO_REGION_INFO_FLAG_CAPS))
		return NULL;
	while (at > last && at >= sizeof(*r) && at % 4 == 0 &&
	       at + sizeof(struct vfio_info_cap_header) <= size) {
		const struct vfio_info_cap_header *cap = (const void *)((const uint8_t *)info + at);
		const struct vfio_region_info_cap_sparse_mmap *sparse = (const void *)cap;
		if (cap->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && cap->version == 1 &&
		    at + sizeof(*sparse) <= size &&
		    sparse->nr_areas <= (size - at - sizeof(*sparse)) / sizeof(sparse->areas[0]))
			return sparse;
		last = at;
		at = cap->next;
	}
	return NULL;
}

static int map_areas(struct vfio_function *f, unsigned i)
{
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			      VFIO_REGION_INFO_FLAG_MMAP;
	struct vfio_region_info first = {.argsz = sizeof(first), .index = i};
	uint64_t size = f->region[i].size;

	if ((f->region[i].flags & both) != both)
		return 0;
	int rc = f->link->ops->region_info(f->link, &first);
	if (rc)
		return rc;
	if (!(first.flags & VFIO_REGION_INFO_FLAG_CAPS) || first.argsz <= sizeof(first) ||
	    first.argsz > MAX_CAPS_SIZE) {
		add_area(f, i, (struct span){0, size});
		return 0;
	}
	struct vfio_region_info *all = calloc(1, first.argsz + 8u);
	if (!all)
		return -ENOMEM;
	all->argsz = first.argsz;
	all->index = i;
	rc = f->link->ops->region_info(f->link, all);
	const struct vfio_region_info_cap_sparse_mmap *sparse =
		rc ? NULL : find_sparse(all, first.argsz);
	if (!rc && !sparse)
		add_area(f, i, (struct span){0, size});
	for (unsigned a = 0; sparse && a < sparse->nr_areas; a++) {
		uint64_t start = sparse->areas[a].offset, len = sparse->areas[a].size;
		if (start <= size && len <= size - start)
			add_area(f, i, (struct span){start, start + len});
	}
	free(all);
	return rc;
}

static uint64_t power_of_two(uint64_t size, uint64_t least)
{
	while (least < size)
		least *= 2;
	return least;
}

int vfio_bars_create(struct vfio_function *f, char *err, size_t errlen)
{
	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &f->dev.bar[i];
		uint64_t size = f->region[i].size;
		uint32_t reg = 0;

		if (!size)
			continue;
		int rc = f->link->ops->read(f->link, VFIO_PCI_CONFIG_REGION_INDEX,
					    PCI_BASE_ADDRESS_0 + 4 * i, &reg, 4);
		if (rc)
			return rc;
		bool io = reg & PCI_BASE_ADDRESS_SPACE_IO;
		bool wide = !io &&
			    (reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (size > (io	   ? 256
			    : wide ? MAX_REGION
				   : 1ull << 31) ||
		    (wide && (i + 1 == PCI_NR_BARS || f->region[i + 1].size))) {
			snprintf(err, errlen,
				 "%s: BAR %u of %llu bytes is none that a guest can have",
				 f->dev.name, i, (unsigned long long)size);
			return -EPROTO;
		}
		bar->kind = io ? PCI_BAR_IO : wide ? PCI_BAR_MEM64 : PCI_BAR_MEM32;
		bar->prefetchable = !io && reg & PCI_BASE_ADDRESS_MEM_PREFETCH;
		bar->size = power_of_two(size, io ? 4 : PAGE_SIZE);
		if (!io && (rc = map_areas(f, i)))
			return rc;
		if (!io && f->link->ops->bells) {
			bar->nr_notify =
				f->link->ops->bells(f->link, i, f->bell[i], VFIO_MAX_BELLS);
			bar->notify = f->bell[i];
		}
		if (wide)
			i++;
	}
	return 0;
}

void vfio_bars_destroy(struct vfio_function *f)
{
	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &f->dev.bar[i];
		for (unsigned a = 0; a < bar->nr_areas; a++)
			f->link->ops->unmap(f->link, bar->area[a].memory, bar->area[a].size);
		bar->nr_areas = 0;
	}
}

/* Is a byte of the MSI-X table touched? */
static bool in_table(const struct vfio_function *f, unsigned bar, uint64_t offset, unsigned bytes)
{
	return bar == f->table_bar && offset + bytes > f->table_offset &&
	       offset < f->table_offset + (uint64_t)f->table_size * PCI_MSIX_ENTRY_SIZE;
}

/* Addresses and data are Xen's, and shown as 0; an entry that is not enabled is masked. */
static uint64_t table_read(const struct vfio_function *f, uint64_t offset, unsigned bytes)
{
	uint64_t val = 0;

	for (unsigned i = 0; i < bytes; i++) {
		uint64_t at = offset + i - f->table_offset;
		unsigned entry = (unsigned)(at / PCI_MSIX_ENTRY_SIZE);
		if (at % PCI_MSIX_ENTRY_SIZE == PCI_MSIX_ENTRY_VECTOR_CTRL &&
		    entry < f->table_size && !f->unmasked[entry])
			val |= (uint64_t)PCI_MSIX_ENTRY_CTRL_MASKBIT << 8 * i;
	}
	return val;
}

uint64_t vfio_bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct vfio_function *f = (struct vfio_function *)d;
	const struct vfio_region *r = &f->region[bar];
	uint64_t val = 0, ones = bytes == 8 ? ~0ull : (1ull << 8 * bytes) - 1;

	f->reads++;
	if (in_table(f, bar, offset, bytes))
		return table_read(f, offset, bytes);
	if (offset >= r->size || bytes > r->size - offset ||
	    !(r->flags & VFIO_REGION_INFO_FLAG_READ) ||
	    f->link->ops->read(f->link, bar, offset, &val, bytes))
		return ones;
	return val;
}

void vfio_bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
		    uint64_t val)
{
	struct vfio_function *f = (struct vfio_function *)d;
	const struct vfio_region *r = &f->region[bar];

	f->writes++;
	if (!in_table(f, bar, offset, bytes) && offset < r->size && bytes <= r->size - offset &&
	    r->flags & VFIO_REGION_INFO_FLAG_WRITE)
		f->link->ops->write(f->link, bar, offset, &val, bytes);
}
