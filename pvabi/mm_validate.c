/*
 * What the entries of a guest's page tables may say (Xen: arch/x86/mm.c,
 * promote_l*_table, get_page_from_l*e; arch/x86/pv/mm.h, adjust_guest_l*e).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/mm.h"

#define ENTRIES 512U

/* base_disallow_mask and L1_DISALLOW_MASK: only L1 entries may be global, and for a domain
 * without devices the cache attributes (PWT, PCD, PAT) are refused in all. */
#define LX_ALLOWED \
	(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVAIL | PTE_ADDR | PTE_AVAIL_HIGH | PTE_NX)
#define L1_ALLOWED (LX_ALLOWED | PTE_G)

/* What INVALID_MFN becomes in an entry (Xen: PADDR_MASK >> PAGE_SHIFT). */
#define ENTRY_INVALID_MFN (PTE_ADDR >> PAGE_SHIFT)

static uint64_t *table(const struct domain *d, uint64_t mfn)
{
	return frame_ptr(d, mfn);
}

bool mm_guest_slot(unsigned level, unsigned slot)
{
	return level != 4 || slot < XEN_L4_FIRST || slot > XEN_L4_LAST;
}

uint64_t mm_adjust(uint64_t e, unsigned level)
{
	if (!(e & PTE_P))
		return e;
	if (level == 4)
		return e | PTE_A | PTE_US;
	if (level > 1)
		return e | PTE_US;
	if (!(e & PTE_US))
		e |= PTE_GUEST_KERNEL | PTE_US;
	return e & PTE_GUEST_KERNEL ? e : e | PTE_G | PTE_US;
}

bool mm_l1e_bits_ok(const struct domain *d, uint64_t e)
{
	return !(e & ~(domain_has_io(d) ? L1_ALLOWED | PTE_CACHE : L1_ALLOWED));
}

/* A device's page is never cached behind the guest's back (Xen, without mmio-relax). */
static int mmio_get(const struct domain *d, uint64_t e)
{
	uint64_t mfn = pte_mfn(e);

	if (!domain_iomem_permitted(d, mfn))
		return mfn == ENTRY_INVALID_MFN ? -EINVAL : -EPERM;
	switch (e & PTE_CACHE) {
	case 0: /* write-back */
		return PTE_PWT | PTE_PCD;
	case PTE_PWT:		/* write-through */
	case PTE_PWT | PTE_PAT: /* write-protected */
		return (int)(PTE_PCD | (e & PTE_PAT));
	default:
		return 0;
	}
}

int mm_l1e_get(struct domain *d, uint64_t e)
{
	uint64_t mfn = pte_mfn(e);

	if (!mm_l1e_bits_ok(d, e))
		return -EINVAL;
	if (!domain_is_memory(d, mfn))
		return mmio_get(d, e);
	if (!mm_page_get(d, mfn))
		return -EBUSY;
	if ((e & PTE_RW) && mm_type_get(d, mfn, PGT_WRITABLE)) {
		mm_page_put(d, mfn);
		return -EBUSY;
	}
	/* Xen: is_special_page(). */
	if ((e & PTE_CACHE) && mfn >= d->heap_start) {
		mm_l1e_put(d, e);
		return -EACCES;
	}
	return 0;
}

void mm_l1e_put(struct domain *d, uint64_t e)
{
	uint64_t mfn = pte_mfn(e);

	if (!(e & PTE_P) || !domain_is_memory(d, mfn))
		return;
	if (e & PTE_RW)
		mm_type_put(d, mfn);
	mm_page_put(d, mfn);
}

/* A read-only entry of a table of level n that names a table of level n: a
 * linear page table (Xen: get_linear_pagetable). */
