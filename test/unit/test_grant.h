/*
 * What the unit tests of grant tables share: the call, the table, the guest's own
 * entries.
 */
#ifndef TEST_UNIT_TEST_GRANT_H
#define TEST_UNIT_TEST_GRANT_H

#include "pvabi/grant_table.h"
#include "pvabi/mm.h"
#include "test/unit/test_evtchn.h"

#define SELF_ID 1 /* the test domain's own number */

long grant_call(struct test_domain *t, unsigned cmd, uint64_t va, uint64_t count);
/* With one block, put into the page scratch_va() and read back. */
long grant_block(struct test_domain *t, unsigned cmd, void *block, size_t size);
#define GRANT_OP(t, cmd, block) grant_block(t, GNTTABOP_##cmd, block, sizeof(*(block)))

/* GNTTABOP_setup_table; its status. */
int grant_setup_frames(struct test_domain *t, unsigned nr, uint64_t *frames);

/* The guest's own view of entry `ref`, version 1. */
static inline grant_entry_v1_t *grant_v1(struct test_domain *t, grant_ref_t ref)
{
	return grant_entry_1(t->d, ref);
}

void grant_v1_set(struct test_domain *t, grant_ref_t ref, uint16_t flags, domid_t domid,
		  uint64_t mfn);

static inline uint8_t *frame_bytes(struct test_domain *t, uint64_t mfn)
{
	return frame_ptr(t->d, mfn);
}

static inline unsigned frame_refs(struct test_domain *t, uint64_t mfn)
{
	return t->d->pages[mfn].refs;
}

#endif
