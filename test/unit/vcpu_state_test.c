/*
 * set_trap_table, stack_switch, set_segment_base, fpu_taskswitch, the debug
 * registers, vm_assist: Xen 4.17's answers.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define NON_CANONICAL (1ull << 47)
#define HANDLER	      0xffffffff81000000ull

static struct test_domain *t;
static struct vcpu *v;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
}

static void teardown(void)
{
	test_domain_free(t);
}

static long set_trap_table(const struct trap_info *table, size_t size)
{
	return HCALL(t, 0, __HYPERVISOR_set_trap_table, test_put(t, table, size));
}

START_TEST(test_trap_table)
{
	const struct trap_info table[] = {
		{0, 0, FLAT_KERNEL_CS, HANDLER},
		{255, 3 | 4, FLAT_KERNEL_CS & ~3, HANDLER + 255},
		{14, 4, 0, HANDLER + 14},
		{13, 0, 0x11, HANDLER + 13},
		{14, 1, 0x2a, HANDLER + 15}, /* the last one counts */
		{0},
		{3, 3, FLAT_KERNEL_CS, HANDLER + 3}, /* behind the end */
	};

	v->traps[7].address = HANDLER + 7; /* not named: stays */
	ck_assert_int_eq(set_trap_table(table, sizeof(table)), 0);
	ck_assert_uint_eq(v->traps[0].address, HANDLER);
	ck_assert_uint_eq(v->traps[0].cs, FLAT_KERNEL_CS);
	ck_assert_uint_eq(v->traps[255].address, HANDLER + 255);
	ck_assert_uint_eq(v->traps[255].flags, 7);
	ck_assert_uint_eq(v->traps[255].cs, FLAT_KERNEL_CS);
	ck_assert_uint_eq(v->traps[14].address, HANDLER + 15);
	ck_assert_uint_eq(v->traps[14].flags, 1);
	ck_assert_uint_eq(v->traps[14].cs, 0x2b);
	ck_assert_uint_eq(v->traps[13].cs, 0x13);
	ck_assert_uint_eq(v->traps[7].address, HANDLER + 7);
	ck_assert_uint_eq(v->traps[3].address, 0);
	ck_assert_uint_eq(t->d->vcpu[1]->traps[0].address, 0);

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_trap_table, 0), 0);
	for (unsigned i = 0; i < 256; i++)
		ck_assert_uint_eq(v->traps[i].address, 0);
}
END_TEST

START_TEST(test_trap_table_errors)
{
	struct trap_info table[PAGE_SIZE / sizeof(struct trap_info)];

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_trap_table, TEST_VA_UNMAPPED), -EFAULT);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_set_trap_table, XEN_VIRT_START), -EFAULT);
	/* The entries before the bad one stay. */
	memset(table, 0, sizeof(table));
	table[0] = (struct trap_info){1, 0, FLAT_KERNEL_CS, HANDLER};
	table[1] = (struct trap_info){2, 0, FLAT_KERNEL_CS, NON_CANONICAL};
	ck_assert_int_eq(set_trap_table(table, sizeof(table)), -EINVAL);
	ck_assert_uint_eq(v->traps[1].address, HANDLER);
	ck_assert_uint_eq(v->traps[2].address, 0);
	/* A table without an end runs into the unmapped page. */
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		table[i] = (struct trap_info){i, 0, FLAT_KERNEL_CS, HANDLER + i};
	ck_assert_int_eq(set_trap_table(table, sizeof(table)), -EFAULT);
	ck_assert_uint_eq(v->traps[255].address, HANDLER + 255);
}
END_TEST

START_TEST(test_stack_switch)
{
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_stack_switch, 0x10, 0xffff880012345678), 0);
	ck_assert_uint_eq(v->kernel_sp, 0xffff880012345678);
	ck_assert_uint_eq(v->kernel_ss, 0x13);
	/* The address is not checked before it is used. */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_stack_switch, 0, NON_CANONICAL), 0);
	ck_assert_uint_eq(v->kernel_ss, 3);
}
END_TEST

