/*
 * Traps and callbacks into the guest (Xen: arch/x86/pv/traps.c,
 * x86_64/entry.S: test_all_events, switch_to_kernel).
 */
#include "pvabi/bounce.h"

#define VEC_NMI 2
#define VEC_PAGE_FAULT 14
#define PFEC_USER 0x4u

void trap_set_cr2(struct vcpu *v, uint64_t cr2)
{
	v->ctrlreg[2] = cr2;
	vcpu_info_get(v)->arch.cr2 = cr2;
}

void trap_inject(struct vcpu *v, unsigned vector, uint32_t error_code)
{
	const struct trap_info *ti = &v->traps[vector & 0xff];
	struct bounce b = {
		.eip = ti->address,
		.mask_events = TI_GET_IF(ti),
		.has_error = vector < 32 && TRAP_HAS_ERROR(vector),
		.error_code = error_code,
	};

	/* All of the guest runs at CPL 3; what it sees is whether that was its kernel. */
	if (vector == VEC_PAGE_FAULT)
		b.error_code = (error_code & ~PFEC_USER) | (v->kernel_mode ? 0 : PFEC_USER);
	if (!b.eip) {
		domain_crash(v->domain,
			     "vcpu %u: unhandled exception %u [error code %#x] at rip %#lx in %s mode%s",
			     v->id, vector, error_code, (unsigned long)v->regs.rip,
			     v->kernel_mode ? "kernel" : "user",
			     vector == VEC_PAGE_FAULT ? " (page fault)" : "");
		return;
	}
	bounce_frame(v, &b);
}

bool trap_soft_interrupt(struct vcpu *v, unsigned vector)
{
	const struct trap_info *ti = &v->traps[vector & 0xff];

	/* Xen, do_general_protection: a handler, and a gate that this mode may use. The
	 * guest's kernel counts as ring 0. */
	if (vector > 0xff || !ti->address || TI_GET_DPL(ti) < (v->kernel_mode ? 0 : 3))
		return false;
	struct bounce b = {.eip = ti->address, .mask_events = TI_GET_IF(ti)};
	bounce_frame(v, &b);
	return true;
}

static void syscall_entry(struct vcpu *v, const struct guest_callback *cb)
{
	struct bounce b = {.eip = cb->eip, .mask_events = cb->mask_events};

	if (bounce_frame(v, &b))
		v->regs.rflags &= ~EFLAGS_DF;
}

void trap_syscall(struct vcpu *v)
{
	v->regs.cs = FLAT_USER_CS64;
	v->regs.ss = FLAT_USER_SS64;
	syscall_entry(v, &v->syscall_callback);
}

/* Without a callback the instruction does not exist (Xen: #UD for syscall, #GP for
 * sysenter; entry.S, .Lcstar and sysenter_entry). */
void trap_syscall32(struct vcpu *v)
{
	v->regs.cs = FLAT_USER_CS32;
	v->regs.ss = FLAT_USER_SS32;
	if (!v->syscall32_callback.eip) {
		v->regs.rip -= 2;
		trap_inject(v, 6, 0);
		return;
	}
	syscall_entry(v, &v->syscall32_callback);
}

void trap_sysenter(struct vcpu *v)
{
	v->regs.cs = FLAT_USER_CS32;
	v->regs.ss = FLAT_USER_SS32;
	if (!v->sysenter_callback.eip) {
		trap_inject(v, 13, 0);
		return;
	}
	syscall_entry(v, &v->sysenter_callback);
}

/* Xen, x86_64/entry.S, failsafe_callback: the context that could not be loaded is
 * described by its frame; the selectors DS, ES, FS, GS follow. Here only cs, rip,
 * ss, rsp can be at fault, which Xen reflects as #GP at the guest's rip. */
void trap_failsafe(struct vcpu *v)
{
	/* The frame was for user mode or kernel mode; selectors are not usable in it. */
	v->regs.cs = v->kernel_mode ? FLAT_KERNEL_CS : FLAT_USER_CS64;
	v->regs.ss = FLAT_KERNEL_SS;
	trap_inject(v, 13, 0);
}

void vcpu_inject_nmi(struct vcpu *v)
{
	if (!atomic_exchange(&v->nmi_pending, true)) {
		vcpu_unblock(v);
		v->domain->ops->vcpu_kick(v);
	}
}

static bool deliver_nmi(struct vcpu *v)
{
	const struct trap_info *ti = &v->traps[VEC_NMI];

	if (v->in_nmi || !atomic_exchange(&v->nmi_pending, false) || !ti->address)
		return false;
	struct bounce b = {.eip = ti->address, .mask_events = TI_GET_IF(ti)};
	v->in_nmi = true;
	return bounce_frame(v, &b);
}

bool vcpu_deliver_events(struct vcpu *v)
{
	const struct vcpu_info *vi = vcpu_info_get(v);
	bool changed = false;

	if (atomic_load(&v->nmi_pending))
		changed = deliver_nmi(v);
	if (__atomic_load_n(&vi->evtchn_upcall_pending, __ATOMIC_SEQ_CST) &&
	    !__atomic_load_n(&vi->evtchn_upcall_mask, __ATOMIC_SEQ_CST)) {
		struct bounce b = {.eip = v->event_callback.eip, .mask_events = true};
		changed |= bounce_frame(v, &b);
	}
	return changed;
}
