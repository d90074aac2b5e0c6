/*
 * Selectors as the processor judges them at iret (SDM vol. 2, IRET), and the pages of an LDT,
 * which become descriptor pages when they are used and stay so until the LDT goes
 * (Xen: pv_map_ldt_shadow_page, pv_destroy_ldt).
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define GP 13
#define NP 11
#define SS 12

#define CODE64	   0x00affb000000fffful
#define CODE32	   0x00cffb000000fffful
#define DATA	   0x00cff3000000fffful
#define NOT_HERE   (~(1ul << 47))
#define RING0	   (~(3ul << 45))
#define READ_ONLY  (~(1ul << 41))
#define CONFORMING (1ul << 42)

static struct test_domain *t;
static struct vcpu *v;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
	v->regs.rip = 0x400000;
}

static void teardown(void)
{
	test_domain_free(t);
}

static void gdt(const uint64_t *entries, unsigned nr)
{
	v->gdt_frames[0] = test_frame(t);
	v->gdt_ents = nr;
	memcpy(frame_ptr(t->d, v->gdt_frames[0]), entries, nr * 8);
}

static void iret(uint16_t cs, uint16_t ss, int vector, uint32_t error)
{
	uint32_t e = 0;

	v->regs.cs = cs;
	v->regs.ss = ss;
	ck_assert_int_eq(vcpu_iret_fault(v, &e), vector);
	if (vector >= 0)
		ck_assert_uint_eq(e, error);
}

START_TEST(iret_with_xens_selectors)
{
	iret(FLAT_USER_CS64, FLAT_USER_SS64, -1, 0);
	iret(FLAT_USER_CS32, FLAT_USER_SS32, -1, 0);
	iret(3, FLAT_USER_SS64, GP, 0);
	iret(FLAT_USER_CS64, 3, GP, 0);
	iret(FLAT_USER_DS32, FLAT_USER_SS64, GP, FLAT_USER_DS32 & ~3);
	iret(FLAT_USER_CS64, FLAT_USER_CS64, GP, FLAT_USER_CS64 & ~3);
	iret(0xe00b, FLAT_USER_SS64, GP, 0xe008);
	iret(FLAT_USER_CS64, 0xe013, GP, 0xe010);
	iret(0xffff, FLAT_USER_SS64, GP, 0xfffc);
	iret(0xb, FLAT_USER_SS64, GP, 8);
	v->regs.rip = 1ul << 63;
	iret(FLAT_USER_CS64, FLAT_USER_SS64, GP, 0);
	iret(FLAT_USER_CS32, FLAT_USER_SS64, -1, 0);
}
END_TEST

START_TEST(iret_with_the_guests)
{
	const uint64_t table[] = {0,
				  CODE64,
				  CODE64 & NOT_HERE,
				  CODE64 & RING0,
				  (CODE64 & RING0) | CONFORMING,
				  CODE64 | 1ul << 54,
				  DATA,
				  DATA & NOT_HERE,
				  DATA & READ_ONLY,
				  DATA & RING0,
				  0};

	gdt(table, 11);
	iret(1 << 3 | 3, 6 << 3 | 3, -1, 0);
	iret(2 << 3 | 3, 6 << 3 | 3, NP, 2 << 3);
	iret(3 << 3 | 3, 6 << 3 | 3, GP, 3 << 3);
	iret(4 << 3 | 3, 6 << 3 | 3, -1, 0);
	iret(5 << 3 | 3, 6 << 3 | 3, GP, 5 << 3);
	iret(6 << 3 | 3, 6 << 3 | 3, GP, 6 << 3);
	iret(10 << 3 | 3, 6 << 3 | 3, GP, 10 << 3);
	iret(11 << 3 | 3, 6 << 3 | 3, GP, 11 << 3);
	iret(1 << 3 | 3, 7 << 3 | 3, SS, 7 << 3);
	iret(1 << 3 | 3, 8 << 3 | 3, GP, 8 << 3);
	iret(1 << 3 | 3, 9 << 3 | 3, GP, 9 << 3);
	iret(1 << 3 | 3, 1 << 3 | 3, GP, 1 << 3);
	iret(7, 6 << 3 | 3, GP, 4); /* no LDT */
}
END_TEST

static long set_ldt(uint64_t va, unsigned entries)
{
	struct mmuext_op op = {.cmd = MMUEXT_SET_LDT, .arg1.linear_addr = va};

	op.arg2.nr_ents = entries;
	return HCALL(t, 0, __HYPERVISOR_mmuext_op, test_put(t, &op, sizeof(op)), 1, 0, DOMID_SELF);
}

START_TEST(ldt_pages)
{
	uint64_t va = test_alloc(t, 2 * PAGE_SIZE), mfn = test_frame(t), tss = test_frame(t);

	test_map(t, va, mfn, false);
	test_map(t, va + PAGE_SIZE, tss, false);
	*(uint64_t *)frame_ptr(t->d, mfn) = CODE32;
	*(uint64_t *)frame_ptr(t->d, tss) = 0x890000000000ul;
	ck_assert_int_eq(set_ldt(va, 1024), 0);
	/* Nothing yet: the page may become anything. */
	ck_assert_uint_eq(t->d->pages[mfn].type_count, 0);
	ck_assert(vcpu_ldt_map(v, 0));
	ck_assert(vcpu_ldt_map(v, 0));
	ck_assert_uint_eq(t->d->pages[mfn].type, PGT_SEGDESC);
	ck_assert_uint_eq(t->d->pages[mfn].type_count, 1);
	ck_assert(!vcpu_ldt_map(v, 1));
	ck_assert(!vcpu_ldt_map(v, 2));
	ck_assert_int_eq(set_ldt(va, 1024), 0);
	ck_assert_uint_eq(t->d->pages[mfn].type_count, 1);
	ck_assert_int_eq(set_ldt(va, 512), 0);
	ck_assert_uint_eq(t->d->pages[mfn].type_count, 0);
	ck_assert_uint_eq(t->d->pages[mfn].refs, 0);
	iret(7, FLAT_USER_SS64, -1, 0); /* its first entry, CODE32 */
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {iret_with_xens_selectors, iret_with_the_guests, ldt_pages};

	return RUN_TESTS("descriptor_read", setup, teardown, tests);
}
