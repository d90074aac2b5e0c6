/*
 * Page types on a domain in plain memory: validation and its undoing, counts,
 * what entries may name (Xen: arch/x86/mm.c), linear page tables, random batches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(pin_counts_and_unpin_returns_to_nothing)
{
	struct chain c = chain_new(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(mm_page(t, c.l4)->type, PGT_L4);
	ck_assert_int_eq(mm_page(t, c.l1)->type, PGT_L1);
	ck_assert_int_eq(mm_page(t, c.l1)->type_count, 1);
	ck_assert_int_eq(mm_page(t, c.leaf)->refs, 1);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), -EINVAL); /* already */
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	for (const uint64_t *m = &c.l4; m <= &c.leaf; m++) {
		ck_assert_int_eq(mm_page(t, *m)->refs, 0);
		ck_assert_int_eq(mm_page(t, *m)->type_count, 0);
	}
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), -EINVAL);
}
END_TEST

START_TEST(validation_adds_what_xen_adds)
{
	struct chain c = chain_new(t);

	mm_table(t, c.l1)[0] = c.leaf << PAGE_SHIFT | PTE_P;
	mm_table(t, c.l1)[1] = c.leaf << PAGE_SHIFT | PTE_P | PTE_US;
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, c.l1)[0],
			  c.leaf << PAGE_SHIFT | PTE_P | PTE_US | PTE_GUEST_KERNEL);
	ck_assert_uint_eq(mm_table(t, c.l1)[1], c.leaf << PAGE_SHIFT | PTE_P | PTE_US | PTE_G);
	ck_assert_int_eq(
		memcmp(&mm_table(t, c.l4)[XEN_L4_FIRST], t->d->xen_l4, sizeof(t->d->xen_l4)), 0);
}
END_TEST

START_TEST(failed_validation_undoes_itself)
{
	static const uint64_t bad[] = {PTE_PSE, 0x08, 0x10}; /* superpage or PAT, PWT, PCD */

	for (unsigned i = 0; i < 3; i++) {
		struct chain c = chain_new(t);
		mm_table(t, c.l1)[5] = c.leaf << PAGE_SHIFT | LEAF | bad[i];
		ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), -EINVAL);
		for (const uint64_t *m = &c.l4; m <= &c.leaf; m++) {
			ck_assert_int_eq(mm_page(t, *m)->refs, 0);
			ck_assert_int_eq(mm_page(t, *m)->type_count, 0);
		}
	}
}
END_TEST

START_TEST(a_table_is_never_writable)
{
	struct chain c = chain_new(t);
	uint64_t other = test_frame(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	/* A writable mapping of a table is refused ... */
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), c.l1 << PAGE_SHIFT | LEAF | PTE_RW), -EBUSY);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 1), c.l1 << PAGE_SHIFT | LEAF), 0);
	/* ... and a frame that is mapped writable becomes no table. */
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 2), other << PAGE_SHIFT | LEAF | PTE_RW), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, other, 0), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 2), 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, other, 0), 0);
}
END_TEST

START_TEST(what_an_l1_entry_may_name)
{
	struct chain c = chain_new(t);
	struct domain *d = t->d;

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 9), d->nr_frames << PAGE_SHIFT | LEAF), -EPERM);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 9), PTE_ADDR | LEAF), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 9), d->m2p_mfn << PAGE_SHIFT | LEAF), -EBUSY);
	ck_assert_int_eq(
		mm_update(t, maddr(c.l1, 9), d->shared_info_mfn << PAGE_SHIFT | LEAF | PTE_RW), 0);
	/* Not-present entries may say anything. */
	ck_assert_int_eq(mm_update(t, maddr(c.l1, 10), ~PTE_P), 0);
}
END_TEST

START_TEST(upper_levels)
{
	struct chain c = chain_new(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	/* Xen's slots are not the guest's. */
	ck_assert_int_eq(mm_update(t, maddr(c.l4, XEN_L4_FIRST), c.l3 << PAGE_SHIFT | DIR),
			 -EINVAL);
	/* A table of the wrong level. */
	ck_assert_int_eq(mm_update(t, maddr(c.l4, 1), c.l1 << PAGE_SHIFT | DIR), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(c.l4, 1), c.l3 << PAGE_SHIFT | DIR), 0);
	ck_assert_int_eq(mm_page(t, c.l3)->type_count, 2);
	ck_assert_int_eq(mm_update(t, maddr(c.l4, 1), 0), 0);
	ck_assert_int_eq(mm_page(t, c.l3)->type_count, 1);
}
END_TEST

