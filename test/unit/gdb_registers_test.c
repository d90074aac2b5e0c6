/*
 * The registers as gdb sees them: the description has what gdb looks for, and each number
 * names the register that stands there in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"
#include "vmm/gdb/registers.h"

static struct test_domain *t;
static struct vcpu *v;
static struct register_view view;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
	v->fpu_valid = true; /* its vector state is not in KVM yet */
	registers_look(&view, v, true);
}

static void teardown(void)
{
	test_domain_free(t);
}

/* The number and the bits of a register in the description; -1: it has none. */
static int number_of(const char *xml, const char *name, unsigned *bits)
{
	char want[40];
	int n = 0;

	snprintf(want, sizeof(want), "<reg name=\"%s\" ", name);
	for (const char *p = xml; (p = strstr(p, "<reg name=")); p++, n++)
		if (!strncmp(p, want, strlen(want))) {
			ck_assert_int_eq(sscanf(p + strlen(want), "bitsize=\"%u\"", bits), 1);
			return n;
		}
	return -1;
}

/* gdb/features/i386: 64bit-core, 64bit-sse, 64bit-segments and 64bit-avx. */
START_TEST(test_what_gdb_looks_for)
{
	static const struct {
		const char *name;
		unsigned bits;
	} want[] = {
		{"rax", 64},   {"rbx", 64},	{"rcx", 64},	 {"rdx", 64},	 {"rsi", 64},
		{"rdi", 64},   {"rbp", 64},	{"rsp", 64},	 {"r8", 64},	 {"r15", 64},
		{"rip", 64},   {"eflags", 32},	{"cs", 32},	 {"gs", 32},	 {"st0", 80},
		{"st7", 80},   {"fctrl", 32},	{"fop", 32},	 {"xmm0", 128},	 {"xmm15", 128},
		{"mxcsr", 32}, {"fs_base", 64}, {"gs_base", 64}, {"ymm0h", 128}, {"ymm15h", 128},
	};
	char *xml = registers_xml(true);

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		unsigned bits;
		int n = number_of(xml, want[i].name, &bits);
		ck_assert_msg(n >= 0, "%s is missing", want[i].name);
		ck_assert_uint_eq(bits, want[i].bits);
		ck_assert_uint_eq(register_size((unsigned)n, true), bits / 8);
	}
	static const char *const features[] = {"org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse",
					       "org.gnu.gdb.i386.segments", "org.gnu.gdb.i386.avx"};
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		ck_assert_ptr_nonnull(strstr(xml, features[i]));
	ck_assert_ptr_nonnull(strstr(xml, "<architecture>i386:x86-64</architecture>"));
	free(xml);
}
END_TEST

START_TEST(test_without_avx)
{
	char *xml = registers_xml(false);
	unsigned bits;

	ck_assert_int_eq(number_of(xml, "ymm0h", &bits), -1);
	ck_assert_ptr_null(strstr(xml, "i386.avx"));
	ck_assert_uint_eq(registers_count(true) - registers_count(false), 16);
	ck_assert_uint_eq(register_size(registers_count(false), false), 0);
	ck_assert_uint_eq(register_size(registers_count(false), true), 16);
	free(xml);
}
END_TEST

/* Every number's value is that of the register with this name. */
START_TEST(test_numbers_and_values)
{
	char *xml = registers_xml(true);
	uint8_t buf[GDB_REG_MAX];
	uint64_t val;
	unsigned bits;
	const struct {
		const char *name;
		uint64_t *at;
	} all[] = {
		{"rax", &v->regs.rax},
		{"rbx", &v->regs.rbx},
		{"rcx", &v->regs.rcx},
		{"rdx", &v->regs.rdx},
		{"rsi", &v->regs.rsi},
		{"rdi", &v->regs.rdi},
		{"rbp", &v->regs.rbp},
		{"rsp", &v->regs.rsp},
		{"r8", &v->regs.r8},
		{"r9", &v->regs.r9},
		{"r10", &v->regs.r10},
		{"r11", &v->regs.r11},
		{"r12", &v->regs.r12},
		{"r13", &v->regs.r13},
		{"r14", &v->regs.r14},
		{"r15", &v->regs.r15},
		{"rip", &v->regs.rip},
		{"fs_base", &v->fs_base},
		{"gs_base", &v->gs_base_kernel},
		{"k_gs_base", &v->gs_base_user},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		unsigned n = (unsigned)number_of(xml, all[i].name, &bits);
		*all[i].at = 0x1000 + i;
		ck_assert(register_get(&view, n, buf));
		memcpy(&val, buf, 8);
		ck_assert_uint_eq(val, 0x1000 + i);
		val = 0xffff800000000000 + i;
		ck_assert(register_set(&view, n, (uint8_t *)&val));
		ck_assert_uint_eq(*all[i].at, val);
	}
	ck_assert_int_eq(number_of(xml, "rbp", &bits), GDB_REG_RBP);
	ck_assert_int_eq(number_of(xml, "rsp", &bits), GDB_REG_RSP);
	ck_assert_int_eq(number_of(xml, "rip", &bits), GDB_REG_RIP);
	free(xml);
}
END_TEST

