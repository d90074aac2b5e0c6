/*
 * On the way into the guest: upcalls and NMIs, in which order and when not; and what
 * sysret leaves in the registers (Xen: x86_64/entry.S, test_all_events,
 * restore_all_guest).
 */
#include <string.h>

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

START_TEST(test_upcall)
{
	struct vcpu_info *vi = vcpu_info_get(v);

	v->event_callback = (struct guest_callback){HANDLER, true};
	ck_assert(!vcpu_deliver_events(v));
	vi->evtchn_upcall_pending = 1;
	vi->evtchn_upcall_mask = 2; /* any value masks */
	ck_assert(!vcpu_deliver_events(v));
	ck_assert_uint_eq(v->regs.rip, HANDLER + 0x4000);

	vi->evtchn_upcall_mask = 0;
	vi->evtchn_upcall_pending = 0x80;
	ck_assert(vcpu_deliver_events(v));
	EXPECT(stack - 0x100, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER + 0x4000,
	       FLAT_KERNEL_CS & ~3, RFLAGS, stack - 0x100, FLAT_KERNEL_SS);
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(vi->evtchn_upcall_mask, 1);
	ck_assert_uint_eq(vi->evtchn_upcall_pending, 0x80); /* the guest clears it */
	/* What sysret leaves. */
	ck_assert_uint_eq(v->regs.rcx, HANDLER);
	ck_assert_uint_eq(v->regs.r11, RFLAGS);
}
END_TEST

/* Xen sets one bit of the flag (arch/x86/domain.c, vcpu_mark_events_pending). */
START_TEST(test_pending_flag)
{
	struct vcpu_info *vi = vcpu_info_get(v);

	vi->evtchn_upcall_mask = 1;
	vi->evtchn_upcall_pending = 0xee;
	ck_assert(!vcpu_events_need_delivery(v));
	vcpu_mark_events_pending(v);
	ck_assert_uint_eq(vi->evtchn_upcall_pending, 0xef);
	vi->evtchn_upcall_mask = 0;
	ck_assert(vcpu_events_need_delivery(v));
}
END_TEST

START_TEST(test_upcall_without_callback)
{
	vcpu_info_get(v)->evtchn_upcall_pending = 1;
	vcpu_deliver_events(v);
	test_frames_expect_crash(&f, "no event callback");
}
END_TEST

/* An upcall right after an exception saves the registers as they were, not those
 * that sysret would have left. */
START_TEST(test_exception_then_upcall)
{
	test_frames_gate(&f, 6, 0);
	v->event_callback = (struct guest_callback){HANDLER + 0x10, true};
	vcpu_info_get(v)->evtchn_upcall_pending = 1;
	trap_inject(v, 6, 0);
	uint64_t sp = v->regs.rsp;
	ck_assert(vcpu_deliver_events(v));
	EXPECT(sp & ~15ull, 0xc0c0c0c0c0c0c0c0, 0x1111111111111111, HANDLER, FLAT_KERNEL_CS & ~3,
	       RFLAGS, sp, FLAT_KERNEL_SS);
}
END_TEST

/* First the NMI, which masks events by its gate; no second one before iret. */
START_TEST(test_nmi)
{
	struct vcpu_info *vi = vcpu_info_get(v);
	uint64_t frame = stack - 0x80;

	test_frames_gate(&f, 2, 4);
	v->event_callback = (struct guest_callback){HANDLER + 0x10, true};
	vi->evtchn_upcall_pending = 1;
	vcpu_inject_nmi(v);
	ck_assert_uint_eq(t->kicks[0], 1);
	vcpu_inject_nmi(v); /* it is pending already */
	ck_assert_uint_eq(t->kicks[0], 1);
	ck_assert(vcpu_deliver_events(v));
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(v->regs.rsp, stack - 0x100 - 56);

	vcpu_inject_nmi(v);
	ck_assert(!vcpu_deliver_events(v));
	struct iret_context back = {.rip = HANDLER + 0x20,
				    .cs = FLAT_KERNEL_CS & ~3,
				    .rsp = frame,
				    .ss = FLAT_KERNEL_SS};
	v->regs.rsp = test_put(t, &back, sizeof(back));
	HCALL(t, 0, __HYPERVISOR_iret, 0);
	ck_assert_uint_eq(v->regs.rip, HANDLER + 0x20);
	ck_assert(vcpu_deliver_events(v));
	ck_assert_uint_eq(v->regs.rip, HANDLER);
	ck_assert_uint_eq(v->regs.rsp, frame - 56);
}
END_TEST

