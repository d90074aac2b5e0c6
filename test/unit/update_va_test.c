/*
 * update_va_mapping and its twin for other domains: the entry that maps an
 * address, and the flush (Xen: arch/x86/mm.c, __do_update_va_mapping).
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define VA 0x4000000000ull

static struct test_domain *t;
static uint64_t l1, f;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	l1 = mm_l1_at(t, VA);
	f = test_frame(t);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long update(uint64_t va, uint64_t val, uint64_t flags)
{
	return HCALL(t, 0, __HYPERVISOR_update_va_mapping, va, val, flags);
}

START_TEST(the_entry_is_changed)
{
	ck_assert_int_eq(update(VA + 0x5678, entry(f, LEAF | PTE_RW), 0), 0);
	ck_assert_uint_eq(mm_table(t, l1)[5], entry(f, LEAF | PTE_RW | PTE_G));
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	ck_assert_int_eq(mm_page(t, f)->type, PGT_WRITABLE);
	ck_assert_ptr_eq(test_ptr(t, VA + 0x5000), frame_ptr(t->d, f));
	ck_assert_int_eq(update(VA + 0x5000, 0, 0), 0);
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	ck_assert_uint_eq(t->tlb_flushes, 0);
	ck_assert_uint_eq(t->pte_overwritten_maddr, maddr(l1, 5));
}
END_TEST

START_TEST(what_is_refused)
{
	ck_assert_int_eq(update(VA, entry(l1, LEAF | PTE_RW), 0), -EBUSY);
	ck_assert_int_eq(update(VA, entry(t->d->nr_frames, LEAF), 0), -EPERM);
	ck_assert_int_eq(update(VA, entry(f, LEAF | PTE_PSE), UVMF_TLB_FLUSH | UVMF_ALL), -EINVAL);
	/* No table, one that is none to Xen, Xen's own addresses, none at all. */
	ck_assert_int_eq(update(TEST_VA_UNMAPPED, 0, 0), -EINVAL);
	ck_assert_int_eq(update(test_alloc(t, PAGE_SIZE), 0, 0), -EINVAL);
	ck_assert_int_eq(update(XEN_VIRT_START, 0, 0), -EINVAL);
	ck_assert_int_eq(update(1UL << 62, 0, 0), -EINVAL);
	ck_assert_uint_eq(mm_table(t, l1)[0], 0);
	ck_assert_uint_eq(t->tlb_flushes, 0);
}
END_TEST

START_TEST(flushes)
{
	uint64_t mask = 2, bitmap = test_alloc(t, PAGE_SIZE);
	const struct {
		uint64_t flags;
		uint32_t vcpus;
		uint64_t va;
	} cases[] = {
		{UVMF_TLB_FLUSH | UVMF_LOCAL, 1, ~0UL},
		{UVMF_TLB_FLUSH | UVMF_ALL, 3, ~0UL},
		{UVMF_TLB_FLUSH | bitmap, 2, ~0UL},
		{UVMF_INVLPG | UVMF_LOCAL, 1, VA + 0x3000},
		{UVMF_INVLPG | UVMF_ALL, 3, VA + 0x3000},
		{UVMF_INVLPG | bitmap, 2, VA + 0x3000},
	};

	test_write(t, bitmap, &mask, sizeof(mask));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(update(VA + 0x3456, 0, cases[i].flags), 0);
		ck_assert_uint_eq(t->tlb_flushes, i + 1);
		ck_assert_uint_eq(t->tlb_flush_vcpus & 3, cases[i].vcpus);
		ck_assert_uint_eq(t->tlb_flush_va, cases[i].va);
	}
	/* The entry is changed before anybody looks at the bitmap. */
	ck_assert_int_eq(update(VA, entry(f, LEAF), UVMF_INVLPG | TEST_VA_UNMAPPED), -EFAULT);
	ck_assert_int_eq(mm_page(t, f)->refs, 1);
	/* 3 is no kind of flush. */
	ck_assert_int_eq(update(VA, 0, 3), 0);
	ck_assert_uint_eq(t->tlb_flushes, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

START_TEST(pages_of_other_domains)
{
	static const struct {
		uint32_t dom;
		int rc;
	} cases[] = {{DOMID_SELF, 0},	 {1, -ESRCH},	 {0, -EPERM},	     {DOMID_XEN, -EPERM},
		     {DOMID_IO, -EPERM}, {1234, -ESRCH}, {DOMID_COW, -ESRCH}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(HCALL(t, 0, __HYPERVISOR_update_va_mapping_otherdomain, VA, 0, 0,
				    cases[i].dom) == cases[i].rc,
			      "domain 0x%x", cases[i].dom);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_entry_is_changed,
		what_is_refused,
		flushes,
		pages_of_other_domains,
	};

	return RUN_TESTS("update_va", setup, teardown, tests);
}
