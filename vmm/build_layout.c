/*
 * Where everything goes in a new domain: xen.h, "start-of-day memory layout",
 * with the sizes and the order that Xen's toolstack gives a 64-bit PV domU
 * (tools/libs/guest/xg_dom_core.c: xc_dom_build_image; xg_dom_x86.c:
 * alloc_pgtables_pv, count_pgtables, alloc_p2m_list_x86_64).
 */
#include <errno.h>
#include <string.h>

#include "vmm/build_internal.h"

#define VA_BITS		48
#define INITIAL_ALIGN	(4ul << 20) /* the initial mapping ends on such a boundary */
#define INITIAL_PADDING ((512ul << 10) / PAGE_SIZE)
#define PFN_LIMIT	(1ull << 32) /* no kernel or ramdisk is that large */
#define ENTRIES		(PAGE_SIZE / sizeof(uint64_t))

static uint64_t pages_of(uint64_t bytes)
{
	return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

/* Bytes of address space that one table of this level covers, as a shift. */
static unsigned table_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * level;
}

/* True when [va, va + pages) may be mapped for a guest: canonical on one side of
 * the hole, no wrap-around, not in Xen's part. */
static bool range_is_guests(uint64_t va, uint64_t pages)
{
	uint64_t last = va + pages * PAGE_SIZE - 1;

	if (last < va || (int64_t)(va << 16) >> 16 != (int64_t)va ||
	    (int64_t)(last << 16) >> 16 != (int64_t)last || (va ^ last) >> 63)
		return false;
	return last < XEN_VIRT_START || va >= XEN_VIRT_END;
}

/*
 * Counts the tables that `m` needs beside those of `other` (NULL: m is the first
 * and gets the L4), and gives them pfns from tables_pfn, top level first. Every
 * range below shares at most one table a level with the one above it.
 */
static void mapping_count_tables(struct build_mapping *m, const struct build_mapping *other,
				 uint64_t tables_pfn)
{
	uint64_t mask = (1ull << VA_BITS) - 1;
	uint64_t from = m->va & mask, last = from + m->pages * PAGE_SIZE - 1;

	memset(m->tables, 0, sizeof(m->tables));
	m->tables_pfn = tables_pfn;
	m->nr_tables = 0;
	for (unsigned level = 4; level >= 1; level--) {
		struct build_table_run *t = &m->tables[level];
		uint64_t end = (last >> table_shift(level)) + 1;

		t->first = from >> table_shift(level);
		if (other && end > other->tables[level].first)
			end = other->tables[level].first;
		t->count = end > t->first ? end - t->first : 0;
		t->pfn = tables_pfn + m->nr_tables;
		m->nr_tables += t->count;
	}
}

/* The initial mapping: pfns from 0 to a 4 MiB boundary (of the address) that
 * leaves 512 KiB behind the tables and the stack. `used`: pfns taken so far. */
static int layout_initial(struct build_layout *l, uint64_t used, struct error *err)
{
	struct build_mapping *m = &l->maps[0];
	uint64_t extra = 1 /* stack */ + INITIAL_PADDING;

	m->va = l->virt_base;
	m->pfn = 0;
	for (uint64_t more = extra;; more = m->nr_tables + extra) {
		uint64_t end = build_pfn_to_va(l, used + more) | (INITIAL_ALIGN - 1);

		m->pages = pages_of(end - l->virt_base + 1);
		if (used >= PFN_LIMIT || !range_is_guests(m->va, m->pages))
			return error_set(err, -EINVAL,
					 "the kernel, its ramdisk and start-of-day pages (%llu "
					 "MiB) do not fit at its virtual base 0x%llx",
					 (unsigned long long)((used + more) >> 8),
					 (unsigned long long)l->virt_base);
		mapping_count_tables(m, NULL, used);
		if (used + m->nr_tables + extra <= m->pages)
			break;
	}
	l->nr_maps = 1;
	l->stack_pfn = used + m->nr_tables;
	return 0;
}

