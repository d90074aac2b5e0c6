/*
 * Breakpoints, watchpoints and memory on a domain in plain memory, whose vcpus have no
 * threads: the test is the processor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"
#include "vmm/gdb/debugger.h"

static struct test_domain *t;
static struct guest *g;
static struct debugger *d;
static struct cpu cpu[2];
static struct vcpu *v;
static uint64_t va;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	g = calloc(1, sizeof(*g));
	g->domain = t->d;
	for (unsigned i = 0; i < 2; i++) {
		cpu[i] = (struct cpu){.vcpu = t->d->vcpu[i], .fd = -1, .at_rest = true};
		g->cpu[i] = &cpu[i];
	}
	v = t->d->vcpu[0];
	d = debugger_create(g);
	ck_assert_ptr_nonnull(d);
	va = test_alloc(t, PAGE_SIZE);
	memset(test_ptr(t, va), 0x90, PAGE_SIZE);
}

static void teardown(void)
{
	debugger_destroy(d);
	free(g);
	test_domain_free(t);
}

static uint8_t byte(uint64_t at)
{
	return *(uint8_t *)test_ptr(t, at);
}

static const struct cpu_exit breakpoint = {.kind = CPU_EXIT_TRAP, .vector = 3};

START_TEST(test_breakpoint)
{
	struct stop s;

	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, va + 5, 1), 0);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, va + 5, 1), 0);
	ck_assert_uint_eq(byte(va + 5), 0xcc);
	v->regs.rip = va + 6;
	ck_assert(debugger_trap(d, &cpu[0], &breakpoint));
	ck_assert_uint_eq(v->regs.rip, va + 5);
	ck_assert(atomic_load(&t->d->vcpu[1]->pause_flags) & VPF_DEBUGGER);
	ck_assert(debugger_at_rest(d));
	ck_assert_uint_eq(debugger_next_stop(d, 1, &s), 0);
	ck_assert_int_eq(s.reason, STOPPED_BREAK);
	/* Another int3 is the guest's. */
	v->regs.rip = va + 9;
	ck_assert(!debugger_trap(d, &cpu[0], &breakpoint));
	ck_assert_uint_eq(v->regs.rip, va + 9);
	ck_assert_int_eq(debugger_remove(d, BREAK_SW, va + 5, 1), 0);
	ck_assert_uint_eq(byte(va + 5), 0x90);
	v->regs.rip = va + 6;
	ck_assert(!debugger_trap(d, &cpu[0], &breakpoint));
}
END_TEST

/* Both kinds at one place, and by two addresses: the byte comes back with the last. */
START_TEST(test_breakpoints_share)
{
	uint64_t mfn = test_frame(t), other = TEST_VA_BASE + (1ull << 30);

	test_map(t, other, mfn, true);
	test_map(t, other + PAGE_SIZE, mfn, false);
	*(uint8_t *)test_ptr(t, other) = 0x55;
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, other, 1), 0);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_HW, other, 1), 0);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, other + PAGE_SIZE, 1), 0);
	debugger_remove(d, BREAK_SW, other, 1);
	ck_assert_uint_eq(byte(other), 0xcc);
	debugger_remove(d, BREAK_HW, other, 1);
	ck_assert_uint_eq(byte(other), 0xcc);
	/* It hits by whichever address it is reached. */
	v->regs.rip = other + 1;
	ck_assert(debugger_trap(d, &cpu[0], &breakpoint));
	debugger_remove(d, BREAK_SW, other + PAGE_SIZE, 1);
	ck_assert_uint_eq(byte(other), 0x55);
}
END_TEST

START_TEST(test_breakpoint_that_the_guest_overwrote)
{
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, va, 1), 0);
	*(uint8_t *)test_ptr(t, va) = 0x0f;
	debugger_remove_all(d);
	ck_assert_uint_eq(byte(va), 0x0f);
}
END_TEST