static long set_base(uint64_t which, uint64_t base)
{
	return HCALL(t, 0, __HYPERVISOR_set_segment_base, which, base);
}

START_TEST(test_segment_base)
{
	ck_assert_int_eq(set_base(SEGBASE_FS, 0x7f0000001000), 0);
	ck_assert_int_eq(set_base(SEGBASE_GS_USER, 0x2000), 0);
	ck_assert_int_eq(set_base(SEGBASE_GS_KERNEL, 0xffffffff81003000), 0);
	ck_assert_uint_eq(v->fs_base, 0x7f0000001000);
	ck_assert_uint_eq(v->gs_base_user, 0x2000);
	ck_assert_uint_eq(v->gs_base_kernel, 0xffffffff81003000);
	for (unsigned which = 0; which < 3; which++)
		ck_assert_int_eq(set_base(which, NON_CANONICAL), -EINVAL);
	ck_assert_uint_eq(v->fs_base, 0x7f0000001000);
	ck_assert_int_eq(set_base(4, 0), -EINVAL);
	ck_assert_int_eq(set_base(~0u, 0), -EINVAL);
	/* A 32-bit argument, and Xen's own range is not refused. */
	ck_assert_int_eq(set_base(1ull << 32 | SEGBASE_FS, XEN_VIRT_START), 0);
	ck_assert_uint_eq(v->fs_base, XEN_VIRT_START);
}
END_TEST

/* A data descriptor of ring 3 with this base. */
static uint64_t data(uint32_t base)
{
	return 0x00cff2000000ffffull | (uint64_t)(base & 0xffffff) << 16 |
	       (uint64_t)(base >> 24) << 56;
}

/* The base comes from the descriptor; what cannot be loaded becomes null. */
START_TEST(test_gs_user_selector)
{
	struct {
		uint16_t sel, gs;
		uint64_t base;
	} cases[] = {
		{0, 0, 0},
		{3, 3, 0},
		{1 << 3, 1 << 3 | 3, 0x89abcdef},
		{1 << 3 | 3, 1 << 3 | 3, 0x89abcdef},
		{2 << 3, 0, 0},		 /* not present */
		{3 << 3, 0, 0},		 /* ring 0 */
		{4 << 3, 0, 0},		 /* a system descriptor */
		{5 << 3, 0, 0},		 /* code that cannot be read */
		{6 << 3, 6 << 3 | 3, 0}, /* code that can */
		{7 << 3, 7 << 3 | 3, 0}, /* conforming, of ring 0 */
		{8 << 3, 0, 0},		 /* beyond the end */
		{1 << 3 | 4, 1 << 3 | 7, 0x1000},
		{2 << 3 | 4, 0, 0}, /* beyond the end */
		{FLAT_RING3_CS64, FLAT_RING3_CS64, 0},
		{FLAT_RING3_DS32, FLAT_RING3_DS32, 0},
		{FLAT_RING3_CS32, FLAT_RING3_CS32, 0},
		{0xe008, 0, 0}, /* Xen's */
		{0xfff8, 0, 0},
	};
	const uint64_t gdt[8] = {0,
				 data(0x89abcdef),
				 data(0x1000) & ~(1ull << 47),
				 data(0x1000) & ~(3ull << 45),
				 data(0x1000) & ~(1ull << 44),
				 0x00cff8000000ffff,
				 0x00cffa000000ffff,
				 0x00cf9e000000ffff};
	const uint64_t ldt[2] = {0, data(0x1000)};
	uint64_t frame = test_frame(t);

	memcpy(frame_ptr(t->d, frame), gdt, sizeof(gdt));
	v->gdt_frames[0] = frame;
	v->gdt_ents = 8;
	v->ldt_base = test_put(t, ldt, sizeof(ldt));
	v->ldt_ents = 2;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v->gs_base_user = 0x5555;
		ck_assert_int_eq(set_base(SEGBASE_GS_USER_SEL, 0xabc0000 | cases[i].sel), 0);
		ck_assert_msg(v->gs_base_user == cases[i].base, "%#x: base %#lx", cases[i].sel,
			      (unsigned long)v->gs_base_user);
		ck_assert_msg(v->regs.gs == cases[i].gs, "%#x: gs %#x", cases[i].sel, v->regs.gs);
	}
	v->ldt_base = TEST_VA_UNMAPPED;
	ck_assert_int_eq(set_base(SEGBASE_GS_USER_SEL, 1 << 3 | 4), 0);
	ck_assert_uint_eq(v->gs_base_user, 0);
	ck_assert_uint_eq(v->gs_base_kernel, 0);
}
END_TEST