START_TEST(linear_tables_form_no_chains)
{
	struct chain a = chain_new(t), b = chain_new(t), c = chain_new(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, a.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, b.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	/* Itself, read-only; never writable. */
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 8), a.l4 << PAGE_SHIFT | LEAF | PTE_RW), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 8), a.l4 << PAGE_SHIFT | LEAF), 0);
	/* Another one, but not on from there. */
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 9), b.l4 << PAGE_SHIFT | LEAF), 0);
	ck_assert_int_eq(mm_update(t, maddr(b.l4, 9), c.l4 << PAGE_SHIFT | LEAF), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(c.l4, 9), a.l4 << PAGE_SHIFT | LEAF), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, b.l4, 0), 0);
	ck_assert_int_eq(mm_page(t, b.l4)->type_count, 1);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, a.l4, 0), 0);
	ck_assert_int_eq(mm_page(t, a.l4)->type_count, 0);
	ck_assert_int_eq(mm_page(t, b.l4)->type_count, 0);
	ck_assert_int_eq(mm_page(t, b.leaf)->refs, 0);
}
END_TEST

START_TEST(random_batches_do_no_harm)
{
	static const uint64_t flags[] = {0,   LEAF,	      LEAF | PTE_RW,
					 DIR, LEAF | PTE_PSE, PTE_NX | LEAF};
	uint64_t frames[24];

	srand(4711);
	for (unsigned i = 0; i < 24; i++)
		frames[i] = test_frame(t);
	uint64_t op_va = test_alloc(t, sizeof(struct mmuext_op)), up_va = test_alloc(t, 16);
	for (unsigned n = 0; n < 200000; n++) {
		uint64_t f = frames[rand() % 24], g = frames[rand() % 24];
		if (rand() % 3) {
			struct mmu_update u = {maddr(f, (unsigned)rand() % 512) |
						       (rand() % 8 ? 0u : (unsigned)rand() % 8),
					       g << PAGE_SHIFT | flags[rand() % 6]};
			test_write(t, up_va, &u, sizeof(u));
			HCALL(t, 0, __HYPERVISOR_mmu_update, up_va, 1, 0, DOMID_SELF);
		} else {
			struct mmuext_op op = {.cmd = rand() % 2 ? (unsigned)rand() % 4
								 : MMUEXT_UNPIN_TABLE,
					       .arg1.mfn = f};
			test_write(t, op_va, &op, sizeof(op));
			HCALL(t, 0, __HYPERVISOR_mmuext_op, op_va, 1, 0, DOMID_SELF);
		}
	}
	/* Unpinning everything brings every count back. */
	for (unsigned i = 0; i < 24; i++)
		if (mm_page(t, frames[i])->flags & PG_PINNED)
			ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, frames[i], 0), 0);
	for (unsigned i = 0; i < 24; i++) {
		ck_assert_msg(!mm_page(t, frames[i])->refs, "frame %u: %u references left", i,
			      mm_page(t, frames[i])->refs);
		ck_assert_uint_eq(mm_page(t, frames[i])->type_count, 0);
	}
}
END_TEST

START_TEST(entries_above_l1_allow_less)
{
	/* PWT, PCD, PSE and G are for nobody. */
	static const uint64_t bad[] = {0x08, 0x10, PTE_PSE, PTE_G};

	for (unsigned level = 2; level <= 4; level++)
		for (unsigned i = 0; i < 4; i++) {
			struct chain c = chain_new(t);
			uint64_t tables[] = {0, 0, c.l2, c.l3, c.l4};
			mm_table(t, tables[level])[0] |= bad[i];
			ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), -EINVAL);
			ck_assert(chain_unused(t, &c));
			/* The same as an update. */
			mm_table(t, tables[level])[0] &= ~bad[i];
			ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
			ck_assert_int_eq(mm_update(t, maddr(tables[level], 0),
						   mm_table(t, tables[level])[0] | bad[i]),
					 -EINVAL);
		}
}
END_TEST

START_TEST(a_table_of_a_wrong_owner_or_type)
{
	struct domain *d = t->d;
	struct chain c = chain_new(t);

	/* Xen's frames, shared or not, what is no memory, frames given back. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, d->shared_info_mfn, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, d->m2p_mfn, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, d->nr_frames, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, ~0UL, 0), -EINVAL);
	uint64_t gone = test_frame(t);
	ck_assert_int_eq(mm_free_frame(d, gone), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, gone, 0), -EINVAL);
	/* Another level. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L2_TABLE, c.l4, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l2, 0), -EINVAL);
	/* Two at once: pinned itself, and named. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L2_TABLE, c.l2, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(mm_page(t, c.l2)->type_count, 1);
	ck_assert_int_eq(mm_page(t, c.l3)->type_count, 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l2, 0), 0);
	ck_assert(chain_unused(t, &c));
}
END_TEST

START_TEST(xen_slots_of_an_l4_are_filled_whatever_was_there)
{
	struct chain c = chain_new(t);

	for (unsigned i = XEN_L4_FIRST; i <= XEN_L4_LAST; i++)
		mm_table(t, c.l4)[i] = ~0UL;
	t->d->xen_l4[5] = 0x1234067;
	/* The guest's own slots are behind Xen's, too. */
	mm_table(t, c.l4)[511] = entry(c.l3, DIR);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(
		memcmp(&mm_table(t, c.l4)[XEN_L4_FIRST], t->d->xen_l4, sizeof(t->d->xen_l4)), 0);
	ck_assert_int_eq(mm_page(t, c.l3)->type_count, 2);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	ck_assert(chain_unused(t, &c));
}
END_TEST

