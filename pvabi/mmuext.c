/*
 * Hypercall 26, mmuext_op: pinning, base pointers, flushes, the LDT
 * (xen.h, MMUEXT_*; Xen: arch/x86/mm.c, do_mmuext_op). One row an operation.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

#define LDT_MAX_ENTRIES 8192

static int pin(struct vcpu *v, const struct mmuext_op *op)
{
	struct domain *d = shared(v->domain);
	uint64_t mfn = op->arg1.mfn;
	enum page_type type = PGT_L1 + (op->cmd - MMUEXT_PIN_L1_TABLE);
	int rc = mm_get_page_and_type(d, mfn, type);

	if (rc)
		return rc;
	if (shared(d->pages)[mfn].flags & PG_PINNED) {
		mm_put_page_and_type(d, mfn);
		return -EINVAL;
	}
	shared(d->pages)[mfn].flags |= PG_PINNED;
	return 0;
}

static int unpin(struct vcpu *v, const struct mmuext_op *op)
{
	struct page_info *p = mm_page_of_guest(shared(v->domain), op->arg1.mfn);

	if (!p || !(p->flags & PG_PINNED))
		return -EINVAL;
	p->flags &= ~PG_PINNED;
	mm_put_page_and_type(shared(v->domain), op->arg1.mfn);
	return 0;
}

int mm_new_baseptr(struct vcpu *v, uint64_t mfn)
{
	struct domain *d = shared(v->domain);
	uint64_t old = v->guest_table;

	if (mfn == old) {
		/* Xen, new_guest_cr3: the same table again is a TLB flush. */
		mm_tlb_flush(d, 1u << v->id, ~0UL);
		return 0;
	}
	int rc = mm_get_l4(d, mfn);
	if (rc)
		return rc;
	vcpu_ldt_drop(v); /* its address means other pages now */
	if (!(d->vm_assist & 1UL << VMASST_TYPE_m2p_strict))
		mm_l4_show_m2p(v, mfn, true);
	mm_l4_show_kernel(v, mfn, true);
	v->guest_table = mfn;
	host_of(d)->tables_changed(v);
	if (old)
		mm_put_l4(d, old);
	return 0;
}

static int new_baseptr(struct vcpu *v, const struct mmuext_op *op)
{
	return mm_new_baseptr(v, op->arg1.mfn);
}

static int new_user_baseptr(struct vcpu *v, const struct mmuext_op *op)
{
	struct domain *d = shared(v->domain);
	uint64_t old = v->guest_table_user;

	if (op->arg1.mfn == old)
		return 0;
	if (op->arg1.mfn) {
		int rc = mm_get_l4(d, op->arg1.mfn);
		if (rc)
			return rc;
		if (d->vm_assist & 1UL << VMASST_TYPE_m2p_strict)
			mm_l4_show_m2p(v, op->arg1.mfn, false);
		mm_l4_show_kernel(v, op->arg1.mfn, false);
	}
	v->guest_table_user = op->arg1.mfn;
	if (old)
		mm_put_l4(d, old);
	return 0;
}

static int flush_local(struct vcpu *v, const struct mmuext_op *op)
{
	mm_tlb_flush(shared(v->domain), 1u << v->id, ~0UL);
	return 0;
}

static int flush_all(struct vcpu *v, const struct mmuext_op *op)
{
	mm_tlb_flush(shared(v->domain), ~0u, ~0UL);
	return 0;
}

static int flush_multi(struct vcpu *v, const struct mmuext_op *op)
{
	uint32_t mask;

	if (mm_vcpu_mask(v, (uintptr_t)op->arg2.vcpumask.p, &mask))
		return -EINVAL;
	mm_tlb_flush(shared(v->domain), mask, ~0UL);
	return 0;
}

/* Addresses in Xen's own range, or that are none, cannot be cached for the guest. */
static void invlpg(struct vcpu *v, uint32_t mask, uint64_t va)
{
	if (guest_addr_ok(va))
		mm_tlb_flush(shared(v->domain), mask, va & PAGE_MASK);
}

static int invlpg_local(struct vcpu *v, const struct mmuext_op *op)
{
	invlpg(v, 1u << v->id, op->arg1.linear_addr);
	return 0;
}

static int invlpg_all(struct vcpu *v, const struct mmuext_op *op)
{
	invlpg(v, ~0u, op->arg1.linear_addr);
	return 0;
}

static int invlpg_multi(struct vcpu *v, const struct mmuext_op *op)
{
	uint32_t mask;

	if (mm_vcpu_mask(v, (uintptr_t)op->arg2.vcpumask.p, &mask))
		return -EINVAL;
	invlpg(v, mask, op->arg1.linear_addr);
	return 0;
}

/* cache_flush_permitted(): only with a device of its own. */
static int flush_cache(struct vcpu *v, const struct mmuext_op *op)
{
	return op->cmd == MMUEXT_FLUSH_CACHE ? -EACCES : -EINVAL;
}

static int set_ldt(struct vcpu *v, const struct mmuext_op *op)
{
	unsigned ents = op->arg2.nr_ents;
	uint64_t va = ents ? op->arg1.linear_addr : 0;

	if (ents > LDT_MAX_ENTRIES || (ents && ((va & (PAGE_SIZE - 1)) || !guest_addr_ok(va))))
		return -EINVAL;
	if (v->ldt_ents == ents && v->ldt_base == va)
		return 0;
	vcpu_ldt_drop(v);
	v->ldt_base = va;
	v->ldt_ents = ents;
	host_of(shared(v->domain))->descriptors_changed(v);
	return 0;
}

