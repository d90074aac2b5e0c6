/*
 * One instruction of the guest at a time, by the trap flag. It is in the frame that the
 * monitor enters the guest with, never in v->regs, so that no frame which the guest gets
 * has it. What the processor copies flags from or to by itself is corrected here: `syscall`
 * (r11), pushf (its stack), popf (the flags are the guest's own).
 */
#include "vmm/cpu.h"

#define EFLAGS_TF 0x100UL

static bool is_prefix(uint8_t b)
{
	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64 ... 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
	case 0x40 ... 0x4f: /* REX */
		return true;
	default:
		return false;
	}
}

static enum cpu_step_insn classify(struct vcpu *v)
{
	uint8_t b;

	for (unsigned i = 0; i < 15 && !guest_copy_from(v, &b, v->regs.rip + i, 1); i++) {
		if (b == 0x9c)
			return STEP_INSN_PUSHF;
		if (b == 0x9d || b == 0xcf)
			return STEP_INSN_POPF;
		if (!is_prefix(b))
			break;
	}
	return STEP_INSN_OTHER;
}

void cpu_step_begin(struct cpu *c)
{
	struct vcpu *v = c->vcpu;

	c->trap_flag = true;
	c->stepped = false;
	c->step_insn = classify(v);
	c->step_rip = v->regs.rip;
	c->step_kernel = v->kernel_mode;
	c->step_guest_tf = v->regs.rflags & EFLAGS_TF;
}

/* What pushf stored, of 8 bytes or 2: the bit is in the second. */
static void correct_pushed(struct vcpu *v)
{
	uint8_t b;

	if (guest_copy_from(v, &b, v->regs.rsp + 1, 1))
		return;
	b &= ~(EFLAGS_TF >> 8);
	guest_copy_to(v, v->regs.rsp + 1, &b, 1);
}

void cpu_step_end(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	bool moved = v->regs.rip != c->step_rip;

	if (c->step_guest_tf || (c->step_insn == STEP_INSN_POPF && moved))
		return;
	v->regs.rflags &= ~EFLAGS_TF;
	if (x->kind == CPU_EXIT_SYSCALL || x->kind == CPU_EXIT_SYSCALL32)
		v->regs.r11 &= ~EFLAGS_TF;
	if (c->step_insn == STEP_INSN_PUSHF && moved)
		correct_pushed(v);
}

bool cpu_step_done(struct cpu *c)
{
	const struct vcpu *v = c->vcpu;

	return c->stepped || v->regs.rip != c->step_rip || v->kernel_mode != c->step_kernel;
}
