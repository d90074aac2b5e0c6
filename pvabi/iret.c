/*
 * Hypercall 23, iret: the way back from a frame (arch-x86/xen-x86_64.h, struct
 * iret_context; Xen: arch/x86/pv/iret.c).
 */
#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"

long hypercall_iret(struct vcpu *v, const uint64_t *args)
{
	struct cpu_user_regs *r = &v->regs;
	struct iret_context f;

	if (guest_copy_from(v, &f, r->rsp, sizeof(f))) {
		domain_crash(v->domain, "vcpu %u: iret frame at %#lx cannot be read", v->id,
			     (unsigned long)r->rsp);
		return 0;
	}
	if ((f.cs & 3) == 3) {
		if (!v->guest_table_user) {
			domain_crash(v->domain,
				     "vcpu %u: iret to user mode, but there are no user page tables",
				     v->id);
			return 0;
		}
		vcpu_toggle_mode(v);
	}
	if (v->domain->vm_assist & 1UL << VMASST_TYPE_architectural_iopl)
		v->iopl = (f.rflags & EFLAGS_IOPL) >> 12;
	r->rip = f.rip;
	r->cs = (uint16_t)f.cs | 3;
	r->rflags = (f.rflags & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF;
	r->rsp = f.rsp;
	r->ss = (uint16_t)f.ss | 3;
	if (!(f.flags & VGCF_in_syscall)) {
		v->in_syscall = false;
		r->r11 = f.r11;
		r->rcx = f.rcx;
	} else {
		/* What sysret would do, and what Xen's does: rcx and r11 hold rip and
		 * rflags. */
		r->rcx = r->rip;
		r->r11 = r->rflags;
	}
	r->rax = f.rax;
	__atomic_store_n(&vcpu_info_get(v)->evtchn_upcall_mask, !(f.rflags & EFLAGS_IF),
			 __ATOMIC_SEQ_CST);
	v->in_nmi = false;
	return 0;
}