START_TEST(test_flags)
{
	uint8_t buf[GDB_REG_MAX];
	uint32_t f;

	v->regs.rflags = 0x246;
	vcpu_info_get(v)->evtchn_upcall_mask = 1;
	ck_assert(register_get(&view, 17, buf));
	memcpy(&f, buf, 4);
	ck_assert_uint_eq(f, 0x46); /* IF: upcalls are masked */
	vcpu_info_get(v)->evtchn_upcall_mask = 0;
	ck_assert(register_get(&view, 17, buf));
	memcpy(&f, buf, 4);
	ck_assert_uint_eq(f, 0x246);
	/* Neither IF nor IOPL nor VM is the debugger's. */
	f = 0x23000 | 0x401;
	ck_assert(register_set(&view, 17, (uint8_t *)&f));
	ck_assert_uint_eq(v->regs.rflags, 0x601 | 0x2);
}
END_TEST

START_TEST(test_fixed_ones)
{
	char *xml = registers_xml(true);
	uint8_t buf[GDB_REG_MAX] = {0};
	unsigned bits;
	uint64_t bad = 1ull << 47;

	ck_assert(!register_set(&view, (unsigned)number_of(xml, "cs", &bits), buf));
	ck_assert(!register_set(&view, (unsigned)number_of(xml, "cr3", &bits), buf));
	/* Loading it would fault in the host. */
	ck_assert(
		!register_set(&view, (unsigned)number_of(xml, "fs_base", &bits), (uint8_t *)&bad));
	ck_assert(!register_get(&view, registers_count(true), buf));
	ck_assert(!register_set(&view, 10000, buf));
	ck_assert(register_get(&view, (unsigned)number_of(xml, "cr3", &bits), buf));
	memcpy(&bad, buf, 8);
	ck_assert_uint_eq(bad, t->l4 << PAGE_SHIFT);
	free(xml);
}
END_TEST

/* FXSAVE's layout: SDM vol. 1, 10.5.1. */
START_TEST(test_vector_state)
{
	char *xml = registers_xml(true);
	uint8_t buf[GDB_REG_MAX];
	unsigned bits, xmm3 = (unsigned)number_of(xml, "xmm3", &bits),
		       st1 = (unsigned)number_of(xml, "st1", &bits),
		       tags = (unsigned)number_of(xml, "ftag", &bits),
		       ymm2h = (unsigned)number_of(xml, "ymm2h", &bits);

	for (unsigned i = 0; i < 16; i++)
		v->fpu_ctxt[160 + 3 * 16 + i] = (uint8_t)(i + 1);
	v->fpu_ctxt[32 + 16] = 0x77;
	v->fpu_ctxt[4] = 0x81; /* the first and the last are in use */
	ck_assert(register_get(&view, xmm3, buf));
	ck_assert_uint_eq(buf[0], 1);
	ck_assert_uint_eq(buf[15], 16);
	ck_assert(register_get(&view, st1, buf));
	ck_assert_uint_eq(buf[0], 0x77);
	ck_assert(register_get(&view, tags, buf));
	ck_assert_uint_eq(buf[0] | buf[1] << 8, 0x3ffc);
	/* Not in the area: as after a reset. */
	memset(buf, 0xff, sizeof(buf));
	ck_assert(register_get(&view, ymm2h, buf));
	ck_assert_uint_eq(buf[0] | buf[15], 0);
	memset(buf, 0x55, sizeof(buf));
	ck_assert(register_set(&view, xmm3, buf));
	ck_assert_int_eq(registers_done(&view), 0);
	ck_assert_uint_eq(v->fpu_ctxt[160 + 3 * 16 + 9], 0x55);
	ck_assert_uint_eq(v->fpu_ctxt[160 + 4 * 16], 0);
	free(xml);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_what_gdb_looks_for, test_without_avx,  test_numbers_and_values, test_flags,
		test_fixed_ones,	 test_vector_state,
	};

	return RUN_TESTS("gdb_registers", setup, teardown, tests);
}
