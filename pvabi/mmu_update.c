/*
 * Hypercall 1, mmu_update: batches of page-table and M2P writes (xen.h,
 * HYPERVISOR_mmu_update; Xen: arch/x86/mm.c, do_mmu_update).
 */
#include <errno.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

#define COUNT_MASK (~MMU_UPDATE_PREEMPTED)

/* A frame without a table type may be written to as the data that it is. */
static int write_data(struct vcpu *v, uint64_t mfn, uint64_t offset, uint64_t val)
{
	struct domain *d = v->domain;
	int rc = mm_type_get(d, mfn, PGT_WRITABLE);

	if (rc)
		return -EINVAL;
	__atomic_store_n((uint64_t *)((uint8_t *)frame_ptr(d, mfn) + offset), val,
			 __ATOMIC_SEQ_CST);
	mm_type_put(d, mfn);
	return 0;
}

static int pt_update(struct vcpu *v, uint64_t ptr, uint64_t val, unsigned cmd, bool foreign)
{
	struct domain *d = v->domain;
	uint64_t mfn = ptr >> PAGE_SHIFT;
	unsigned slot = (ptr & (PAGE_SIZE - 1)) / 8;
	struct page_info *p = mm_page_get(d, mfn);
	int rc;

	if (!p)
		return -EINVAL;
	if (p->type_count && p->type >= PGT_L1 && p->type <= PGT_L4) {
		unsigned level = p->type - PGT_L1 + 1;
		uint64_t old = ((uint64_t *)frame_ptr(d, mfn))[slot];

		if (foreign && level > 1)
			rc = -EINVAL;
		else
			rc = mm_entry_update(v, mfn, slot, level, val,
					     cmd == MMU_PT_UPDATE_PRESERVE_AD ? PTE_PRESERVE_AD
									      : PTE_SET);
		/* Xen flushes after every change above L1, for its linear tables; here it
		 * keeps this vcpu from using a table that the entry no longer names. */
		if (!rc && level > 1 && (old & PTE_P))
			d->ops->tlb_flush(d, 1u << v->id, ~0UL);
	} else {
		rc = write_data(v, mfn, slot * 8UL, val);
	}
	mm_page_put(p);
	return rc;
}

static int machphys_update(struct domain *d, uint64_t mfn, uint64_t pfn)
{
	if (!mm_page_of_guest(d, mfn) || mfn >= d->nr_m2p)
		return -EINVAL;
	__atomic_store_n(&d->m2p[mfn], pfn, __ATOMIC_SEQ_CST);
	return 0;
}

static int one_update(struct vcpu *v, const struct mmu_update *req, int foreign)
{
	unsigned cmd = req->ptr & 7;

	switch (cmd) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_PRESERVE_AD:
	case MMU_PT_UPDATE_NO_TRANSLATE:
		/* A foreign page can only be named by a present entry. */
		if (foreign && (req->val & PTE_P))
			return foreign;
		return pt_update(v, req->ptr & ~7UL, req->val, cmd, foreign != 0);
	case MMU_MACHPHYS_UPDATE:
		return foreign ? foreign
			       : machphys_update(v->domain, req->ptr >> PAGE_SHIFT, req->val);
	default:
		return -ENOSYS;
	}
}

long hypercall_mmu_update(struct vcpu *v, const uint64_t *args)
{
	uint64_t reqs = args[0], pdone = args[2];
	uint32_t count = (uint32_t)args[1], foreigndom = (uint32_t)args[3];
	uint32_t done = 0, i;
	struct mmu_update req;
	int rc = 0;

	/* Xen restarts itself with these; a guest has no use for them. */
	if (count == MMU_UPDATE_PREEMPTED && !reqs)
		return (int)foreigndom;
	if (count & MMU_UPDATE_PREEMPTED) {
		count &= COUNT_MASK;
		if (pdone && guest_copy_from(v, &done, pdone, sizeof(done)))
			done = 0;
	}
	if (!mm_range_ok(reqs, (uint64_t)count * sizeof(req)))
		return -EFAULT;
	/* The upper half names the domain whose tables are changed, plus one. */
	if (foreigndom >> 16) {
		uint16_t pt_dom = (uint16_t)((foreigndom >> 16) - 1);
		if (pt_dom != v->domain->domid)
			return pt_dom ? -ESRCH : -EPERM;
	}
	int foreign = mm_foreign_domain(v->domain, foreigndom & 0xffff);
	if (foreign == -ESRCH)
		return foreign;
	for (i = 0; i < count; i++) {
		rc = guest_copy_from(v, &req, reqs + (uint64_t)i * sizeof(req), sizeof(req));
		if (!rc)
			rc = one_update(v, &req, foreign);
		if (rc)
			break;
	}
	done += i;
	if (pdone)
		guest_copy_to(v, pdone, &done, sizeof(done));
	return rc;
}
