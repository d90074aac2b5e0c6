/*
 * Page types and the MMU calls on a domain in plain memory: validation and its
 * undoing, counts, errno values (Xen: arch/x86/mm.c), batches that stop half-way,
 * linear page tables, random batches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define LEAF (PTE_P | PTE_US | PTE_A)
#define DIR  (PTE_P | PTE_RW | PTE_US | PTE_A)

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static uint64_t *table(uint64_t mfn)
{
	return frame_ptr(t->d, mfn);
}

static const struct page_info *page(uint64_t mfn)
{
	return &t->d->pages[mfn];
}

static long ext(unsigned cmd, uint64_t arg1, uint64_t arg2)
{
	struct mmuext_op op = {.cmd = cmd, .arg1.linear_addr = arg1};

	memcpy(&op.arg2, &arg2, sizeof(arg2));
	return HCALL(t, 0, __HYPERVISOR_mmuext_op, test_put(t, &op, sizeof(op)), 1, 0, DOMID_SELF);
}

static long update(uint64_t ptr, uint64_t val)
{
	struct mmu_update req = {ptr, val};

	return HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, &req, sizeof(req)), 1, 0,
		     DOMID_SELF);
}

static uint64_t maddr(uint64_t mfn, unsigned slot)
{
	return mfn * PAGE_SIZE + 8 * slot;
}

/* L4 -> L3 -> L2 -> L1 -> one read-only leaf; all unpinned. */
struct chain {
	uint64_t l4, l3, l2, l1, leaf;
};

static struct chain chain_new(void)
{
	struct chain c = {test_frame(t), test_frame(t), test_frame(t), test_frame(t),
			  test_frame(t)};

	table(c.l4)[0] = c.l3 << PAGE_SHIFT | DIR;
	table(c.l3)[0] = c.l2 << PAGE_SHIFT | DIR;
	table(c.l2)[0] = c.l1 << PAGE_SHIFT | DIR;
	table(c.l1)[0] = c.leaf << PAGE_SHIFT | LEAF;
	return c;
}

START_TEST(pin_counts_and_unpin_returns_to_nothing)
{
	struct chain c = chain_new();

	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_int_eq(page(c.l4)->type, PGT_L4);
	ck_assert_int_eq(page(c.l1)->type, PGT_L1);
	ck_assert_int_eq(page(c.l1)->type_count, 1);
	ck_assert_int_eq(page(c.leaf)->refs, 1);
	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, c.l4, 0), -EINVAL); /* already */
	ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, c.l4, 0), 0);
	for (const uint64_t *m = &c.l4; m <= &c.leaf; m++) {
		ck_assert_int_eq(page(*m)->refs, 0);
		ck_assert_int_eq(page(*m)->type_count, 0);
	}
	ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, c.l4, 0), -EINVAL);
}
END_TEST

START_TEST(validation_adds_what_xen_adds)
{
	struct chain c = chain_new();

	table(c.l1)[0] = c.leaf << PAGE_SHIFT | PTE_P;
	table(c.l1)[1] = c.leaf << PAGE_SHIFT | PTE_P | PTE_US;
	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_uint_eq(table(c.l1)[0], c.leaf << PAGE_SHIFT | PTE_P | PTE_US | PTE_GUEST_KERNEL);
	ck_assert_uint_eq(table(c.l1)[1], c.leaf << PAGE_SHIFT | PTE_P | PTE_US | PTE_G);
	ck_assert_int_eq(memcmp(&table(c.l4)[XEN_L4_FIRST], t->d->xen_l4, sizeof(t->d->xen_l4)), 0);
}
END_TEST

