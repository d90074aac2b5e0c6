/* The guest's memory: a pool of pages, and its page tables. */
#include "guests/lib/guest.h"

#define POOL_PAGES 160

static uint8_t pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));
static unsigned pool_used;

void *page_alloc(void)
{
	if (pool_used == POOL_PAGES)
		fail("no pages left");
	return pool[pool_used++];
}

uint64_t pfn_of(const void *p)
{
	return ((uint64_t)p - VIRT_BASE) >> PAGE_SHIFT;
}

uint64_t mfn_of(const void *p)
{
	return ((uint64_t *)start_info->mfn_list)[pfn_of(p)];
}

/* The machine-to-phys table is not at the same place on every host. */
static const uint64_t *m2p(void)
{
	static const uint64_t *table;
	struct xen_machphys_mapping m;

	if (!table) {
		if (HCALL(memory_op, XENMEM_machphys_mapping, &m))
			m.v_start = MACH2PHYS_VIRT_START; /* Xen before 3.0.3 */
		table = (const uint64_t *)m.v_start;
	}
	return table;
}

void *va_of_mfn(uint64_t mfn)
{
	return (void *)(VIRT_BASE + (m2p()[mfn] << PAGE_SHIFT));
}

static unsigned slot(const void *va, unsigned level)
{
	return (uint64_t)va >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

uint64_t *pte_of(const void *va, unsigned level)
{
	uint64_t *table = (uint64_t *)start_info->pt_base;

	for (unsigned l = 4; l > level; l--) {
		uint64_t entry = table[slot(va, l)];

		if (!(entry & PTE_P))
			return NULL;
		table = va_of_mfn(entry << 12 >> 24);
	}
	return &table[slot(va, level)];
}

uint64_t pte_maddr(const void *va, unsigned level)
{
	uint64_t *p = pte_of(va, level);

	return p ? mfn_of(p) * PAGE_SIZE + (uint64_t)p % PAGE_SIZE : 0;
}

long map_page(const void *va, uint64_t pte, unsigned long flags)
{
	return HCALL(update_va_mapping, va, pte, flags);
}

long page_readonly(const void *va)
{
	return map_page(va, mfn_of(va) << PAGE_SHIFT | PTE_LEAF, UVMF_INVLPG | UVMF_ALL);
}

long page_writable(const void *va)
{
	return map_page(va, mfn_of(va) << PAGE_SHIFT | PTE_LEAF | PTE_RW | PTE_D,
			UVMF_INVLPG | UVMF_ALL);
}

long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2)
{
	struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg1};

	memcpy(&op.arg2, &arg2, sizeof(arg2));
	return HCALL(mmuext_op, &op, 1, 0, DOMID_SELF);
}

long mmu_update_one(uint64_t ptr, uint64_t val, domid_t dom)
{
	struct mmu_update u = {ptr, val};

	return HCALL(mmu_update, &u, 1, 0, dom);
}
