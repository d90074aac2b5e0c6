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
		domain_crash(shared(v->domain), "vcpu %u: iret frame at %#lx cannot be read", v->id,
			     (unsigned long)r->rsp);
		r->rax = 0;
		return 0;
	}
	if ((f.cs & 3) == 3) {
		if (!v->guest_table_user) {
			domain_crash(
				shared(v->domain),
				"vcpu %u: iret to user mode, but there are no user page tables",
				v->id);
			r->rax = 0;
			return 0;
		}
		vcpu_toggle_mode(v);
	}
	if (shared(v->domain)->vm_assist & 1UL << VMASST_TYPE_architectural_iopl)
		v->iopl = (f.rflags & EFLAGS_IOPL) >> 12;
	r->rip = f.rip;
	r->cs = (uint16_t)f.cs | 3;
	r->rflags = (f.rflags & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF;
	r->rsp = f.rsp;
	r->ss = (uint16_t)f.ss | 3;
	/* Xen sees the call itself as the `syscall` that it is left by sysret for; what
	 * that does to rcx and r11 happens last, see bounce_sysret(). */
	v->in_syscall = f.flags & VGCF_in_syscall;
	if (!v->in_syscall) {
		r->r11 = f.r11;
		r->rcx = f.rcx;
	}
	r->rax = f.rax;
	__atomic_store_n(&vcpu_info_get(v)->evtchn_upcall_mask, !(f.rflags & EFLAGS_IF),
			 __ATOMIC_SEQ_CST);
	v->in_nmi = false;
	return 0;
}