START_TEST(failed_validation_undoes_itself)
{
	static const uint64_t bad[] = {PTE_PSE, 0x08, 0x10}; /* superpage or PAT, PWT, PCD */

	for (unsigned i = 0; i < 3; i++) {
		struct chain c = chain_new();
		table(c.l1)[5] = c.leaf << PAGE_SHIFT | LEAF | bad[i];
		ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, c.l4, 0), -EINVAL);
		for (const uint64_t *m = &c.l4; m <= &c.leaf; m++) {
			ck_assert_int_eq(page(*m)->refs, 0);
			ck_assert_int_eq(page(*m)->type_count, 0);
		}
	}
}
END_TEST

START_TEST(a_table_is_never_writable)
{
	struct chain c = chain_new();
	uint64_t other = test_frame(t);

	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	/* A writable mapping of a table is refused ... */
	ck_assert_int_eq(update(maddr(c.l1, 1), c.l1 << PAGE_SHIFT | LEAF | PTE_RW), -EBUSY);
	ck_assert_int_eq(update(maddr(c.l1, 1), c.l1 << PAGE_SHIFT | LEAF), 0);
	/* ... and a frame that is mapped writable becomes no table. */
	ck_assert_int_eq(update(maddr(c.l1, 2), other << PAGE_SHIFT | LEAF | PTE_RW), 0);
	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, other, 0), -EINVAL);
	ck_assert_int_eq(update(maddr(c.l1, 2), 0), 0);
	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, other, 0), 0);
}
END_TEST

START_TEST(what_an_l1_entry_may_name)
{
	struct chain c = chain_new();
	struct domain *d = t->d;

	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_int_eq(update(maddr(c.l1, 9), d->nr_frames << PAGE_SHIFT | LEAF), -EPERM);
	ck_assert_int_eq(update(maddr(c.l1, 9), PTE_ADDR | LEAF), -EINVAL);
	ck_assert_int_eq(update(maddr(c.l1, 9), d->m2p_mfn << PAGE_SHIFT | LEAF), -EBUSY);
	ck_assert_int_eq(update(maddr(c.l1, 9), d->shared_info_mfn << PAGE_SHIFT | LEAF | PTE_RW),
			 0);
	/* Not-present entries may say anything. */
	ck_assert_int_eq(update(maddr(c.l1, 10), ~PTE_P), 0);
}
END_TEST

START_TEST(overwrites_are_reported_once)
{
	struct chain c = chain_new();

	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	unsigned before = t->ptes_overwritten;
	ck_assert_int_eq(update(maddr(c.l1, 3), c.leaf << PAGE_SHIFT | LEAF), 0);
	ck_assert_uint_eq(t->ptes_overwritten, before); /* was not present */
	ck_assert_int_eq(update(maddr(c.l1, 3), 0), 0);
	ck_assert_uint_eq(t->ptes_overwritten, before + 1);
	ck_assert_uint_eq(t->pte_overwritten_maddr, maddr(c.l1, 3));
}
END_TEST

START_TEST(preserve_ad_keeps_accessed_and_dirty)
{
	struct chain c = chain_new();

	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	table(c.l1)[0] |= PTE_D;
	ck_assert_int_eq(update(maddr(c.l1, 0) | MMU_PT_UPDATE_PRESERVE_AD,
				c.leaf << PAGE_SHIFT | PTE_P | PTE_US),
			 0);
	ck_assert_uint_eq(table(c.l1)[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	ck_assert_int_eq(update(maddr(c.l1, 0), c.leaf << PAGE_SHIFT | PTE_P | PTE_US), 0);
	ck_assert_uint_eq(table(c.l1)[0] & (PTE_A | PTE_D), 0);
}
END_TEST

START_TEST(batches_stop_where_they_fail)
{
	struct chain c = chain_new();
	struct mmu_update req[3] = {{maddr(c.l1, 1), c.leaf << PAGE_SHIFT | LEAF},
				    {maddr(c.l1, 2), c.leaf << PAGE_SHIFT | LEAF | PTE_PSE},
				    {maddr(c.l1, 3), c.leaf << PAGE_SHIFT | LEAF}};
	uint32_t done = 77;
	uint64_t pdone = test_put(t, &done, sizeof(done));

	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, req, sizeof(req)), 3,
			       pdone, DOMID_SELF),
			 -EINVAL);
	test_read(t, pdone, &done, sizeof(done));
	ck_assert_uint_eq(done, 1);
	ck_assert_uint_ne(table(c.l1)[1], 0);
	ck_assert_uint_eq(table(c.l1)[3], 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, TEST_VA_UNMAPPED, 1, 0, DOMID_SELF),
			 -EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmu_update, XEN_VIRT_START, 1, 0, DOMID_SELF),
			 -EFAULT);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_mmu_update, test_put(t, req, sizeof(req)), 1, 0, 55),
		-ESRCH);
}
END_TEST

