/*
 * One round trip into the guest: lays out the monitor's operations, runs, and
 * has the guest's registers read back (cpu_collect.c).
 *
 * Between a return from KVM_RUN and the next, v->regs is the truth. An entry goes through the
 * monitor (CPL 0) and ends in its iretq, so that the processor itself checks the guest's
 * selectors. Where KVM interprets CPL 0 that is dear, and its iretq does not check them:
 * there an entry without operations loads the guest's registers into KVM directly.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "pvabi/bounce.h"
#include "pvabi/descriptor_read.h"
#include "vmm/cpu.h"
#include "vmm/cpu_internal.h"
#include "vmm/cpu_stray.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"

#define EFLAGS_FIXED 0x2UL
#define EFLAGS_TF    0x100UL

static void put_gprs(struct kvm_regs *r, const struct cpu_user_regs *u)
{
	r->rax = u->rax;
	r->rbx = u->rbx;
	r->rcx = u->rcx;
	r->rdx = u->rdx;
	r->rsi = u->rsi;
	r->rdi = u->rdi;
	r->rbp = u->rbp;
	r->r8 = u->r8;
	r->r9 = u->r9;
	r->r10 = u->r10;
	r->r11 = u->r11;
	r->r12 = u->r12;
	r->r13 = u->r13;
	r->r14 = u->r14;
	r->r15 = u->r15;
}

/* The stack that the monitor starts from: operations, then the guest's frame.
 * Returns its address in the guest; *rip is where the monitor starts. */
static uint64_t lay_out(struct cpu *c, bool into_guest, uint64_t *rip)
{
	const struct cpu_user_regs *u = &c->vcpu->regs;
	unsigned id = c->vcpu->id;
	uint64_t *top = monitor_vcpu_ptr(c->monitor, id, STACK_TOP - 8) + 8;
	uint64_t *p = top;
	unsigned n = c->nr_ops;

	*--p = u->ss;
	*--p = u->rsp;
	*--p = (u->rflags & ~EFLAGS_IOPL) | EFLAGS_FIXED | EFLAGS_IF |
	       (into_guest && c->trap_flag ? EFLAGS_TF : 0);
	*--p = u->cs;
	*--p = u->rip;
	if (into_guest && !n) {
		*rip = monitor_va(monitor_op_iretq);
	} else {
		*--p = u->rax;
		*--p = monitor_va(into_guest ? monitor_op_iret : monitor_op_exit);
		c->last_op = p;
		p -= n;
		memcpy(p, c->ops, n * sizeof(*p));
		*rip = *p++; /* the first operation is entered directly */
	}
	return monitor_vcpu_va(id, STACK_TOP) - (uint64_t)((uint8_t *)top - (uint8_t *)p);
}

static void want(struct cpu *c, __u64 *field, uint64_t val)
{
	if (*field != val) {
		*field = val;
		c->sregs_dirty = true;
	}
}

static void load_debugregs(struct cpu *c)
{
	const struct vcpu *v = c->vcpu;
	struct kvm_debugregs dr = {
		.db = {v->debugreg[0], v->debugreg[1], v->debugreg[2], v->debugreg[3]},
		.dr6 = 0xffff0ff0, /* only we read it: what is new in it is added to the guest's */
		.dr7 = v->debugreg[7] | 0x400,
	};

	ioctl(c->fd, KVM_SET_DEBUGREGS, &dr);
	c->debugregs_dirty = false;
}

/* VGCF_I387_VALID: the FXSAVE image of a vcpu's first context (SDM vol. 1, 10.5.1). */
static void load_fpu(struct cpu *c)
{
	struct vcpu *v = c->vcpu;
	const uint8_t *f = v->fpu_ctxt;
	struct kvm_fpu fpu = {0};

	memcpy(&fpu.fcw, f, 2);
	memcpy(&fpu.fsw, f + 2, 2);
	fpu.ftwx = f[4];
	memcpy(&fpu.last_opcode, f + 6, 2);
	memcpy(&fpu.last_ip, f + 8, 8);
	memcpy(&fpu.last_dp, f + 16, 8);
	memcpy(&fpu.mxcsr, f + 24, 4);
	memcpy(fpu.fpr, f + 32, sizeof(fpu.fpr));
	memcpy(fpu.xmm, f + 160, sizeof(fpu.xmm));
	fpu.mxcsr &= 0xffff; /* reserved bits would fault in the host */
	ioctl(c->fd, KVM_SET_FPU, &fpu);
	v->fpu_valid = false;
}

