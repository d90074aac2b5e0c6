/*
 * Grant tables: the size of the table, its two formats, and what the call itself
 * refuses.
 */
#include <errno.h>

#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static uint64_t page;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	page = scratch_va(t, 0);
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(test_query_size)
{
	struct gnttab_query_size op = {.dom = DOMID_SELF};

	ck_assert_int_eq(GRANT_OP(t, query_size, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(op.nr_frames, 1);
	ck_assert_uint_eq(op.max_nr_frames, 64);
	op.dom = SELF_ID;
	ck_assert_int_eq(GRANT_OP(t, query_size, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	op.dom = 0;
	ck_assert_int_eq(GRANT_OP(t, query_size, &op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
	op.dom = 5;
	ck_assert_int_eq(GRANT_OP(t, query_size, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	ck_assert_int_eq(grant_call(t, GNTTABOP_query_size, page, 0), -EINVAL);
	ck_assert_int_eq(grant_call(t, GNTTABOP_query_size, page, 2), -EINVAL);
	ck_assert_int_eq(grant_call(t, GNTTABOP_query_size, TEST_VA_UNMAPPED, 1), -EFAULT);
}
END_TEST

START_TEST(test_setup_table)
{
	struct gnttab_query_size q = {.dom = DOMID_SELF};
	uint64_t frames[64], again[64];

	ck_assert_int_eq(grant_setup_frames(t, 3, frames), GNTST_okay);
	for (unsigned i = 0; i < 3; i++) {
		/* Real frames that the guest may map and write to. */
		ck_assert_uint_ge(frames[i], t->d->heap_start);
		ck_assert_uint_lt(frames[i], t->d->nr_frames);
		domain_lock(t->d);
		ck_assert_int_eq(mm_get_page_and_type(t->d, frames[i], PGT_WRITABLE), 0);
		mm_put_page_and_type(t->d, frames[i]);
		domain_unlock(t->d);
	}
	ck_assert_int_eq(grant_setup_frames(t, 1, again), GNTST_okay);
	ck_assert_uint_eq(again[0], frames[0]);
	ck_assert_int_eq(grant_setup_frames(t, 64, again), GNTST_okay);
	ck_assert_mem_eq(again, frames, 3 * sizeof(*frames));
	ck_assert_int_eq(GRANT_OP(t, query_size, &q), 0);
	ck_assert_uint_eq(q.nr_frames, 64);
	ck_assert_int_eq(grant_setup_frames(t, 65, again), GNTST_general_error);
	ck_assert_int_eq(grant_setup_frames(t, ~0u, again), GNTST_general_error);
	ck_assert_int_eq(grant_setup_frames(t, 0, again), GNTST_okay);
}
END_TEST

START_TEST(test_setup_table_errors)
{
	struct gnttab_setup_table op = {.dom = 0, .nr_frames = 1};
	uint64_t list = test_alloc(t, PAGE_SIZE);

	op.frame_list.p = (xen_pfn_t *)list;
	ck_assert_int_eq(GRANT_OP(t, setup_table, &op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
	op.dom = 9;
	ck_assert_int_eq(GRANT_OP(t, setup_table, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	op.dom = DOMID_SELF;
	op.frame_list.p = (xen_pfn_t *)TEST_VA_UNMAPPED;
	ck_assert_int_eq(GRANT_OP(t, setup_table, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_virt_addr);
	/* Half of the list fits. */
	op.nr_frames = 2;
	op.frame_list.p = (xen_pfn_t *)(list + PAGE_SIZE - 8);
	ck_assert_int_eq(GRANT_OP(t, setup_table, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_virt_addr);
	op.frame_list.p = (xen_pfn_t *)XEN_VIRT_START;
	ck_assert_int_eq(GRANT_OP(t, setup_table, &op), -EFAULT);
	ck_assert_int_eq(grant_call(t, GNTTABOP_setup_table, page, 2), -EINVAL);
	ck_assert_int_eq(grant_call(t, GNTTABOP_setup_table, 0, 1), -EFAULT);
}
END_TEST

START_TEST(test_versions)
{
	struct gnttab_get_version get = {.dom = DOMID_SELF};
	struct gnttab_set_version set = {.version = 2};
	struct gnttab_get_status_frames st = {.dom = DOMID_SELF, .nr_frames = 1};
	uint64_t list = test_alloc(t, PAGE_SIZE), mfn;

	st.frame_list.p = (uint64_t *)list;
	ck_assert_int_eq(GRANT_OP(t, get_version, &get), 0);
	ck_assert_uint_eq(get.version, 1);
	ck_assert_int_eq(GRANT_OP(t, get_status_frames, &st), 0);
	ck_assert_int_eq(st.status, GNTST_general_error);

	grant_table_seed(t->d, GNTTAB_RESERVED_CONSOLE, 0, 123);
	grant_v1_set(t, 100, GTF_permit_access, 0, 5);
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	ck_assert_uint_eq(set.version, 2);
	ck_assert_int_eq(GRANT_OP(t, get_version, &get), 0);
	ck_assert_uint_eq(get.version, 2);
	/* The reserved entries survive, the others do not. */
	ck_assert_uint_eq(grant_entry_2(t->d, 0)->full_page.frame, 123);
	ck_assert_uint_eq(grant_entry_2(t->d, 0)->hdr.flags, GTF_permit_access);
	ck_assert_uint_eq(grant_entry_2(t->d, 100)->hdr.flags, 0);
	ck_assert_uint_eq(grant_nr_entries(t->d->grant_table), 256);

	ck_assert_int_eq(GRANT_OP(t, get_status_frames, &st), 0);
	ck_assert_int_eq(st.status, GNTST_okay);
	test_read(t, list, &mfn, sizeof(mfn));
	ck_assert_ptr_nonnull(mm_page_of_guest(t->d, mfn));
	st.nr_frames = 2;
	ck_assert_int_eq(GRANT_OP(t, get_status_frames, &st), 0);
	ck_assert_int_eq(st.status, GNTST_general_error);

	/* Back: refused while the guest holds a status frame. */
	set.version = 1;
	domain_lock(t->d);
	mm_page_get(t->d, mfn);
	domain_unlock(t->d);
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), -EBUSY);
	ck_assert_uint_eq(set.version, 2);
	mm_page_put(t->d, mfn);
	set.version = 1;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	ck_assert_ptr_null(mm_page_of_guest(t->d, mfn));
	ck_assert_uint_eq(grant_v1(t, 0)->frame, 123);
	ck_assert_uint_eq(grant_v1(t, 0)->flags, GTF_permit_access);
	/* And there again, with the same frame, which is clean. */
	frame_bytes(t, mfn)[5] = 1;
	set.version = 2;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	st.nr_frames = 1;
	ck_assert_int_eq(GRANT_OP(t, get_status_frames, &st), 0);
	ck_assert_int_eq(st.status, GNTST_okay);
	ck_assert_uint_eq(frame_bytes(t, mfn)[5], 0);
}
END_TEST

START_TEST(test_version_errors)
{
	struct gnttab_get_version get = {.dom = 0};
	struct gnttab_set_version set = {.version = 3};
	union grant_entry_v2 *e;
	int status;

	ck_assert_int_eq(GRANT_OP(t, get_version, &get), -EPERM);
	get.dom = 44;
	ck_assert_int_eq(GRANT_OP(t, get_version, &get), -ESRCH);
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), -EINVAL);
	ck_assert_uint_eq(set.version, 1);
	set.version = 0;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), -EINVAL);
	ck_assert_int_eq(grant_call(t, GNTTABOP_set_version, TEST_VA_UNMAPPED, 1), -EFAULT);
	/* In use, outside the reserved ones. */
	grant_v1_set(t, 8, GTF_permit_access, 0, 5);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 8, false, &status));
	set.version = 2;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), -EBUSY);
	grant_backend_unmap(t->d, 8, false);
	set.version = 2;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	/* What version 1 cannot say. */
	e = grant_entry_2(t->d, 3);
	e->hdr.flags = GTF_permit_access;
	e->full_page.frame = 1ull << 32;
	set.version = 1;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), -ERANGE);
	ck_assert_uint_eq(set.version, 2);
	e->hdr.flags = GTF_transitive;
	set.version = 1;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), -ERANGE);
	e->hdr.flags = GTF_invalid;
	set.version = 1;
	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
}
END_TEST

