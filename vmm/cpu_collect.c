/*
 * After an exit: what it was, and the guest's registers from wherever it left them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/cpu.h"
#include "vmm/cpu_internal.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"

#define PF_FETCH_USER 0x14

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
	uint64_t lstar = ring3_is_on(c) ? ring3_lstar(c) : monitor_va(monitor_lstar);
	if (vector == 14 && x->cr2 == lstar && u->rip == x->cr2 &&
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

int cpu_decode_io(struct cpu *c, struct cpu_exit *x)
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
	else if (port == MON_PORT_CALL && resident_is_on(c)) {
		resident_serve(c);
		return 1;
	} else if (port == MON_PORT_EVENT && resident_is_on(c)) {
		return 1; /* its backend has gone since the handlers looked */
	} else if (port == MON_PORT_FILL && resident_is_on(c)) {
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

void cpu_fatal_exit(struct cpu *c, struct cpu_exit *x, int err)
{
	const struct kvm_run *run = c->run;

	x->kind = CPU_EXIT_FATAL;
	x->error_code = (uint32_t)err;
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