/* The guest's kernel chose another user GS (SEGBASE_GS_USER_SEL). */
static void want_selector(struct cpu *c, struct kvm_segment *s, uint16_t sel)
{
	if (s->selector == sel)
		return;
	*s = (struct kvm_segment){.base = s->base, .selector = sel, .unusable = !(sel & ~3)};
	if (!s->unusable) {
		s->limit = ~0u;
		s->type = 3;
		s->present = s->s = s->db = s->g = 1;
		s->dpl = 3;
	}
	c->sregs_dirty = true;
}

static void queue_ops(struct cpu *c)
{
	struct vcpu *v = c->vcpu;
	uint64_t cr3 = vcpu_l4(v) << PAGE_SHIFT;
	bool flush = atomic_exchange(&c->remote_flush, false) || c->flush_all;

	if (cr3 != c->loaded_cr3 &&
	    (c->machine->host.syscall_faults || c->slept || !c->started || resident_is_on(c))) {
		/* With the segment registers: where CPL 0 is interpreted that is cheaper
		 * than an operation; and after a sleep the old tables may be gone. What is
		 * at CPL 0 of a resident monitor never runs on tables that may be. */
		want(c, &c->sregs.cr3, cr3);
	} else if (cr3 != c->loaded_cr3 || flush) {
		cpu_queue(c, monitor_op_cr3, cr3);
	}
	c->loaded_cr3 = cr3;
	c->started = true;
	c->slept = false;
	c->flush_all = false;
}

/* Everything that the guest's state asks for, before an entry. */
static void prepare(struct cpu *c)
{
	struct vcpu *v = c->vcpu;

	if (c->descriptors_dirty) {
		c->descriptors_dirty = false;
		monitor_load_descriptors(c->monitor, v);
		struct kvm_segment ldt = {.unusable = 1};
		if (v->ldt_ents)
			ldt = (struct kvm_segment){
				.base = monitor_vcpu_va(v->id, MON_LDT_OFFSET),
				.limit = v->ldt_ents * 8 - 1,
				.selector = MON_LDT,
				.type = 2,
				.present = 1,
			};
		c->sregs.ldt = ldt;
		c->sregs_dirty = true;
	}
	if (c->debugregs_dirty)
		load_debugregs(c);
	if (v->fpu_valid)
		load_fpu(c);
	want_selector(c, &c->sregs.gs, v->regs.gs);
	uint64_t cr0 = (c->sregs.cr0 & ~8UL) | (v->ctrlreg[0] & 8);
	want(c, &c->sregs.cr0, cr0);
	uint64_t base = v->fs_base;
	want(c, &c->sregs.fs.base, base);
	base = v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;
	want(c, &c->sregs.gs.base, base);
	queue_ops(c);
}

/* Selectors that are neither Xen's nor 64-bit code are the iretq's business. */
static bool can_enter_directly(const struct cpu *c)
{
	const struct cpu_user_regs *u = &c->vcpu->regs;

	if (!c->machine->host.syscall_faults || c->nr_ops || c->trap_flag || !is_canonical(u->rip))
		return false;
	return descriptor_is_code64(c->vcpu, u->cs);
}

/* Sets KVM's registers to start the monitor on what was laid out, or to the guest's. */
static void load(struct cpu *c, bool into_guest)
{
	struct kvm_regs *r = &c->run->s.regs.regs;
	const struct cpu_user_regs *u = &c->vcpu->regs;

	if (into_guest && can_enter_directly(c)) {
		cpu_guest_segments(c, u->cs, u->ss);
		r->rsp = u->rsp;
		r->rip = u->rip;
		r->rflags = (u->rflags & ~EFLAGS_IOPL) | EFLAGS_FIXED | EFLAGS_IF;
	} else {
		uint64_t rip;

		if (!c->at_monitor)
			cpu_monitor_segments(c);
		r->rsp = lay_out(c, into_guest, &rip);
		r->rip = rip;
		r->rflags = EFLAGS_FIXED;
	}
	put_gprs(r, u);
	c->nr_ops = 0;
	c->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	if (c->sregs_dirty) {
		c->run->s.regs.sregs = c->sregs;
		c->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
		c->sregs_dirty = false;
	}
}

static bool in_ops(uint64_t rip)
{
	return rip >= monitor_va(monitor_ops) && rip < monitor_va(monitor_ops_end);
}

static bool event_queued(const struct kvm_run *run)
{
	const struct kvm_vcpu_events *e = &run->s.regs.events;

	return e->exception.injected || e->exception.pending || e->interrupt.injected ||
	       e->nmi.injected;
}

#define INT3	   0xcc
#define RE_KICK_NS 250000 /* an entry takes up to 50 us */
#define RE_KICKS   16	  /* in one entry: by then it was delivered, or there is none */

