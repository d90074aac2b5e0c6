/*
 * XENMEM_exchange: frames for others, for instance contiguous ones (memory.h,
 * struct xen_memory_exchange; Xen: common/memory.c, memory_exchange). Frames go
 * in chunks of the larger extent, each wholly or not at all.
 */
#include <errno.h>

#include "pvabi/memory_op.h"
#include "pvabi/mm.h"

_Static_assert(MM_EXCHANGE_MAX == 1 << DOMU_MAX_ORDER,
	       "a chunk is one extent of the largest order");

struct chunk {
	unsigned nr_in, nr_out;	    /* extents */
	uint64_t in_list, out_list; /* guest addresses of the first of them */
};

static int chunk_exchange(struct vcpu *v, const struct xen_memory_exchange *x,
			  const struct chunk *c)
{
	uint64_t in[MM_EXCHANGE_MAX], out[MM_EXCHANGE_MAX];
	struct domain *d = v->domain;
	unsigned nr = 0;
	int rc;

	for (unsigned i = 0; i < c->nr_in; i++) {
		xen_pfn_t mfn;
		if (guest_copy_from(v, &mfn, c->in_list + i * sizeof(mfn), sizeof(mfn)))
			return -EFAULT;
		for (unsigned j = 0; j < 1u << x->in.extent_order; j++)
			in[nr++] = mfn + j;
	}
	rc = mm_exchange_frames(d, in, nr, out, c->nr_out, x->out.extent_order,
				XENMEMF_get_address_bits(x->out.mem_flags));
	if (rc)
		return rc;
	/* From here on every frame changes hands, whatever the lists do. */
	for (unsigned i = 0; i < c->nr_out; i++) {
		xen_pfn_t pfn, mfn = out[i];
		uint64_t va = c->out_list + i * sizeof(pfn);
		if (guest_copy_from(v, &pfn, va, sizeof(pfn))) {
			rc = -EFAULT;
			continue;
		}
		mm_frames_name(d, mfn, pfn, 1UL << x->out.extent_order);
		if (guest_copy_to(v, va, &mfn, sizeof(mfn)))
			rc = -EFAULT;
	}
	return rc;
}

static bool list_ok(uint64_t list, uint64_t first, uint64_t nr)
{
	return nr - first < ~0UL / sizeof(xen_pfn_t) &&
	       guest_addr_ok(list + first * sizeof(xen_pfn_t));
}

long memory_exchange(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_memory_exchange *x = arg;
	unsigned in_order = x->in.extent_order, out_order = x->out.extent_order;
	unsigned order = in_order > out_order ? in_order : out_order;
	uint64_t in_list = (uintptr_t)x->in.extent_start.p;
	uint64_t out_list = (uintptr_t)x->out.extent_start.p;

	/* In Xen's order. */
	if (order > DOMU_MAX_ORDER)
		return -EPERM;
	if (x->nr_exchanged > x->in.nr_extents || x->in.domid != x->out.domid ||
	    x->in.nr_extents > ~0UL >> in_order || x->out.nr_extents > ~0UL >> out_order ||
	    x->in.nr_extents << in_order != x->out.nr_extents << out_order)
		return -EINVAL;
	if (x->nr_exchanged == x->in.nr_extents)
		return 0;
	struct chunk c = {.nr_in = 1u << (order - in_order), .nr_out = 1u << (order - out_order)};
	uint64_t first = x->nr_exchanged / c.nr_in;
	if (!list_ok(in_list, x->nr_exchanged, x->in.nr_extents) ||
	    !list_ok(out_list, first * c.nr_out, x->out.nr_extents))
		return -EFAULT;
	if (!mem_flags_node_ok(x->out.mem_flags))
		return -EINVAL;
	int rc = mm_any_domain(v->domain, x->in.domid);
	if (rc)
		return rc;
	for (uint64_t i = first; i < x->in.nr_extents / c.nr_in; i++) {
		c.in_list = in_list + i * c.nr_in * sizeof(xen_pfn_t);
		c.out_list = out_list + i * c.nr_out * sizeof(xen_pfn_t);
		rc = mm_breathe(v, i * MM_EXCHANGE_MAX) ? chunk_exchange(v, x, &c) : -EAGAIN;
		if (rc) {
			x->nr_exchanged = i * c.nr_in;
			return rc;
		}
	}
	x->nr_exchanged = x->in.nr_extents;
	return 0;
}
