/*
 * Entering the guest's kernel: the frames that Xen puts on the stack of a 64-bit
 * PV kernel, the switch between its kernel and its user mode, and what sysret
 * leaves in the registers.
 */
#include <string.h>

#include "pvabi/bounce.h"

/* rcx, r11, error code or 4 data selectors, rip, cs, rflags, rsp, ss */
#define MAX_FRAME_WORDS 11

#define TRAP_CLEARS (EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | EFLAGS_TF)

void vcpu_toggle_mode(struct vcpu *v)
{
	/* The host derives CR3 and the GS base from this. */
	v->kernel_mode = !v->kernel_mode;
}

/* The upcall mask in the upper half of the saved cs. Xen reads the three bytes of
 * padding behind it as well and leaves it to the guest to ignore them. */
static uint64_t saved_mask(const struct vcpu *v, bool with_padding)
{
	const struct vcpu_info *vi = vcpu_info_get(v);
	uint32_t mask = __atomic_load_n(&vi->evtchn_upcall_mask, __ATOMIC_SEQ_CST);

	if (with_padding)
		memcpy((uint8_t *)&mask + 1, &vi->evtchn_upcall_mask + 1, 3);
	return (uint64_t)mask << 32;
}

static void mask_events(struct vcpu *v)
{
	__atomic_or_fetch(&vcpu_info_get(v)->evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
}

/* The processor's IF is always set and its IOPL 0; the guest sees its own. */
static uint64_t saved_rflags(const struct vcpu *v, bool masked)
{
	uint64_t rflags = v->regs.rflags & ~(EFLAGS_IF | EFLAGS_IOPL);

	if (!masked)
		rflags |= EFLAGS_IF;
	if (shared(v->domain)->vm_assist & 1UL << VMASST_TYPE_architectural_iopl)
		rflags |= (uint64_t)v->iopl << 12;
	return rflags;
}

/* Turns v to its kernel; returns the top of the stack to use. */
static uint64_t enter_kernel(struct vcpu *v)
{
	uint64_t sp;

	if (v->kernel_mode) {
		v->regs.cs &= ~3; /* tells the guest that its kernel was interrupted */
		sp = v->regs.rsp;
	} else {
		vcpu_toggle_mode(v);
		sp = v->kernel_sp;
	}
	return sp & ~15UL;
}

/* The frame is written, or the domain is crashed. */
static bool push(struct vcpu *v, uint64_t sp, const uint64_t *frame, unsigned n)
{
	struct cpu_user_regs *r = &v->regs;

	sp -= n * sizeof(frame[0]);
	if (guest_copy_to(v, sp, frame, n * sizeof(frame[0]))) {
		r->cs |= 3;
		domain_crash(shared(v->domain),
			     "vcpu %u: the exception frame for rip %#lx cannot be written to the "
			     "kernel stack at %#lx",
			     v->id, (unsigned long)r->rip, (unsigned long)sp);
		return false;
	}
	r->ss = FLAT_KERNEL_SS;
	r->rsp = sp;
	r->cs = FLAT_KERNEL_CS;
	v->in_syscall = true;
	return true;
}

bool bounce_frame(struct vcpu *v, const struct bounce *b)
{
	struct cpu_user_regs *r = &v->regs;
	uint64_t frame[MAX_FRAME_WORDS];
	unsigned n = 0;

	if (!b->eip) {
		domain_crash(shared(v->domain),
			     "vcpu %u: no handler registered for what happened at rip %#lx", v->id,
			     (unsigned long)r->rip);
		return false;
	}
	uint64_t sp = enter_kernel(v);
	uint64_t mask = saved_mask(v, true);
	if (b->mask_events)
		mask_events(v);
	frame[n++] = r->rcx;
	frame[n++] = r->r11;
	if (b->has_error)
		frame[n++] = b->error_code;
	frame[n++] = r->rip;
	frame[n++] = r->cs | mask;
	frame[n++] = (uint32_t)saved_rflags(v, mask >> 32 & 0xff);
	frame[n++] = r->rsp;
	frame[n++] = r->ss;
	if (!push(v, sp, frame, n))
		return false;
	/* SDM vol. 3, 6.12.1.3; AC too: no alignment checks in the guest's kernel. */
	r->rflags &= ~(TRAP_CLEARS | EFLAGS_AC);
	r->rip = b->eip;
	return true;
}

bool bounce_failsafe(struct vcpu *v)
{
	struct cpu_user_regs *r = &v->regs;
	uint64_t frame[MAX_FRAME_WORDS];
	unsigned n = 0;

	uint64_t sp = enter_kernel(v);
	uint64_t mask = saved_mask(v, false);
	frame[n++] = r->rcx;
	frame[n++] = r->r11;
	frame[n++] = r->ds;
	frame[n++] = r->es;
	frame[n++] = r->fs;
	frame[n++] = r->gs;
	frame[n++] = r->rip;
	frame[n++] = r->cs | mask;
	frame[n++] = saved_rflags(v, mask);
	frame[n++] = r->rsp;
	frame[n++] = r->ss;
	if (!push(v, sp, frame, n))
		return false;
	if (v->failsafe_callback.mask_events)
		mask_events(v);
	r->rflags &= ~(TRAP_CLEARS | EFLAGS_AC | EFLAGS_IOPL);
	/* Not checked: without a callback the guest faults at 0. */
	r->rip = v->failsafe_callback.eip;
	return true;
}

/* Xen: x86_64/entry.S, restore_all_guest. */
bool bounce_sysret(struct vcpu *v)
{
	struct cpu_user_regs *r = &v->regs;

	if (!v->in_syscall)
		return false;
	v->in_syscall = false;
	r->rcx = r->rip;
	r->r11 = (r->rflags & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF;
	/* There it uses iret, so that the fault is the guest's. */
	if (!is_canonical(r->rip))
		return true;
	r->rflags = (r->r11 & SYSRET_RFLAGS) | EFLAGS_FIXED;
	if (r->cs == FLAT_USER_CS32)
		r->rip = (uint32_t)r->rip;
	else
		r->cs = FLAT_USER_CS64;
	r->ss = FLAT_USER_SS64;
	return true;
}
