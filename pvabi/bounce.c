/*
 * Entering the guest's kernel: the exception frame of a 64-bit PV guest, and
 * the switch between its kernel and its user mode.
 */
#include "pvabi/bounce.h"

#define MAX_FRAME_WORDS 8

void vcpu_toggle_mode(struct vcpu *v)
{
	/* The host derives CR3 and the GS base from this. */
	v->kernel_mode = !v->kernel_mode;
}

bool bounce_frame(struct vcpu *v, const struct bounce *b)
{
	struct cpu_user_regs *r = &v->regs;
	struct vcpu_info *vi = vcpu_info_get(v);
	uint64_t frame[MAX_FRAME_WORDS], sp;
	uint16_t cs = r->cs;
	unsigned n = 0;

	if (!b->eip) {
		domain_crash(v->domain, "vcpu %u: no handler registered for what happened at rip %#lx",
			     v->id, (unsigned long)r->rip);
		return false;
	}
	if (v->kernel_mode) {
		sp = r->rsp;
		cs &= ~3; /* tells the guest that its kernel was interrupted */
	} else {
		vcpu_toggle_mode(v);
		sp = v->kernel_sp;
	}
	sp &= ~15UL;

	uint8_t mask = vi->evtchn_upcall_mask;
	if (b->mask_events)
		__atomic_store_n(&vi->evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
	uint64_t rflags = r->rflags & ~(EFLAGS_IF | EFLAGS_IOPL);
	if (!mask)
		rflags |= EFLAGS_IF;
	if (v->domain->vm_assist & 1UL << VMASST_TYPE_architectural_iopl)
		rflags |= (uint64_t)v->iopl << 12;

	frame[n++] = r->rcx;
	frame[n++] = r->r11;
	if (b->has_error)
		frame[n++] = b->error_code;
	frame[n++] = r->rip;
	frame[n++] = cs | (uint64_t)mask << 32;
	frame[n++] = rflags;
	frame[n++] = r->rsp;
	frame[n++] = r->ss;
	sp -= n * sizeof(frame[0]);
	if (guest_copy_to(v, sp, frame, n * sizeof(frame[0]))) {
		domain_crash(v->domain,
			     "vcpu %u: the exception frame for rip %#lx cannot be written to the kernel "
			     "stack at %#lx",
			     v->id, (unsigned long)r->rip, (unsigned long)sp);
		return false;
	}
	/* SDM vol. 3, 6.12.1.2; AC too: no alignment checks in the guest's kernel. */
	r->rflags &= ~(EFLAGS_AC | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | EFLAGS_TF);
	r->ss = FLAT_KERNEL_SS;
	r->rsp = sp;
	r->cs = FLAT_KERNEL_CS;
	r->rip = b->eip;
	v->in_syscall = true;
	return true;
}
