/*
 * Helpers of the unit tests of page types: see test_mm.h.
 */
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_mm.h"

struct chain chain_new(struct test_domain *t)
{
	struct chain c = {test_frame(t), test_frame(t), test_frame(t), test_frame(t),
			  test_frame(t)};

	mm_table(t, c.l4)[0] = entry(c.l3, DIR);
	mm_table(t, c.l3)[0] = entry(c.l2, DIR);
	mm_table(t, c.l2)[0] = entry(c.l1, DIR);
	mm_table(t, c.l1)[0] = entry(c.leaf, LEAF);
	return c;
}

bool chain_unused(struct test_domain *t, const struct chain *c)
{
	for (const uint64_t *m = &c->l4; m <= &c->leaf; m++)
		if (mm_page(t, *m)->refs || mm_page(t, *m)->type_count)
			return false;
	return true;
}

long mm_ext(struct test_domain *t, unsigned cmd, uint64_t arg1, uint64_t arg2)
{
	struct mmuext_op op = {.cmd = cmd, .arg1.linear_addr = arg1};

	memcpy(&op.arg2, &arg2, sizeof(arg2));
	return HCALL(t, 0, __HYPERVISOR_mmuext_op, test_put(t, &op, sizeof(op)), 1, 0, DOMID_SELF);
}

long mm_update(struct test_domain *t, uint64_t ptr, uint64_t val)
{
	struct mmu_update req = {ptr, val};

	return HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, &req, sizeof(req)), 1, 0,
		     DOMID_SELF);
}

uint64_t mm_l1_at(struct test_domain *t, uint64_t va)
{
	struct guest_walk w;

	test_map_pte(t, va, 0);
	if (!guest_walk(t->d, t->l4, va, &w) || w.level != 1 ||
	    mm_ext(t, MMUEXT_PIN_L1_TABLE, w.pte_maddr >> PAGE_SHIFT, 0))
		abort();
	return w.pte_maddr >> PAGE_SHIFT;
}
