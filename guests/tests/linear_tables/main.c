/*
 * Linear page tables: a table may name itself or another of its level read-only, once
 * and in no chain.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Linear page tables";

static uint64_t *table(unsigned level)
{
	uint64_t *t = page_alloc();

	if (page_readonly(t) || mmuext(MMUEXT_PIN_L1_TABLE + level - 1, mfn_of(t), 0))
		fail("no table");
	return t;
}

static long set(uint64_t *t, unsigned slot, uint64_t *to, uint64_t flags)
{
	return mmu_update_one((mfn_of(t) << 12) + 8 * slot, to ? mfn_of(to) << 12 | flags : 0,
			      DOMID_SELF);
}

void guest_main(void)
{
	static const unsigned levels[] = {4, 3, 2};

	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		unsigned l = levels[i];
		uint64_t *a = table(l), *b = table(l), *c = table(l);

		say("L%u, itself writable: %e", l, set(a, 10, a, PTE_LEAF | PTE_RW));
		say("L%u, itself: %e", l, set(a, 10, a, PTE_LEAF));
		say("L%u, itself a second time: %e", l, set(a, 11, a, PTE_LEAF));
		say("L%u, another: %e", l, set(a, 12, b, PTE_LEAF));
		say("L%u, another, writable: %e", l, set(a, 13, c, PTE_LEAF | PTE_RW));
		say("L%u, on from there: %e", l, set(b, 10, c, PTE_LEAF));
		say("L%u, to the first: %e", l, set(c, 10, a, PTE_LEAF));
		say("L%u, not any more: %e", l, set(a, 12, NULL, 0));
		say("L%u, now on: %e", l, set(b, 10, c, PTE_LEAF));
		say("L%u, unpin: %e %e %e", l, mmuext(MMUEXT_UNPIN_TABLE, mfn_of(a), 0),
		    mmuext(MMUEXT_UNPIN_TABLE, mfn_of(b), 0),
		    mmuext(MMUEXT_UNPIN_TABLE, mfn_of(c), 0));
		say("L%u, all free again: %e %e %e", l, page_writable(a), page_writable(b),
		    page_writable(c));
	}
}