START_TEST(test_fpu_taskswitch)
{
	v->ctrlreg[0] = 0x80050033;
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_fpu_taskswitch, 1), 0);
	ck_assert_uint_eq(v->ctrlreg[0], 0x8005003b);
	ck_assert_uint_eq(t->fpu_ts_changed[0], 1);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_fpu_taskswitch, 7), 0);
	ck_assert_uint_eq(t->fpu_ts_changed[0], 1); /* nothing to tell */
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_fpu_taskswitch, 1ull << 32), 0);
	ck_assert_uint_eq(v->ctrlreg[0], 0x80050033);
	ck_assert_uint_eq(t->fpu_ts_changed[0], 2);
}
END_TEST

static long set_dr(uint64_t reg, uint64_t val)
{
	return HCALL(t, 0, __HYPERVISOR_set_debugreg, reg, val);
}

static long get_dr(uint64_t reg)
{
	return HCALL(t, 0, __HYPERVISOR_get_debugreg, reg);
}

START_TEST(test_debug_addresses)
{
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(set_dr(i, 0xffffffff81000000 + i), 0);
		ck_assert_uint_eq(get_dr(i), 0xffffffff81000000 + i);
		/* Not in Xen; anything that is not canonical counts as that. */
		ck_assert_int_eq(set_dr(i, XEN_VIRT_START), -EPERM);
		ck_assert_int_eq(set_dr(i, XEN_VIRT_END - 1), -EPERM);
		ck_assert_int_eq(set_dr(i, NON_CANONICAL), -EPERM);
		ck_assert_uint_eq(get_dr(i), 0xffffffff81000000 + i);
		ck_assert_int_eq(set_dr(i, XEN_VIRT_END), 0);
		ck_assert_int_eq(set_dr(i, 0x7fffffffffff), 0);
	}
	ck_assert_int_eq(set_dr(8, 0), -ENODEV);
	ck_assert_int_eq(set_dr(~0ull, 0), -ENODEV);
	ck_assert_int_eq(get_dr(8), -ENODEV);
	ck_assert_int_eq(get_dr(~0ull), -ENODEV);
	ck_assert_uint_eq(t->debugregs_changed[0], 12);
}
END_TEST

START_TEST(test_debug_status)
{
	ck_assert_uint_eq(get_dr(6), 0xffff0ff0);
	ck_assert_int_eq(set_dr(6, 0), 0);
	ck_assert_uint_eq(get_dr(6), 0xffff0ff0);
	ck_assert_int_eq(set_dr(6, 0xffffffff), 0);
	ck_assert_uint_eq(get_dr(6), 0xffffefff);
	ck_assert_int_eq(set_dr(6, 1ull << 32), -EINVAL);
	ck_assert_uint_eq(get_dr(4), 0xffffefff);
	ck_assert_int_eq(set_dr(4, 1), 0);
	ck_assert_uint_eq(get_dr(6), 0xffff0ff1);
	v->ctrlreg[4] = CR4_DE;
	ck_assert_int_eq(set_dr(4, 1ull << 32), -ENODEV);
	ck_assert_int_eq(get_dr(4), -ENODEV);
	ck_assert_int_eq(set_dr(5, 1ull << 32), -ENODEV);
	ck_assert_int_eq(get_dr(5), -ENODEV);
}
END_TEST