START_TEST(test_refused)
{
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, TEST_VA_UNMAPPED, 1), -EFAULT);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, XEN_VIRT_START, 1), -EFAULT);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, 1ull << 63, 1), -EFAULT);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, va, 0), -EINVAL);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, UINT64_MAX, 8), -EINVAL);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, va, DEBUGGER_MAX_WATCH_LEN + 1),
			 -EINVAL);
	for (unsigned i = 0; i < DEBUGGER_MAX_WATCHES; i++)
		ck_assert_int_eq(debugger_insert(d, v, WATCH_READ, va + 8 * i, 8), 0);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_READ, va, 4), -ENOSPC);
	debugger_remove_all(d);
	for (unsigned i = 0; i < DEBUGGER_MAX_BREAKS; i++)
		ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, va + i, 1), 0);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_HW, va, 1), -ENOSPC);
	debugger_remove_all(d);
	ck_assert_uint_eq(byte(va + 77), 0x90);
	ck_assert_int_eq(debugger_remove(d, BREAK_SW, va, 1), 0);
}
END_TEST

START_TEST(test_memory)
{
	uint8_t buf[PAGE_SIZE * 2];

	ck_assert_uint_eq(debugger_read(d, v, va + 10, buf, 20), 20);
	ck_assert_uint_eq(buf[19], 0x90);
	/* As much as there is. */
	ck_assert_uint_eq(debugger_read(d, v, va + 10, buf, sizeof(buf)), PAGE_SIZE - 10);
	ck_assert_uint_eq(debugger_read(d, v, TEST_VA_UNMAPPED, buf, 1), 0);
	ck_assert_uint_eq(debugger_read(d, v, UINT64_MAX - 3, buf, 8), 0);
	memset(buf, 0x11, sizeof(buf));
	ck_assert_uint_eq(debugger_write(d, v, va + PAGE_SIZE - 4, buf, 8), 4);
	ck_assert_uint_eq(byte(va + PAGE_SIZE - 1), 0x11);
	ck_assert_uint_eq(debugger_write(d, v, XEN_VIRT_START, buf, 8), 0);
}
END_TEST

/* Breakpoints stay where they are, and are not seen. */
START_TEST(test_memory_under_breakpoints)
{
	uint8_t buf[8];

	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, va + 2, 1), 0);
	ck_assert_uint_eq(debugger_read(d, v, va, buf, 8), 8);
	ck_assert_uint_eq(buf[2], 0x90);
	memset(buf, 0x22, sizeof(buf));
	ck_assert_uint_eq(debugger_write(d, v, va, buf, 8), 8);
	ck_assert_uint_eq(byte(va + 2), 0xcc);
	ck_assert_uint_eq(byte(va + 3), 0x22);
	debugger_remove_all(d);
	ck_assert_uint_eq(byte(va + 2), 0x22);
}
END_TEST

/* What the guest may not write is no hindrance, what we rely on is. */
START_TEST(test_write_protection)
{
	uint64_t ro = test_frame(t), table = mm_l1_at(t, 0x7000000000ull);
	uint64_t at = TEST_VA_BASE + (1ull << 30);
	uint8_t b = 0x33;

	test_map(t, at, ro, false);
	ck_assert_uint_eq(debugger_write(d, v, at, &b, 1), 1);
	ck_assert_uint_eq(byte(at), 0x33);
	test_map(t, at, table, false);
	ck_assert_uint_eq(debugger_read(d, v, at, &b, 1), 1);
	ck_assert_uint_eq(debugger_write(d, v, at, &b, 1), 0);
	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, at, 1), -EFAULT);
	/* Xen's own: the M2P, and what is shared. */
	test_map(t, at, t->d->m2p_mfn, false);
	ck_assert_uint_eq(debugger_write(d, v, at, &b, 1), 0);
	ck_assert(debugger_may_write(t->d, t->d->shared_info_mfn));
	ck_assert(!debugger_may_write(t->d, t->d->nr_frames));
}
END_TEST