static int clear_page(struct vcpu *v, const struct mmuext_op *op)
{
	struct domain *d = shared(v->domain);

	if (mm_get_page_and_type(d, op->arg1.mfn, PGT_WRITABLE))
		return -EINVAL;
	memset(frame_ptr(d, op->arg1.mfn), 0, PAGE_SIZE);
	mm_put_page_and_type(d, op->arg1.mfn);
	return 0;
}

static int copy_page(struct vcpu *v, const struct mmuext_op *op)
{
	struct domain *d = shared(v->domain);
	uint64_t src = op->arg2.src_mfn, dst = op->arg1.mfn;

	if (!mm_page_of_guest(d, src) || mm_get_page_and_type(d, dst, PGT_WRITABLE))
		return -EINVAL;
	memmove(frame_ptr(d, dst), frame_ptr(d, src), PAGE_SIZE);
	mm_put_page_and_type(d, dst);
	return 0;
}

static int mark_super(struct vcpu *v, const struct mmuext_op *op)
{
	return -EOPNOTSUPP;
}

#define ALL		PROFILES_ALL
#define NEW		PROFILES_4_17
#define ROW(op, who, f) [MMUEXT_##op] = {#op, who, f}

static const struct {
	const char *name;
	uint8_t profiles;
	int (*fn)(struct vcpu *v, const struct mmuext_op *op);
} ops[] = {
	ROW(PIN_L1_TABLE, ALL, pin),
	ROW(PIN_L2_TABLE, ALL, pin),
	ROW(PIN_L3_TABLE, ALL, pin),
	ROW(PIN_L4_TABLE, ALL, pin),
	ROW(UNPIN_TABLE, ALL, unpin),
	ROW(NEW_BASEPTR, ALL, new_baseptr),
	ROW(TLB_FLUSH_LOCAL, ALL, flush_local),
	ROW(INVLPG_LOCAL, ALL, invlpg_local),
	ROW(TLB_FLUSH_MULTI, ALL, flush_multi),
	ROW(INVLPG_MULTI, ALL, invlpg_multi),
	ROW(TLB_FLUSH_ALL, ALL, flush_all),
	ROW(INVLPG_ALL, ALL, invlpg_all),
	ROW(FLUSH_CACHE, ALL, flush_cache),
	ROW(SET_LDT, ALL, set_ldt),
	ROW(NEW_USER_BASEPTR, ALL, new_user_baseptr),
	ROW(CLEAR_PAGE, NEW, clear_page),
	ROW(COPY_PAGE, NEW, copy_page),
	ROW(FLUSH_CACHE_GLOBAL, NEW, flush_cache),
	ROW(MARK_SUPER, NEW, mark_super),
	ROW(UNMARK_SUPER, NEW, mark_super),
};

#define NR_OPS (sizeof(ops) / sizeof(ops[0]))

bool mmuext_op_at(unsigned i, struct op_info *info)
{
	for (unsigned nr = 0; nr < NR_OPS; nr++)
		if (ops[nr].fn && !i--) {
			*info = (struct op_info){(int)nr, ops[nr].name, ops[nr].profiles};
			return true;
		}
	return false;
}

static int carry_out(struct vcpu *v, const struct mmuext_op *op)
{
	if (op->cmd >= NR_OPS || !ops[op->cmd].fn ||
	    !(ops[op->cmd].profiles & PROFILE_BIT(shared(shared(v->domain)->profile)->id)))
		return -ENOSYS;
	return ops[op->cmd].fn(v, op);
}

long hypercall_mmuext_op(struct vcpu *v, const uint64_t *args)
{
	uint64_t list = args[0], pdone = args[2];
	uint32_t count = (uint32_t)args[1], foreigndom = (uint32_t)args[3];
	uint64_t rest[NR_HYPERCALL_ARGS] = {0, 0, pdone, foreigndom};
	uint32_t done = 0, i;
	struct mmuext_op op;
	int rc = 0;

	if (count == MMU_UPDATE_PREEMPTED && !list)
		return (int)foreigndom;
	if (count & MMU_UPDATE_PREEMPTED) {
		count &= ~MMU_UPDATE_PREEMPTED;
		if (pdone && guest_copy_from(v, &done, pdone, sizeof(done)))
			done = 0;
	}
	if (!guest_addr_ok(list))
		return -EFAULT;
	int foreign = mm_foreign_domain(shared(v->domain), (uint16_t)foreigndom);
	if (foreign)
		return foreign;
	for (i = 0; i < count && mm_breathe(v, i); i++) {
		if (i && hypercall_preempt_check(v)) {
			rc = mm_continue(v, rest, list + (uint64_t)i * sizeof(op), count - i);
			break;
		}
		rc = guest_copy_from(v, &op, list + (uint64_t)i * sizeof(op), sizeof(op));
		if (rc)
			break;
#ifdef PVABI_RESIDENT
		if (mmuext_elsewhere(v, &op)) {
			rc = mm_continue(v, rest, list + (uint64_t)i * sizeof(op), count - i);
			break;
		}
#endif
		rc = carry_out(v, &op);
		PROBE_HIT(shared(v->domain), mmuext, op.cmd, op.arg1.mfn,
			  (uintptr_t)op.arg2.vcpumask.p, (uint64_t)rc);
		if (rc)
			break;
	}
	done += i;
	if (pdone)
		guest_copy_to(v, pdone, &done, sizeof(done));
	return rc;
}
