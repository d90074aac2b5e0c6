/*
 * GNTTABOP_transfer, swap_grant_ref and cache_flush.
 */
#include <errno.h>

#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(test_transfer)
{
	struct gnttab_transfer op = {.mfn = 40, .domid = 0};
	uint64_t pages = t->d->tot_pages;

	op.mfn = t->d->nr_frames;
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	op.mfn = t->d->grant_table->frames[0];
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	ck_assert_uint_eq(t->d->tot_pages, pages);
	/* Taken away before anybody looks at who should get it. */
	op.mfn = 40;
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_uint_eq(t->d->tot_pages, pages - 1);
	ck_assert_ptr_null(mm_page_of_guest(t->d, 40));
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	op.mfn = 41;
	op.domid = 9;
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	/* To itself, where an entry accepts it. */
	op.mfn = 42;
	op.domid = SELF_ID;
	op.ref = 60;
	grant_v1_set(t, 60, GTF_accept_transfer, SELF_ID, 777);
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(grant_v1(t, 60)->frame, 42);
	ck_assert_uint_eq(grant_v1(t, 60)->flags,
			  GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
	ck_assert_uint_eq(t->d->m2p[42], 777);
	op.mfn = 43;
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_uint_eq(t->d->tot_pages, pages - 3);
}
END_TEST

START_TEST(test_transfer_of_used_frame)
{
	struct gnttab_transfer op = {.mfn = 20, .domid = 0};
	int status;

	grant_v1_set(t, 30, GTF_permit_access, 0, 20);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 30, true, &status));
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	grant_backend_unmap(t->d, 30, true);
	ck_assert_int_eq(GRANT_OP(t, transfer, &op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
}
END_TEST

START_TEST(test_swap)
{
	struct gnttab_swap_grant_ref op = {.ref_a = 30, .ref_b = 31};
	struct gnttab_set_version set = {.version = 2};
	int status;

	grant_v1_set(t, 30, GTF_permit_access, 0, 20);
	grant_v1_set(t, 31, GTF_permit_access | GTF_readonly, 3, 21);
	ck_assert_int_eq(GRANT_OP(t, swap_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(grant_v1(t, 31)->frame, 20);
	ck_assert_uint_eq(grant_v1(t, 30)->domid, 3);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 31, true, &status));
	ck_assert_int_eq(GRANT_OP(t, swap_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_eagain);
	op.ref_a = 31; /* with itself, also while in use */
	ck_assert_int_eq(GRANT_OP(t, swap_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	grant_backend_unmap(t->d, 31, true);
	op.ref_a = 512;
	ck_assert_int_eq(GRANT_OP(t, swap_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_gntref);
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	op = (struct gnttab_swap_grant_ref){.ref_a = 30, .ref_b = 31};
	grant_entry_2(t->d, 30)->full_page.frame = 5;
	*grant_status(t->d, 30) = GTF_reading;
	ck_assert_int_eq(GRANT_OP(t, swap_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(grant_entry_2(t->d, 31)->full_page.frame, 5);
	ck_assert_uint_eq(*grant_status(t->d, 31), GTF_reading);
	ck_assert_uint_eq(*grant_status(t->d, 30), 0);
}
END_TEST

START_TEST(test_cache_flush)
{
	struct gnttab_cache_flush op = {.offset = 0, .length = 64, .op = GNTTAB_CACHE_CLEAN};

	op.a.dev_bus_addr = 20 * PAGE_SIZE;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), 0);
	op.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), 0);
	op.op = GNTTAB_CACHE_INVAL;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), -EOPNOTSUPP);
	op.op = GNTTAB_CACHE_SOURCE_GREF;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), -EINVAL);
	op.op = 0;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), 0);
	op.op = GNTTAB_CACHE_CLEAN;
	op.offset = 4096;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), -EINVAL);
	op.offset = 4095;
	op.length = 2;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), -EINVAL);
	op.length = 1;
	op.a.dev_bus_addr = ~0ull;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), -EINVAL);
	op.a.dev_bus_addr = t->d->m2p_mfn * PAGE_SIZE;
	ck_assert_int_eq(GRANT_OP(t, cache_flush, &op), -EPERM);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_transfer,
		test_transfer_of_used_frame,
		test_swap,
		test_cache_flush,
	};

	return RUN_TESTS("grant_transfer", setup, teardown, tests);
}
