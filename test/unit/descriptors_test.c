/*
 * set_gdt and update_descriptor: which descriptors a guest may have, and the
 * pages that hold them (Xen: arch/x86/pv/descriptor-tables.c).
 */
#include <errno.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"

#define CODE_0 0x00af9b000000ffffUL
#define CODE_3 0x00affb000000ffffUL
#define DATA_3 0x00cff3000000ffffUL
#define TSS    0x0000890000000067UL

static struct test_domain *t;
static uint64_t f, list;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	f = test_frame(t);
	list = test_put(t, &f, sizeof(f));
}

static void teardown(void)
{
	test_domain_free(t);
}

static long set_gdt(uint64_t frames, uint64_t entries)
{
	return HCALL(t, 0, __HYPERVISOR_set_gdt, frames, entries);
}

static long update(uint64_t at, uint64_t desc)
{
	return HCALL(t, 0, __HYPERVISOR_update_descriptor, at, desc);
}

START_TEST(descriptors)
{
	mm_table(t, f)[1] = CODE_0; /* becomes ring 3 */
	ck_assert_int_eq(set_gdt(list, FIRST_RESERVED_GDT_ENTRY + 1), -EINVAL);
	ck_assert_int_eq(set_gdt(list, 512), 0);
	ck_assert_uint_eq(mm_table(t, f)[1], CODE_3);
	ck_assert_int_eq(mm_page(t, f)->type, PGT_SEGDESC);
	ck_assert_int_eq(update(maddr(f, 2), DATA_3), 0);
	ck_assert_uint_eq(mm_table(t, f)[2], DATA_3);
	/* A TSS, an odd address, somebody else's frame. */
	ck_assert_int_eq(update(maddr(f, 3), TSS), -EINVAL);
	ck_assert_int_eq(update(maddr(f, 3) + 1, 0), -EINVAL);
	ck_assert_int_eq(update(maddr(t->d->m2p_mfn, 0), 0), -EINVAL);
	ck_assert_int_eq(set_gdt(list, 0), 0);
	ck_assert_int_eq(mm_page(t, f)->type_count, 0);
}
END_TEST

/* check_descriptor(): a 64-bit guest has ring 3 only, whatever it asks for. */
START_TEST(what_a_descriptor_may_be)
{
	const uint64_t gate = 0xffff8c0000000000UL | 8UL << 16; /* present, DPL 0 */
	const struct {
		uint64_t desc, want;
		int rc;
	} cases[] = {
		{0, 0, 0},
		{~(1UL << 47), ~(1UL << 47), 0}, /* absent: anything */
		{CODE_0, CODE_3, 0},
		{CODE_0 | 1UL << 45, CODE_3, 0},
		{TSS, 0, -EINVAL},
		{0x0000820000000067UL, 0, -EINVAL},		 /* an LDT */
		{0x00008e0000000000UL, 0, -EINVAL},		 /* an interrupt gate */
		{0x0000800000000000UL, 0x0000800000000000UL, 0}, /* a call gate's upper half */
		/* A call gate: DPL 0, so that its use faults; RPL 3. */
		{gate, gate | 3UL << 16, 0},
		{gate | 3UL << 45, gate | 3UL << 16, 0},
		{gate | 1UL << 32, 0, -EINVAL},
		{gate | 0x20UL << 32, 0, -EINVAL},
		{(gate & ~(0xffffUL << 16)) | (uint64_t)FLAT_KERNEL_CS << 16,
		 (gate & ~(0xffffUL << 16)) | (uint64_t)FLAT_KERNEL_CS << 16, 0},
		{(gate & ~(0xffffUL << 16)) | 0xe008UL << 16, 0, -EINVAL}, /* Xen's own code */
		{(gate & ~(0xffffUL << 16)) | 0xfff4UL << 16,
		 (gate & ~(0xffffUL << 16)) | 0xfff7UL << 16, 0}, /* in the LDT */
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t desc = cases[i].desc;
		ck_assert_msg(mm_check_descriptor(&desc) == cases[i].rc, "descriptor %u", i);
		if (!cases[i].rc)
			ck_assert_msg(desc == cases[i].want, "descriptor %u: 0x%lx", i, desc);
	}
}
END_TEST

START_TEST(pages_of_descriptors)
{
	uint64_t g = test_frame(t), two[2] = {f, g}, lists = test_put(t, two, sizeof(two));

	/* Both or none. */
	mm_table(t, g)[511] = TSS;
	ck_assert_int_eq(set_gdt(lists, 1024), -EINVAL);
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	ck_assert_int_eq(mm_page(t, f)->type_count, 0);
	ck_assert_uint_eq(t->d->vcpu[0]->gdt_ents, 0);
	mm_table(t, g)[511] = 0;
	ck_assert_int_eq(set_gdt(lists, 513), 0);
	ck_assert_int_eq(mm_page(t, g)->type_count, 1);
	ck_assert_uint_eq(t->descriptors_changed[0], 1);
	/* Another GDT: the pages of the first are free. */
	ck_assert_int_eq(set_gdt(lists, 512), 0);
	ck_assert_int_eq(mm_page(t, f)->type_count, 1);
	ck_assert_int_eq(mm_page(t, g)->type_count, 0);
	ck_assert_int_eq(set_gdt(TEST_VA_UNMAPPED, 1), -EFAULT);
	ck_assert_int_eq(set_gdt(TEST_VA_UNMAPPED, 0), 0);
	ck_assert_uint_eq(t->d->vcpu[0]->gdt_ents, 0);
}
END_TEST

START_TEST(a_descriptor_in_a_page_of_another_kind)
{
	uint64_t l1 = test_frame(t);

	/* As data, where the guest could have written it itself; not into a table. */
	ck_assert_int_eq(update(maddr(f, 511), CODE_0), 0);
	ck_assert_uint_eq(mm_table(t, f)[511], CODE_3);
	ck_assert_int_eq(mm_page(t, f)->refs, 0);
	ck_assert_int_eq(mm_page(t, f)->type_count, 0);
	ck_assert_int_eq(mm_ext(t, MMUEXT_PIN_L1_TABLE, l1, 0), 0);
	ck_assert_int_eq(update(maddr(l1, 0), 0), -EINVAL);
	ck_assert_int_eq(mm_page(t, l1)->refs, 1);
	ck_assert_int_eq(update(~7UL, 0), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		descriptors,
		what_a_descriptor_may_be,
		pages_of_descriptors,
		a_descriptor_in_a_page_of_another_kind,
	};

	return RUN_TESTS("descriptors", setup, teardown, tests);
}