START_TEST(test_debug_control)
{
	ck_assert_uint_eq(get_dr(7), 0x400);
	ck_assert_int_eq(set_dr(7, 0), 0);
	ck_assert_uint_eq(get_dr(7), 0x400);
	ck_assert_int_eq(set_dr(7, 0x1d8ff), 0);
	ck_assert_uint_eq(get_dr(7), 0x104ff);
	ck_assert_int_eq(set_dr(7, 1ull << 32), -EINVAL);
	ck_assert_int_eq(set_dr(7, 0x2000), -EPERM);
	ck_assert_uint_eq(get_dr(7), 0x104ff);
	ck_assert_int_eq(set_dr(5, 1), 0);
	ck_assert_uint_eq(get_dr(7), 0x401);
	ck_assert_uint_eq(get_dr(5), 0x401);
}
END_TEST

/* Breakpoints on I/O: with CR4.DE, and emulated. */
START_TEST(test_debug_io)
{
	ck_assert_int_eq(set_dr(7, 0x00020002), -EPERM);
	ck_assert_int_eq(set_dr(7, 0x20000001), -EPERM); /* that one is not even enabled */
	ck_assert_int_eq(set_dr(7, 0x00020000), 0);	 /* none is */
	v->ctrlreg[4] = CR4_DE;
	ck_assert_int_eq(set_dr(7, 0x2001001f | 0xc0), 0);
	ck_assert_uint_eq(get_dr(7), 0x200104df);
	ck_assert_uint_eq(v->debugreg[7], 0x2001041f); /* for the processor */
	ck_assert_uint_eq(v->debugreg[5], 0xc0);
	ck_assert_int_eq(set_dr(7, 0x20000000), 0);
	ck_assert_uint_eq(v->debugreg[5], 0);
}
END_TEST

static long vm_assist(uint64_t cmd, uint64_t type)
{
	return HCALL(t, 0, __HYPERVISOR_vm_assist, cmd, type);
}

START_TEST(test_vm_assist)
{
	static const unsigned valid[] = {
		VMASST_TYPE_4gb_segments,	 VMASST_TYPE_4gb_segments_notify,
		VMASST_TYPE_writable_pagetables, VMASST_TYPE_pae_extended_cr3,
		VMASST_TYPE_architectural_iopl,	 VMASST_TYPE_runstate_update_flag,
		VMASST_TYPE_m2p_strict,
	};
	uint64_t all = 0;

	for (unsigned i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		ck_assert_int_eq(vm_assist(VMASST_CMD_enable, valid[i]), 0);
		all |= 1ull << valid[i];
		ck_assert_uint_eq(t->d->vm_assist, all);
		ck_assert_int_eq(vm_assist(2, valid[i]), -ENOSYS);
	}
	for (unsigned type = 0; type < 70; type++) {
		if (type < 64 && all >> type & 1)
			continue;
		ck_assert_int_eq(vm_assist(VMASST_CMD_enable, type), -EINVAL);
		ck_assert_int_eq(vm_assist(2, type), -EINVAL); /* the type comes first */
	}
	ck_assert_int_eq(vm_assist(VMASST_CMD_disable, VMASST_TYPE_pae_extended_cr3), 0);
	ck_assert_uint_eq(t->d->vm_assist, all & ~(1ull << VMASST_TYPE_pae_extended_cr3));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_trap_table,      test_trap_table_errors, test_stack_switch,
		test_segment_base,    test_gs_user_selector,  test_fpu_taskswitch,
		test_debug_addresses, test_debug_status,      test_debug_control,
		test_debug_io,	      test_vm_assist,
	};

	return RUN_TESTS("vcpu_state", setup, teardown, tests);
}