START_TEST(test_status_frames_grow)
{
	struct gnttab_set_version set = {.version = 2};
	uint64_t frames[64];

	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	ck_assert_uint_eq(t->d->grant_table->nr_status_frames, 1);
	ck_assert_int_eq(grant_setup_frames(t, 64, frames), GNTST_okay);
	ck_assert_uint_eq(t->d->grant_table->nr_status_frames, 8);
	ck_assert_uint_eq(grant_nr_entries(t->d->grant_table), 64 * 256);
	*grant_status(t->d, 64 * 256 - 1) = 1;
}
END_TEST

START_TEST(test_old_profile)
{
	uint64_t frames[4];

	teardown();
	t = test_domain_new(1, PROFILE_XEN_3_0_2);
	page = test_alloc(t, PAGE_SIZE);
	ck_assert_int_eq(grant_setup_frames(t, 4, frames), GNTST_okay);
	ck_assert_int_eq(grant_setup_frames(t, 5, frames), GNTST_general_error);
	for (unsigned cmd = GNTTABOP_copy; cmd <= GNTTABOP_cache_flush; cmd++)
		ck_assert_int_eq(grant_call(t, cmd, page, 1), -ENOSYS);
}
END_TEST

START_TEST(test_call_errors)
{
	static const unsigned lists[] = {GNTTABOP_map_grant_ref,
					 GNTTABOP_unmap_grant_ref,
					 GNTTABOP_unmap_and_replace,
					 GNTTABOP_transfer,
					 GNTTABOP_copy,
					 GNTTABOP_swap_grant_ref,
					 GNTTABOP_cache_flush};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		ck_assert_int_eq(grant_call(t, lists[i], page, 0x80000000u), -EINVAL);
		ck_assert_int_eq(grant_call(t, lists[i], TEST_VA_UNMAPPED, 0), 0);
		ck_assert_int_eq(grant_call(t, lists[i], XEN_VIRT_START, 0), -EFAULT);
		ck_assert_int_eq(grant_call(t, lists[i], TEST_VA_UNMAPPED, 1), -EFAULT);
	}
	ck_assert_int_eq(grant_call(t, GNTTABOP_copy | 0x1000, page, 1), -EINVAL);
	ck_assert_int_eq(grant_call(t, GNTTABOP_dump_table, page, 1), -ENOSYS);
	ck_assert_int_eq(grant_call(t, 13, page, 1), -ENOSYS);
	ck_assert_int_eq(grant_call(t, 0xfff, page, 0), -ENOSYS);
}
END_TEST

START_TEST(test_seed)
{
	int status;

	ck_assert_int_eq(grant_table_seed(t->d, GNTTAB_RESERVED_XENSTORE, 0, 55), 0);
	ck_assert_ptr_eq(grant_backend_map(t->d, GNTTAB_RESERVED_XENSTORE, false, &status),
			 frame_bytes(t, 55));
	ck_assert_int_eq(grant_table_seed(t->d, 8, 0, 55), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_query_size,  test_setup_table,    test_setup_table_errors,
		test_versions,	  test_version_errors, test_status_frames_grow,
		test_old_profile, test_call_errors,    test_seed,
	};

	return RUN_TESTS("grant_table", setup, teardown, tests);
}
