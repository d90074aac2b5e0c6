/*
 * Grant tables: the table's size and formats, requests about grants, and the
 * backends' way to them.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/grant_table.h"
#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define SELF_ID 1

static struct test_domain *t;
static uint64_t page;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	page = test_alloc(t, PAGE_SIZE);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long grant_call(unsigned cmd, uint64_t va, uint64_t count)
{
	return HCALL(t, 0, __HYPERVISOR_grant_table_op, cmd, va, count);
}

static long with_block(unsigned cmd, void *b, size_t size)
{
	long rc;

	test_write(t, page, b, size);
	rc = grant_call(cmd, page, 1);
	test_read(t, page, b, size);
	return rc;
}
#define OP(cmd, b) with_block(GNTTABOP_##cmd, &(b), sizeof(b))

static int setup_frames(unsigned nr, uint64_t *frames)
{
	struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = nr, .status = 77};
	uint64_t list = test_alloc(t, PAGE_SIZE);

	op.frame_list.p = (xen_pfn_t *)list;
	ck_assert_int_eq(OP(setup_table, op), 0);
	if (op.status == GNTST_okay)
		test_read(t, list, frames, nr * sizeof(*frames));
	return op.status;
}

/* The guest's own view of entry `ref`, version 1. */
static grant_entry_v1_t *entry_1(grant_ref_t ref)
{
	return grant_entry_1(t->d, ref);
}

static void grant_1(grant_ref_t ref, uint16_t flags, domid_t domid, uint64_t mfn)
{
	grant_entry_v1_t *e = entry_1(ref);

	e->frame = mfn;
	e->domid = domid;
	e->flags = flags;
}

static uint8_t *bytes(uint64_t mfn)
{
	return frame_ptr(t->d, mfn);
}

static unsigned page_refs(uint64_t mfn)
{
	return t->d->pages[mfn].refs;
}

/* ---- the table ---- */

