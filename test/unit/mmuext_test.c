/*
 * mmuext_op: base pointers, flushes, the LDT, pages as data, other domains (Xen:
 * arch/x86/mm.c, do_mmuext_op).
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static struct chain c;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	c = chain_new(t);
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(base_pointers)
{
	struct vcpu *v = t->d->vcpu[0];
	uint64_t old = v->guest_table;

	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_BASEPTR, c.leaf + 100000, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_BASEPTR, c.l1, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, c.l1, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
	ck_assert_uint_eq(v->guest_table, old);
	ck_assert_uint_eq(v->guest_table_user, 0);
	/* The same again is a flush (new_guest_cr3()). */
	unsigned before = t->tlb_flushes;
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_BASEPTR, old, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before + 1);
	ck_assert_uint_eq(t->tlb_flush_vcpus, 1);
}
END_TEST

START_TEST(a_base_pointer_holds_its_table)
{
	struct vcpu *v = t->d->vcpu[0];

	/* Not through a call: the tables of the test's arguments would be gone. */
	v->guest_table = 0;
	ck_assert_int_eq(mm_new_baseptr(v, c.l4), 0);
	ck_assert_uint_eq(v->guest_table, c.l4);
	ck_assert_int_eq(mm_page(t, c.l4)->type_count, 1);
	struct chain other = chain_new(t);
	ck_assert_int_eq(mm_new_baseptr(v, other.l4), 0);
	ck_assert(chain_unused(t, &c));
	/* Refused: the old one stays. */
	ck_assert_int_eq(mm_new_baseptr(v, other.l1), -EINVAL);
	ck_assert_uint_eq(v->guest_table, other.l4);
	ck_assert_int_eq(mm_page(t, other.l4)->type_count, 1);
	v->guest_table = t->l4;
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, c.l4, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, c.l4, 0), 0);
	ck_assert_int_eq(mm_page(t, c.l4)->type_count, 1);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
	ck_assert(chain_unused(t, &c));
}
END_TEST

/* The M2P is in a kernel's tables and not in user mode's (Xen: fill_ro_mpt(),
 * zap_ro_mpt()); a guest that is strict about it is given it at once. */
START_TEST(kernels_tables_show_the_m2p)
{
	struct vcpu *v = t->d->vcpu[0];
	unsigned slot = t->d->m2p_va >> 39 & 511;
	uint64_t m2p = entry(t->d->m2p_mfn, DIR);

	t->d->xen_l4[slot - XEN_L4_FIRST] = m2p;
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, c.l4)[slot], 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, c.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, c.l4)[slot], 0);
	v->guest_table = 0;
	ck_assert_int_eq(mm_new_baseptr(v, c.l4), 0);
	ck_assert_uint_eq(mm_table(t, c.l4)[slot], m2p);
	v->guest_table = t->l4;

	struct chain other = chain_new(t);
	t->d->vm_assist |= 1UL << VMASST_TYPE_m2p_strict;
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, other.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, other.l4)[slot], m2p);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, other.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, other.l4)[slot], 0);
}
END_TEST

/* What of Xen's slots is the kernel's, as the resident monitor at CPL 3, user mode's tables show to
 * CPL 0 only. */
START_TEST(users_tables_hide_what_is_the_kernels)
{
	struct vcpu *v = t->d->vcpu[0];
	uint64_t val = entry(t->d->m2p_mfn, DIR);

	t->d->xen_l4[14] = t->d->xen_l4[13] = val;
	t->d->kernel_slots = 1u << 14;
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L4_TABLE, c.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, c.l4)[XEN_L4_FIRST + 14], val);
	ck_assert_int_eq(mm_ext(t, MMUEXT_NEW_USER_BASEPTR, c.l4, 0), 0);
	ck_assert_uint_eq(mm_table(t, c.l4)[XEN_L4_FIRST + 14], val & ~PTE_US);
	ck_assert_uint_eq(mm_table(t, c.l4)[XEN_L4_FIRST + 13], val);
	/* Shadow paging must be told. */
	ck_assert_uint_eq(t->pte_overwritten_maddr, maddr(c.l4, XEN_L4_FIRST + 14));
	v->guest_table = 0;
	ck_assert_int_eq(mm_new_baseptr(v, c.l4), 0);
	ck_assert_uint_eq(mm_table(t, c.l4)[XEN_L4_FIRST + 14], val);
	v->guest_table = t->l4;
}
END_TEST