static int linear_get(struct domain *d, uint64_t e, unsigned level, uint64_t table_mfn)
{
	uint64_t mfn = pte_mfn(e);
	struct page_info *p;

	if (e & PTE_RW)
		return -EINVAL;
	if (mfn == table_mfn)
		return 0;
	p = mm_page_get(d, mfn);
	if (!p)
		return -EINVAL;
	struct page_info *from = &shared(d->pages)[table_mfn];
	if (p->flags & PG_VALIDATING || p->linear_out || from->linear_in ||
	    p->linear_in == UINT16_MAX || p->type_count == UINT32_MAX) {
		mm_page_put(d, mfn);
		return -EINVAL;
	}
	p->type_count++;
	p->linear_in++;
	from->linear_out++;
	return 0;
}

static bool is_linear(const struct domain *d, uint64_t e, unsigned level)
{
	uint64_t mfn = pte_mfn(e);

	return mfn < d->nr_ram && shared(d->pages)[mfn].type_count &&
	       shared(d->pages)[mfn].type == PGT_L1 + level - 1;
}

int mm_lxe_get(struct domain *d, uint64_t e, unsigned level, uint64_t table_mfn)
{
	if (e & ~LX_ALLOWED)
		return -EINVAL;
	if (is_linear(d, e, level))
		return linear_get(d, e, level, table_mfn);
	return mm_get_page_and_type(d, pte_mfn(e), PGT_L1 + level - 2);
}

void mm_lxe_put(struct domain *d, uint64_t e, unsigned level, uint64_t table_mfn)
{
	uint64_t mfn = pte_mfn(e);

	if (!(e & PTE_P) || mfn >= d->nr_ram || mfn == table_mfn)
		return;
	if (is_linear(d, e, level)) {
		shared(d->pages)[mfn].linear_in--;
		shared(d->pages)[table_mfn].linear_out--;
	}
	mm_put_page_and_type(d, mfn);
}

static void entry_put(struct domain *d, uint64_t e, unsigned level, uint64_t mfn)
{
	if (level == 1)
		mm_l1e_put(d, e);
	else
		mm_lxe_put(d, e, level, mfn);
}

int mm_table_validate(struct domain *d, uint64_t mfn, enum page_type type)
{
	unsigned level = type - PGT_L1 + 1;
	uint64_t *t = table(d, mfn);

	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t e = t[i];
		if (!(e & PTE_P) || !mm_guest_slot(level, i))
			continue;
		int rc = level == 1 ? mm_l1e_get(d, e) : mm_lxe_get(d, e, level, mfn);
		if (rc < 0) {
			while (i-- > 0)
				if ((t[i] & PTE_P) && mm_guest_slot(level, i))
					entry_put(d, t[i], level, mfn);
			return rc;
		}
		/* Not in use yet: nobody but us looks at it. */
		uint64_t adjusted = mm_adjust(e ^ (uint64_t)rc, level);
		if (adjusted != e)
			t[i] = adjusted;
	}
	if (level == 4) {
		memcpy(&t[XEN_L4_FIRST], d->xen_l4, sizeof(d->xen_l4));
		/* As a kernel's it is shown the M2P when it is loaded. So user mode never is,
		 * unless the guest is strict about it (sic; Xen: alloc_l4_table()): then it is
		 * hidden when it is loaded as user mode's. */
		if (!(d->vm_assist & 1UL << VMASST_TYPE_m2p_strict))
			t[d->m2p_va >> 39 & 511] = 0;
	}
	return 0;
}

/* Four levels, and on each but the lowest one table that another one names. */
#define INVALIDATE_DEPTH 8

void mm_table_invalidate(struct domain *d, uint64_t mfn, enum page_type type)
{
	unsigned level = type - PGT_L1 + 1;
	const uint64_t *t = table(d, mfn);

	/* More there are only when the guest has written to page_info (mm.h). */
	if (!t || d->invalidate_depth == INVALIDATE_DEPTH) {
		domain_crash(d, "page types are not what Xen made them");
		return;
	}
	d->invalidate_depth++;
	for (unsigned i = 0; i < ENTRIES; i++)
		if ((t[i] & PTE_P) && mm_guest_slot(level, i))
			entry_put(d, t[i], level, mfn);
	d->invalidate_depth--;
}
