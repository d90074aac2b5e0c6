/*
 * References to frames: what a frame given back waits for, counts at their end,
 * shared frames of the heap; and the flushes that a change of type needs (Xen:
 * arch/x86/mm.c, _get_page_type; common/memory.c, guest_remove_page).
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(a_frame_that_was_writable_is_flushed_before_it_is_a_table)
{
	struct chain c = chain_new(t);
	uint64_t f = test_frame(t), g = test_frame(t);

	/* Never mapped writable: nobody can have it cached so. */
	unsigned before = t->tlb_flushes;
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(mm_update(t, maddr(c.l1, 4 + i), entry(i ? g : f, LEAF | PTE_RW)),
				 0);
		ck_assert_int_eq(mm_update(t, maddr(c.l1, 4 + i), entry(i ? g : f, LEAF)), 0);
	}
	ck_assert_uint_eq(t->tlb_flushes, before);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, f, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
	ck_assert_uint_eq(t->tlb_flush_vcpus, 3);
	ck_assert_uint_eq(t->tlb_flush_va, ~0UL);
	/* That flush was for all frames. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, g, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
	/* The same type again needs none; another, and some vcpus had a flush. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, f, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, f, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, f, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 2);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 6), entry(f, LEAF | PTE_RW)), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 3);
	ck_assert_uint_eq(t->tlb_flush_vcpus, 2);
	/* One address does not count. */
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 6), 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_INVLPG_ALL, 0x1000, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, f, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 5);
	ck_assert_uint_eq(t->tlb_flush_vcpus, 3);
}
END_TEST

/* A frame of its own each time: whether making it a table flushed, and whom. */
static unsigned flushed_for_a_table(uint64_t l1, unsigned slot)
{
	uint64_t f = test_frame(t);
	unsigned before = t->tlb_flushes;
	struct vcpu *second = t->d->vcpu[1];

	ck_assert_int_eq(mm_update(t, maddr(l1, slot), entry(f, LEAF | PTE_RW)), 0);
	uint32_t early = mm_tlb_now(t->d);
	ck_assert_int_eq(mm_update(t, maddr(l1, slot), 0), 0);
	if (slot == 0)
		mm_tlb_flushed(second, mm_tlb_now(t->d));
	else if (slot == 1)
		mm_tlb_flushed(second, early);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, f, 0), 0);
	return t->tlb_flushes == before ? 0 : t->tlb_flush_vcpus;
}

START_TEST(who_loads_tables_or_sleeps_is_not_waited_for)
{
	uint64_t l1 = test_frame(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, l1, 0), 0);
	/* Loaded after the frame was released, and before. */
	ck_assert_uint_eq(flushed_for_a_table(l1, 0), 1);
	ck_assert_uint_eq(flushed_for_a_table(l1, 1), 3);
	mm_tlb_flushed(t->d->vcpu[1], MM_TLB_NONE);
	ck_assert_uint_eq(flushed_for_a_table(l1, 2), 1);
	/* A flush that was asked for is for it, too. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	ck_assert_uint_eq(t->tlb_flush_vcpus, ~0u);
}
END_TEST

START_TEST(the_flush_clock_wraps)
{
	struct domain *d = t->d;
	uint64_t l1 = test_frame(t), f = test_frame(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, l1, 0), 0);
	d->tlb_clock = UINT32_MAX - 1;
	ck_assert_int_eq(mm_ext(t, MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	ck_assert_int_eq(mm_update(t, maddr(l1, 0), entry(f, LEAF | PTE_RW)), 0);
	ck_assert_int_eq(mm_update(t, maddr(l1, 0), 0), 0);
	ck_assert_uint_eq(mm_page(t, f)->tlb_stamp, UINT32_MAX);
	ck_assert_int_eq(mm_ext(t, MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
	ck_assert_uint_lt(d->tlb_clock, 10);
	/* Not flushed on vcpu 1 since; for vcpu 0 it is one too many. */
	unsigned before = t->tlb_flushes;
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, f, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
	ck_assert(t->tlb_flush_vcpus & 2);
}
END_TEST

START_TEST(a_frame_given_back_in_use_goes_with_its_last_reference)
{
	struct domain *d = t->d;
	struct chain c = chain_new(t);
	uint64_t before = d->tot_pages;

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(mm_free_frame(d, c.leaf), 0);
	ck_assert_int_eq(mm_free_frame(d, c.l4), 0);
	ck_assert_uint_eq(d->tot_pages, before);
	ck_assert_uint_eq(d->m2p[c.leaf], c.leaf);
	/* Still the guest's, as in Xen. */
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), entry(c.leaf, LEAF)), 0);
	ck_assert_int_eq(mm_free_frame(d, c.leaf), 0);
	ck_assert_uint_eq(mm_alloc_frames(d, 0, 0), INVALID_MFN);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 0), 0), 0);
	ck_assert_uint_eq(t->frames_released, 0);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), 0), 0);
	ck_assert_uint_eq(t->frames_released, 1);
	ck_assert_uint_eq(d->m2p[c.leaf], INVALID_MFN);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	ck_assert_uint_eq(t->frames_released, 2);
	ck_assert_uint_eq(d->tot_pages, before - 2);
	ck_assert(chain_unused(t, &c));
	ck_assert_int_eq(mm_free_frame(d, c.l4), -EINVAL);
}
END_TEST

START_TEST(counts_do_not_overflow)
{
	struct chain c = chain_new(t);
	struct page_info *p = &t->d->pages[c.leaf];

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	p->refs = UINT32_MAX;
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), entry(c.leaf, LEAF)), -EBUSY);
	p->refs = 1;
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), entry(c.leaf, LEAF | PTE_RW)), 0);
	p->type_count = UINT32_MAX;
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 2), entry(c.leaf, LEAF | PTE_RW)), -EBUSY);
	ck_assert_uint_eq(p->refs, 2);
	p->type_count = 1;
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	ck_assert(chain_unused(t, &c));
}
END_TEST

START_TEST(heap_frames_are_shared_one_by_one)
{
	struct domain *d = t->d;
	uint64_t heap = heap_alloc(d, 2, 1), l1 = test_frame(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, l1, 0), 0);
	mm_share_heap(d, heap + 1, 1);
	mm_share_heap(d, 0, 1); /* not of the heap: nothing happens */
	ck_assert_uint_eq(mm_page(t, 0)->flags, 0);
	ck_assert_int_eq(mm_update(t, maddr(l1, 0), entry(heap, LEAF)), -EBUSY);
	ck_assert_int_eq(mm_update(t, maddr(l1, 1), entry(heap + 1, LEAF | PTE_RW)), 0);
	/* Given back, and mapped no more: never again the guest's (guest_remove_page). */
	ck_assert_int_eq(mm_free_frame(d, heap + 1), 0);
	ck_assert_int_eq(mm_update(t, maddr(l1, 2), entry(heap + 1, LEAF)), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, l1, 0), 0);
	ck_assert_uint_eq(mm_page(t, heap + 1)->refs, 0);
	ck_assert_ptr_null(mm_page_of_guest(d, heap + 1));
	ck_assert_int_eq(mm_free_frame(d, heap + 1), -EINVAL);
	ck_assert_uint_eq(t->frames_released, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_frame_that_was_writable_is_flushed_before_it_is_a_table,
		who_loads_tables_or_sleeps_is_not_waited_for,
		the_flush_clock_wraps,
		a_frame_given_back_in_use_goes_with_its_last_reference,
		counts_do_not_overflow,
		heap_frames_are_shared_one_by_one,
	};

	return RUN_TESTS("mm_refs", setup, teardown, tests);
}
