/*
 * TLB flushes and who has had one. A frame that changes its type must not be
 * reachable any more through a translation of its earlier life: a guest that
 * removed its last writable mapping without a flush could else write to its
 * page tables (Xen: arch/x86/mm.c, _get_page_type; arch/x86/flushtlb.c). A clock
 * that counts flushes tells when none is needed, which is nearly always.
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

static void tick(struct domain *d, uint32_t vcpus)
{
	struct vcpu *v;

	if (d->tlb_clock == UINT32_MAX) {
		/* Stamps of before are later than any time now: a flush too many. */
		mm_tlb_init(d);
		for_each_vcpu (d, v)
			v->tlb_time = 0;
	}
	d->tlb_clock++;
	for_each_vcpu (d, v)
		if (vcpus & 1u << v->id)
			v->tlb_time = d->tlb_clock;
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

	for_each_vcpu (d, v)
		if (v->tlb_time <= stamp)
			mask |= 1u << v->id;
	if (mask)
		mm_tlb_flush(d, mask, ~0UL);
}