/* From user mode the kernel is reached through its own tables. */
START_TEST(test_user_mode)
{
	uint8_t b;

	v->guest_table_user = test_frame(t);
	v->kernel_mode = false;
	ck_assert_uint_eq(debugger_read(d, v, va, &b, 1), 1);
	v->guest_table = 0;
	ck_assert_uint_eq(debugger_read(d, v, va, &b, 1), 0);
}
END_TEST

/* One instruction at rip; what watch_prepare() says of it. */
static enum stop_reason about(const char *insn, size_t len)
{
	memcpy(test_ptr(t, va), insn, len);
	v->regs.rip = va;
	watch_prepare(d, v);
	return d->coming[0].reason;
}
#define ABOUT(insn) about(insn, sizeof(insn) - 1)

START_TEST(test_watchpoints)
{
	v->regs.rax = 0x1000;
	v->regs.rsp = 0x3000;
	v->regs.rdi = 0x5000;
	v->regs.rsi = 0x1000;
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, 0x1000, 4), 0);
	ck_assert_int_eq(ABOUT("\x89\x08"), STOPPED_WRITE);	    /* mov %ecx, (%rax) */
	ck_assert_int_eq(ABOUT("\x8b\x08"), STOPPED_NOT);	    /* mov (%rax), %ecx */
	ck_assert_int_eq(ABOUT("\x89\x48\x04"), STOPPED_NOT);	    /* ... 4(%rax) */
	ck_assert_int_eq(ABOUT("\x88\x48\x03"), STOPPED_WRITE);	    /* mov %cl, 3(%rax) */
	ck_assert_int_eq(ABOUT("\x48\x89\x48\xfc"), STOPPED_WRITE); /* mov %rcx, -4(%rax) */
	ck_assert_int_eq(ABOUT("\x89\x48\xfc"), STOPPED_NOT);	    /* mov %ecx, -4(%rax) */
	ck_assert_int_eq(ABOUT("\xf0\xff\x00"), STOPPED_WRITE);	    /* lock incl (%rax) */
	ck_assert_int_eq(ABOUT("\x48\x8d\x08"), STOPPED_NOT);	    /* lea (%rax), %rcx */
	ck_assert_int_eq(ABOUT("\x0f\x1f\x00"), STOPPED_NOT);	    /* nopl (%rax) */
	debugger_remove_all(d);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_ACCESS, 0x1000, 4), 0);
	ck_assert_int_eq(ABOUT("\x8b\x08"), STOPPED_ACCESS);
	ck_assert_int_eq(ABOUT("\xf3\xa4"), STOPPED_ACCESS); /* rep movsb: from rsi */
	debugger_remove_all(d);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_READ, 0x1000, 1), 0);
	ck_assert_int_eq(ABOUT("\x8b\x08"), STOPPED_READ);
	ck_assert_int_eq(ABOUT("\x89\x08"), STOPPED_NOT);
	debugger_remove_all(d);
	/* Below the stack pointer, and at it. */
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, 0x2ff8, 8), 0);
	ck_assert_int_eq(ABOUT("\x50"), STOPPED_WRITE);		/* push %rax */
	ck_assert_int_eq(ABOUT("\xe8\0\0\0\0"), STOPPED_WRITE); /* call */
	ck_assert_int_eq(ABOUT("\x58"), STOPPED_NOT);		/* pop %rax */
	debugger_remove_all(d);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_READ, 0x3000, 8), 0);
	ck_assert_int_eq(ABOUT("\x58"), STOPPED_READ);
	ck_assert_int_eq(ABOUT("\x50"), STOPPED_NOT);
	ck_assert_int_eq(ABOUT("\xc3"), STOPPED_READ); /* ret */
	debugger_remove_all(d);
	/* Through a segment base. */
	v->gs_base_kernel = 0x8000;
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, 0x9000, 8), 0);
	ck_assert_int_eq(ABOUT("\x65\x48\x89\x08"), STOPPED_WRITE); /* mov %rcx, %gs:(%rax) */
}
END_TEST

