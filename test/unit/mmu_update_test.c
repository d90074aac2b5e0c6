/*
 * mmu_update: its commands, batches that stop half-way, whose pages and whose
 * tables (Xen: arch/x86/mm.c, do_mmu_update), what is flushed.
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define PREEMPTED 0x80000000u /* MMU_UPDATE_PREEMPTED; not public */

static struct test_domain *t;
static struct chain c;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	c = chain_new(t);
}

static void teardown(void)
{
	test_domain_free(t);
}

/* One request on behalf of `foreigndom`. */
static long update_for(uint32_t foreigndom, uint64_t ptr, uint64_t val)
{
	struct mmu_update req = {ptr, val};

	return HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, &req, sizeof(req)), 1, 0,
		     foreigndom);
}

static void pin_l1(void)
{
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
}

START_TEST(overwrites_are_reported_once)
{
	pin_l1();
	unsigned before = t->ptes_overwritten;
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 3), entry(c.leaf, LEAF)), 0);
	ck_assert_uint_eq(t->ptes_overwritten, before); /* was not present */
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 3), 0), 0);
	ck_assert_uint_eq(t->ptes_overwritten, before + 1);
	ck_assert_uint_eq(t->pte_overwritten_maddr, maddr(c.l1, 3));
}
END_TEST

START_TEST(preserve_ad_keeps_accessed_and_dirty)
{
	pin_l1();
	mm_table(t, c.l1)[0] |= PTE_D;
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 0) | MMU_PT_UPDATE_PRESERVE_AD,
				   entry(c.leaf, PTE_P | PTE_US)),
			 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 0), entry(c.leaf, PTE_P | PTE_US)), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[0] & (PTE_A | PTE_D), 0);
	/* For a PV guest like a normal update. */
	ck_assert_int_eq(
		mm_update(t, maddr(c.l1, 1) | MMU_PT_UPDATE_NO_TRANSLATE, entry(c.leaf, LEAF)), 0);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 2);
}
END_TEST

START_TEST(batches_stop_where_they_fail)
{
	struct mmu_update req[3] = {{maddr(c.l1, 1), entry(c.leaf, LEAF)},
				    {maddr(c.l1, 2), entry(c.leaf, LEAF | PTE_PSE)},
				    {maddr(c.l1, 3), entry(c.leaf, LEAF)}};
	uint32_t done = 77;
	uint64_t pdone = test_put(t, &done, sizeof(done));

	pin_l1();
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, req, sizeof(req)), 3,
			       pdone, DOMID_SELF),
			 -EINVAL);
	test_read(t, pdone, &done, sizeof(done));
	ck_assert_uint_eq(done, 1);
	ck_assert_uint_ne(mm_table(t, c.l1)[1], 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[3], 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, TEST_VA_UNMAPPED, 1, 0, DOMID_SELF),
			 -EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, XEN_VIRT_START, 1, 0, DOMID_SELF),
			 -EFAULT);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, req, sizeof(req)), 1, 0, 55),
		-ESRCH);
}
END_TEST

START_TEST(nowhere_to_say_how_many)
{
	struct mmu_update req[2] = {{maddr(c.l1, 1), entry(c.leaf, LEAF)},
				    {maddr(c.l1, 2), entry(c.leaf, LEAF)}};
	uint64_t reqs = test_put(t, req, sizeof(req));

	/* As in Xen the answer is the same, and so is what was done. */
	pin_l1();
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_mmu_update, reqs, 2, TEST_VA_UNMAPPED, DOMID_SELF), 0);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 3);
	/* None: nothing is read. */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, TEST_VA_UNMAPPED, 0, 0, DOMID_SELF),
			 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, XEN_VIRT_START, 0, 0, DOMID_SELF),
			 -EFAULT);
}
END_TEST

/* What Xen says to itself when it goes on with a batch. */
START_TEST(a_batch_that_goes_on)
{
	struct mmu_update req = {maddr(c.l1, 1), entry(c.leaf, LEAF)};
	uint64_t reqs = test_put(t, &req, sizeof(req));
	uint32_t done = 5;
	uint64_t pdone = test_put(t, &done, sizeof(done));

	pin_l1();
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_mmu_update, reqs, PREEMPTED | 1, pdone, DOMID_SELF), 0);
	test_read(t, pdone, &done, sizeof(done));
	ck_assert_uint_eq(done, 6);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, 0, PREEMPTED, pdone, (uint32_t)-17),
			 -17);
	test_read(t, pdone, &done, sizeof(done));
	ck_assert_uint_eq(done, 6);
}
END_TEST

START_TEST(machphys_update_is_for_own_frames)
{
	uint64_t f = test_frame(t);

	ck_assert_int_eq(mm_update(t, f * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 0x123), 0);
	ck_assert_uint_eq(t->d->m2p[f], 0x123);
	ck_assert_int_eq(mm_update(t, t->d->m2p_mfn * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 1), -EINVAL);
	ck_assert_int_eq(mm_update(t, ~0UL << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 1), -EINVAL);
	ck_assert_int_eq(mm_update(t, f * PAGE_SIZE | 7, 1), -ENOSYS);
	ck_assert_int_eq(mm_update(t, f * PAGE_SIZE | 4, 1), -ENOSYS);
}
END_TEST

