/*
 * GNTTABOP_map_grant_ref and the ways to unmap: entries of page tables, counts in
 * the grant, handles.
 */
#include <string.h>

#include "test/unit/test_grant.h"
#include "test/unit/test_mm.h"
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

/* In an L1 that is one to Xen as well. */
static const uint64_t map_va = 0x6000000000ull;

static uint64_t *typed_l1(void)
{
	return mm_table(t, mm_l1_at(t, map_va));
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

	ck_assert_int_eq(GRANT_OP(t, map_grant_ref, &op), 0);
	return op;
}

static int unmap_op(grant_handle_t handle, uint64_t addr, uint64_t bus)
{
	struct gnttab_unmap_grant_ref op = {
		.handle = handle, .host_addr = addr, .dev_bus_addr = bus, .status = 77};

	ck_assert_int_eq(GRANT_OP(t, unmap_grant_ref, &op), 0);
	return op.status;
}

START_TEST(test_map_and_unmap)
{
	uint64_t *pte = typed_l1();
	struct gnttab_map_grant_ref op;

	memcpy(frame_bytes(t, 20), "abc", 3);
	grant_v1_set(t, 30, GTF_permit_access, SELF_ID, 20);
	op = map_op(30, GNTMAP_host_map, map_va);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_uint_eq(op.dev_bus_addr, 20 * PAGE_SIZE);
	ck_assert_mem_eq(test_ptr(t, map_va), "abc", 3);
	ck_assert(*pte & TEST_PTE_RW);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	ck_assert_int_eq(unmap_op(op.handle + 1, map_va, 0), GNTST_bad_handle);
	ck_assert_int_eq(unmap_op(op.handle, map_va + PAGE_SIZE, 0), GNTST_general_error);
	ck_assert_int_eq(unmap_op(op.handle, map_va, 0), GNTST_okay);
	ck_assert_uint_eq(*pte, 0);
	ck_assert_uint_eq(t->tlb_flushes, 1);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
	ck_assert_int_eq(unmap_op(op.handle, map_va, 0), GNTST_bad_handle);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	ck_assert_uint_eq(t->d->pages[20].type_count, 0);
}
END_TEST

START_TEST(test_map_read_only_by_entry)
{
	uint64_t *pte = typed_l1();
	uint64_t maddr = (uint8_t *)pte - t->memory;
	struct gnttab_map_grant_ref op;

	grant_v1_set(t, 30, GTF_permit_access | GTF_readonly, SELF_ID, 20);
	op = map_op(30, GNTMAP_host_map | GNTMAP_contains_pte, maddr);
	ck_assert_int_eq(op.status, GNTST_general_error);
	op = map_op(30, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly, maddr + 4);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access | GTF_readonly);
	op = map_op(30, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly, maddr);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert(!(*pte & TEST_PTE_RW));
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
	ck_assert_int_eq(unmap_op(op.handle, maddr, 0), GNTST_okay);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
}
END_TEST

START_TEST(test_map_for_device)
{
	struct gnttab_map_grant_ref op;

	grant_v1_set(t, 30, GTF_permit_access, SELF_ID, 20);
	op = map_op(30, GNTMAP_device_map, 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_int_eq(unmap_op(op.handle, 0, 21 * PAGE_SIZE), GNTST_bad_dev_addr);
	/* Neither address: nothing happens, and that is no error. */
	ck_assert_int_eq(unmap_op(op.handle, 0, 0), GNTST_okay);
	ck_assert_uint_eq(frame_refs(t, 20), 1);
	ck_assert_int_eq(unmap_op(op.handle, 0, 20 * PAGE_SIZE), GNTST_okay);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
}
END_TEST

START_TEST(test_map_errors)
{
	struct gnttab_map_grant_ref op = {.dom = 0, .flags = GNTMAP_host_map};

	ck_assert_int_eq(GRANT_OP(t, map_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	op.ref = 100000;
	ck_assert_int_eq(GRANT_OP(t, map_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_gntref);
	op.dom = 3;
	ck_assert_int_eq(GRANT_OP(t, map_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	op.dom = DOMID_SELF; /* not a domain's number */
	ck_assert_int_eq(GRANT_OP(t, map_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_domain);
	op.flags = GNTMAP_readonly;
	ck_assert_int_eq(GRANT_OP(t, map_grant_ref, &op), 0);
	ck_assert_int_eq(op.status, GNTST_bad_gntref);
	/* No L1 table there; a page table cannot be mapped writable. */
	grant_v1_set(t, 30, GTF_permit_access, SELF_ID, 20);
	ck_assert_int_eq(map_op(30, GNTMAP_host_map, TEST_VA_UNMAPPED).status, GNTST_general_error);
	ck_assert_int_eq(map_op(30, GNTMAP_host_map, XEN_VIRT_START).status, GNTST_general_error);
	ck_assert_int_eq(map_op(30, GNTMAP_host_map, page).status, GNTST_general_error);
	ck_assert_int_eq(
		map_op(30, GNTMAP_host_map | GNTMAP_contains_pte, t->d->nr_frames * PAGE_SIZE)
			.status,
		GNTST_general_error);
	grant_v1_set(t, 31, GTF_permit_access, SELF_ID, t->l4);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	ck_assert_uint_eq(grant_v1(t, 30)->flags, GTF_permit_access);
	ck_assert_int_eq(unmap_op(0, map_va, 0), GNTST_bad_handle);
	ck_assert_int_eq(unmap_op(~0u, map_va, 0), GNTST_bad_handle);
}
END_TEST

START_TEST(test_unmap_and_replace)
{
	struct gnttab_unmap_and_replace op;
	uint64_t *pte = typed_l1();
	struct gnttab_map_grant_ref m;

	grant_v1_set(t, 30, GTF_permit_access, SELF_ID, 20);
	grant_v1_set(t, 31, GTF_permit_access, SELF_ID, 21);
	m = map_op(30, GNTMAP_host_map, map_va);
	ck_assert_int_eq(m.status, GNTST_okay);
	op = (struct gnttab_unmap_and_replace){
		.host_addr = map_va, .new_addr = TEST_VA_UNMAPPED, .handle = m.handle};
	ck_assert_int_eq(GRANT_OP(t, unmap_and_replace, &op), 0);
	ck_assert_int_eq(op.status, GNTST_general_error);
	ck_assert_int_eq(map_op(31, GNTMAP_host_map, map_va + PAGE_SIZE).status, GNTST_okay);
	op.new_addr = map_va + PAGE_SIZE;
	ck_assert_int_eq(GRANT_OP(t, unmap_and_replace, &op), 0);
	ck_assert_int_eq(op.status, GNTST_okay);
	ck_assert_ptr_eq(test_ptr(t, map_va), frame_bytes(t, 21));
	ck_assert_uint_eq(pte[1], 0);
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	ck_assert_uint_eq(frame_refs(t, 21), 2);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_map_and_unmap, test_map_read_only_by_entry, test_map_for_device,
		test_map_errors,    test_unmap_and_replace,
	};

	return RUN_TESTS("grant_map", setup, teardown, tests);
}