/* An instruction that completes stops at what it accessed; one that faults does not. */
START_TEST(test_watched_step)
{
	const enum resume_action run[MAX_VCPUS] = {RESUME_RUN, RESUME_RUN};
	const struct cpu_exit trap = {.kind = CPU_EXIT_TRAP, .vector = 1};
	struct stop s;

	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, 0x1000, 4), 0);
	debugger_stop(d);
	ck_assert(debugger_at_rest(d));
	ck_assert(debugger_resume(d, run));
	ck_assert_int_eq(cpu[0].stepping, STEP_WATCH);
	v->regs.rax = 0x1000;
	memcpy(test_ptr(t, va), "\x89\x08", 2);
	v->regs.rip = va;
	debugger_enter(d, &cpu[0]);
	ck_assert(cpu[0].trap_flag);
	v->regs.rip = va + 0x800; /* the handler of a page fault */
	debugger_left(d, &cpu[0], &trap);
	ck_assert(!(atomic_load(&v->pause_flags) & VPF_DEBUGGER));
	v->regs.rip = va;
	debugger_enter(d, &cpu[0]);
	v->regs.rip = va + 2;
	debugger_left(d, &cpu[0], &trap);
	ck_assert(debugger_at_rest(d));
	ck_assert_uint_eq(debugger_next_stop(d, 1, &s), 0);
	ck_assert_int_eq(s.reason, STOPPED_WRITE);
	ck_assert_uint_eq(s.addr, 0x1000);
	/* User mode cannot reach the kernel's addresses, and runs at full speed. */
	debugger_remove_all(d);
	ck_assert_int_eq(debugger_insert(d, v, WATCH_WRITE, 0xffff888000000000, 4), 0);
	ck_assert(debugger_resume(d, run));
	v->kernel_mode = false;
	debugger_enter(d, &cpu[0]);
	ck_assert(!cpu[0].trap_flag);
	v->kernel_mode = true;
}
END_TEST

START_TEST(test_resume_some)
{
	const enum resume_action one[MAX_VCPUS] = {[1] = RESUME_STEP};

	debugger_stop(d);
	ck_assert(debugger_at_rest(d));
	ck_assert(debugger_resume(d, one));
	ck_assert(atomic_load(&v->pause_flags) & VPF_DEBUGGER);
	ck_assert(!(atomic_load(&t->d->vcpu[1]->pause_flags) & VPF_DEBUGGER));
	ck_assert_int_eq(cpu[1].stepping, STEP_ONE);
	ck_assert(!debugger_at_rest(d));
	debugger_release(d);
	ck_assert_uint_eq(atomic_load(&v->pause_flags), 0);
	ck_assert_int_eq(cpu[1].stepping, STEP_NOT);
}
END_TEST

/* What happened on a second vcpu is told when that is resumed, but for breakpoints, which
 * are met again. */
START_TEST(test_two_stops)
{
	const enum resume_action run[MAX_VCPUS] = {RESUME_RUN, RESUME_RUN};
	const enum resume_action step[MAX_VCPUS] = {RESUME_STEP, RESUME_STEP};
	const struct cpu_exit trap = {.kind = CPU_EXIT_TRAP, .vector = 1};
	struct stop s;

	ck_assert_int_eq(debugger_insert(d, v, BREAK_SW, va, 1), 0);
	for (unsigned i = 0; i < 2; i++) {
		t->d->vcpu[i]->regs.rip = va + 1;
		ck_assert(debugger_trap(d, &cpu[i], &breakpoint));
	}
	ck_assert(debugger_at_rest(d));
	ck_assert_uint_eq(debugger_next_stop(d, 1, &s), 0);
	debugger_remove_all(d);
	ck_assert(debugger_resume(d, step));
	for (unsigned i = 0; i < 2; i++) {
		t->d->vcpu[i]->regs.rip = va;
		debugger_enter(d, &cpu[i]);
		t->d->vcpu[i]->regs.rip = va + 1;
		debugger_left(d, &cpu[i], &trap);
	}
	ck_assert(debugger_at_rest(d));
	ck_assert_uint_eq(debugger_next_stop(d, 0, &s), 0);
	ck_assert_int_eq(s.reason, STOPPED_STEP);
	ck_assert(!debugger_resume(d, run));
	ck_assert_uint_eq(debugger_next_stop(d, 0, &s), 1);
	ck_assert_int_eq(s.reason, STOPPED_STEP);
	ck_assert(debugger_resume(d, run));
}
END_TEST

