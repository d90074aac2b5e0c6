/*
 * Hypercall 1, mmu_update: batches of page-table and M2P writes (xen.h,
 * HYPERVISOR_mmu_update; Xen: arch/x86/mm.c, do_mmu_update).
 */
#include <errno.h>

#include "pvabi/hypercalls.h"
#include "pvabi/m2p.h"
#include "pvabi/mm.h"

#define COUNT_MASK (~MMU_UPDATE_PREEMPTED)

/* A frame without a table type may be written to as the data that it is. */
static int write_data(struct vcpu *v, uint64_t mfn, uint64_t offset, uint64_t val)
{
	struct domain *d = shared(v->domain);
	int rc = mm_type_get(d, mfn, PGT_WRITABLE);

	if (rc)
		return -EINVAL;
	__atomic_store_n((uint64_t *)((uint8_t *)frame_ptr(d, mfn) + offset), val,
			 __ATOMIC_SEQ_CST);
	mm_type_put(d, mfn);
	return 0;
}

/* Whose pages the new entries name: the foreigndom argument. */
struct owner {
	int rc;	 /* 0: the guest itself; else what it gets for trying */
	bool io; /* DOMID_IO: anybody may try */
};

static int pt_update(struct vcpu *v, uint64_t ptr, uint64_t val, unsigned cmd,
		     const struct owner *o, bool *flush)
{
	enum pte_store_how how = cmd == MMU_PT_UPDATE_PRESERVE_AD ? PTE_PRESERVE_AD : PTE_SET;
	struct domain *d = shared(v->domain);
	uint64_t mfn = ptr >> PAGE_SHIFT;
	unsigned slot = (ptr & (PAGE_SIZE - 1)) / 8;
	const struct page_info *p = mm_page_get(d, mfn);
	int rc;

	if (!p)
		return -EINVAL;
	if (!p->type_count || p->type < PGT_L1 || p->type > PGT_L4) {
		rc = write_data(v, mfn, slot * 8UL, val);
	} else if (p->type == PGT_L1) {
		rc = o->io ? mm_entry_update_io(v, mfn, slot, val, how)
			   : mm_entry_update(v, mfn, slot, 1, val, how);
	} else if (o->io) {
		rc = -EINVAL;
	} else {
		bool present = ((const uint64_t *)frame_ptr(d, mfn))[slot] & PTE_P;

		rc = mm_entry_update(v, mfn, slot, p->type - PGT_L1 + 1, val, how);
		/* Xen flushes for every change above L1. Absent entries are not cached. */
		*flush |= !rc && present;
	}
	mm_page_put(d, mfn);
	return rc;
}

static int machphys_update(struct domain *d, uint64_t mfn, uint64_t pfn)
{
	if (!mm_page_of_guest(d, mfn) || mfn >= d->nr_m2p)
		return -EINVAL;
	m2p_set(d, mfn, pfn);
	return 0;
}

static int one_update(struct vcpu *v, const struct mmu_update *req, const struct owner *o,
		      bool *flush)
{
	unsigned cmd = req->ptr & 7;

	switch (cmd) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_PRESERVE_AD:
	case MMU_PT_UPDATE_NO_TRANSLATE:
		return o->rc ? o->rc : pt_update(v, req->ptr & ~7UL, req->val, cmd, o, flush);
	case MMU_MACHPHYS_UPDATE:
		if (o->rc || o->io)
			return o->rc ? o->rc : -EINVAL;
		return machphys_update(shared(v->domain), req->ptr >> PAGE_SHIFT, req->val);
	default:
		return -ENOSYS;
	}
}

/* -ESRCH when there is no such domain; what else it may refuse is found only when
 * there is an update (Xen: xsm_mmu_update()). */
static int owner_find(const struct domain *d, uint32_t foreigndom, struct owner *o)
{
	uint16_t pg = (uint16_t)foreigndom;

	o->io = pg == DOMID_IO;
	o->rc = o->io ? 0 : mm_foreign_domain(d, pg);
	if (o->rc == -ESRCH)
		return o->rc;
	/* The upper half: whose tables are changed, plus one. DOMID_SELF is none there. */
	if (foreigndom >> 16 && (foreigndom >> 16) - 1 != d->domid)
		o->rc = -EPERM;
	return 0;
}

long hypercall_mmu_update(struct vcpu *v, const uint64_t *args)
{
	uint64_t reqs = args[0], pdone = args[2];
	uint32_t count = (uint32_t)args[1], foreigndom = (uint32_t)args[3];
	uint64_t rest[NR_HYPERCALL_ARGS] = {0, 0, pdone, foreigndom};
	uint32_t done = 0, i = 0;
	struct mmu_update req;
	struct owner o;
	bool flush = false;
	int rc;

	/* Xen restarts itself with these; a guest has no use for them. */
	if (count == MMU_UPDATE_PREEMPTED && !reqs)
		return (int)foreigndom;
	if (count & MMU_UPDATE_PREEMPTED) {
		count &= COUNT_MASK;
		if (pdone && guest_copy_from(v, &done, pdone, sizeof(done)))
			done = 0;
	}
	if (!guest_addr_ok(reqs))
		return -EFAULT;
	if (foreigndom >> 16 && (foreigndom >> 16) - 1 != shared(v->domain)->domid &&
	    foreigndom >> 16 != 1)
		return -ESRCH;
	rc = owner_find(shared(v->domain), foreigndom, &o);
	for (; !rc && i < count && mm_breathe(v, i); i++) {
		if (i && hypercall_preempt_check(v)) {
			rc = mm_continue(v, rest, reqs + (uint64_t)i * sizeof(req), count - i);
			break;
		}
		rc = guest_copy_from(v, &req, reqs + (uint64_t)i * sizeof(req), sizeof(req));
#ifdef PVABI_RESIDENT
		if (!rc && mmu_update_elsewhere(&req)) {
			rc = mm_continue(v, rest, reqs + (uint64_t)i * sizeof(req), count - i);
			break;
		}
#endif
		if (!rc)
			rc = one_update(v, &req, &o, &flush);
		if (rc)
			break;
	}
	if (flush)
		mm_tlb_flush(shared(v->domain), ~0u, ~0UL);
	done += i;
	if (pdone)
		guest_copy_to(v, pdone, &done, sizeof(done));
	return rc;
}