/* A gate that does not mask events lets the upcall follow at once. */
START_TEST(test_nmi_then_upcall)
{
	test_frames_gate(&f, 2, 0);
	v->event_callback = (struct guest_callback){HANDLER + 0x10, true};
	vcpu_info_get(v)->evtchn_upcall_pending = 1;
	vcpu_inject_nmi(v);
	ck_assert(vcpu_deliver_events(v));
	ck_assert_uint_eq(v->regs.rip, HANDLER + 0x10);
	uint64_t rip;
	test_read(t, v->regs.rsp + 16, &rip, 8);
	ck_assert_uint_eq(rip, HANDLER);
}
END_TEST

START_TEST(test_nmi_without_handler)
{
	vcpu_inject_nmi(v);
	ck_assert(!vcpu_deliver_events(v));
	ck_assert(!v->nmi_pending);
	ck_assert(!v->in_nmi);
	ck_assert(!t->d->is_shut_down);
}
END_TEST

START_TEST(test_nmi_wakes)
{
	atomic_store(&v->pause_flags, VPF_BLOCKED);
	vcpu_inject_nmi(v);
	ck_assert_uint_eq(v->pause_flags, 0);
}
END_TEST

/* SYSRET: rcx and r11 are lost, the selectors are the flat ones, RF is cleared. */
START_TEST(test_sysret)
{
	v->in_syscall = true;
	v->regs.cs = 0x1003;
	v->regs.ss = 0x2003;
	v->regs.rflags = RFLAGS | 0x10000 | 0x20000 | 0x3000 | 0x8000;
	ck_assert(vcpu_deliver_events(v));
	ck_assert_uint_eq(v->regs.rcx, HANDLER + 0x4000);
	ck_assert_uint_eq(v->regs.r11, RFLAGS | 0x10000 | 0x8000);
	ck_assert_uint_eq(v->regs.rflags, RFLAGS);
	ck_assert_uint_eq(v->regs.cs, FLAT_USER_CS64);
	ck_assert_uint_eq(v->regs.ss, FLAT_USER_SS64);
	ck_assert(!v->in_syscall);
	ck_assert(!vcpu_deliver_events(v));
}
END_TEST

START_TEST(test_sysret_to_32_bit)
{
	v->in_syscall = true;
	v->regs.cs = FLAT_USER_CS32;
	v->regs.rip = 0x1234500400123;
	v->regs.rip &= (1ull << 47) - 1;
	uint64_t rip = v->regs.rip;
	vcpu_deliver_events(v);
	ck_assert_uint_eq(v->regs.rcx, rip);
	ck_assert_uint_eq(v->regs.rip, (uint32_t)rip);
	ck_assert_uint_eq(v->regs.cs, FLAT_USER_CS32);
}
END_TEST

/* That would fault in ring 0: iret is used, and what it loads stays. */
START_TEST(test_sysret_not_canonical)
{
	v->in_syscall = true;
	v->regs.cs = 0x1003;
	v->regs.rip = 1ull << 47;
	vcpu_deliver_events(v);
	ck_assert_uint_eq(v->regs.rcx, 1ull << 47);
	ck_assert_uint_eq(v->regs.r11, RFLAGS);
	ck_assert_uint_eq(v->regs.rip, 1ull << 47);
	ck_assert_uint_eq(v->regs.cs, 0x1003);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_upcall,
		test_pending_flag,
		test_upcall_without_callback,
		test_exception_then_upcall,
		test_nmi,
		test_nmi_then_upcall,
		test_nmi_without_handler,
		test_nmi_wakes,
		test_sysret,
		test_sysret_to_32_bit,
		test_sysret_not_canonical,
	};

	return RUN_TESTS("upcall", setup, teardown, tests);
}
