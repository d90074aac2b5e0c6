/*
 * Stores of the guest's kernel to page tables that it has mapped read-only
 * (Xen: arch/x86/pv/ro-page-fault.c).
 */
#include <errno.h>

#include "pvabi/mm.h"

static int write_locked(struct vcpu *v, uint64_t va, uint64_t *old, uint64_t new, bool cmpxchg)
{
	struct domain *d = v->domain;
	struct guest_walk w;

	if (!guest_addr_ok(va) || !guest_walk(d, vcpu_l4(v), va, &w) || !w.present ||
	    w.level != 1 || w.writable)
		return -ENOENT;
	uint64_t mfn = w.maddr >> PAGE_SHIFT;
	struct page_info *p = mm_page_of_guest(d, mfn);
	if (!p || !p->type_count || p->type != PGT_L1)
		return -ENOENT;
	uint64_t now = *(uint64_t *)((uint8_t *)frame_ptr(d, mfn) + (w.maddr & (PAGE_SIZE - 1)));
	if (cmpxchg && now != *old) {
		*old = now;
		return -EAGAIN;
	}
	return mm_entry_update(v, mfn, (w.maddr & (PAGE_SIZE - 1)) / 8, 1, new, PTE_SET) ? -EINVAL
											 : 0;
}

int mm_ptwr_write(struct vcpu *v, uint64_t va, uint64_t *old, uint64_t new, bool cmpxchg)
{
	domain_lock(v->domain);
	int rc = write_locked(v, va & ~7UL, old, new, cmpxchg);
	domain_unlock(v->domain);
	return rc;
}