START_TEST(what_there_is_not)
{
	ck_assert_int_eq(mm_ext(t, 77, 0, 0), -ENOSYS);
	ck_assert_int_eq(mm_ext(t, ~0u, 0, 0), -ENOSYS);
	ck_assert_int_eq(mm_ext(t, MMUEXT_FLUSH_CACHE, 0, 0), -EACCES);
	ck_assert_int_eq(mm_ext(t, MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_MARK_SUPER, 0, 0), -EOPNOTSUPP);
	ck_assert_int_eq(mm_ext(t, MMUEXT_UNMARK_SUPER, 0, 0), -EOPNOTSUPP);
}
END_TEST

START_TEST(the_ldt)
{
	struct vcpu *v = t->d->vcpu[0];

	ck_assert_int_eq(mm_ext(t, MMUEXT_SET_LDT, 0x1001, 1), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_SET_LDT, 0x1000, 8193), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_SET_LDT, XEN_VIRT_START, 1), -EINVAL);
	ck_assert_uint_eq(t->descriptors_changed[0], 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_SET_LDT, 0x1000, 8192), 0);
	ck_assert_uint_eq(v->ldt_ents, 8192);
	ck_assert_uint_eq(v->ldt_base, 0x1000);
	ck_assert_uint_eq(t->descriptors_changed[0], 1);
	ck_assert_int_eq(mm_ext(t, MMUEXT_SET_LDT, 0x1000, 8192), 0);
	ck_assert_uint_eq(t->descriptors_changed[0], 1);
	/* None: the address does not matter. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_SET_LDT, 0x1001, 0), 0);
	ck_assert_uint_eq(v->ldt_ents, 0);
	ck_assert_uint_eq(v->ldt_base, 0);
}
END_TEST

START_TEST(flushes)
{
	uint64_t mask = 0xfffffffffffffffeul, va = test_put(t, &mask, sizeof(mask));
	const struct {
		unsigned cmd;
		uint64_t arg1, arg2;
		uint32_t vcpus;
		uint64_t flushed;
	} ops[] = {
		{MMUEXT_TLB_FLUSH_LOCAL, 0, 0, 1, ~0UL},
		{MMUEXT_TLB_FLUSH_ALL, 0, 0, 3, ~0UL},
		{MMUEXT_TLB_FLUSH_MULTI, 0, va, 2, ~0UL},
		{MMUEXT_INVLPG_LOCAL, 0x1234567, 0, 1, 0x1234000},
		{MMUEXT_INVLPG_ALL, 0x1234567, 0, 3, 0x1234000},
		{MMUEXT_INVLPG_MULTI, 0x1234567, va, 2, 0x1234000},
	};
	unsigned before = t->tlb_flushes;

	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		ck_assert_int_eq(mm_ext(t, ops[i].cmd, ops[i].arg1, ops[i].arg2), 0);
		ck_assert_uint_eq(t->tlb_flushes, before + i + 1);
		ck_assert_uint_eq(t->tlb_flush_vcpus & 3, ops[i].vcpus);
		ck_assert_uint_eq(t->tlb_flush_va, ops[i].flushed);
	}
	before = t->tlb_flushes;
	ck_assert_int_eq(mm_ext(t, MMUEXT_TLB_FLUSH_MULTI, 0, TEST_VA_UNMAPPED), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_INVLPG_MULTI, 0x1000, XEN_VIRT_START), -EINVAL);
	/* Nothing of the guest's is there. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_INVLPG_ALL, XEN_VIRT_START, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_INVLPG_LOCAL, 1UL << 62, 0), 0);
	ck_assert_uint_eq(t->tlb_flushes, before);
}
END_TEST

START_TEST(pages_cleared_and_copied)
{
	uint64_t a = test_frame(t), b = test_frame(t);

	memset(mm_table(t, a), 0x5a, PAGE_SIZE);
	ck_assert_int_eq(mm_ext(t, MMUEXT_COPY_PAGE, b, a), 0);
	ck_assert_mem_eq(mm_table(t, b), mm_table(t, a), PAGE_SIZE);
	ck_assert_int_eq(mm_ext(t, MMUEXT_COPY_PAGE, a, a), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_CLEAR_PAGE, b, 0), 0);
	ck_assert_uint_eq(mm_table(t, b)[0] | mm_table(t, b)[511], 0);
	/* Into a table never; out of one, why not. */
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, c.l1, 0), 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_CLEAR_PAGE, c.l1, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_COPY_PAGE, c.l1, a), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_COPY_PAGE, b, c.l1), 0);
	ck_assert_uint_eq(mm_table(t, b)[0], mm_table(t, c.l1)[0]);
	/* What Xen shares is the guest's to write to; the rest is not there. */
	t->d->shared_info->arch.max_pfn = 5;
	ck_assert_int_eq(mm_ext(t, MMUEXT_CLEAR_PAGE, t->d->shared_info_mfn, 0), 0);
	ck_assert_uint_eq(t->d->shared_info->arch.max_pfn, 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_CLEAR_PAGE, t->d->m2p_mfn, 0), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_COPY_PAGE, a, t->d->m2p_mfn), -EINVAL);
	ck_assert_int_eq(mm_ext(t, MMUEXT_COPY_PAGE, a, ~0UL), -EINVAL);
	ck_assert_int_eq(mm_page(t, a)->refs + mm_page(t, b)->refs, 0);
	ck_assert_int_eq(mm_page(t, a)->type_count + mm_page(t, b)->type_count, 0);
}
END_TEST