/* KVM does not tell of a breakpoint exception that it has queued (kvm_vcpu_ioctl_x86_get_
 * vcpu_events: not the soft ones), and other registers would lose it or put it elsewhere.
 * So the guest goes on where it is when it stands before an int3, or may stand behind one
 * that it has executed; code can also just begin behind a byte like that. Then the kick
 * comes again soon. */
static bool breakpoint_queued(struct cpu *c, uint64_t rip)
{
	uint8_t b[2];

	if (c->re_kicks == RE_KICKS)
		return false;
	if ((guest_copy_from(c->vcpu, b, rip, 1) || b[0] != INT3) &&
	    (guest_copy_from(c->vcpu, b, rip - 1, 1) ||
	     (b[0] != INT3 &&
	      (b[0] != 3 || guest_copy_from(c->vcpu, b, rip - 2, 2) || b[0] != 0xcd))))
		return false;
	c->re_kicks++;
	cpu_arm_timer(c, RE_KICK_NS);
	c->signalled = true; /* what was armed is to be armed again */
	return true;
}

/* True: it must go on as it is, and comes out soon. */
static bool must_go_on(struct cpu *c)
{
	uint64_t rip = c->run->s.regs.regs.rip;

	if (event_queued(c->run))
		return true; /* it must be delivered first: its rip is right only then */
	if (ring3_is_on(c) && ring3_is_inside(c))
		return !ring3_interrupted(c);
	if ((c->sregs.cs.selector & 3) == 3) {
		if (breakpoint_queued(c, rip))
			return true;
		cpu_collect_direct(c);
	} else if (!in_ops(rip)) {
		return !resident_is_on(c) || !resident_interrupted(c);
	} else if (rip < monitor_va(monitor_op_iret)) {
		*c->last_op = monitor_va(monitor_op_exit);
		return true;
	}
	/* else: all operations are done and the guest's frame is not consumed. */
	return false;
}

/* KVM_RUN was interrupted. Same results as cpu_decode_io(). */
static int interrupted(struct cpu *c, struct cpu_exit *x)
{
	if (!must_go_on(c)) {
		x->kind = CPU_EXIT_KICK;
		return 0;
	}
	/* There the guest can make code at CPL 0 its own, and nobody else would end it. */
	if (!ring3_is_on(c) || !ring3_is_stuck(c))
		return 1;
	x->kind = CPU_EXIT_FATAL;
	snprintf(x->text, sizeof(x->text), "the guest does not leave the resident monitor");
	return 0;
}

static void save_segments(struct cpu *c)
{
	struct vcpu *v = c->vcpu;

	v->regs.ds = c->sregs.ds.selector;
	v->regs.es = c->sregs.es.selector;
	v->regs.fs = c->sregs.fs.selector;
	v->regs.gs = c->sregs.gs.selector;

	v->fs_base = c->sregs.fs.base;
	if (v->kernel_mode)
		v->gs_base_kernel = c->sregs.gs.base;
	else
		v->gs_base_user = c->sregs.gs.base;
}

/* One KVM_RUN. 0: `x` is set; 1: run again. */
static int run_once(struct cpu *c, struct cpu_exit *x)
{
	int rc = ioctl(c->fd, KVM_RUN, 0), err = rc < 0 ? errno : 0;

	c->kvm_runs++;
	c->run->immediate_exit = 0;
	c->run->kvm_dirty_regs = 0;
	if (err && err != EINTR && err != EAGAIN) {
		cpu_fatal_exit(c, x, err);
		return 0;
	}
	c->sregs = c->run->s.regs.sregs;
	/* An interrupt that KVM has queued is left to KVM (event_queued); and some versions leave
	 * its bit here for ever, which with the next registers would be one more. */
	memset(c->sregs.interrupt_bitmap, 0, sizeof(c->sregs.interrupt_bitmap));
	c->at_monitor = (c->sregs.cs.selector & 3) == 0;
	if (resident_is_on(c) || ring3_is_on(c))
		c->loaded_cr3 = c->sregs.cr3; /* it switches tables, too */
	if (err)
		return interrupted(c, x);
	switch (c->run->exit_reason) {
	case KVM_EXIT_IO:
		return cpu_decode_io(c, x);
	case KVM_EXIT_INTR:
		return interrupted(c, x);
	case KVM_EXIT_XEN:
		cpu_collect_direct(c);
		c->vcpu->regs.rip += 3;
		x->kind = CPU_EXIT_HYPERCALL;
		return 0;
	case KVM_EXIT_MMIO:
		return cpu_mmio(c, x);
	case KVM_EXIT_INTERNAL_ERROR:
		if (!cpu_unknown_to_kvm(c, x))
			cpu_fatal_exit(c, x, 0);
		return 0;
	default:
		cpu_fatal_exit(c, x, 0);
		return 0;
	}
}

