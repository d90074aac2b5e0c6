/*
 * The way of backends to granted frames.
 */
#include "test/unit/test_grant.h"
#include "test/unit/test_mm.h"
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

START_TEST(test_backend_map)
{
	int status;
	uint8_t *p;

	grant_v1_set(t, 30, GTF_permit_access, 0, 20);
	p = grant_backend_map(t->d, 30, false, &status);
	ck_assert_int_eq(status, GNTST_okay);
	ck_assert_ptr_eq(p, frame_bytes(t, 20));
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	/* The guest points its entry elsewhere: the mapping stays what it is. */
	grant_v1(t, 30)->frame = 21;
	ck_assert_ptr_eq(grant_backend_map(t->d, 30, true, &status), frame_bytes(t, 20));
	grant_backend_unmap(t->d, 30, true);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	grant_backend_unmap(t->d, 30, false);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
	grant_backend_unmap(t->d, 30, false);
	grant_backend_unmap(t->d, 1u << 31, false);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	/* Not for domain 0, or not to be written. */
	grant_v1_set(t, 31, GTF_permit_access, SELF_ID, 20);
	ck_assert_ptr_null(grant_backend_map(t->d, 31, true, &status));
	ck_assert_int_eq(status, GNTST_general_error);
	grant_v1_set(t, 32, GTF_permit_access | GTF_readonly, 0, 20);
	ck_assert_ptr_null(grant_backend_map(t->d, 32, false, &status));
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 32, true, &status));
	ck_assert_ptr_null(grant_backend_map(t->d, 512, true, &status));
	ck_assert_int_eq(status, GNTST_bad_gntref);
}
END_TEST

START_TEST(test_backend_map_counts)
{
	int status;

	grant_v1_set(t, 30, GTF_permit_access, 0, 20);
	for (unsigned i = 0; i < GRANT_PIN_MAX; i++)
		ck_assert_ptr_nonnull(grant_backend_map(t->d, 30, true, &status));
	ck_assert_ptr_null(grant_backend_map(t->d, 30, true, &status));
	ck_assert_int_eq(status, GNTST_general_error);
	for (unsigned i = 0; i < GRANT_PIN_MAX; i++)
		grant_backend_unmap(t->d, 30, true);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
}
END_TEST

START_TEST(test_grants_in_use_are_found)
{
	grant_ref_t ref = 0;
	int status;

	ck_assert_ptr_null(grant_next_in_use(t->d, &ref));
	grant_v1_set(t, 30, GTF_permit_access, 0, 20);
	grant_v1_set(t, 300, GTF_permit_access, 0, 21);
	grant_backend_map(t->d, 30, false, &status);
	grant_backend_map(t->d, 300, true, &status);
	ref = 0;
	const struct active_grant *g = grant_next_in_use(t->d, &ref);
	ck_assert_uint_eq(ref, 30);
	ck_assert_uint_eq(g->mfn, 20);
	ck_assert_uint_eq(g->pins[PIN_HOST_RW], 1);
	ref++;
	g = grant_next_in_use(t->d, &ref);
	ck_assert_uint_eq(ref, 300);
	ck_assert_uint_eq(g->pins[PIN_HOST_RO], 1);
	ref++;
	ck_assert_ptr_null(grant_next_in_use(t->d, &ref));
	grant_backend_unmap(t->d, 30, false);
	ref = 0;
	ck_assert_ptr_nonnull(grant_next_in_use(t->d, &ref));
	ck_assert_uint_eq(ref, 300);
}
END_TEST

START_TEST(test_backend_cannot_write_page_tables)
{
	int status;

	grant_v1_set(t, 30, GTF_permit_access, 0, mm_l1_at(t, 0x6000000000ull));
	ck_assert_ptr_null(grant_backend_map(t->d, 30, false, &status));
	ck_assert_int_eq(status, GNTST_general_error);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 30, true, &status));
}
END_TEST

START_TEST(test_backend_copy)
{
	char buf[8] = "";

	grant_v1_set(t, 30, GTF_permit_access, 0, 20);
	ck_assert_int_eq(grant_backend_copy_to(t->d, 30, 4090, "abcdef", 6), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, 20) + 4090, "abcdef", 6);
	ck_assert_int_eq(grant_backend_copy_from(t->d, buf, 30, 4091, 3), GNTST_okay);
	ck_assert_str_eq(buf, "bcd");
	ck_assert_int_eq(grant_backend_copy_to(t->d, 30, 4091, "abcdef", 6), GNTST_bad_copy_arg);
	ck_assert_int_eq(grant_backend_copy_from(t->d, buf, 30, ~0u, 2), GNTST_bad_copy_arg);
	ck_assert_int_eq(grant_backend_copy_from(t->d, buf, 31, 0, 2), GNTST_general_error);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_backend_map,
		test_backend_map_counts,
		test_backend_cannot_write_page_tables,
		test_grants_in_use_are_found,
		test_backend_copy,
	};

	return RUN_TESTS("grant_backend", setup, teardown, tests);
}
