/*
 * Hypercall iret (Xen: arch/x86/pv/iret.c): to the kernel, to user mode, by iretq
 * and by sysret, and frames that end the domain.
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static struct vcpu *v;
static struct iret_context frame;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
	v->guest_table_user = t->l4;
	v->regs.rcx = 0xcccc;
	v->regs.r11 = 0x1111;
	frame = (struct iret_context){
		.rax = 0xaaaaaaaa12345678,
		.r11 = 0xb,
		.rcx = 0xc,
		.rip = 0x400000,
		.cs = FLAT_USER_CS64,
		.rflags = 0x202,
		.rsp = 0x7ffe00000000,
		.ss = FLAT_USER_SS64,
	};
}

static void teardown(void)
{
	test_domain_free(t);
}

static void iret(void)
{
	v->regs.rsp = test_put(t, &frame, sizeof(frame));
	HCALL(t, 0, __HYPERVISOR_iret, 0);
}

/* The order in memory that kernels push. */
START_TEST(test_layout)
{
	ck_assert_uint_eq(sizeof(frame), 9 * 8);
	ck_assert_uint_eq(offsetof(struct iret_context, rax), 0);
	ck_assert_uint_eq(offsetof(struct iret_context, r11), 8);
	ck_assert_uint_eq(offsetof(struct iret_context, rcx), 16);
	ck_assert_uint_eq(offsetof(struct iret_context, flags), 24);
	ck_assert_uint_eq(offsetof(struct iret_context, rip), 32);
	ck_assert_uint_eq(offsetof(struct iret_context, ss), 64);
}
END_TEST

START_TEST(test_to_user)
{
	iret();
	ck_assert(!v->kernel_mode);
	ck_assert_uint_eq(v->regs.rax, 0xaaaaaaaa12345678);
	ck_assert_uint_eq(v->regs.rcx, 0xc);
	ck_assert_uint_eq(v->regs.r11, 0xb);
	ck_assert_uint_eq(v->regs.rip, 0x400000);
	ck_assert_uint_eq(v->regs.cs, FLAT_USER_CS64);
	ck_assert_uint_eq(v->regs.rflags, 0x202);
	ck_assert_uint_eq(v->regs.rsp, 0x7ffe00000000);
	ck_assert_uint_eq(v->regs.ss, FLAT_USER_SS64);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 0);
	ck_assert(!vcpu_deliver_events(v)); /* nothing is lost by sysret */
	ck_assert(!t->d->is_shut_down);
}
END_TEST

/* RPL 0, 1 or 2: the kernel goes on, at ring 3. */
START_TEST(test_to_kernel)
{
	frame.cs = (FLAT_KERNEL_CS & ~3) | _i;
	frame.ss = 0;
	iret();
	ck_assert(v->kernel_mode);
	ck_assert_uint_eq(v->regs.cs, FLAT_KERNEL_CS);
	ck_assert_uint_eq(v->regs.ss, 3);
}
END_TEST

/* Only the low halves of the selectors count: the mask may lie above. */
START_TEST(test_saved_mask_is_ignored)
{
	frame.cs |= 0x12345600000000;
	frame.ss |= 0x10000;
	iret();
	ck_assert_uint_eq(v->regs.cs, FLAT_USER_CS64);
	ck_assert_uint_eq(v->regs.ss, FLAT_USER_SS64);
}
END_TEST

START_TEST(test_in_syscall)
{
	frame.flags = VGCF_in_syscall;
	frame.cs = 0x1003;
	frame.ss = 0x2003;
	iret();
	ck_assert(vcpu_deliver_events(v));
	ck_assert_uint_eq(v->regs.rcx, 0x400000);
	ck_assert_uint_eq(v->regs.r11, 0x202);
	ck_assert_uint_eq(v->regs.cs, FLAT_USER_CS64);
	ck_assert_uint_eq(v->regs.ss, FLAT_USER_SS64);
	ck_assert_uint_eq(v->regs.rax, 0xaaaaaaaa12345678);
}
END_TEST

/* An upcall on the way saves what was there before sysret. */
START_TEST(test_in_syscall_with_upcall)
{
	uint64_t words[2];

	frame.flags = VGCF_in_syscall;
	v->event_callback.eip = 0x500000;
	v->kernel_sp = test_alloc(t, PAGE_SIZE) + PAGE_SIZE;
	vcpu_info_get(v)->evtchn_upcall_pending = 1;
	iret();
	ck_assert(vcpu_deliver_events(v));
	ck_assert(v->kernel_mode);
	ck_assert_uint_eq(v->regs.rip, 0x500000);
	test_read(t, v->regs.rsp, words, sizeof(words));
	ck_assert_uint_eq(words[0], 0xcccc);
	ck_assert_uint_eq(words[1], 0x1111);
}
END_TEST