START_TEST(upper_levels)
{
	struct chain c = chain_new();

	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	/* Xen's slots are not the guest's. */
	ck_assert_int_eq(update(maddr(c.l4, XEN_L4_FIRST), c.l3 << PAGE_SHIFT | DIR), -EINVAL);
	/* A table of the wrong level. */
	ck_assert_int_eq(update(maddr(c.l4, 1), c.l1 << PAGE_SHIFT | DIR), -EINVAL);
	ck_assert_int_eq(update(maddr(c.l4, 1), c.l3 << PAGE_SHIFT | DIR), 0);
	ck_assert_int_eq(page(c.l3)->type_count, 2);
	ck_assert_int_eq(update(maddr(c.l4, 1), 0), 0);
	ck_assert_int_eq(page(c.l3)->type_count, 1);
}
END_TEST

START_TEST(linear_tables_form_no_chains)
{
	struct chain a = chain_new(), b = chain_new(), c = chain_new();

	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, a.l4, 0), 0);
	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, b.l4, 0), 0);
	ck_assert_int_eq(ext(MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	/* Itself, read-only; never writable. */
	ck_assert_int_eq(update(maddr(a.l4, 8), a.l4 << PAGE_SHIFT | LEAF | PTE_RW), -EINVAL);
	ck_assert_int_eq(update(maddr(a.l4, 8), a.l4 << PAGE_SHIFT | LEAF), 0);
	/* Another one, but not on from there. */
	ck_assert_int_eq(update(maddr(a.l4, 9), b.l4 << PAGE_SHIFT | LEAF), 0);
	ck_assert_int_eq(update(maddr(b.l4, 9), c.l4 << PAGE_SHIFT | LEAF), -EINVAL);
	ck_assert_int_eq(update(maddr(c.l4, 9), a.l4 << PAGE_SHIFT | LEAF), -EINVAL);
	ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, b.l4, 0), 0);
	ck_assert_int_eq(page(b.l4)->type_count, 1);
	ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, a.l4, 0), 0);
	ck_assert_int_eq(page(a.l4)->type_count, 0);
	ck_assert_int_eq(page(b.l4)->type_count, 0);
	ck_assert_int_eq(page(b.leaf)->refs, 0);
}
END_TEST

START_TEST(base_pointers)
{
	struct chain c = chain_new();
	struct vcpu *v = t->d->vcpu[0];
	uint64_t old = v->guest_table;

	/* The common tables stay reachable: the call's argument lives there. */
	memcpy(table(c.l4) + 1, table(old) + 1, 255 * 8);
	table(c.l4)[0] = table(old)[0];
	ck_assert_int_eq(ext(MMUEXT_NEW_BASEPTR, c.leaf + 100000, 0), -EINVAL);
	ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, c.l1, 0), -EINVAL);
	ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
	ck_assert_uint_eq(v->guest_table, old);
	ck_assert_int_eq(ext(77, 0, 0), -ENOSYS);
	ck_assert_int_eq(ext(MMUEXT_FLUSH_CACHE, 0, 0), -EACCES);
	ck_assert_int_eq(ext(MMUEXT_MARK_SUPER, 0, 0), -EOPNOTSUPP);
	ck_assert_int_eq(ext(MMUEXT_SET_LDT, 0x1001, 1), -EINVAL);
	ck_assert_int_eq(ext(MMUEXT_SET_LDT, 0x1000, 8193), -EINVAL);
	ck_assert_int_eq(ext(MMUEXT_SET_LDT, 0x1000, 8192), 0);
	ck_assert_uint_eq(v->ldt_ents, 8192);
}
END_TEST

