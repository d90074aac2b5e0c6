/*
 * Which pages a core dump has, and where gdb finds them by virtual address.
 */
#include <errno.h>
#include <stdlib.h>

#include "pvabi/m2p.h"
#include "pvabi/mm.h"
#include "vmm/dump/core_dump.h"

/* A guest whose mappings are in more pieces is seen in part; by gdb, that is. */
#define MAX_LOADS    500000
#define MAX_REPEATED 16
/* The guest may put anything into the M2P. */
#define MAX_PFN (1ull << 40)

/* ---- the pages ---- */

static int by_pfn(const void *a, const void *b)
{
	uint64_t x = ((const struct core_p2m *)a)->pfn, y = ((const struct core_p2m *)b)->pfn;

	return x < y ? -1 : x > y;
}

static bool has_page(const struct domain *d, uint64_t mfn)
{
	return mfn < d->nr_m2p && mm_page_of_guest(d, mfn) && m2p_get(d, mfn) < MAX_PFN;
}

/* By the M2P, which is ours: a guest that has crashed may have lost its own tables. */
int core_list_pages(struct core_dump *c)
{
	const struct domain *d = c->guest->domain;
	uint64_t n = 0;
	bool sorted = true;

	for (uint64_t mfn = 0; mfn < d->ram_used; mfn++)
		n += has_page(d, mfn);
	c->p2m = calloc(n ? n : 1, sizeof(*c->p2m));
	c->index = malloc(d->nr_ram * sizeof(*c->index));
	if (!c->p2m || !c->index || n >= UINT32_MAX)
		return -ENOMEM;
	for (uint64_t mfn = 0; mfn < d->ram_used && c->nr_pages < n; mfn++) {
		if (!has_page(d, mfn))
			continue;
		struct core_p2m p = {m2p_get(d, mfn), mfn};
		sorted &= !c->nr_pages || c->p2m[c->nr_pages - 1].pfn <= p.pfn;
		c->p2m[c->nr_pages++] = p;
	}
	if (!sorted)
		qsort(c->p2m, c->nr_pages, sizeof(*c->p2m), by_pfn);
	for (uint64_t mfn = 0; mfn < d->nr_ram; mfn++)
		c->index[mfn] = UINT32_MAX;
	for (uint64_t i = 0; i < c->nr_pages; i++)
		c->index[c->p2m[i].gmfn] = (uint32_t)i;
	return 0;
}

/* ---- what the kernel maps ---- */

struct walk {
	struct core_dump *c;
	unsigned repeated; /* the last page, in a row */
	uint64_t tables;   /* that may still be looked at: a guest's may lead in circles */
};

static void add_page(struct walk *w, uint64_t va, uint64_t pte)
{
	struct core_dump *c = w->c;
	uint64_t mfn = pte_mfn(pte);

	if (mfn >= c->guest->domain->nr_ram || c->index[mfn] == UINT32_MAX)
		return;
	uint64_t offset = (uint64_t)c->index[mfn] * PAGE_SIZE;
	uint32_t flags = PF_R | (pte & PTE_RW ? PF_W : 0) | (pte & PTE_NX ? 0 : PF_X);
	Elf64_Phdr *last = c->nr_loads ? &c->load[c->nr_loads - 1] : NULL;
	if (last && last->p_vaddr + last->p_memsz == va &&
	    last->p_offset + last->p_filesz == offset) {
		last->p_filesz = last->p_memsz += PAGE_SIZE;
		last->p_flags |= flags;
		return;
	}
	/* One page that is everywhere: Linux's missing parts of its p2m, 262,144 times. */
	if (last && last->p_offset == offset && ++w->repeated > MAX_REPEATED)
		return;
	if (!last || last->p_offset != offset)
		w->repeated = 0;
	if (c->nr_loads == MAX_LOADS)
		return;
	c->load[c->nr_loads++] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = flags,
		.p_offset = offset,
		.p_vaddr = va,
		.p_paddr = c->p2m[c->index[mfn]].pfn << PAGE_SHIFT,
		.p_filesz = PAGE_SIZE,
		.p_memsz = PAGE_SIZE,
		.p_align = PAGE_SIZE,
	};
}

static void walk_table(struct walk *w, uint64_t mfn, unsigned level, uint64_t va, unsigned from,
		       unsigned to)
{
	const struct domain *d = w->c->guest->domain;
	const uint64_t *table = frame_ptr(d, mfn);
	unsigned shift = PAGE_SHIFT + 9 * (level - 1);

	if (!table || !w->tables)
		return;
	w->tables--;
	for (unsigned i = from; i < to; i++) {
		uint64_t pte = __atomic_load_n(&table[i], __ATOMIC_RELAXED);
		uint64_t at = va | (uint64_t)i << shift;

		if (!(pte & PTE_P))
			continue;
		if (level == 4 && i >= 256)
			at |= 0xffffull << 48;
		if (level == 1)
			add_page(w, at, pte);
		else if (!(pte & PTE_PSE))
			walk_table(w, pte_mfn(pte), level - 1, at, 0, 512);
	}
}

int core_map_memory(struct core_dump *c)
{
	/* Each table once and as many again: the M2P's and the kernel's are shared. */
	struct walk w = {.c = c, .tables = c->guest->domain->nr_ram / 128 + 65536};

	c->load = calloc(MAX_LOADS, sizeof(*c->load));
	if (!c->load)
		return -ENOMEM;
	/* The kernel itself first, and no table of Xen's. */
	walk_table(&w, c->l4, 4, 0, 511, 512);
	walk_table(&w, c->l4, 4, 0, XEN_L4_LAST + 1, 511);
	walk_table(&w, c->l4, 4, 0, 0, XEN_L4_FIRST);
	return 0;
}
