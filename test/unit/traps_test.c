/*
 * Exceptions and system calls: the frames on the guest's stack word by word, and
 * when there is one. What is expected is what Xen 4.17 does (x86_64/entry.S:
 * create_bounce_frame, switch_to_kernel, sysenter_entry; arch/x86/domain.c:
 * load_segments).
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "test/unit/test_frame.h"

static struct test_frames f;
static struct test_domain *t;
static struct vcpu *v;
static uint64_t stack; /* its top */

static void setup(void)
{
	test_frames_setup(&f);
	t = f.t;
	v = f.v;
	stack = f.stack;
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(test_frame_from_kernel)
{
	test_frames_gate(&f, 6, 0);
	trap_inject(v, 6, 0x55); /* #UD has no error code */
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, RFLAGS, stack - 0x100, FLAT_KERNEL_SS);
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(v->regs.rax, 0xaaaaaaaaaaaaaaaa);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 0);
}
END_TEST

START_TEST(test_frame_with_error_code)
{
	test_frames_gate(&f, 13, 0);
	trap_inject(v, 13, 0x1234);
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, 0x1234, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, RFLAGS, stack - 0x100, FLAT_KERNEL_SS);
}
END_TEST

/* Exactly these vectors have an error code (SDM vol. 3, table 6-1). */
START_TEST(test_which_have_error_codes)
{
	static const bool has[32] = {[8] = true,  [10] = true, [11] = true, [12] = true,
				     [13] = true, [14] = true, [17] = true, [21] = true};

	test_frames_gate(&f, _i, 0);
	trap_inject(v, _i, 0);
	ck_assert_uint_eq(v->regs.rsp, stack - 0x100 - (has[_i] ? 64 : 56));
}
END_TEST

START_TEST(test_frame_from_user)
{
	test_frames_gate(&f, 0, 0);
	test_frames_user_mode(&f);
	v->kernel_sp = stack - 8; /* aligned down */
	trap_inject(v, 0, 0);
	EXPECT(stack - 16, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, USER_RIP, FLAT_USER_CS64, RFLAGS,
	       USER_RSP, FLAT_USER_SS64);
}
END_TEST

START_TEST(test_stack_alignment)
{
	test_frames_gate(&f, 0, 0);
	v->regs.rsp = stack - 0x100 + _i;
	trap_inject(v, 0, 0);
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, RFLAGS, stack - 0x100 + _i, FLAT_KERNEL_SS);
}
END_TEST

/* The mask is saved above the selector, with what lies behind it in vcpu_info; IF
 * is its opposite; TI_GET_IF sets its lowest bit. */
START_TEST(test_upcall_mask)
{
	struct vcpu_info *vi = vcpu_info_get(v);

	test_frames_gate(&f, 6, 4);
	vi->evtchn_upcall_mask = 0x80;
	memcpy((uint8_t *)vi + 2, "\x12\x34\x56", 3);
	trap_inject(v, 6, 0);
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       0x5634128000000000 | (FLAT_KERNEL_CS & ~3), 0x002, stack - 0x100, FLAT_KERNEL_SS);
	ck_assert_uint_eq(vi->evtchn_upcall_mask, 0x81);
}
END_TEST

START_TEST(test_gate_masks_events)
{
	test_frames_gate(&f, 6, 3 | 4);
	trap_inject(v, 6, 0);
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, RFLAGS, stack - 0x100, FLAT_KERNEL_SS);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 1);
}
END_TEST

START_TEST(test_iopl)
{
	test_frames_gate(&f, 6, 0);
	v->iopl = 1;
	v->regs.rflags |= 0x3000;
	if (_i)
		t->d->vm_assist = 1ul << VMASST_TYPE_architectural_iopl;
	trap_inject(v, 6, 0);
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, RFLAGS | (_i ? 0x1000 : 0), stack - 0x100, FLAT_KERNEL_SS);
}
END_TEST

/* Saved are all 32 bits of EFLAGS; the handler starts without TF NT RF VM AC. */
START_TEST(test_flags)
{
	test_frames_gate(&f, 6, 0);
	v->regs.rflags = 0xffffffff;
	trap_inject(v, 6, 0);
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, 0xffffcfff, stack - 0x100, FLAT_KERNEL_SS);
	ck_assert_uint_eq(v->regs.rflags, 0xffffffff & ~0x74100ul);
}
END_TEST

