/*
 * A domain's reservation: more, less, elsewhere (memory.h, struct
 * xen_memory_reservation, xen_memory_exchange; Xen: common/memory.c). The first
 * three return how many extents were done; nothing they can meet is an errno.
 */
#include <errno.h>

#include "pvabi/memory_op.h"
#include "pvabi/mm.h"

#define DOMU_MAX_ORDER	   9 /* Xen: CONFIG_DOMU_MAX_ORDER */
#define MEMOP_EXTENT_SHIFT 6 /* xen/hypercall.h */

struct extents {
	struct xen_memory_reservation r;
	uint64_t list; /* guest address, 0: none */
	uint64_t start;
};

/* False: the call does nothing and returns args' start extent. */
static bool begin(struct vcpu *v, const uint64_t *args, struct extents *x)
{
	x->start = (uint32_t)args[0] >> MEMOP_EXTENT_SHIFT;
	if (guest_copy_from(v, &x->r, args[1], sizeof(x->r)))
		return false;
	x->list = (uintptr_t)x->r.extent_start.p;
	return x->r.nr_extents <= UINT32_MAX >> MEMOP_EXTENT_SHIFT && x->start < x->r.nr_extents &&
	       !mm_foreign_domain(v->domain, x->r.domid) && x->r.extent_order <= DOMU_MAX_ORDER &&
	       (!x->list || mm_range_ok(x->list, x->r.nr_extents * 8));
}

static uint64_t slot(const struct extents *x, uint64_t i)
{
	return x->list + i * sizeof(xen_pfn_t);
}

long memory_increase_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct extents x;
	uint64_t i;

	if (!begin(v, args, &x))
		return (long)x.start;
	for (i = x.start; i < x.r.nr_extents; i++) {
		xen_pfn_t mfn = mm_alloc_frames(v->domain, x.r.extent_order);
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

	if (!begin(v, args, &x))
		return (long)x.start;
	for (i = x.start; i < x.r.nr_extents; i++) {
		xen_pfn_t pfn, mfn;
		if (guest_copy_from(v, &pfn, slot(&x, i), sizeof(pfn)))
			break;
		mfn = mm_alloc_frames(d, x.r.extent_order);
		if (mfn == INVALID_MFN)
			break;
		for (uint64_t j = 0; j < 1UL << x.r.extent_order; j++)
			if (mfn + j < d->nr_m2p)
				d->m2p[mfn + j] = pfn + j;
		if (guest_copy_to(v, slot(&x, i), &mfn, sizeof(mfn)))
			break;
	}
	return (long)i;
}

long memory_decrease_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct extents x;
	uint64_t i;

	if (!begin(v, args, &x) || !x.list)
		return (long)x.start;
	for (i = x.start; i < x.r.nr_extents; i++) {
		xen_pfn_t mfn;
		if (guest_copy_from(v, &mfn, slot(&x, i), sizeof(mfn)))
			break;
		for (uint64_t j = 0; j < 1UL << x.r.extent_order; j++)
			if (mm_free_frame(v->domain, mfn + j))
				return (long)i;
	}
	return (long)i;
}

/* One chunk: `nr` frames of the in-list become nr frames of the out-list. */
static int exchange_chunk(struct vcpu *v, const struct xen_memory_exchange *x, uint64_t in,
			  uint64_t out, uint64_t nr_in, uint64_t nr_out)
{
	struct domain *d = v->domain;
	uint64_t in_list = (uintptr_t)x->in.extent_start.p;
	uint64_t out_list = (uintptr_t)x->out.extent_start.p;
	xen_pfn_t mfn, pfn;

	/* All or none of the frames go: look before. */
	for (int pass = 0; pass < 2; pass++)
		for (uint64_t i = 0; i < nr_in; i++) {
			if (guest_copy_from(v, &mfn, in_list + (in + i) * 8, sizeof(mfn)))
				return -EFAULT;
			for (uint64_t j = 0; j < 1UL << x->in.extent_order; j++) {
				const struct page_info *p = mm_page_of_guest(d, mfn + j);
				/* steal_page(): nobody may map it. */
				if (!pass &&
				    (!p || mfn + j >= d->nr_ram || p->refs || p->type_count))
					return -EINVAL;
				if (pass && mm_free_frame(d, mfn + j))
					return -EINVAL;
			}
		}
	for (uint64_t i = 0; i < nr_out; i++) {
		if (guest_copy_from(v, &pfn, out_list + (out + i) * 8, sizeof(pfn)))
			return -EFAULT;
		mfn = mm_alloc_frames(d, x->out.extent_order);
		if (mfn == INVALID_MFN)
			return -ENOMEM;
		for (uint64_t j = 0; j < 1UL << x->out.extent_order; j++)
			if (mfn + j < d->nr_m2p)
				d->m2p[mfn + j] = pfn + j;
		if (guest_copy_to(v, out_list + (out + i) * 8, &mfn, sizeof(mfn)))
			return -EFAULT;
	}
	return 0;
}

long memory_exchange(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_memory_exchange *x = arg;
	unsigned in_order = x->in.extent_order, out_order = x->out.extent_order;
	unsigned order = in_order > out_order ? in_order : out_order;

	/* Xen: memory_exchange(), in its order. */
	if (x->in.domid != x->out.domid || x->nr_exchanged > x->in.nr_extents ||
	    order >= 64 - PAGE_SHIFT)
		return -EINVAL;
	if (x->in.nr_extents > ~0UL >> in_order || x->out.nr_extents > ~0UL >> out_order ||
	    x->in.nr_extents << in_order != x->out.nr_extents << out_order)
		return -EINVAL;
	if (!mm_range_ok((uintptr_t)x->in.extent_start.p, x->in.nr_extents * 8) ||
	    !mm_range_ok((uintptr_t)x->out.extent_start.p, x->out.nr_extents * 8))
		return -EFAULT;
	if (order > DOMU_MAX_ORDER)
		return -EPERM;
	int rc = mm_foreign_domain(v->domain, x->in.domid);
	if (rc)
		return rc;
	uint64_t nr_in = 1UL << (order - in_order), nr_out = 1UL << (order - out_order);
	while (x->nr_exchanged + nr_in <= x->in.nr_extents) {
		uint64_t chunk = x->nr_exchanged / nr_in;
		rc = exchange_chunk(v, x, x->nr_exchanged, chunk * nr_out, nr_in, nr_out);
		if (rc)
			return rc;
		x->nr_exchanged += nr_in;
	}
	return 0;
}