/* The p2m list at the address that the notes ask for, its tables behind it. */
static int layout_p2m_apart(struct build_layout *l, uint64_t va, struct error *err)
{
	struct build_mapping *m = &l->maps[1];

	m->va = va;
	m->pfn = l->p2m.pfn;
	m->pages = l->p2m.pages;
	if (!range_is_guests(va, m->pages) ||
	    (va < l->virt_base && va + m->pages * PAGE_SIZE > l->virt_base))
		return error_set(err, -EINVAL,
				 "the kernel wants its p2m list (%llu KiB) at 0x%llx, where it "
				 "cannot be mapped",
				 (unsigned long long)m->pages * 4, (unsigned long long)va);
	mapping_count_tables(m, &l->maps[0], m->pfn + m->pages);
	l->p2m.pages += m->nr_tables;
	l->nr_maps = 2;
	return 0;
}

static int check_image(const struct kernel_image *k, struct error *err)
{
	if (k->notes.virt_base % PAGE_SIZE)
		return error_set(err, -EINVAL,
				 "the kernel's virtual base 0x%llx is not page-aligned",
				 (unsigned long long)k->notes.virt_base);
	if (k->paddr_start >= k->paddr_end || k->paddr_end / PAGE_SIZE >= PFN_LIMIT)
		return error_set(err, -EINVAL,
				 "the kernel's segments (0x%llx to 0x%llx) are no memory range",
				 (unsigned long long)k->paddr_start,
				 (unsigned long long)k->paddr_end);
	return 0;
}

static struct build_segment take(uint64_t *next, uint64_t pages)
{
	struct build_segment s = {.pfn = *next, .pages = pages};

	*next += pages;
	return s;
}

int build_layout_compute(struct build_layout *l, const struct kernel_image *k,
			 const struct build_ramdisk *r, uint64_t nr_ram, struct error *err)
{
	const struct kernel_notes *n = &k->notes;
	uint64_t next, p2m_pages = pages_of(nr_ram * sizeof(uint64_t));
	int rc = check_image(k, err);

	if (rc)
		return rc;
	memset(l, 0, sizeof(*l));
	l->virt_base = n->virt_base;
	/* Xen: xc_dom_build_image ignores an address within or above the initial
	 * mapping, or inside a page. */
	l->p2m_apart =
		n->has_init_p2m && n->init_p2m < n->virt_base && n->init_p2m % PAGE_SIZE == 0;

	next = k->paddr_start / PAGE_SIZE;
	l->kernel = take(&next, pages_of(k->paddr_end) - next);
	l->ramdisk_by_frame = r->size && n->mod_start_pfn;
	if (r->size && !l->ramdisk_by_frame)
		l->ramdisk = take(&next, pages_of(r->seg_size));
	if (!l->p2m_apart)
		l->p2m = take(&next, p2m_pages);
	l->start_info_pfn = next++;
	l->xenstore_pfn = next++;
	l->console_pfn = next++;
	rc = layout_initial(l, next, err);
	if (rc)
		return rc;

	next = l->maps[0].pages;
	if (l->ramdisk_by_frame)
		l->ramdisk = take(&next, pages_of(r->seg_size));
	if (l->p2m_apart) {
		l->p2m = (struct build_segment){.pfn = next, .pages = p2m_pages};
		rc = layout_p2m_apart(l, n->init_p2m, err);
		if (rc)
			return rc;
		next += l->p2m.pages;
	}
	l->end_pfn = next;
	return 0;
}

uint64_t build_layout_needed_mib(const struct kernel_image *k, const struct build_ramdisk *r)
{
	uint64_t mib = 1;
	struct build_layout l;
	struct error ignored;

	/* A larger domain has a longer p2m list, so the first guess may be short. */
	for (;;) {
		if (build_layout_compute(&l, k, r, mib << (20 - PAGE_SHIFT), &ignored))
			return 0;
		if (l.end_pfn <= mib << (20 - PAGE_SHIFT))
			return mib;
		mib = pages_of(l.end_pfn * PAGE_SIZE << PAGE_SHIFT >> 20);
	}
}
