/*
 * Stores of the guest's kernel to its page tables: plain and compare-and-exchange,
 * with the references that go with them (Xen: arch/x86/pv/ro-page-fault.c,
 * ptwr_emulated_update).
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define VA 0x5000000000ull /* where the table is mapped read-only */

static struct test_domain *t;
static struct chain c;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	c = chain_new(t);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	test_map(t, VA, c.l1, false);
}

static void teardown(void)
{
	test_domain_free(t);
}

static int store(uint64_t va, uint64_t val)
{
	uint64_t old = 0;

	return mm_ptwr_write(t->d->vcpu[0], va, &old, val, false);
}

static int cmpxchg(uint64_t va, uint64_t *old, uint64_t val)
{
	return mm_ptwr_write(t->d->vcpu[0], va, old, val, true);
}

START_TEST(a_store_moves_references)
{
	uint64_t f = test_frame(t);

	ck_assert_int_eq(store(VA + 8, entry(f, LEAF | PTE_RW)), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[1], entry(f, LEAF | PTE_RW | PTE_G));
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	ck_assert_int_eq(mm_page(t, f)->type, PGT_WRITABLE);
	ck_assert_uint_eq(t->ptes_overwritten, 0);
	ck_assert_int_eq(store(VA + 8, entry(c.leaf, PTE_P)), 0); /* the kernel's */
	ck_assert_uint_eq(mm_table(t, c.l1)[1], entry(c.leaf, PTE_P | PTE_US | PTE_GUEST_KERNEL));
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	ck_assert_int_eq(mm_page(t, f)->type_count, 0);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 2);
	ck_assert_uint_eq(t->ptes_overwritten, 1);
	ck_assert_uint_eq(t->pte_overwritten_maddr, maddr(c.l1, 1));
	/* Absent: whatever it says. */
	ck_assert_int_eq(store(VA + 8, ~PTE_P), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[1], ~PTE_P);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 1);
}
END_TEST

START_TEST(what_no_entry_may_say)
{
	uint64_t was = mm_table(t, c.l1)[0], old = was;
	const uint64_t bad[] = {entry(c.l1, LEAF | PTE_RW), entry(t->d->m2p_mfn, LEAF),
				entry(c.leaf, LEAF | PTE_PSE), entry(t->d->nr_frames, LEAF)};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(store(VA, bad[i]), -EINVAL);
		ck_assert_int_eq(cmpxchg(VA, &old, bad[i]), -EINVAL);
		/* Also for a comparison that would fail. */
		uint64_t other = was ^ PTE_D;
		ck_assert_int_eq(cmpxchg(VA, &other, bad[i]), -EINVAL);
		ck_assert_uint_eq(other, was ^ PTE_D);
	}
	ck_assert_uint_eq(mm_table(t, c.l1)[0], was);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 1);
	ck_assert_int_eq(mm_page(t, c.l1)->refs, 1);
	ck_assert_uint_eq(t->ptes_overwritten, 0);
}
END_TEST

START_TEST(compare_and_exchange)
{
	uint64_t f = test_frame(t), was = mm_table(t, c.l1)[0], old = was;

	ck_assert_int_eq(cmpxchg(VA, &old, entry(f, LEAF)), 0);
	ck_assert_uint_eq(old, was);
	ck_assert_uint_eq(mm_table(t, c.l1)[0], entry(f, LEAF | PTE_G));
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 0);
	ck_assert_uint_eq(t->ptes_overwritten, 1);
	/* The processor set D meanwhile: the guest hears of it, and nothing is lost. */
	mm_table(t, c.l1)[0] |= PTE_D;
	old = entry(f, LEAF | PTE_G);
	ck_assert_int_eq(cmpxchg(VA, &old, entry(c.leaf, LEAF | PTE_RW)), -EAGAIN);
	ck_assert_uint_eq(old, entry(f, LEAF | PTE_G | PTE_D));
	ck_assert_uint_eq(mm_table(t, c.l1)[0], old);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 0);
	ck_assert_int_eq(mm_page(t, c.leaf)->type_count, 0);
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	ck_assert_uint_eq(t->ptes_overwritten, 1);
	ck_assert_int_eq(cmpxchg(VA, &old, 0), 0);
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	/* An entry that stays as it is was not overwritten. */
	old = 0;
	ck_assert_int_eq(cmpxchg(VA, &old, entry(f, LEAF)), 0);
	old = entry(f, LEAF | PTE_G);
	ck_assert_int_eq(cmpxchg(VA, &old, entry(f, LEAF)), 0);
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	ck_assert_uint_eq(t->ptes_overwritten, 2);
}
END_TEST

START_TEST(what_is_no_table_of_the_guest_s)
{
	uint64_t f = test_frame(t), far = 0x6000000000ull;

	ck_assert_int_eq(store(TEST_VA_UNMAPPED, 0), -ENOENT);
	ck_assert_int_eq(store(XEN_VIRT_START, 0), -ENOENT);
	ck_assert_int_eq(store(1UL << 62, 0), -ENOENT);
	/* Data, read-only; a table above L1; Xen's frame; a writable mapping. */
	test_map(t, far, f, false);
	ck_assert_int_eq(store(far, 0), -ENOENT);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L2_TABLE, c.l2, 0), 0);
	test_map(t, far, c.l2, false);
	ck_assert_int_eq(store(far, 0), -ENOENT);
	test_map(t, far, t->d->m2p_mfn, false);
	ck_assert_int_eq(store(far, 0), -ENOENT);
	test_map(t, far, c.l1, true);
	ck_assert_int_eq(store(far, 0), -ENOENT);
	test_map(t, far, t->d->nr_frames, false);
	ck_assert_int_eq(store(far, 0), -ENOENT);
	/* A large page. */
	test_map_pte(t, far, 0);
	uint64_t l2 = test_frame(t), *l3;
	mm_table(t, l2)[0] = entry(c.l1 & ~511UL, PTE_P | PTE_US | PTE_PSE);
	l3 = frame_ptr(t->d, pte_mfn(mm_table(t, t->l4)[far >> 39 & 511]));
	l3[0] = entry(l2, DIR);
	ck_assert_int_eq(store(far + (c.l1 & 511) * PAGE_SIZE, 0), -ENOENT);
	ck_assert_uint_ne(mm_table(t, c.l1)[0], 0);
}
END_TEST

START_TEST(a_store_within_an_entry)
{
	/* The caller has made a whole entry of it: the address may be any byte of it. */
	ck_assert_int_eq(store(VA + 8 + 5, entry(c.leaf, LEAF)), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[1], entry(c.leaf, LEAF | PTE_G));
	ck_assert_int_eq(store(VA + PAGE_SIZE - 1, entry(c.leaf, LEAF)), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[511], entry(c.leaf, LEAF | PTE_G));
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 3);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_store_moves_references,	 what_no_entry_may_say,	  compare_and_exchange,
		what_is_no_table_of_the_guest_s, a_store_within_an_entry,
	};

	return RUN_TESTS("ptwr", setup, teardown, tests);
}
