/*
 * GNTTABOP_copy: between frames, by grants of both formats, in lists.
 */
#include <errno.h>
#include <string.h>

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

static int copy_frames(uint64_t from, unsigned from_off, uint64_t to, unsigned to_off, unsigned len)
{
	struct gnttab_copy op = {.len = len, .status = 77};

	op.source.domid = op.dest.domid = DOMID_SELF;
	op.source.u.gmfn = from;
	op.source.offset = from_off;
	op.dest.u.gmfn = to;
	op.dest.offset = to_off;
	ck_assert_int_eq(GRANT_OP(t, copy, &op), 0);
	return op.status;
}

START_TEST(test_copy_between_own_frames)
{
	uint64_t a = test_frame(t), b = test_frame(t);

	memcpy(frame_bytes(t, a) + 100, "grants", 6);
	ck_assert_int_eq(copy_frames(a, 100, b, 4090, 6), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, b) + 4090, "grants", 6);
	ck_assert_int_eq(copy_frames(a, 0, b, 0, 4096), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, a), frame_bytes(t, b), 4096);
	/* Overlapping. */
	ck_assert_int_eq(copy_frames(a, 100, a, 102, 6), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, a) + 100, "grgrants", 8);
	ck_assert_int_eq(copy_frames(a, 1, b, 0, 4096), GNTST_bad_copy_arg);
	ck_assert_int_eq(copy_frames(a, 0, b, 4000, 97), GNTST_bad_copy_arg);
	ck_assert_int_eq(copy_frames(a, 0xffff, b, 0, 0xffff), GNTST_bad_copy_arg);
	ck_assert_int_eq(copy_frames(a, 0, t->d->nr_frames, 0, 1), GNTST_bad_page);
	ck_assert_int_eq(copy_frames(~0ull, 0, b, 0, 1), GNTST_bad_page);
	/* Xen's own frames are nobody's. */
	ck_assert_int_eq(copy_frames(t->d->m2p_mfn, 0, b, 0, 1), GNTST_bad_page);
	ck_assert_uint_eq(frame_refs(t, a), 0);
	ck_assert_uint_eq(frame_refs(t, b), 0);
}
END_TEST

START_TEST(test_copy_refuses_page_tables)
{
	uint64_t a = test_frame(t), table = test_frame(t);

	domain_lock(t->d);
	ck_assert_int_eq(mm_get_page_and_type(t->d, table, PGT_L1), 0);
	domain_unlock(t->d);
	ck_assert_int_eq(copy_frames(table, 0, a, 0, 8), GNTST_okay);
	ck_assert_int_eq(copy_frames(a, 0, table, 0, 8), GNTST_general_error);
	ck_assert_uint_eq(frame_refs(t, table), 1);
}
END_TEST

static int copy_from_grant(grant_ref_t ref, domid_t dom, unsigned off, unsigned len)
{
	struct gnttab_copy op = {.len = len, .flags = GNTCOPY_source_gref};

	op.source.domid = dom;
	op.source.u.ref = ref;
	op.source.offset = off;
	op.dest.domid = DOMID_SELF;
	op.dest.u.gmfn = 10;
	ck_assert_int_eq(GRANT_OP(t, copy, &op), 0);
	return op.status;
}

static int copy_to_grant(grant_ref_t ref, unsigned off, unsigned len)
{
	struct gnttab_copy op = {.len = len, .flags = GNTCOPY_dest_gref};

	op.source.domid = DOMID_SELF;
	op.source.u.gmfn = 10;
	op.dest.domid = DOMID_SELF;
	op.dest.u.ref = ref;
	op.dest.offset = off;
	ck_assert_int_eq(GRANT_OP(t, copy, &op), 0);
	return op.status;
}

