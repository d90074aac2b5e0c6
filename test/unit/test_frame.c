/*
 * Frames on a guest's stack: see test_frame.h.
 */
#include <string.h>

#include "test/unit/test_frame.h"

void test_frames_setup(struct test_frames *f)
{
	struct vcpu *v;

	f->t = test_domain_new(2, PROFILE_XEN_4_17);
	f->v = v = f->t->d->vcpu[0];
	f->stack = test_alloc(f->t, 2 * PAGE_SIZE) + 2 * PAGE_SIZE;
	v->kernel_sp = f->stack;
	v->guest_table_user = f->t->l4;
	vcpu_info_get(v)->evtchn_upcall_mask = 0;
	v->regs = (struct cpu_user_regs){
		.rcx = 0xc0c0c0c0c0c0c0c0,
		.r11 = 0x1111111111111111,
		.rax = 0xaaaaaaaaaaaaaaaa,
		.rip = HANDLER + 0x4000,
		.rsp = f->stack - 0x100,
		.cs = FLAT_KERNEL_CS,
		.ss = FLAT_KERNEL_SS,
		.rflags = RFLAGS,
	};
}

void test_frames_user_mode(struct test_frames *f)
{
	struct cpu_user_regs *r = &f->v->regs;

	f->v->kernel_mode = false;
	r->rip = USER_RIP;
	r->rsp = USER_RSP;
	r->cs = FLAT_USER_CS64;
	r->ss = FLAT_USER_SS64;
}

void test_frames_gate(struct test_frames *f, unsigned vector, unsigned flags)
{
	f->v->traps[vector] = (struct trap_info){
		.vector = vector, .flags = flags, .cs = FLAT_KERNEL_CS, .address = HANDLER};
}

void test_frames_expect(struct test_frames *f, uint64_t top, const uint64_t *words, unsigned n)
{
	struct vcpu *v = f->v;
	uint64_t sp = top - n * 8;

	ck_assert(!f->t->d->is_shut_down);
	ck_assert(v->kernel_mode);
	ck_assert_uint_eq(v->regs.rsp, sp);
	for (unsigned i = 0; i < n; i++) {
		uint64_t got;

		test_read(f->t, sp + i * 8, &got, sizeof(got));
		ck_assert_msg(got == words[i], "word %u is %#lx, not %#lx", i, (unsigned long)got,
			      (unsigned long)words[i]);
	}
	ck_assert_uint_eq(v->regs.cs, FLAT_KERNEL_CS);
	ck_assert_uint_eq(v->regs.ss, FLAT_KERNEL_SS);
}

void test_frames_expect_crash(struct test_frames *f, const char *why)
{
	struct test_domain *t = f->t;

	ck_assert(t->d->is_shut_down);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_crash);
	ck_assert_msg(strstr(t->d->crash_reason, why), "crash reason: %s", t->d->crash_reason);
}
