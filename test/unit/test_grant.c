/*
 * Helpers of the unit tests of grant tables: see test_grant.h.
 */
#include <check.h>

#include "test/unit/test_grant.h"

long grant_call(struct test_domain *t, unsigned cmd, uint64_t va, uint64_t count)
{
	return HCALL(t, 0, __HYPERVISOR_grant_table_op, cmd, va, count);
}

long grant_block(struct test_domain *t, unsigned cmd, void *block, size_t size)
{
	uint64_t va = scratch_va(t, 0);
	long rc;

	test_write(t, va, block, size);
	rc = grant_call(t, cmd, va, 1);
	test_read(t, va, block, size);
	return rc;
}

int grant_setup_frames(struct test_domain *t, unsigned nr, uint64_t *frames)
{
	struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = nr, .status = 77};
	uint64_t list = test_alloc(t, PAGE_SIZE);

	op.frame_list.p = (xen_pfn_t *)list;
	ck_assert_int_eq(GRANT_OP(t, setup_table, &op), 0);
	if (op.status == GNTST_okay)
		test_read(t, list, frames, nr * sizeof(*frames));
	return op.status;
}

void grant_v1_set(struct test_domain *t, grant_ref_t ref, uint16_t flags, domid_t domid,
		  uint64_t mfn)
{
	grant_entry_v1_t *e = grant_v1(t, ref);

	e->frame = mfn;
	e->domid = domid;
	e->flags = flags;
}
