/*
 * The one place that stores into page tables in use, and the change of a single
 * entry with everything that it entails (Xen: arch/x86/mm.c, mod_l*_entry).
 */
#include <errno.h>

#include "pvabi/mm.h"

/* Bits that may change without a look at what the entry refers to
 * (Xen: FASTPATH_FLAG_WHITELIST; NX and the available bits). */
#define L1_HARMLESS (PTE_NX | PTE_AVAIL_HIGH | PTE_AVAIL | PTE_G | PTE_D | PTE_A | PTE_US)
#define LX_HARMLESS (L1_HARMLESS | PTE_RW)

void mm_pte_store(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val,
		  enum pte_store_how how)
{
	uint64_t old = __atomic_load_n(pte, __ATOMIC_RELAXED), put;

	do {
		put = how == PTE_PRESERVE_AD ? val | (old & (PTE_A | PTE_D)) : val;
	} while (!__atomic_compare_exchange_n(pte, &old, put, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	if ((old & PTE_P) && old != put)
		v->domain->ops->pte_overwritten(v, maddr);
}

static int update_l1(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val,
		     enum pte_store_how how)
{
	struct domain *d = v->domain;
	uint64_t old = *pte;

	if (val & PTE_P) {
		uint64_t adjusted = mm_adjust(val, 1);
		if ((old & PTE_P) && !((old ^ adjusted) & ~L1_HARMLESS)) {
			mm_pte_store(v, pte, maddr, adjusted, how);
			return 0;
		}
		int rc = mm_l1e_get(d, val);
		if (rc)
			return rc;
		val = adjusted;
	}
	mm_pte_store(v, pte, maddr, val, how);
	mm_l1e_put(d, old);
	return 0;
}

static int update_lx(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val, unsigned level,
		     uint64_t table_mfn, enum pte_store_how how)
{
	struct domain *d = v->domain;
	uint64_t old = *pte;

	if (val & PTE_P) {
		uint64_t adjusted = mm_adjust(val, level);
		if ((old & PTE_P) && !((old ^ adjusted) & ~LX_HARMLESS) &&
		    !(val & (PTE_G | PTE_PSE))) {
			mm_pte_store(v, pte, maddr, adjusted, how);
			return 0;
		}
		int rc = mm_lxe_get(d, val, level, table_mfn);
		if (rc)
			return rc;
		val = adjusted;
	}
	mm_pte_store(v, pte, maddr, val, how);
	mm_lxe_put(d, old, level, table_mfn);
	return 0;
}

int mm_entry_update(struct vcpu *v, uint64_t mfn, unsigned slot, unsigned level, uint64_t val,
		    enum pte_store_how how)
{
	uint64_t *pte = (uint64_t *)frame_ptr(v->domain, mfn) + slot;
	uint64_t maddr = mfn * PAGE_SIZE + 8 * slot;

	if (level == 1)
		return update_l1(v, pte, maddr, val, how);
	if (!mm_guest_slot(level, slot))
		return -EPERM;
	return update_lx(v, pte, maddr, val, level, mfn, how);
}