START_TEST(test_query_size)
{
	struct gnttab_query_size op = {.dom = DOMID_SELF};

	ck_assert_int_eq(OP(query_size, op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(op.nr_frames, 1);
	ck_assert_uint_eq(op.max_nr_frames, 64);
	op.dom = SELF_ID;
	ck_assert_int_eq(OP(query_size, op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	op.dom = 0;
	ck_assert_int_eq(OP(query_size, op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
	op.dom = 5;
	ck_assert_int_eq(OP(query_size, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	ck_assert_int_eq(grant_call(GNTTABOP_query_size, page, 0), -EINVAL);
	ck_assert_int_eq(grant_call(GNTTABOP_query_size, page, 2), -EINVAL);
	ck_assert_int_eq(grant_call(GNTTABOP_query_size, TEST_VA_UNMAPPED, 1), -EFAULT);
}
END_TEST

START_TEST(test_setup_table)
{
	struct gnttab_query_size q = {.dom = DOMID_SELF};
	uint64_t frames[64], again[64];

	ck_assert_int_eq(setup_frames(3, frames), GNTST_okay);
	for (unsigned i = 0; i < 3; i++) {
		/* Real frames that the guest may map and write to. */
		ck_assert_uint_ge(frames[i], t->d->heap_start);
		ck_assert_uint_lt(frames[i], t->d->nr_frames);
		domain_lock(t->d);
		ck_assert_int_eq(mm_get_page_and_type(t->d, frames[i], PGT_WRITABLE), 0);
		mm_put_page_and_type(t->d, frames[i]);
		domain_unlock(t->d);
	}
	ck_assert_int_eq(setup_frames(1, again), GNTST_okay);
	ck_assert_uint_eq(again[0], frames[0]);
	ck_assert_int_eq(setup_frames(64, again), GNTST_okay);
	ck_assert_mem_eq(again, frames, 3 * sizeof(*frames));
	ck_assert_int_eq(OP(query_size, q), 0);
	ck_assert_uint_eq(q.nr_frames, 64);
	ck_assert_int_eq(setup_frames(65, again), GNTST_general_error);
	ck_assert_int_eq(setup_frames(~0u, again), GNTST_general_error);
	ck_assert_int_eq(setup_frames(0, again), GNTST_okay);
}
END_TEST

START_TEST(test_setup_table_errors)
{
	struct gnttab_setup_table op = {.dom = 0, .nr_frames = 1};
	uint64_t list = test_alloc(t, PAGE_SIZE);

	op.frame_list.p = (xen_pfn_t *)list;
	ck_assert_int_eq(OP(setup_table, op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
	op.dom = 9;
	ck_assert_int_eq(OP(setup_table, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	op.dom = DOMID_SELF;
	op.frame_list.p = (xen_pfn_t *)TEST_VA_UNMAPPED;
	ck_assert_int_eq(OP(setup_table, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_virt_addr);
	/* Half of the list fits. */
	op.nr_frames = 2;
	op.frame_list.p = (xen_pfn_t *)(list + PAGE_SIZE - 8);
	ck_assert_int_eq(OP(setup_table, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_virt_addr);
	op.frame_list.p = (xen_pfn_t *)XEN_VIRT_START;
	ck_assert_int_eq(OP(setup_table, op), -EFAULT);
	ck_assert_int_eq(grant_call(GNTTABOP_setup_table, page, 2), -EINVAL);
	ck_assert_int_eq(grant_call(GNTTABOP_setup_table, 0, 1), -EFAULT);
}
END_TEST

START_TEST(test_versions)
{
	struct gnttab_get_version get = {.dom = DOMID_SELF};
	struct gnttab_set_version set = {.version = 2};
	struct gnttab_get_status_frames st = {.dom = DOMID_SELF, .nr_frames = 1};
	uint64_t list = test_alloc(t, PAGE_SIZE), mfn;

	st.frame_list.p = (uint64_t *)list;
	ck_assert_int_eq(OP(get_version, get), 0);
	ck_assert_uint_eq(get.version, 1);
	ck_assert_int_eq(OP(get_status_frames, st), 0);
	ck_assert_int_eq(st.status, GNTST_general_error);

	grant_table_seed(t->d, GNTTAB_RESERVED_CONSOLE, 0, 123);
	grant_1(100, GTF_permit_access, 0, 5);
	ck_assert_int_eq(OP(set_version, set), 0);
	ck_assert_uint_eq(set.version, 2);
	ck_assert_int_eq(OP(get_version, get), 0);
	ck_assert_uint_eq(get.version, 2);
	/* The reserved entries survive, the others do not. */
	ck_assert_uint_eq(grant_entry_2(t->d, 0)->full_page.frame, 123);
	ck_assert_uint_eq(grant_entry_2(t->d, 0)->hdr.flags, GTF_permit_access);
	ck_assert_uint_eq(grant_entry_2(t->d, 100)->hdr.flags, 0);
	ck_assert_uint_eq(grant_nr_entries(t->d->grant_table), 256);

	ck_assert_int_eq(OP(get_status_frames, st), 0);
	ck_assert_int_eq(st.status, GNTST_okay);
	test_read(t, list, &mfn, sizeof(mfn));
	ck_assert_ptr_nonnull(mm_page_of_guest(t->d, mfn));
	st.nr_frames = 2;
	ck_assert_int_eq(OP(get_status_frames, st), 0);
	ck_assert_int_eq(st.status, GNTST_general_error);

	/* Back: refused while the guest holds a status frame. */
	set.version = 1;
	domain_lock(t->d);
	mm_page_get(t->d, mfn);
	domain_unlock(t->d);
	ck_assert_int_eq(OP(set_version, set), -EBUSY);
	ck_assert_uint_eq(set.version, 2);
	mm_page_put(t->d, mfn);
	set.version = 1;
	ck_assert_int_eq(OP(set_version, set), 0);
	ck_assert_ptr_null(mm_page_of_guest(t->d, mfn));
	ck_assert_uint_eq(entry_1(0)->frame, 123);
	ck_assert_uint_eq(entry_1(0)->flags, GTF_permit_access);
	/* And there again, with the same frame, which is clean. */
	bytes(mfn)[5] = 1;
	set.version = 2;
	ck_assert_int_eq(OP(set_version, set), 0);
	st.nr_frames = 1;
	ck_assert_int_eq(OP(get_status_frames, st), 0);
	ck_assert_int_eq(st.status, GNTST_okay);
	ck_assert_uint_eq(bytes(mfn)[5], 0);
}
END_TEST

START_TEST(test_version_errors)
{
	struct gnttab_get_version get = {.dom = 0};
	struct gnttab_set_version set = {.version = 3};
	union grant_entry_v2 *e;
	int status;

	ck_assert_int_eq(OP(get_version, get), -EPERM);
	get.dom = 44;
	ck_assert_int_eq(OP(get_version, get), -ESRCH);
	ck_assert_int_eq(OP(set_version, set), -EINVAL);
	ck_assert_uint_eq(set.version, 1);
	set.version = 0;
	ck_assert_int_eq(OP(set_version, set), -EINVAL);
	ck_assert_int_eq(grant_call(GNTTABOP_set_version, TEST_VA_UNMAPPED, 1), -EFAULT);
	/* In use, outside the reserved ones. */
	grant_1(8, GTF_permit_access, 0, 5);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 8, false, &status));
	set.version = 2;
	ck_assert_int_eq(OP(set_version, set), -EBUSY);
	grant_backend_unmap(t->d, 8, false);
	set.version = 2;
	ck_assert_int_eq(OP(set_version, set), 0);
	/* What version 1 cannot say. */
	e = grant_entry_2(t->d, 3);
	e->hdr.flags = GTF_permit_access;
	e->full_page.frame = 1ull << 32;
	set.version = 1;
	ck_assert_int_eq(OP(set_version, set), -ERANGE);
	ck_assert_uint_eq(set.version, 2);
	e->hdr.flags = GTF_transitive;
	set.version = 1;
	ck_assert_int_eq(OP(set_version, set), -ERANGE);
	e->hdr.flags = GTF_invalid;
	set.version = 1;
	ck_assert_int_eq(OP(set_version, set), 0);
}
END_TEST

START_TEST(test_status_frames_grow)
{
	struct gnttab_set_version set = {.version = 2};
	uint64_t frames[64];

	ck_assert_int_eq(OP(set_version, set), 0);
	ck_assert_uint_eq(t->d->grant_table->nr_status_frames, 1);
	ck_assert_int_eq(setup_frames(64, frames), GNTST_okay);
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
	ck_assert_int_eq(setup_frames(4, frames), GNTST_okay);
	ck_assert_int_eq(setup_frames(5, frames), GNTST_general_error);
	for (unsigned cmd = GNTTABOP_copy; cmd <= GNTTABOP_cache_flush; cmd++)
		ck_assert_int_eq(grant_call(cmd, page, 1), -ENOSYS);
}
END_TEST

/* ---- the call itself ---- */

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
		ck_assert_int_eq(grant_call(lists[i], page, 0x80000000u), -EINVAL);
		ck_assert_int_eq(grant_call(lists[i], TEST_VA_UNMAPPED, 0), 0);
		ck_assert_int_eq(grant_call(lists[i], XEN_VIRT_START, 0), -EFAULT);
		ck_assert_int_eq(grant_call(lists[i], TEST_VA_UNMAPPED, 1), -EFAULT);
	}
	ck_assert_int_eq(grant_call(GNTTABOP_copy | 0x1000, page, 1), -EINVAL);
	ck_assert_int_eq(grant_call(GNTTABOP_dump_table, page, 1), -ENOSYS);
	ck_assert_int_eq(grant_call(13, page, 1), -ENOSYS);
	ck_assert_int_eq(grant_call(0xfff, page, 0), -ENOSYS);
}
END_TEST

/* ---- copies ---- */

static int copy_frames(uint64_t from, unsigned from_off, uint64_t to, unsigned to_off, unsigned len)
{
	struct gnttab_copy op = {.len = len, .status = 77};

	op.source.domid = op.dest.domid = DOMID_SELF;
	op.source.u.gmfn = from;
	op.source.offset = from_off;
	op.dest.u.gmfn = to;
	op.dest.offset = to_off;
	ck_assert_int_eq(OP(copy, op), 0);
	return op.status;
}

START_TEST(test_copy_between_own_frames)
{
	uint64_t a = test_frame(t), b = test_frame(t);

	memcpy(bytes(a) + 100, "grants", 6);
	ck_assert_int_eq(copy_frames(a, 100, b, 4090, 6), GNTST_okay);
	ck_assert_mem_eq(bytes(b) + 4090, "grants", 6);
	ck_assert_int_eq(copy_frames(a, 0, b, 0, 4096), GNTST_okay);
	ck_assert_mem_eq(bytes(a), bytes(b), 4096);
	/* Overlapping. */
	ck_assert_int_eq(copy_frames(a, 100, a, 102, 6), GNTST_okay);
	ck_assert_mem_eq(bytes(a) + 100, "grgrants", 8);
	ck_assert_int_eq(copy_frames(a, 1, b, 0, 4096), GNTST_bad_copy_arg);
	ck_assert_int_eq(copy_frames(a, 0, b, 4000, 97), GNTST_bad_copy_arg);
	ck_assert_int_eq(copy_frames(a, 0xffff, b, 0, 0xffff), GNTST_bad_copy_arg);
	ck_assert_int_eq(copy_frames(a, 0, t->d->nr_frames, 0, 1), GNTST_bad_page);
	ck_assert_int_eq(copy_frames(~0ull, 0, b, 0, 1), GNTST_bad_page);
	/* Xen's own frames are nobody's. */
	ck_assert_int_eq(copy_frames(t->d->m2p_mfn, 0, b, 0, 1), GNTST_bad_page);
	ck_assert_uint_eq(page_refs(a), 0);
	ck_assert_uint_eq(page_refs(b), 0);
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
	ck_assert_uint_eq(page_refs(table), 1);
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
	ck_assert_int_eq(OP(copy, op), 0);
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
	ck_assert_int_eq(OP(copy, op), 0);
	return op.status;
}

START_TEST(test_copy_by_grant)
{
	memcpy(bytes(20), "abc", 3);
	grant_1(50, GTF_permit_access | GTF_readonly, SELF_ID, 20);
	ck_assert_int_eq(copy_from_grant(50, DOMID_SELF, 0, 3), GNTST_okay);
	ck_assert_mem_eq(bytes(10), "abc", 3);
	ck_assert_int_eq(copy_from_grant(50, SELF_ID, 0, 3), GNTST_okay);
	/* Nothing in use afterwards. */
	ck_assert_uint_eq(entry_1(50)->flags, GTF_permit_access | GTF_readonly);
	ck_assert_int_eq(copy_to_grant(50, 0, 3), GNTST_general_error);
	ck_assert_uint_eq(entry_1(50)->flags, GTF_permit_access | GTF_readonly);
	grant_1(50, GTF_permit_access, SELF_ID, 20);
	ck_assert_int_eq(copy_to_grant(50, 9, 3), GNTST_okay);
	ck_assert_mem_eq(bytes(20) + 9, "abc", 3);
	ck_assert_uint_eq(entry_1(50)->flags, GTF_permit_access);
	/* For somebody else, invalid, out of range, of a bad frame. */
	grant_1(51, GTF_permit_access, 0, 20);
	ck_assert_int_eq(copy_from_grant(51, DOMID_SELF, 0, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(52, DOMID_SELF, 0, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(512, DOMID_SELF, 0, 3), GNTST_bad_gntref);
	ck_assert_int_eq(copy_from_grant(~0u, DOMID_SELF, 0, 3), GNTST_bad_gntref);
	grant_1(53, GTF_permit_access, SELF_ID, t->d->nr_frames);
	ck_assert_int_eq(copy_from_grant(53, DOMID_SELF, 0, 3), GNTST_bad_page);
	ck_assert_uint_eq(entry_1(53)->flags, GTF_permit_access);
	grant_1(54, GTF_accept_transfer, SELF_ID, 20);
	ck_assert_int_eq(copy_from_grant(54, DOMID_SELF, 0, 3), GNTST_general_error);
	/* Other domains. */
	ck_assert_int_eq(copy_from_grant(1, 0, 0, 3), GNTST_general_error);
	ck_assert_int_eq(copy_from_grant(100000, 0, 0, 3), GNTST_bad_gntref);
	ck_assert_int_eq(copy_from_grant(1, 7, 0, 3), GNTST_bad_domain);
	ck_assert_uint_eq(page_refs(20), 0);
}
END_TEST

START_TEST(test_copy_needs_grant_for_others)
{
	struct gnttab_copy op = {.len = 1};

	op.source.domid = SELF_ID; /* by frame, only DOMID_SELF will do */
	op.dest.domid = DOMID_SELF;
	ck_assert_int_eq(OP(copy, op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
	op.source.domid = 99;
	op.flags = GNTCOPY_dest_gref;
	ck_assert_int_eq(OP(copy, op), 0);
	ck_assert_int_eq(op.status, GNTST_permission_denied);
}
END_TEST

START_TEST(test_copy_version_2)
{
	struct gnttab_set_version set = {.version = 2};
	union grant_entry_v2 *e;

	ck_assert_int_eq(OP(set_version, set), 0);
	memcpy(bytes(20) + 100, "abc", 3);
	e = grant_entry_2(t->d, 200);
	e->sub_page.frame = 20;
	e->sub_page.page_off = 100;
	e->sub_page.length = 3;
	e->hdr.domid = SELF_ID;
	e->hdr.flags = GTF_permit_access | GTF_sub_page;
	ck_assert_int_eq(copy_from_grant(200, DOMID_SELF, 100, 3), GNTST_okay);
	ck_assert_mem_eq(bytes(10), "abc", 3);
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
	ck_assert_mem_eq(bytes(20), "abc", 3);
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
	memset(bytes(20), 0x55, 64);
	test_write(t, va, ops, 2 * sizeof(ops[0]));
	/* One bad, one good, one unreadable. */
	ck_assert_int_eq(grant_call(GNTTABOP_copy, va, 3), -EFAULT);
	test_read(t, va, ops, 2 * sizeof(ops[0]));
	ck_assert_int_eq(ops[0].status, GNTST_bad_page);
	ck_assert_int_eq(ops[1].status, GNTST_okay);
	ck_assert_uint_eq(bytes(30)[0], 0);
	ck_assert_uint_eq(bytes(30)[8], 0x55);
}
END_TEST

/* ---- mapping ---- */

/* An L1 table that is one to Xen as well, for addresses from map_va on. */
static const uint64_t map_va = 0x6000000000ull;

static uint64_t *typed_l1(void)
{
	uint64_t *pte = test_map_pte(t, map_va, 0);
	uint64_t mfn = ((uint8_t *)pte - t->memory) / PAGE_SIZE;

	domain_lock(t->d);
	ck_assert_int_eq(mm_get_page_and_type(t->d, mfn, PGT_L1), 0);
	domain_unlock(t->d);
	return pte;
}

static struct gnttab_map_grant_ref map_op(grant_ref_t ref, uint32_t flags, uint64_t addr)
{
	struct gnttab_map_grant_ref op = {
		.dom = SELF_ID,
		.ref = ref,
		.flags = flags,
		.host_addr = addr,
		.status = 77,
	};

	ck_assert_int_eq(OP(map_grant_ref, op), 0);
	return op;
}

static int unmap_op(grant_handle_t handle, uint64_t addr, uint64_t bus)
{
	struct gnttab_unmap_grant_ref op = {
		.handle = handle, .host_addr = addr, .dev_bus_addr = bus, .status = 77};

	ck_assert_int_eq(OP(unmap_grant_ref, op), 0);
	return op.status;
}

START_TEST(test_map_and_unmap)
{
	uint64_t *pte = typed_l1();
	struct gnttab_map_grant_ref op;

	memcpy(bytes(20), "abc", 3);
	grant_1(30, GTF_permit_access, SELF_ID, 20);
	op = map_op(30, GNTMAP_host_map, map_va);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(op.dev_bus_addr, 20 * PAGE_SIZE);
	ck_assert_mem_eq(test_ptr(t, map_va), "abc", 3);
	ck_assert(*pte & TEST_PTE_RW);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	ck_assert_int_eq(unmap_op(op.handle + 1, map_va, 0), GNTST_bad_handle);
	ck_assert_int_eq(unmap_op(op.handle, map_va + PAGE_SIZE, 0), GNTST_general_error);
	ck_assert_int_eq(unmap_op(op.handle, map_va, 0), GNTST_okay);
	ck_assert_uint_eq(*pte, 0);
	ck_assert_uint_eq(t->tlb_flushes, 1);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
	ck_assert_int_eq(unmap_op(op.handle, map_va, 0), GNTST_bad_handle);
	ck_assert_uint_eq(page_refs(20), 0);
	ck_assert_uint_eq(t->d->pages[20].type_count, 0);
}
END_TEST

START_TEST(test_map_read_only_by_entry)
{
	uint64_t *pte = typed_l1();
	uint64_t maddr = (uint8_t *)pte - t->memory;
	struct gnttab_map_grant_ref op;

	grant_1(30, GTF_permit_access | GTF_readonly, SELF_ID, 20);
	op = map_op(30, GNTMAP_host_map | GNTMAP_contains_pte, maddr);
	ck_assert_int_eq(op.status, GNTST_general_error);
	op = map_op(30, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly, maddr + 4);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access | GTF_readonly);
	op = map_op(30, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly, maddr);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert(!(*pte & TEST_PTE_RW));
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
	ck_assert_int_eq(unmap_op(op.handle, maddr, 0), GNTST_okay);
	ck_assert_uint_eq(page_refs(20), 0);
}
END_TEST

START_TEST(test_map_for_device)
{
	struct gnttab_map_grant_ref op;

	grant_1(30, GTF_permit_access, SELF_ID, 20);
	op = map_op(30, GNTMAP_device_map, 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_int_eq(unmap_op(op.handle, 0, 21 * PAGE_SIZE), GNTST_bad_dev_addr);
	/* Neither address: nothing happens, and that is no error. */
	ck_assert_int_eq(unmap_op(op.handle, 0, 0), GNTST_okay);
	ck_assert_uint_eq(page_refs(20), 1);
	ck_assert_int_eq(unmap_op(op.handle, 0, 20 * PAGE_SIZE), GNTST_okay);
	ck_assert_uint_eq(page_refs(20), 0);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
}
END_TEST

START_TEST(test_map_errors)
{
	struct gnttab_map_grant_ref op = {.dom = 0, .flags = GNTMAP_host_map};

	ck_assert_int_eq(OP(map_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	op.ref = 100000;
	ck_assert_int_eq(OP(map_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_gntref);
	op.dom = 3;
	ck_assert_int_eq(OP(map_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	op.dom = DOMID_SELF; /* not a domain's number */
	ck_assert_int_eq(OP(map_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	op.flags = GNTMAP_readonly;
	ck_assert_int_eq(OP(map_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_gntref);
	/* No L1 table there; a page table cannot be mapped writable. */
	grant_1(30, GTF_permit_access, SELF_ID, 20);
	ck_assert_int_eq(map_op(30, GNTMAP_host_map, TEST_VA_UNMAPPED).status, GNTST_general_error);
	ck_assert_int_eq(map_op(30, GNTMAP_host_map, XEN_VIRT_START).status, GNTST_general_error);
	ck_assert_int_eq(map_op(30, GNTMAP_host_map, page).status, GNTST_general_error);
	ck_assert_int_eq(
		map_op(30, GNTMAP_host_map | GNTMAP_contains_pte, t->d->nr_frames * PAGE_SIZE)
			.status,
		GNTST_general_error);
	grant_1(31, GTF_permit_access, SELF_ID, t->l4);
	ck_assert_uint_eq(page_refs(20), 0);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
	ck_assert_int_eq(unmap_op(0, map_va, 0), GNTST_bad_handle);
	ck_assert_int_eq(unmap_op(~0u, map_va, 0), GNTST_bad_handle);
}
END_TEST

START_TEST(test_unmap_and_replace)
{
	struct gnttab_unmap_and_replace op;
	uint64_t *pte = typed_l1();
	struct gnttab_map_grant_ref m;

	grant_1(30, GTF_permit_access, SELF_ID, 20);
	grant_1(31, GTF_permit_access, SELF_ID, 21);
	m = map_op(30, GNTMAP_host_map, map_va);
	ck_assert_int_eq(m.status, GNTST_okay);
	op = (struct gnttab_unmap_and_replace){
		.host_addr = map_va, .new_addr = TEST_VA_UNMAPPED, .handle = m.handle};
	ck_assert_int_eq(OP(unmap_and_replace, op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_int_eq(map_op(31, GNTMAP_host_map, map_va + PAGE_SIZE).status, GNTST_okay);
	op.new_addr = map_va + PAGE_SIZE;
	ck_assert_int_eq(OP(unmap_and_replace, op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_ptr_eq(test_ptr(t, map_va), bytes(21));
	ck_assert_uint_eq(pte[1], 0);
	ck_assert_uint_eq(page_refs(20), 0);
	ck_assert_uint_eq(page_refs(21), 2);
}
END_TEST

/* ---- the others ---- */

START_TEST(test_transfer)
{
	struct gnttab_transfer op = {.mfn = 40, .domid = 0};
	uint64_t pages = t->d->tot_pages;

	op.mfn = t->d->nr_frames;
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	op.mfn = t->d->grant_table->frames[0];
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	ck_assert_uint_eq(t->d->tot_pages, pages);
	/* Taken away before anybody looks at who should get it. */
	op.mfn = 40;
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_uint_eq(t->d->tot_pages, pages - 1);
	ck_assert_ptr_null(mm_page_of_guest(t->d, 40));
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	op.mfn = 41;
	op.domid = 9;
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	/* To itself, where an entry accepts it. */
	op.mfn = 42;
	op.domid = SELF_ID;
	op.ref = 60;
	grant_1(60, GTF_accept_transfer, SELF_ID, 777);
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(entry_1(60)->frame, 42);
	ck_assert_uint_eq(entry_1(60)->flags,
			  GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
	ck_assert_uint_eq(t->d->m2p[42], 777);
	op.mfn = 43;
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_uint_eq(t->d->tot_pages, pages - 3);
}
END_TEST

START_TEST(test_transfer_of_used_frame)
{
	struct gnttab_transfer op = {.mfn = 20, .domid = 0};
	int status;

	grant_1(30, GTF_permit_access, 0, 20);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 30, true, &status));
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_page);
	grant_backend_unmap(t->d, 30, true);
	ck_assert_int_eq(OP(transfer, op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
}
END_TEST

START_TEST(test_swap)
{
	struct gnttab_swap_grant_ref op = {.ref_a = 30, .ref_b = 31};
	struct gnttab_set_version set = {.version = 2};
	int status;

	grant_1(30, GTF_permit_access, 0, 20);
	grant_1(31, GTF_permit_access | GTF_readonly, 3, 21);
	ck_assert_int_eq(OP(swap_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(entry_1(31)->frame, 20);
	ck_assert_uint_eq(entry_1(30)->domid, 3);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 31, true, &status));
	ck_assert_int_eq(OP(swap_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_eagain);
	op.ref_a = 31; /* with itself, also while in use */
	ck_assert_int_eq(OP(swap_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	grant_backend_unmap(t->d, 31, true);
	op.ref_a = 512;
	ck_assert_int_eq(OP(swap_grant_ref, op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_gntref);
	ck_assert_int_eq(OP(set_version, set), 0);
	op = (struct gnttab_swap_grant_ref){.ref_a = 30, .ref_b = 31};
	grant_entry_2(t->d, 30)->full_page.frame = 5;
	*grant_status(t->d, 30) = GTF_reading;
	ck_assert_int_eq(OP(swap_grant_ref, op), 0);
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
	ck_assert_int_eq(OP(cache_flush, op), 0);
	op.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
	ck_assert_int_eq(OP(cache_flush, op), 0);
	op.op = GNTTAB_CACHE_INVAL;
	ck_assert_int_eq(OP(cache_flush, op), -EOPNOTSUPP);
	op.op = GNTTAB_CACHE_SOURCE_GREF;
	ck_assert_int_eq(OP(cache_flush, op), -EINVAL);
	op.op = 0;
	ck_assert_int_eq(OP(cache_flush, op), 0);
	op.op = GNTTAB_CACHE_CLEAN;
	op.offset = 4096;
	ck_assert_int_eq(OP(cache_flush, op), -EINVAL);
	op.offset = 4095;
	op.length = 2;
	ck_assert_int_eq(OP(cache_flush, op), -EINVAL);
	op.length = 1;
	op.a.dev_bus_addr = ~0ull;
	ck_assert_int_eq(OP(cache_flush, op), -EINVAL);
	op.a.dev_bus_addr = t->d->m2p_mfn * PAGE_SIZE;
	ck_assert_int_eq(OP(cache_flush, op), -EPERM);
}
END_TEST

/* ---- backends ---- */

START_TEST(test_backend_map)
{
	int status;
	uint8_t *p;

	grant_1(30, GTF_permit_access, 0, 20);
	p = grant_backend_map(t->d, 30, false, &status);
	ck_assert_int_eq(status, GNTST_okay);
	ck_assert_ptr_eq(p, bytes(20));
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	/* The guest points its entry elsewhere: the mapping stays what it is. */
	entry_1(30)->frame = 21;
	ck_assert_ptr_eq(grant_backend_map(t->d, 30, true, &status), bytes(20));
	grant_backend_unmap(t->d, 30, true);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	grant_backend_unmap(t->d, 30, false);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
	grant_backend_unmap(t->d, 30, false);
	grant_backend_unmap(t->d, 1u << 31, false);
	ck_assert_uint_eq(page_refs(20), 0);
	/* Not for domain 0, or not to be written. */
	grant_1(31, GTF_permit_access, SELF_ID, 20);
	ck_assert_ptr_null(grant_backend_map(t->d, 31, true, &status));
	ck_assert_int_eq(status, GNTST_general_error);
	grant_1(32, GTF_permit_access | GTF_readonly, 0, 20);
	ck_assert_ptr_null(grant_backend_map(t->d, 32, false, &status));
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 32, true, &status));
	ck_assert_ptr_null(grant_backend_map(t->d, 512, true, &status));
	ck_assert_int_eq(status, GNTST_bad_gntref);
}
END_TEST

START_TEST(test_backend_map_counts)
{
	int status;

	grant_1(30, GTF_permit_access, 0, 20);
	for (unsigned i = 0; i < GRANT_PIN_MAX; i++)
		ck_assert_ptr_nonnull(grant_backend_map(t->d, 30, true, &status));
	ck_assert_ptr_null(grant_backend_map(t->d, 30, true, &status));
	ck_assert_int_eq(status, GNTST_general_error);
	for (unsigned i = 0; i < GRANT_PIN_MAX; i++)
		grant_backend_unmap(t->d, 30, true);
	ck_assert_uint_eq(page_refs(20), 0);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
}
END_TEST

START_TEST(test_backend_cannot_write_page_tables)
{
	int status;

	typed_l1();
	grant_1(30, GTF_permit_access, 0,
		((uint8_t *)test_map_pte(t, map_va, 0) - t->memory) / PAGE_SIZE);
	ck_assert_ptr_null(grant_backend_map(t->d, 30, false, &status));
	ck_assert_int_eq(status, GNTST_general_error);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 30, true, &status));
}
END_TEST

START_TEST(test_backend_copy)
{
	char buf[8] = "";

	grant_1(30, GTF_permit_access, 0, 20);
	ck_assert_int_eq(grant_backend_copy_to(t->d, 30, 4090, "abcdef", 6), GNTST_okay);
	ck_assert_mem_eq(bytes(20) + 4090, "abcdef", 6);
	ck_assert_int_eq(grant_backend_copy_from(t->d, buf, 30, 4091, 3), GNTST_okay);
	ck_assert_str_eq(buf, "bcd");
	ck_assert_int_eq(grant_backend_copy_to(t->d, 30, 4091, "abcdef", 6), GNTST_bad_copy_arg);
	ck_assert_int_eq(grant_backend_copy_from(t->d, buf, 30, ~0u, 2), GNTST_bad_copy_arg);
	ck_assert_int_eq(grant_backend_copy_from(t->d, buf, 31, 0, 2), GNTST_general_error);
	ck_assert_uint_eq(entry_1(30)->flags, GTF_permit_access);
	ck_assert_uint_eq(page_refs(20), 0);
}
END_TEST

START_TEST(test_seed)
{
	int status;

	ck_assert_int_eq(grant_table_seed(t->d, GNTTAB_RESERVED_XENSTORE, 0, 55), 0);
	ck_assert_ptr_eq(grant_backend_map(t->d, GNTTAB_RESERVED_XENSTORE, false, &status),
			 bytes(55));
	ck_assert_int_eq(grant_table_seed(t->d, 8, 0, 55), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_query_size,
		test_setup_table,
		test_setup_table_errors,
		test_versions,
		test_version_errors,
		test_status_frames_grow,
		test_old_profile,
		test_call_errors,
		test_copy_between_own_frames,
		test_copy_refuses_page_tables,
		test_copy_by_grant,
		test_copy_needs_grant_for_others,
		test_copy_version_2,
		test_list_of_copies,
		test_map_and_unmap,
		test_map_read_only_by_entry,
		test_map_for_device,
		test_map_errors,
		test_unmap_and_replace,
		test_transfer,
		test_transfer_of_used_frame,
		test_swap,
		test_cache_flush,
		test_backend_map,
		test_backend_map_counts,
		test_backend_cannot_write_page_tables,
		test_backend_copy,
		test_seed,
	};

	return RUN_TESTS("grant_table", setup, teardown, tests);
}