START_TEST(test_flags)
{
	frame.rflags = 0x3000 | 0x20000 | 0x40 | 2; /* IOPL VM ZF, IF clear */
	v->iopl = 1;
	iret();
	ck_assert_uint_eq(v->regs.rflags, 0x200 | 0x40 | 2);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 1);
	ck_assert_uint_eq(v->iopl, 1); /* not the guest's way to set it */
}
END_TEST

START_TEST(test_iopl_assist)
{
	t->d->vm_assist = 1ul << VMASST_TYPE_architectural_iopl;
	frame.rflags |= 0x3000;
	iret();
	ck_assert_uint_eq(v->iopl, 3);
	ck_assert_uint_eq(v->regs.rflags, 0x202);
}
END_TEST

START_TEST(test_ends_nmi)
{
	v->in_nmi = true;
	iret();
	ck_assert(!v->in_nmi);
}
END_TEST

START_TEST(test_bad_frame)
{
	const uint64_t bad[] = {TEST_VA_UNMAPPED, XEN_VIRT_START, ~0ull,
				test_alloc(t, PAGE_SIZE) + PAGE_SIZE - 71};

	v->regs.rsp = bad[_i];
	HCALL(t, 0, __HYPERVISOR_iret, 0);
	ck_assert(t->d->is_shut_down);
	ck_assert_ptr_nonnull(strstr(t->d->crash_reason, "iret frame"));
	ck_assert(v->kernel_mode);
}
END_TEST

START_TEST(test_no_user_tables)
{
	v->guest_table_user = 0;
	iret();
	ck_assert(t->d->is_shut_down);
	ck_assert_ptr_nonnull(strstr(t->d->crash_reason, "no user page tables"));
}
END_TEST

START_TEST(test_no_user_tables_needed)
{
	v->guest_table_user = 0;
	frame.cs = FLAT_KERNEL_CS & ~3;
	iret();
	ck_assert(!t->d->is_shut_down);
}
END_TEST

/* A frame that a trap made, given back: everything is as before. */
START_TEST(test_round_trip)
{
	uint64_t sp = test_alloc(t, PAGE_SIZE) + PAGE_SIZE;
	struct cpu_user_regs before;
	uint64_t w[7];

	v->traps[6] = (struct trap_info){.address = 0x500000, .flags = 4};
	vcpu_info_get(v)->evtchn_upcall_mask = 0;
	v->kernel_mode = false;
	v->kernel_sp = sp;
	v->regs = (struct cpu_user_regs){.rax = 1,
					 .rcx = 2,
					 .r11 = 3,
					 .rip = 0x400000,
					 .rsp = 0x7ffe00000000,
					 .rflags = 0x246,
					 .cs = FLAT_USER_CS64,
					 .ss = FLAT_USER_SS64};
	before = v->regs;
	trap_inject(v, 6, 0);
	vcpu_deliver_events(v);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 1);
	test_read(t, v->regs.rsp, w, sizeof(w));
	frame = (struct iret_context){.rax = 1,
				      .rcx = w[0],
				      .r11 = w[1],
				      .rip = w[2],
				      .cs = w[3],
				      .rflags = w[4],
				      .rsp = w[5],
				      .ss = w[6]};
	iret();
	ck_assert(!vcpu_deliver_events(v));
	ck_assert(!v->kernel_mode);
	ck_assert_uint_eq(vcpu_info_get(v)->evtchn_upcall_mask, 0);
	before.rdi = before.rsi = before.rdx = before.r10 = before.r8 = before.r9 = 0;
	ck_assert(!memcmp(&before, &v->regs, sizeof(before)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("iret");
	TCase *tc = tcase_create("iret");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_layout);
	tcase_add_test(tc, test_to_user);
	tcase_add_loop_test(tc, test_to_kernel, 0, 3);
	tcase_add_test(tc, test_saved_mask_is_ignored);
	tcase_add_test(tc, test_in_syscall);
	tcase_add_test(tc, test_in_syscall_with_upcall);
	tcase_add_test(tc, test_flags);
	tcase_add_test(tc, test_iopl_assist);
	tcase_add_test(tc, test_ends_nmi);
	tcase_add_loop_test(tc, test_bad_frame, 0, 4);
	tcase_add_test(tc, test_no_user_tables);
	tcase_add_test(tc, test_no_user_tables_needed);
	tcase_add_test(tc, test_round_trip);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