START_TEST(test_copy_by_grant)
{
	memcpy(frame_bytes(t, 20), "abc", 3);
	grant_v1_set(t, 50, GTF_permit_access | GTF_readonly, SELF_ID, 20);
	ck_assert_int_eq(copy_from_grant(50, DOMID_SELF, 0, 3), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, 10), "abc", 3);
	ck_assert_int_eq(copy_from_grant(50, SELF_ID, 0, 3), GNTST_okay);
	/* Nothing in use afterwards. */
	ck_assert_uint_eq(grant_v1(t, 50)->flags, GTF_permit_access | GTF_readonly);
	ck_assert_int_eq(copy_to_grant(50, 0, 3), GNTST_general_error);
	ck_assert_uint_eq(grant_v1(t, 50)->flags, GTF_permit_access | GTF_readonly);
	grant_v1_set(t, 50, GTF_permit_access, SELF_ID, 20);
	ck_assert_int_eq(copy_to_grant(50, 9, 3), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, 20) + 9, "abc", 3);
	ck_assert_uint_eq(grant_v1(t, 50)->flags, GTF_permit_access);
	/* For somebody else, invalid, out of range, of a bad frame. */
	grant_v1_set(t, 51, GTF_permit_access, 0, 20);
	ck_assert_int_eq(copy_from_grant(51, DOMID_SELF, 0, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(52, DOMID_SELF, 0, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(512, DOMID_SELF, 0, 3), GNTST_bad_gntref);
	ck_assert_int_eq(copy_from_grant(~0u, DOMID_SELF, 0, 3), GNTST_bad_gntref);
	grant_v1_set(t, 53, GTF_permit_access, SELF_ID, t->d->nr_frames);
	ck_assert_int_eq(copy_from_grant(53, DOMID_SELF, 0, 3), GNTST_bad_page);
	ck_assert_uint_eq(grant_v1(t, 53)->flags, GTF_permit_access);
	grant_v1_set(t, 54, GTF_accept_transfer, SELF_ID, 20);
	ck_assert_int_eq(copy_from_grant(54, DOMID_SELF, 0, 3), GNTST_general_error);
	/* Other domains. */
	ck_assert_int_eq(copy_from_grant(1, 0, 0, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(100000, 0, 0, 3), GNTST_bad_gntref);
	ck_assert_int_eq(copy_from_grant(1, 7, 0, 3), GNTST_bad_domain);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
}
END_TEST

START_TEST(test_copy_needs_grant_for_others)
{
	struct gnttab_copy op = {.len = 1};

	op.source.domid = SELF_ID; /* by frame, only DOMID_SELF will do */
	op.dest.domid = DOMID_SELF;
	ck_assert_int_eq(GRANT_OP(t, copy, &op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
	op.source.domid = 99;
	op.flags = GNTCOPY_dest_gref;
	ck_assert_int_eq(GRANT_OP(t, copy, &op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
}
END_TEST

START_TEST(test_copy_version_2)
{
	struct gnttab_set_version set = {.version = 2};
	union grant_entry_v2 *e;

	ck_assert_int_eq(GRANT_OP(t, set_version, &set), 0);
	memcpy(frame_bytes(t, 20) + 100, "abc", 3);
	e = grant_entry_2(t->d, 200);
	e->sub_page.frame = 20;
	e->sub_page.page_off = 100;
	e->sub_page.length = 3;
	e->hdr.domid = SELF_ID;
	e->hdr.flags = GTF_permit_access | GTF_sub_page;
	ck_assert_int_eq(copy_from_grant(200, DOMID_SELF, 100, 3), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, 10), "abc", 3);
	ck_assert_int_eq(copy_from_grant(200, DOMID_SELF, 99, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(200, DOMID_SELF, 101, 3), GNTST_general_error);
	ck_assert_uint_eq(*grant_status(t->d, 200), 0);
	/* Granted on: nobody grants this domain anything, least of all itself. */
	e->transitive.trans_domid = SELF_ID;
	e->transitive.gref = 1;
	e->hdr.flags = GTF_transitive;
	ck_assert_int_eq(copy_from_grant(200, DOMID_SELF, 0, 3), GNTST_general_error);
	e->transitive.trans_domid = 0;
	e->transitive.gref = 100000;
	ck_assert_int_eq(copy_from_grant(200, DOMID_SELF, 0, 3), GNTST_bad_gntref);
	ck_assert_uint_eq(*grant_status(t->d, 200), 0);
	/* The whole frame, to write. */
	e->full_page.frame = 20;
	e->hdr.flags = GTF_permit_access;
	ck_assert_int_eq(copy_to_grant(200, 0, 3), GNTST_okay);
	ck_assert_mem_eq(frame_bytes(t, 20), "abc", 3);
	ck_assert_uint_eq(grant_entry_2(t->d, 200)->hdr.flags, GTF_permit_access);
	ck_assert_uint_eq(*grant_status(t->d, 200), 0);
}
END_TEST

START_TEST(test_list_of_copies)
{
	struct gnttab_copy ops[3];
	uint64_t va = page + PAGE_SIZE - 2 * sizeof(ops[0]);

	memset(ops, 0, sizeof(ops));
	for (unsigned i = 0; i < 3; i++) {
		ops[i].source.domid = ops[i].dest.domid = DOMID_SELF;
		ops[i].source.u.gmfn = i == 0 ? ~0ull : 20;
		ops[i].dest.u.gmfn = 30;
		ops[i].dest.offset = 8 * i;
		ops[i].len = 8;
		ops[i].status = 77;
	}
	memset(frame_bytes(t, 20), 0x55, 64);
	test_write(t, va, ops, 2 * sizeof(ops[0]));
	/* One bad, one good, one unreadable. */
	ck_assert_int_eq(grant_call(t, GNTTABOP_copy, va, 3), -EFAULT);
	test_read(t, va, ops, 2 * sizeof(ops[0]));
	ck_assert_int_eq(ops[0].status, GNTST_bad_page);
	ck_assert_int_eq(ops[1].status, GNTST_okay);
	ck_assert_uint_eq(frame_bytes(t, 30)[0], 0);
	ck_assert_uint_eq(frame_bytes(t, 30)[8], 0x55);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_copy_between_own_frames, test_copy_refuses_page_tables,
		test_copy_by_grant,	      test_copy_needs_grant_for_others,
		test_copy_version_2,	      test_list_of_copies,
	};

	return RUN_TESTS("grant_copy", setup, teardown, tests);
}