START_TEST(machphys_update_is_for_own_frames)
{
	uint64_t f = test_frame(t);

	ck_assert_int_eq(update(f * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 0x123), 0);
	ck_assert_uint_eq(t->d->m2p[f], 0x123);
	ck_assert_int_eq(update(t->d->m2p_mfn * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 1), -EINVAL);
	ck_assert_int_eq(update(f * PAGE_SIZE | 7, 1), -ENOSYS);
}
END_TEST

START_TEST(frames_given_back_and_taken_again)
{
	struct domain *d = t->d;
	uint64_t f = test_frame(t);
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
	uint64_t list = test_put(t, &f, sizeof(f)), before = d->tot_pages, got;

	memset(frame_ptr(d, f), 0x5a, PAGE_SIZE);
	r.extent_start.p = (void *)list;
	uint64_t arg = test_put(t, &r, sizeof(r));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, arg), 1);
	ck_assert_uint_eq(d->tot_pages, before - 1);
	ck_assert_uint_eq(d->m2p[f], INVALID_MFN);
	ck_assert_ptr_null(mm_page_of_guest(d, f));
	/* Again: it is not the guest's any more. */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, arg), 0);
	uint64_t pfn = 0x321;
	test_write(t, list, &pfn, sizeof(pfn));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_populate_physmap, arg), 1);
	test_read(t, list, &got, sizeof(got));
	ck_assert_uint_eq(got, f);
	ck_assert_uint_eq(d->m2p[f], 0x321);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_memory_op, XENMEM_populate_physmap, arg), 0);
}
END_TEST

START_TEST(descriptors)
{
	uint64_t f = test_frame(t), list = test_put(t, &f, sizeof(f));

	table(f)[1] = 0x00af9b000000ffffUL; /* ring 0 code: becomes ring 3 */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_gdt, list, FIRST_RESERVED_GDT_ENTRY + 1),
			 -EINVAL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_gdt, list, 512), 0);
	ck_assert_uint_eq(table(f)[1], 0x00affb000000ffffUL);
	ck_assert_int_eq(page(f)->type, PGT_SEGDESC);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_update_descriptor, maddr(f, 2), 0x00cff3000000ffffUL), 0);
	ck_assert_uint_eq(table(f)[2], 0x00cff3000000ffffUL);
	/* A TSS, an odd address, somebody else's frame. */
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_update_descriptor, maddr(f, 3), 0x0000890000000067UL),
		-EINVAL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_update_descriptor, maddr(f, 3) + 1, 0), -EINVAL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_update_descriptor, maddr(t->d->m2p_mfn, 0), 0),
			 -EINVAL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_gdt, list, 0), 0);
	ck_assert_int_eq(page(f)->type_count, 0);
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
		if (page(frames[i])->flags & PG_PINNED)
			ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, frames[i], 0), 0);
	for (unsigned i = 0; i < 24; i++) {
		ck_assert_msg(!page(frames[i])->refs, "frame %u: %u references left", i,
			      page(frames[i])->refs);
		ck_assert_uint_eq(page(frames[i])->type_count, 0);
	}
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
		overwrites_are_reported_once,
		preserve_ad_keeps_accessed_and_dirty,
		batches_stop_where_they_fail,
		upper_levels,
		linear_tables_form_no_chains,
		base_pointers,
		machphys_update_is_for_own_frames,
		frames_given_back_and_taken_again,
		descriptors,
		random_batches_do_no_harm,
	};

	return RUN_TESTS("mm", setup, teardown, tests);
}