START_TEST(a_writable_entry_of_its_own_table)
{
	struct chain c = chain_new(t);

	/* The table would be writable through itself; read-only it may be. */
	mm_table(t, c.l1)[7] = entry(c.l1, LEAF | PTE_RW);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), -EBUSY);
	ck_assert(chain_unused(t, &c));
	mm_table(t, c.l1)[7] = entry(c.l1, LEAF);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	ck_assert(chain_unused(t, &c));
}
END_TEST

START_TEST(a_linear_entry_never_becomes_writable)
{
	struct chain a = chain_new(t), b = chain_new(t);

	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, a.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, b.l4, 0), 0);
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 9), entry(b.l4, LEAF)), 0);
	/* Only RW differs: looked at in full all the same. */
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 9), entry(b.l4, LEAF | PTE_RW)), -EINVAL);
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 9), entry(b.l4, LEAF | PTE_NX)), 0);
	ck_assert_int_eq(mm_update(t, maddr(a.l4, 0), entry(a.l3, LEAF)), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, a.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, b.l4, 0), 0);
	ck_assert(chain_unused(t, &a));
	ck_assert(chain_unused(t, &b));
}
END_TEST

START_TEST(the_boot_tables_are_pinned)
{
	struct chain c = chain_new(t);

	ck_assert_int_eq(mm_boot_tables(t->d->vcpu[0], c.l1 + TEST_RAM_FRAMES), -EINVAL);
	ck_assert_int_eq(mm_boot_tables(t->d->vcpu[0], c.l4), 0);
	ck_assert(mm_page(t, c.l4)->flags & PG_PINNED);
	ck_assert_int_eq(mm_get_l4(t->d, c.l4), 0);
	ck_assert_int_eq(mm_get_l4(t->d, c.l3), -EINVAL);
	mm_put_l4(t->d, c.l4);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	ck_assert(chain_unused(t, &c));
}
END_TEST

/* page_info as only a guest that can write to it makes it (mm.h): the domain ends, and nothing
 * else. */
START_TEST(a_chain_that_xen_never_makes_ends_the_domain)
{
	enum { LENGTH = 1000 };
	uint64_t first = test_frame(t), last = first;

	for (unsigned i = 0; i < LENGTH; i++) {
		uint64_t next = test_frame(t);

		t->d->pages[last] = (struct page_info){
			.refs = 1, .type = PGT_L3, .type_count = 1, .linear_in = 1, .linear_out = 1};
		mm_table(t, last)[0] = entry(next, LEAF);
		last = next;
	}
	t->d->pages[last] = (struct page_info){.refs = 1, .type = PGT_L3, .type_count = 1};
	mm_put_page_and_type(t->d, first);
	ck_assert(t->d->is_shut_down);
	ck_assert_str_eq(t->d->crash_reason, "page types are not what Xen made them");
	ck_assert_uint_eq(mm_page(t, last)->type_count, 1);
}
END_TEST

START_TEST(the_hole_is_never_the_guests)
{
	struct test_domain *h = test_domain_with_hole(512, 300, 200, 100);

	h->d->pages[250].flags = 0; /* not PG_FREE any more */
	ck_assert(!mm_page_of_guest(h->d, 250));
	ck_assert(mm_page_of_guest(h->d, 199));
	ck_assert_int_eq(mm_get_page_and_type(h->d, 250, PGT_L1), -EINVAL);
	test_domain_free(h);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		pin_counts_and_unpin_returns_to_nothing,
		validation_adds_what_xen_adds,
		failed_validation_undoes_itself,
		a_table_is_never_writable,
		what_an_l1_entry_may_name,
		upper_levels,
		linear_tables_form_no_chains,
		random_batches_do_no_harm,
		entries_above_l1_allow_less,
		a_table_of_a_wrong_owner_or_type,
		xen_slots_of_an_l4_are_filled_whatever_was_there,
		a_writable_entry_of_its_own_table,
		a_linear_entry_never_becomes_writable,
		the_boot_tables_are_pinned,
		a_chain_that_xen_never_makes_ends_the_domain,
		the_hole_is_never_the_guests,
	};

	return RUN_TESTS("mm_types", setup, teardown, tests);
}
