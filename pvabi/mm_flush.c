/*
 * TLB flushes and who has had one. A frame that changes its type must not be
 * reachable any more through a translation of its earlier life: a guest that
 * removed its last writable mapping without a flush could else write to its
 * page tables (Xen: arch/x86/mm.c, _get_page_type; arch/x86/flushtlb.c). A clock
 * that goes on with each flush and each release of a frame tells when none is needed, which is
 * nearly always: whoever loads page tables, at the latest at a system call, has had one.
 */
#include "pvabi/mm.h"

/* A vcpu whose time is not later than a frame's stamp may still use translations
 * that the frame had then. */
#define FIRST_TICK 1

void mm_tlb_init(struct domain *d)
{
	struct vcpu *v;

	d->tlb_clock = FIRST_TICK;
	for_each_vcpu (d, v)
		v->tlb_time = FIRST_TICK;
}

static void advance(struct domain *d)
{
	uint32_t now = mm_tlb_now(d);
	struct vcpu *v;

	if (now == UINT32_MAX) {
		/* Stamps of before are later than any time now: a flush too many. When all have
		 * flushed nobody is left between mm_tlb_now() and mm_tlb_flushed(). */
		now = FIRST_TICK;
		atomic_store(&d->tlb_clock, now);
		host_of(d)->tlb_flush(d, ~0u, ~0UL);
		for_each_vcpu (d, v)
			mm_tlb_flushed(v, 0);
	}
	atomic_store_explicit(&d->tlb_clock, now + 1, memory_order_relaxed);
}

static void tick(struct domain *d, uint32_t vcpus)
{
	struct vcpu *v;

	advance(d);
	for_each_vcpu (d, v)
		if (vcpus & 1u << v->id)
			mm_tlb_flushed(v, mm_tlb_now(d));
}

uint32_t mm_tlb_stamp(struct domain *d)
{
	uint32_t stamp = mm_tlb_now(d);

	advance(d);
	return stamp;
}

void mm_tlb_flush(struct domain *d, uint32_t vcpus, uint64_t va)
{
	PROBE_HIT(d, tlb_flush, vcpus, va);
	host_of(d)->tlb_flush(d, vcpus, va);
	if (va == ~0UL)
		tick(d, vcpus);
}

void mm_tlb_flush_since(struct domain *d, uint32_t stamp)
{
	uint32_t mask = 0;
	struct vcpu *v;

	/* A vcpu that is not seen to have woken has yet to walk the tables as they are now. */
	atomic_thread_fence(memory_order_seq_cst);
	for_each_vcpu (d, v)
		if (atomic_load_explicit(&v->tlb_time, memory_order_relaxed) <= stamp)
			mask |= 1u << v->id;
	if (mask)
		mm_tlb_flush(d, mask, ~0UL);
}