START_TEST(a_frame_that_is_no_table_is_data)
{
	uint64_t f = test_frame(t);

	ck_assert_int_eq(mm_update(t, maddr(f, 511), ~0UL), 0);
	ck_assert_uint_eq(mm_table(t, f)[511], ~0UL);
	ck_assert_int_eq(mm_page(t, f)->type_count, 0);
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	/* Not descriptors, not what is Xen's or nobody's. */
	mm_table(t, f)[511] = 0;
	ck_assert_int_eq(mm_get_descriptor_page(t->d, f), 0);
	ck_assert_int_eq(mm_update(t, maddr(f, 0), 1), -EINVAL);
	ck_assert_uint_eq(mm_table(t, f)[0], 0);
	mm_put_descriptor_page(t->d, f);
	ck_assert_int_eq(mm_update(t, maddr(t->d->m2p_mfn, 0), 1), -EINVAL);
	ck_assert_int_eq(mm_update(t, 1UL << 60, 1), -EINVAL);
	/* A frame that Xen shares is writable. */
	ck_assert_int_eq(mm_update(t, maddr(t->d->shared_info_mfn, 511), 0x77), 0);
	ck_assert_uint_eq(mm_table(t, t->d->shared_info_mfn)[511], 0x77);
}
END_TEST

/* get_pg_owner(), xsm_mmu_update(): who exists is known at once, what is refused
 * only when there is something to refuse. */
START_TEST(pages_of_other_domains)
{
	static const struct {
		uint32_t dom;
		int one, none;
	} cases[] = {
		{DOMID_SELF, 0, 0},
		{1, -ESRCH, -ESRCH}, /* its own number */
		{0, -EPERM, 0},
		{DOMID_XEN, -EPERM, 0},
		{1234, -ESRCH, -ESRCH},
		{DOMID_COW, -ESRCH, -ESRCH},
		{DOMID_INVALID, -ESRCH, -ESRCH},
		/* The upper half: whose tables, and 1 more. */
		{2u << 16 | DOMID_SELF, 0, 0},
		{1u << 16 | DOMID_SELF, -EPERM, 0},
		{1235u << 16 | DOMID_SELF, -ESRCH, -ESRCH},
		{DOMID_SELF << 16 | DOMID_SELF, -ESRCH, -ESRCH},
		{2u << 16 | 0, -EPERM, 0},
	};

	pin_l1();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(update_for(cases[i].dom, maddr(c.l1, 1), 0) == cases[i].one,
			      "domain 0x%x", cases[i].dom);
		ck_assert_msg(HCALL(t, 0, __HYPERVISOR_mmu_update, TEST_VA_UNMAPPED, 0, 0,
				    cases[i].dom) == cases[i].none,
			      "domain 0x%x, no request", cases[i].dom);
	}
	/* Bad requests are looked at first. */
	ck_assert_int_eq(update_for(0, maddr(c.l1, 1) | 7, 0), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, TEST_VA_UNMAPPED, 1, 0, 0), -EFAULT);
}
END_TEST

/* Anybody may try: get_page_from_l1e() finds out that a frame is no device's. */
START_TEST(pages_of_domid_io)
{
	uint64_t l1 = mm_table(t, c.l1)[0];

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l1, 1), entry(c.leaf, LEAF)), -EBUSY);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l1, 1), entry(c.leaf, LEAF | PTE_PSE)),
			 -EINVAL);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l1, 1), entry(t->d->nr_frames, LEAF)),
			 -EPERM);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 1);
	/* What is absent, or names the same page as before, is nobody's business. */
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l1, 1), 0x1000), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[1], 0x1000);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l1, 0), l1 | PTE_NX), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[0], l1 | PTE_NX | PTE_G);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l1, 0), 0), 0);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 0);
	/* Tables are not DOMID_IO's, nor is the M2P; data has no owner to name. */
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l2, 0), 0), -EINVAL);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.l4, 0), 0), -EINVAL);
	ck_assert_int_eq(update_for(DOMID_IO, c.leaf * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 1),
			 -EINVAL);
	ck_assert_int_eq(update_for(DOMID_IO, maddr(c.leaf, 0), 1), 0);
}
END_TEST

/* Xen flushes for its linear tables; here a table that no entry names any more must
 * not be in use, on any vcpu. */
START_TEST(changes_above_l1_flush_once_a_batch)
{
	struct chain other = chain_new(t);
	struct mmu_update req[3] = {{maddr(c.l2, 0), entry(other.l1, DIR)},
				    {maddr(c.l2, 1), entry(c.l1, DIR)},
				    {maddr(c.l2, 1), 0}};
	uint64_t reqs = test_put(t, req, sizeof(req));

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	unsigned before = t->tlb_flushes;
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, reqs, 3, 0, DOMID_SELF), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
	ck_assert_uint_eq(t->tlb_flush_vcpus & 3, 3);
	ck_assert_uint_eq(t->tlb_flush_va, ~0UL);
	/* Not for what was absent, not for L1 entries, not for what was refused. */
	ck_assert_int_eq(mm_update(t, maddr(c.l2, 7), entry(other.l1, DIR)), 0);
	ck_assert_int_eq(mm_update(t, maddr(other.l1, 0), 0), 0);
	ck_assert_int_eq(mm_update(t, maddr(c.l2, 0), entry(c.l3, DIR)), -EINVAL);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		overwrites_are_reported_once,
		preserve_ad_keeps_accessed_and_dirty,
		batches_stop_where_they_fail,
		nowhere_to_say_how_many,
		a_batch_that_goes_on,
		machphys_update_is_for_own_frames,
		a_frame_that_is_no_table_is_data,
		pages_of_other_domains,
		pages_of_domid_io,
		changes_above_l1_flush_once_a_batch,
	};

	return RUN_TESTS("mmu_update", setup, teardown, tests);
}