START_TEST(batches_and_other_domains)
{
	struct mmuext_op ops[3] = {{.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = c.l1},
				   {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = c.l1},
				   {.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = c.l1}};
	uint64_t list = test_put(t, ops, sizeof(ops));
	uint32_t done = 77;
	uint64_t pdone = test_put(t, &done, sizeof(done));
	static const struct {
		uint32_t dom;
		int rc;
	} doms[] = {{1, -ESRCH},	{0, -EPERM},	{DOMID_XEN, -EPERM},
		    {DOMID_IO, -EPERM}, {1234, -ESRCH}, {DOMID_INVALID, -ESRCH}};

	/* Here even for no operation at all (xsm_mmuext_op()). */
	for (unsigned i = 0; i < sizeof(doms) / sizeof(doms[0]); i++)
		for (unsigned nr = 0; nr < 2; nr++)
			ck_assert_msg(HCALL(t, 0, __HYPERVISOR_mmuext_op, list, nr, pdone,
					    doms[i].dom) == doms[i].rc,
				      "domain 0x%x", doms[i].dom);
	test_read(t, pdone, &done, sizeof(done));
	ck_assert_uint_eq(done, 77);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmuext_op, list, 3, pdone, DOMID_SELF), -EINVAL);
	test_read(t, pdone, &done, sizeof(done));
	ck_assert_uint_eq(done, 1);
	ck_assert(mm_page(t, c.l1)->flags & PG_PINNED);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmuext_op, TEST_VA_UNMAPPED, 1, 0, DOMID_SELF),
			 -EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_mmuext_op, XEN_VIRT_START, 0, 0, DOMID_SELF),
			 -EFAULT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		base_pointers,
		a_base_pointer_holds_its_table,
		kernels_tables_show_the_m2p,
		users_tables_hide_what_is_the_kernels,
		what_there_is_not,
		the_ldt,
		flushes,
		pages_cleared_and_copied,
		batches_and_other_domains,
	};

	return RUN_TESTS("mmuext", setup, teardown, tests);
}