START_TEST(test_page_fault_error_code)
{
	uint64_t error;

	test_frames_gate(&f, 14, 4);
	if (_i)
		test_frames_user_mode(&f);
	trap_set_cr2(v, 0xdeadb000);
	trap_inject(v, 14, 0x17 ^ (_i ? 4 : 0));
	test_read(t, v->regs.rsp + 16, &error, 8);
	ck_assert_uint_eq(error, _i ? 0x17 : 0x13);
	ck_assert_uint_eq(vcpu_info_get(v)->arch.cr2, 0xdeadb000);
	ck_assert_uint_eq(v->ctrlreg[2], 0xdeadb000);
}
END_TEST

START_TEST(test_no_handler)
{
	trap_inject(v, 6, 0);
	test_frames_expect_crash(&f, "unhandled exception 6");
}
END_TEST

START_TEST(test_bad_stack)
{
	const uint64_t bad[] = {
		TEST_VA_UNMAPPED,
		0,
		1ull << 47,
		XEN_VIRT_START,
		XEN_VIRT_START + 0x1000,
		XEN_VIRT_END,
		XEN_VIRT_END + 48,
		~0ull,
		stack - 2 * PAGE_SIZE + 16,
	};

	test_frames_gate(&f, 6, 0);
	v->regs.rsp = bad[_i];
	trap_inject(v, 6, 0);
	test_frames_expect_crash(&f, "cannot be written");
	/* The report shows a selector that the guest can have. */
	ck_assert_uint_eq(v->regs.cs, FLAT_KERNEL_CS);
}
END_TEST

START_TEST(test_read_only_stack)
{
	test_map(t, 0x50000000, test_frame(t), false);
	test_frames_gate(&f, 6, 0);
	test_frames_user_mode(&f);
	v->kernel_sp = 0x50001000;
	trap_inject(v, 6, 0);
	test_frames_expect_crash(&f, "cannot be written");
}
END_TEST

/* Vector, DPL of the guest's gate, from kernel: delivered. Vectors 3, 4 and 0x80 do
 * not ask; for others the guest's kernel is ring 1. */
START_TEST(test_soft_interrupt)
{
	static const struct {
		unsigned vector, dpl;
		bool kernel, ok;
	} cases[] = {
		{0x20, 0, true, false},	 {0x20, 1, true, true},	  {0x20, 3, true, true},
		{0x20, 0, false, false}, {0x20, 1, false, false}, {0x20, 2, false, false},
		{0x20, 3, false, true},	 {0x82, 3, false, true},  {0x82, 2, false, false},
		{3, 0, false, true},	 {4, 0, false, true},	  {3, 0, true, true},
		{0x80, 0, false, true},	 {0x80, 0, true, true},	  {13, 3, false, true},
		{255, 3, false, true},	 {256, 3, false, false},
	};
	unsigned vector = cases[_i].vector;
	uint64_t rip;

	test_frames_gate(&f, vector & 0xff, cases[_i].dpl);
	if (!cases[_i].kernel)
		test_frames_user_mode(&f);
	rip = v->regs.rip;
	ck_assert_int_eq(trap_soft_interrupt(v, vector), cases[_i].ok);
	if (cases[_i].ok) {
		/* Never with an error code, even for vector 13. */
		if (cases[_i].kernel)
			EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, rip,
			       FLAT_KERNEL_CS & ~3, RFLAGS, stack - 0x100, FLAT_KERNEL_SS);
		else
			EXPECT(stack, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, rip, FLAT_USER_CS64,
			       RFLAGS, USER_RSP, FLAT_USER_SS64);
	} else {
		ck_assert_uint_eq(v->regs.rip, rip);
		ck_assert(!v->in_syscall);
	}
}
END_TEST
#define SOFT_CASES 17

START_TEST(test_soft_interrupt_without_handler)
{
	/* 0x80 takes the slow way and is refused there; 3 is not. */
	ck_assert(!trap_soft_interrupt(v, 0x80));
	ck_assert(!t->d->is_shut_down);
	ck_assert(trap_soft_interrupt(v, 3));
	test_frames_expect_crash(&f, "no handler");
}
END_TEST

