/*
 * One round trip into the guest: lays out the monitor's operations, runs, and
 * reads back the guest's registers from wherever the exit left them.
 *
 * Between a return from KVM_RUN and the next, v->regs is the truth. An entry
 * always goes through the monitor (CPL 0) and ends in its iretq, so that the
 * processor itself checks the guest's selectors.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/cpu.h"
#include "vmm/cpu_internal.h"
#include "vmm/cpu_stray.h"
#include "vmm/resident/resident.h"

#define EFLAGS_FIXED  0x2UL
#define EFLAGS_TF     0x100UL
#define EFLAGS_IF     0x200UL
#define PF_FETCH_USER 0x14

#define STACK_TOP (MON_STACK_OFFSET + MON_STACK_SIZE)

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

static void get_gprs(struct cpu_user_regs *u, const struct kvm_regs *r)
{
	u->rax = r->rax;
	u->rbx = r->rbx;
	u->rcx = r->rcx;
	u->rdx = r->rdx;
	u->rsi = r->rsi;
	u->rdi = r->rdi;
	u->rbp = r->rbp;
	u->r8 = r->r8;
	u->r9 = r->r9;
	u->r10 = r->r10;
	u->r11 = r->r11;
	u->r12 = r->r12;
	u->r13 = r->r13;
	u->r14 = r->r14;
	u->r15 = r->r15;
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
	*--p = (u->rflags & ~0x3000UL) | EFLAGS_FIXED | EFLAGS_IF |
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

/* Sets KVM's registers to start the monitor on what was laid out. */
static void load(struct cpu *c, bool into_guest)
{
	struct kvm_regs *r = &c->run->s.regs.regs;
	uint64_t rip;

	if (!c->at_monitor)
		cpu_monitor_segments(c);
	r->rsp = lay_out(c, into_guest, &rip);
	r->rip = rip;
	r->rflags = EFLAGS_FIXED;
	put_gprs(r, &c->vcpu->regs);
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

/* Reads the guest's registers when KVM stopped at CPL 3. */
void cpu_collect_direct(struct cpu *c)
{
	struct cpu_user_regs *u = &c->vcpu->regs;
	const struct kvm_regs *r = &c->run->s.regs.regs;

	get_gprs(u, r);
	u->rip = r->rip;
	u->rsp = r->rsp;
	u->rflags = r->rflags | EFLAGS_IF;
	u->cs = c->sregs.cs.selector | 3;
	u->ss = c->sregs.ss.selector | 3;
}

/* The same for an exception: the rest is in the frame that the processor pushed. */
static void collect_trap(struct cpu *c, unsigned vector, struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	struct cpu_user_regs *u = &v->regs;
	const struct kvm_regs *r = &c->run->s.regs.regs;
	uint64_t base = monitor_vcpu_va(v->id, 0);
	uint64_t f[6] = {0};
	unsigned skip = TRAP_HAS_ERROR(vector) ? 0 : 1;

	if (r->rsp < base + MON_IST_OFFSET || r->rsp + 48 - 8 * skip > base + STACK_TOP) {
		x->kind = CPU_EXIT_FATAL;
		snprintf(x->text, sizeof(x->text),
			 "exception %u arrived with the stack at %#llx, outside the monitor's",
			 vector, (unsigned long long)r->rsp);
		return;
	}
	memcpy(f + skip, monitor_vcpu_ptr(c->monitor, v->id, r->rsp - base), 48 - 8 * skip);
	x->kind = CPU_EXIT_TRAP;
	x->vector = vector;
	x->error_code = (uint32_t)f[0];
	x->cr2 = c->sregs.cr2;
	if ((f[2] & 3) == 0) {
		/* CPL 0: only loading the guest's context may fault. v->regs is still
		 * what was to be loaded. */
		if (f[1] == monitor_va(monitor_op_iretq) || f[1] == monitor_va(monitor_res_iretq)) {
			x->kind = CPU_EXIT_IRET_FAULT;
			return;
		}
		x->kind = CPU_EXIT_FATAL;
		snprintf(x->text, sizeof(x->text),
			 "the monitor faulted: exception %u, error %#x, rip %#llx, cr2 %#llx",
			 vector, x->error_code, (unsigned long long)f[1],
			 (unsigned long long)x->cr2);
		return;
	}
	get_gprs(u, r);
	u->rip = f[1];
	u->cs = (uint16_t)f[2];
	u->rflags = f[3] | EFLAGS_IF;
	u->rsp = f[4];
	u->ss = (uint16_t)f[5];
	if (vector == 14 && x->cr2 == monitor_va(monitor_lstar) && u->rip == x->cr2 &&
	    (x->error_code & PF_FETCH_USER) == PF_FETCH_USER) {
		x->kind = CPU_EXIT_SYSCALL;
		c->syscall_faulted = true;
		u->rip = u->rcx;
		u->rflags = u->r11 | EFLAGS_IF;
	}
}

static void collect_syscall(struct cpu *c, struct cpu_exit *x, enum cpu_exit_kind kind)
{
	struct cpu_user_regs *u = &c->vcpu->regs;
	const struct kvm_regs *r = &c->run->s.regs.regs;

	get_gprs(u, r);
	u->rip = r->rcx;
	u->rsp = r->rsp;
	u->rflags = r->r11 | EFLAGS_IF;
	u->cs = kind == CPU_EXIT_SYSCALL ? FLAT_RING3_CS64 : FLAT_RING3_CS32;
	u->ss = FLAT_RING3_SS64;
	x->kind = kind;
}

/* 0: go on with `x`; 1: run again, nothing to report. */
static int decode_io(struct cpu *c, struct cpu_exit *x)
{
	unsigned port = c->run->io.port;

	if (port >= MON_PORT_TRAP && port < MON_PORT_TRAP + 32) {
		collect_trap(c, port - MON_PORT_TRAP, x);
		return 0;
	}
	if (port == MON_PORT_SYSCALL)
		collect_syscall(c, x, CPU_EXIT_SYSCALL);
	else if (port == MON_PORT_SYSCALL32)
		collect_syscall(c, x, CPU_EXIT_SYSCALL32);
	else if (port == MON_PORT_DONE)
		x->kind = CPU_EXIT_KICK; /* v->regs is untouched */
	else if (port == MON_PORT_CALL) {
		resident_serve(c);
		return 1;
	} else if (port == MON_PORT_FILL) {
		if (resident_fill(c, c->sregs.cr2))
			return 1;
		collect_trap(c, 14, x); /* of the iretq, on descriptors */
	} else {
		x->kind = CPU_EXIT_FATAL;
		snprintf(x->text, sizeof(x->text),
			 "I/O port %#x was reached at rip %#llx, cr2 %#llx", port,
			 (unsigned long long)c->run->s.regs.regs.rip,
			 (unsigned long long)c->sregs.cr2);
	}
	return 0;
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

/* KVM_RUN was interrupted. Same results as decode_io. */
static int interrupted(struct cpu *c, struct cpu_exit *x)
{
	uint64_t rip = c->run->s.regs.regs.rip;

	if (event_queued(c->run))
		return 1; /* it must be delivered first: its rip is right only then */
	if ((c->sregs.cs.selector & 3) == 3) {
		if (breakpoint_queued(c, rip))
			return 1;
		cpu_collect_direct(c);
	} else if (!in_ops(rip)) {
		if (!resident_is_on(c) || !resident_interrupted(c))
			return 1; /* on its way out: the exit comes */
	} else if (rip < monitor_va(monitor_op_iret)) {
		*c->last_op = monitor_va(monitor_op_exit);
		return 1;
	}
	/* else: all operations are done and the guest's frame is not consumed. */
	x->kind = CPU_EXIT_KICK;
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

static void fatal(struct cpu *c, struct cpu_exit *x, int err)
{
	const struct kvm_run *run = c->run;

	x->kind = CPU_EXIT_FATAL;
	switch (err ? -1 : (int)run->exit_reason) {
	case -1:
		snprintf(x->text, sizeof(x->text), "KVM_RUN: %s", strerror(err));
		break;
	case KVM_EXIT_SHUTDOWN:
		snprintf(x->text, sizeof(x->text), "triple fault at rip %#llx",
			 (unsigned long long)run->s.regs.regs.rip);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(x->text, sizeof(x->text),
			 "the processor refused to enter the guest: %#llx",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(x->text, sizeof(x->text),
			 "KVM internal error %u at rip %#llx (cs %#x): its emulator does not know "
			 "the "
			 "instruction there",
			 run->internal.suberror, (unsigned long long)run->s.regs.regs.rip,
			 run->s.regs.sregs.cs.selector);
		break;
	default:
		snprintf(x->text, sizeof(x->text), "unexpected KVM exit %u at rip %#llx",
			 run->exit_reason, (unsigned long long)run->s.regs.regs.rip);
	}
}

/* One KVM_RUN. 0: `x` is set; 1: run again. */
static int run_once(struct cpu *c, struct cpu_exit *x)
{
	int rc = ioctl(c->fd, KVM_RUN, 0), err = rc < 0 ? errno : 0;

	c->kvm_runs++;
	c->run->immediate_exit = 0;
	c->run->kvm_dirty_regs = 0;
	if (err && err != EINTR && err != EAGAIN) {
		fatal(c, x, err);
		return 0;
	}
	c->sregs = c->run->s.regs.sregs;
	c->at_monitor = (c->sregs.cs.selector & 3) == 0;
	if (resident_is_on(c))
		c->loaded_cr3 = c->sregs.cr3; /* it switches tables, too */
	if (err)
		return interrupted(c, x);
	switch (c->run->exit_reason) {
	case KVM_EXIT_IO:
		return decode_io(c, x);
	case KVM_EXIT_INTR:
		return interrupted(c, x);
	case KVM_EXIT_XEN:
		cpu_collect_direct(c);
		c->vcpu->regs.rip += 3;
		x->kind = CPU_EXIT_HYPERCALL;
		return 0;
	case KVM_EXIT_MMIO:
		return cpu_mmio(c);
	case KVM_EXIT_INTERNAL_ERROR:
		if (!cpu_unknown_to_kvm(c, x))
			fatal(c, x, 0);
		return 0;
	default:
		fatal(c, x, 0);
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

void cpu_enter(struct cpu *c, struct cpu_exit *x)
{
	struct cpu_user_regs entered;
	int again;

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
	do {
		again = run_once(c, x);
	} while (again);
	atomic_store(&c->in_guest, false);
	if (strayed(c, x, &entered))
		x->kind = CPU_EXIT_KICK;
	save_segments(c);
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