/* The trap flag is in the frame, not in what the guest sees. */
START_TEST(test_step_and_flags)
{
	const struct cpu_exit trap = {.kind = CPU_EXIT_TRAP, .vector = 1};
	const struct cpu_exit call = {.kind = CPU_EXIT_SYSCALL};
	uint64_t stack = test_alloc(t, 64) + 32;
	const uint64_t pushed = 0x346;
	uint64_t seen;

	*(uint8_t *)test_ptr(t, va) = 0x9c; /* pushf */
	v->regs.rip = va;
	cpu_step_begin(&cpu[0]);
	v->regs.rip = va + 1;
	v->regs.rsp = stack;
	v->regs.rflags = 0x346;
	test_write(t, stack, &pushed, 8);
	cpu_step_end(&cpu[0], &trap);
	test_read(t, stack, &seen, 8);
	ck_assert_uint_eq(seen, 0x246);
	ck_assert_uint_eq(v->regs.rflags, 0x246);
	/* syscall */
	memcpy(test_ptr(t, va), "\x0f\x05", 2);
	v->regs.rip = va;
	cpu_step_begin(&cpu[0]);
	v->regs.rip = va + 2;
	v->regs.r11 = v->regs.rflags = 0x346;
	cpu_step_end(&cpu[0], &call);
	ck_assert_uint_eq(v->regs.r11, 0x246);
	/* popf that sets it: that is the guest's. */
	memcpy(test_ptr(t, va), "\x9d", 1);
	v->regs.rip = va;
	cpu_step_begin(&cpu[0]);
	v->regs.rip = va + 1;
	v->regs.rflags = 0x346;
	cpu_step_end(&cpu[0], &trap);
	ck_assert_uint_eq(v->regs.rflags, 0x346);
	/* It had one of its own before. */
	memcpy(test_ptr(t, va), "\x90", 1);
	v->regs.rip = va;
	cpu_step_begin(&cpu[0]);
	v->regs.rip = va + 1;
	cpu_step_end(&cpu[0], &trap);
	ck_assert_uint_eq(v->regs.rflags, 0x346);
}
END_TEST

/* Xen's watchdogs go on while a domain is paused; a debugger holds them, too. */
START_TEST(test_watchdogs_wait)
{
	const enum resume_action run[MAX_VCPUS] = {RESUME_RUN, RESUME_RUN};

	t->now = 1000;
	atomic_store(&t->d->watchdog[0].deadline, 5000);
	debugger_stop(d);
	ck_assert(debugger_at_rest(d));
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	t->now = 100000;
	vcpu_run_timers(v, t->now);
	ck_assert_uint_eq(t->shutdowns, 0);
	ck_assert(debugger_resume(d, run));
	ck_assert_uint_eq(atomic_load(&t->d->watchdog[0].deadline), 104000);
	ck_assert_uint_eq(vcpu_next_deadline(v), 104000);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_breakpoint,
		test_breakpoints_share,
		test_breakpoint_that_the_guest_overwrote,
		test_refused,
		test_memory,
		test_memory_under_breakpoints,
		test_write_protection,
		test_user_mode,
		test_watchpoints,
		test_watched_step,
		test_resume_some,
		test_two_stops,
		test_step_and_flags,
		test_watchdogs_wait,
	};

	return RUN_TESTS("gdb_debugger", setup, teardown, tests);
}
