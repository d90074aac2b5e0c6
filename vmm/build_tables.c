/*
 * The start-of-day page tables. They are written as the toolstack writes them
 * (tools/libs/guest/xg_dom_x86.c: setup_pgtables_pv, get_pg_prot): no
 * _PAGE_USER in the lowest level, which validation adds, and every mapping of
 * a page table read-only, without which it could not be pinned.
 */
#include "vmm/build_internal.h"

/* SDM vol. 3, 4.5.4. */
#define PTE_P  0x001ull
#define PTE_RW 0x002ull
#define PTE_US 0x004ull
#define PTE_A  0x020ull
#define PTE_D  0x040ull

#define PROT_LEAF  (PTE_P | PTE_RW | PTE_A)
#define PROT_TABLE (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_US)

#define VA_MASK ((1ull << 48) - 1)

static uint64_t table_number(uint64_t va, unsigned level)
{
	return (va & VA_MASK) >> (PAGE_SHIFT + 9 * level);
}

/* The pfn of the table of `level` that covers va; the layout has one. */
static uint64_t table_pfn(const struct build_layout *l, uint64_t va, unsigned level)
{
	uint64_t nr = table_number(va, level);
	const struct build_table_run *t = &l->maps[0].tables[level];

	if (l->nr_maps == 2 && nr - t->first >= t->count)
		t = &l->maps[1].tables[level];
	return t->pfn + (nr - t->first);
}

static bool is_table(const struct build_layout *l, uint64_t pfn)
{
	for (unsigned i = 0; i < l->nr_maps; i++)
		if (pfn - l->maps[i].tables_pfn < l->maps[i].nr_tables)
			return true;
	return false;
}

/* Links each new table of the mapping into the table above it. */
static void link_tables(struct domain *d, const struct build_p2m *m, const struct build_layout *l,
			const struct build_mapping *map)
{
	for (unsigned level = 3; level >= 1; level--) {
		const struct build_table_run *t = &map->tables[level];
		unsigned shift = PAGE_SHIFT + 9 * level;

		for (uint64_t i = 0; i < t->count; i++) {
			uint64_t va = (t->first + i) << shift;
			uint64_t *upper = build_pfn_ptr(d, m, table_pfn(l, va, level + 1));

			upper[(t->first + i) & 511] =
				build_pfn_to_mfn(m, t->pfn + i) << PAGE_SHIFT | PROT_TABLE;
		}
	}
}

static void map_pages(struct domain *d, const struct build_p2m *m, const struct build_layout *l,
		      const struct build_mapping *map)
{
	uint64_t *table = NULL;

	for (uint64_t i = 0; i < map->pages; i++) {
		uint64_t va = map->va + i * PAGE_SIZE;
		unsigned index = va >> PAGE_SHIFT & 511;
		uint64_t prot = is_table(l, map->pfn + i) ? PROT_LEAF & ~PTE_RW : PROT_LEAF;

		if (!table || !index)
			table = build_pfn_ptr(d, m, table_pfn(l, va, 1));
		table[index] = build_pfn_to_mfn(m, map->pfn + i) << PAGE_SHIFT | prot;
	}
}

void build_tables_write(struct domain *d, const struct build_p2m *m, const struct build_layout *l)
{
	for (unsigned i = 0; i < l->nr_maps; i++) {
		link_tables(d, m, l, &l->maps[i]);
		map_pages(d, m, l, &l->maps[i]);
	}
}