START_TEST(test_syscall)
{
	test_frames_user_mode(&f);
	v->regs.rcx = USER_RIP;
	v->regs.r11 = RFLAGS | 0x400;
	v->regs.rflags = RFLAGS | 0x400;
	v->regs.cs = 0x1234; /* whatever it was */
	v->regs.ss = 0x5678;
	v->syscall_callback = (struct guest_callback){HANDLER, _i};
	trap_syscall(v);
	EXPECT(stack, USER_RIP, RFLAGS | 0x400, USER_RIP, FLAT_USER_CS64, RFLAGS | 0x400, USER_RSP,
	       FLAT_USER_SS64);
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(v->regs.rflags, RFLAGS); /* without DF */
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, _i);
}
END_TEST

/* The mask flag is the 64-bit callback's, for both. */
START_TEST(test_syscall32)
{
	test_frames_user_mode(&f);
	v->syscall_callback = (struct guest_callback){HANDLER + 1, false};
	v->syscall32_callback = (struct guest_callback){HANDLER, true};
	trap_syscall32(v);
	EXPECT(stack, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, USER_RIP, FLAT_USER_CS32, RFLAGS,
	       USER_RSP, FLAT_USER_SS32);
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 0);
}
END_TEST

/* #UD at the instruction, as if there were no such thing. DF stays. */
START_TEST(test_syscall_without_callback)
{
	test_frames_user_mode(&f);
	test_frames_gate(&f, 6, 4);
	v->regs.rflags |= 0x400;
	if (_i)
		trap_syscall32(v);
	else
		trap_syscall(v);
	EXPECT(stack, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, USER_RIP - 2,
	       _i ? FLAT_USER_CS32 : FLAT_USER_CS64, RFLAGS | 0x400, USER_RSP, FLAT_USER_SS64);
	ck_assert(v->regs.rflags & 0x400);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 1);
}
END_TEST

START_TEST(test_sysenter)
{
	test_frames_user_mode(&f);
	v->sysenter_callback = (struct guest_callback){HANDLER, true};
	trap_sysenter(v);
	EXPECT(stack, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, 0, 3, RFLAGS, 0, FLAT_USER_SS);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 1);
}
END_TEST

START_TEST(test_sysenter_without_callback)
{
	test_frames_user_mode(&f);
	test_frames_gate(&f, 13, 0);
	trap_sysenter(v);
	EXPECT(stack, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, 0, 0, 3, RFLAGS, 0, FLAT_USER_SS);
}
END_TEST

START_TEST(test_failsafe)
{
	test_frames_user_mode(&f);
	v->regs.ds = 0x11;
	v->regs.es = 0x22;
	v->regs.fs = 0x33;
	v->regs.gs = 0x44;
	v->failsafe_callback = (struct guest_callback){HANDLER, _i};
	trap_failsafe(v);
	EXPECT(stack, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, 0x11, 0x22, 0x33, 0x44, USER_RIP,
	       FLAT_USER_CS64, RFLAGS, USER_RSP, FLAT_USER_SS64);
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, _i);
}
END_TEST

START_TEST(test_toggle)
{
	vcpu_toggle_mode(v);
	ck_assert(!v->kernel_mode);
	vcpu_toggle_mode(v);
	ck_assert(v->kernel_mode);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("traps");
	TCase *tc = tcase_create("traps");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_frame_from_kernel);
	tcase_add_test(tc, test_frame_with_error_code);
	tcase_add_loop_test(tc, test_which_have_error_codes, 0, 32);
	tcase_add_test(tc, test_frame_from_user);
	tcase_add_loop_test(tc, test_stack_alignment, 0, 16);
	tcase_add_test(tc, test_upcall_mask);
	tcase_add_test(tc, test_gate_masks_events);
	tcase_add_loop_test(tc, test_iopl, 0, 2);
	tcase_add_test(tc, test_flags);
	tcase_add_loop_test(tc, test_page_fault_error_code, 0, 2);
	tcase_add_test(tc, test_no_handler);
	tcase_add_loop_test(tc, test_bad_stack, 0, 9);
	tcase_add_test(tc, test_read_only_stack);
	tcase_add_loop_test(tc, test_soft_interrupt, 0, SOFT_CASES);
	tcase_add_test(tc, test_soft_interrupt_without_handler);
	tcase_add_loop_test(tc, test_syscall, 0, 2);
	tcase_add_test(tc, test_syscall32);
	tcase_add_loop_test(tc, test_syscall_without_callback, 0, 2);
	tcase_add_test(tc, test_sysenter);
	tcase_add_test(tc, test_sysenter_without_callback);
	tcase_add_loop_test(tc, test_failsafe, 0, 2);
	tcase_add_test(tc, test_toggle);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
