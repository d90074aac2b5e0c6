/*
 * A domain's reservation: more, less (memory.h, struct xen_memory_reservation;
 * Xen: common/memory.c). The calls return how many extents were done; nothing
 * that they can meet is an errno.
 */
#include <errno.h>

#include "pvabi/memory_op.h"
#include "pvabi/mm.h"

struct extents {
	struct xen_memory_reservation r;
	uint64_t list; /* guest address, 0: none */
	uint64_t start;
	unsigned address_bits; /* 0: any */
};

static bool address_bits(const struct domain *d, struct extents *x)
{
	unsigned bits = XENMEMF_get_address_bits(x->r.mem_flags);

	if (bits && bits < 64 && 1UL << bits >> PAGE_SHIFT < d->nr_frames) {
		if (bits <= PAGE_SHIFT)
			return false;
		x->address_bits = bits;
	}
	return true;
}

/* False: the call does nothing and returns the extent that it was to start at. */
static bool begin(struct vcpu *v, const uint64_t *args, struct extents *x)
{
	x->start = args[0] >> MEMOP_EXTENT_SHIFT;
	x->address_bits = 0;
	if (guest_copy_from(v, &x->r, args[1], sizeof(x->r)))
		return false;
	x->list = (uintptr_t)x->r.extent_start.p;
	return x->r.nr_extents <= UINT32_MAX >> MEMOP_EXTENT_SHIFT && x->start < x->r.nr_extents &&
	       !mm_any_domain(v->domain, x->r.domid) && address_bits(v->domain, x) &&
	       /* Nobody here has virtual nodes. */
	       (x->r.mem_flags & XENMEMF_vnode || mem_flags_node_ok(x->r.mem_flags)) &&
	       x->r.extent_order <= DOMU_MAX_ORDER &&
	       (!x->list || guest_addr_ok(x->list + x->start * sizeof(xen_pfn_t)));
}

static uint64_t slot(const struct extents *x, uint64_t i)
{
	return x->list + i * sizeof(xen_pfn_t);
}

/* Is extent i to be done now? Not when the rest is a call of its own, after an event. */
static bool extent_next(struct vcpu *v, const uint64_t *args, const struct extents *x, uint64_t i)
{
	uint64_t op = args[0] & ((1UL << MEMOP_EXTENT_SHIFT) - 1);

	if (i >= x->r.nr_extents || !mm_breathe(v, i))
		return false;
	if (i == x->start || !hypercall_preempt_check(v))
		return true;
	hypercall_continue(
		v, (const uint64_t[NR_HYPERCALL_ARGS]){op | i << MEMOP_EXTENT_SHIFT, args[1]});
	return false;
}

long memory_increase_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct extents x;
	uint64_t i;

	if (!begin(v, args, &x))
		return (long)x.start;
	for (i = x.start; extent_next(v, args, &x, i); i++) {
		xen_pfn_t mfn = mm_alloc_frames(v->domain, x.r.extent_order, x.address_bits);
		if (mfn == INVALID_MFN)
			break;
		if (x.list && guest_copy_to(v, slot(&x, i), &mfn, sizeof(mfn)))
			break;
	}
	return (long)i;
}

long memory_populate_physmap(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct domain *d = v->domain;
	struct extents x;
	uint64_t i;

	/* Populating on demand is for HVM domains. */
	if (!begin(v, args, &x) || x.r.mem_flags & XENMEMF_populate_on_demand)
		return (long)x.start;
	for (i = x.start; extent_next(v, args, &x, i); i++) {
		xen_pfn_t pfn, mfn;
		if (guest_copy_from(v, &pfn, slot(&x, i), sizeof(pfn)))
			break;
		mfn = mm_alloc_frames(d, x.r.extent_order, x.address_bits);
		if (mfn == INVALID_MFN)
			break;
		mm_frames_name(d, mfn, pfn, 1UL << x.r.extent_order);
		if (guest_copy_to(v, slot(&x, i), &mfn, sizeof(mfn)))
			break;
	}
	return (long)i;
}

/* Those before a bad one stay gone. */
static bool extent_free(struct vcpu *v, const struct extents *x, uint64_t i, struct mm_release *r)
{
	xen_pfn_t mfn;

	if (guest_copy_from(v, &mfn, slot(x, i), sizeof(mfn)))
		return false;
	for (uint64_t j = 0; j < 1UL << x->r.extent_order; j++)
		if (mm_free_frame_into(v->domain, mfn + j, r))
			return false;
	return true;
}

long memory_decrease_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct mm_release r;
	struct extents x;
	uint64_t i;

	if (!begin(v, args, &x))
		return (long)x.start;
	r.nr = 0;
	for (i = x.start; extent_next(v, args, &x, i); i++)
		if (!extent_free(v, &x, i, &r))
			break;
	mm_release_flush(v->domain, &r);
	return (long)i;
}