/* The guest may run with what is loaded now until it is kicked. */
static bool begin_guest(struct cpu *c)
{
	atomic_fetch_add(&c->entries, 1);
	atomic_store(&c->in_guest, true);
	if (!atomic_load(&c->kick))
		return true;
	atomic_store(&c->in_guest, false);
	return false;
}

static void remember(struct cpu *c, const struct cpu_exit *x)
{
	const struct vcpu *v = c->vcpu;

	struct cpu_step *s = &c->trail[c->nr_steps++ % CPU_TRAIL];

	s->kind = x->kind;
	s->vector = x->vector;
	s->kernel_mode = v->kernel_mode;
	s->error_code = x->error_code;
	s->rip = v->regs.rip;
	s->rsp = v->regs.rsp;
	s->cr2 = x->cr2;
	s->nr = v->regs.rax;
	s->arg = v->regs.rdi;
}

/* True when the host lost its way to `entered`; then that is what is to be entered
 * again. */
static bool strayed(struct cpu *c, const struct cpu_exit *x, const struct cpu_user_regs *entered)
{
	struct vcpu *v = c->vcpu;
	uint64_t stack[5];

	if (x->kind != CPU_EXIT_TRAP || v->regs.cs == entered->cs || c->went_on ||
	    !c->machine->host.syscall_faults)
		return false;
	if (guest_copy_from(v, stack, entered->rsp, sizeof(stack)) ||
	    !cpu_iret_strayed(entered, &v->regs, stack))
		return false;
	v->regs = *entered;
	if (!c->strays++)
		domain_log(v->domain, LOG_INFO,
			   "vcpu %u: the host's KVM entered the guest at a "
			   "wrong place; entered again",
			   v->id);
	return true;
}

/* It goes on inside. A signal may have come when KVM had left the guest anyway, or was spent where
 * it must go on as it is (must_go_on): who sent it may wait for this vcpu, and handlers inside
 * would never come out by themselves. */
static void leave_soon(struct cpu *c)
{
	if (!atomic_load(&c->kick) && !c->signalled && !c->descriptors_dirty &&
	    !c->debugregs_dirty && !atomic_load(&c->remote_flush))
		return;
	if (resident_is_on(c))
		resident_leave_soon(c);
	else if (ring3_is_on(c))
		ring3_leave_soon(c);
}

void cpu_enter(struct cpu *c, struct cpu_exit *x)
{
	struct cpu_user_regs entered;

	memset(x, 0, offsetof(struct cpu_exit, text));
	if (!begin_guest(c)) {
		x->kind = CPU_EXIT_KICK;
		cpu_take_kick(c);
		return;
	}
	prepare(c);
	load(c, true);
	c->re_kicks = 0;
	c->went_on = false;
	entered = c->vcpu->regs;
	while (run_once(c, x))
		leave_soon(c);
	atomic_store(&c->in_guest, false);
	if (strayed(c, x, &entered))
		x->kind = CPU_EXIT_KICK;
	if (ring3_is_on(c))
		ring3_take_over(c);
	save_segments(c);
	if (ring3_is_on(c))
		ring3_take_selectors(c);
	if (c->trap_flag)
		cpu_step_end(c, x);
	if (x->kind == CPU_EXIT_KICK)
		cpu_take_kick(c);
	c->exits[x->kind]++;
	if (x->kind == CPU_EXIT_TRAP)
		c->traps[x->vector & 31]++;
	remember(c, x);
}

void cpu_run_ops(struct cpu *c)
{
	struct cpu_exit x = {0};
	struct cpu_user_regs keep = c->vcpu->regs;
	int again;

	if (!c->nr_ops)
		return;
	if (!c->started) {
		c->nr_ops = 0; /* never ran: nothing was cached yet */
		return;
	}
	load(c, false);
	do {
		again = run_once(c, &x);
	} while (again || (x.kind == CPU_EXIT_KICK && c->run->exit_reason != KVM_EXIT_IO));
	c->vcpu->regs = keep;
}

void cpu_queue(struct cpu *c, const uint8_t *op, uint64_t operand)
{
	if (c->nr_ops + 2 > MON_OPS_MAX)
		cpu_run_ops(c);
	c->ops[c->nr_ops++] = monitor_va(op);
	c->ops[c->nr_ops++] = operand;
}

void cpu_op_touch(struct cpu *c, uint64_t maddr)
{
	c->touches++;
	monitor_direct_show(c->monitor, maddr);
	cpu_queue(c, monitor_op_touch, MON_DIRECTMAP_VA + maddr);
}

void cpu_op_invlpg(struct cpu *c, uint64_t va)
{
	c->flushes++;
	cpu_queue(c, monitor_op_invlpg, va);
}
