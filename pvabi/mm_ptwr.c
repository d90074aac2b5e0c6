/*
 * Stores of the guest's kernel to page tables that it has mapped read-only
 * (Xen: arch/x86/pv/ro-page-fault.c).
 */
#include <errno.h>

#include "pvabi/mm.h"

static int write_locked(struct vcpu *v, uint64_t va, uint64_t *old, uint64_t new, bool cmpxchg)
{
	struct domain *d = shared(v->domain);
	struct guest_walk w;

	/* Xen: pv_ro_page_fault() looks at the L1 entry only. */
	if (!guest_addr_ok(va) || !guest_walk(d, v->guest_table, va, &w) || !w.present ||
	    w.level != 1 || (w.pte & PTE_RW))
		return -ENOENT;
	uint64_t mfn = w.maddr >> PAGE_SHIFT;
	const struct page_info *p = mm_page_of_guest(d, mfn);
	if (!p || !p->type_count || p->type != PGT_L1)
		return -ENOENT;
	/* Also for a compare that will fail (Xen: ptwr_emulated_update()). */
	if (new &PTE_P) {
		int rc = mm_l1e_get(d, new);
		if (rc < 0)
			return -EINVAL;
		new ^= (uint64_t)rc;
	}
	new = mm_adjust(new, 1);
	uint64_t *pte = frame_ptr(d, mfn);
	pte += (w.maddr & (PAGE_SIZE - 1)) / 8;
	if (!cmpxchg) {
		uint64_t was = __atomic_load_n(pte, __ATOMIC_RELAXED);
		mm_pte_store(v, pte, w.maddr, new, PTE_SET);
		mm_l1e_put(d, was);
		return 0;
	}
	if (!mm_pte_cmpxchg(v, pte, w.maddr, old, new)) {
		mm_l1e_put(d, new);
		return -EAGAIN;
	}
	mm_l1e_put(d, *old);
	return 0;
}

int mm_ptwr_write(struct vcpu *v, uint64_t va, uint64_t *old, uint64_t new, bool cmpxchg)
{
	domain_lock(shared(v->domain));
	int rc = write_locked(v, va & ~7UL, old, new, cmpxchg);
	domain_unlock(shared(v->domain));
	return rc;
}
