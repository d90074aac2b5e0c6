/*
 * Traps and callbacks into the guest (Xen: arch/x86/pv/traps.c, arch/x86/traps.c,
 * x86_64/entry.S: switch_to_kernel, sysenter_entry, test_all_events).
 */
#include "pvabi/bounce.h"

#define PFEC_USER 0x4u

void trap_set_cr2(struct vcpu *v, uint64_t cr2)
{
	v->ctrlreg[2] = cr2;
	vcpu_info_get(v)->arch.cr2 = cr2;
}

static struct bounce bounce_of(const struct vcpu *v, unsigned vector)
{
	const struct trap_info *ti = &v->traps[vector & 0xff];

	return (struct bounce){.eip = ti->address, .mask_events = TI_GET_IF(ti)};
}

/* Xen: pv_inject_event. The handler's selector does not matter: a 64-bit kernel
 * always gets the flat one. */
void trap_inject(struct vcpu *v, unsigned vector, uint32_t error_code)
{
	struct bounce b = bounce_of(v, vector);

	PROBE_HIT(shared(v->domain), inject, vector, error_code, v->regs.rip);
	b.has_error = vector < 32 && TRAP_HAS_ERROR(vector);
	b.error_code = error_code;
	/* All of the guest runs at CPL 3; what it sees is whether that was its kernel. */
	if (vector == VEC_PAGE_FAULT)
		b.error_code = (error_code & ~PFEC_USER) | (v->kernel_mode ? 0 : PFEC_USER);
	if (!b.eip) {
		domain_crash(shared(v->domain),
			     v->kernel_mode
				     ? "vcpu %u: unhandled exception %u [error code %#x] at rip "
				       "%#lx in kernel mode"
				     : "vcpu %u: unhandled exception %u [error code %#x] at rip "
				       "%#lx in user mode",
			     v->id, vector, b.error_code, (unsigned long)v->regs.rip);
		return;
	}
	bounce_frame(v, &b);
}

/*
 * Which `int n` reach the guest's handler. Vectors 3 and 4 have gates of their own
 * that anybody may use, and the guest's DPL is not looked at; nor is it for 0x80,
 * which has a fast way of its own when there is a handler (entry.S,
 * int80_direct_trap). All others fault first and are judged by the guest's DPL, its
 * kernel counting as ring 1 (do_general_protection, permit_softint).
 */
bool trap_soft_interrupt(struct vcpu *v, unsigned vector)
{
	const struct trap_info *ti = &v->traps[vector & 0xff];
	bool own_gate = vector == VEC_BREAKPOINT || vector == VEC_OVERFLOW ||
			(vector == VEC_INT80 && ti->address);

	if (vector > 0xff)
		return false;
	if (!own_gate && TI_GET_DPL(ti) < (v->kernel_mode ? 1 : 3))
		return false;
	struct bounce b = bounce_of(v, vector);
	bounce_frame(v, &b);
	return true;
}

/* Both `syscall`s: without a callback the instruction does not exist, and only with
 * one is DF cleared (as by the SYSCALL_MASK that the guest imagines). Whether events
 * are masked is the 64-bit callback's flag for both (entry.S, switch_to_kernel). */
static void syscall_entry(struct vcpu *v, uint64_t eip)
{
	struct bounce b = {.eip = eip, .mask_events = v->syscall_callback.mask_events};

	v->in_syscall = true;
	if (!eip) {
		v->regs.rip -= 2;
		trap_inject(v, VEC_UNDEFINED, 0);
	} else if (bounce_frame(v, &b)) {
		v->regs.rflags &= ~EFLAGS_DF;
	}
}

void trap_syscall(struct vcpu *v)
{
	v->regs.cs = FLAT_USER_CS64;
	v->regs.ss = FLAT_USER_SS64;
	syscall_entry(v, v->syscall_callback.eip);
}

void trap_syscall32(struct vcpu *v)
{
	v->regs.cs = FLAT_USER_CS32;
	v->regs.ss = FLAT_USER_SS32;
	syscall_entry(v, v->syscall32_callback.eip);
}

/* The instruction saves nothing: rip and rsp are lost, cs is null (entry.S,
 * sysenter_entry). */
void trap_sysenter(struct vcpu *v)
{
	struct bounce b = {.eip = v->sysenter_callback.eip,
			   .mask_events = v->sysenter_callback.mask_events};

	v->regs.rip = 0;
	v->regs.cs = 3;
	v->regs.rsp = 0;
	v->regs.ss = FLAT_USER_SS;
	v->in_syscall = true;
	if (b.eip)
		bounce_frame(v, &b);
	else
		trap_inject(v, VEC_PROTECTION, 0);
}

void trap_failsafe(struct vcpu *v)
{
	bounce_failsafe(v);
}

void vcpu_inject_nmi(struct vcpu *v)
{
	if (!atomic_exchange(&v->nmi_pending, true)) {
		vcpu_unblock(v);
		host_of(shared(v->domain))->vcpu_kick(v);
	}
}

/* entry.S, process_nmi: an NMI without a handler is lost; one that comes before the
 * iret of the last stays pending (async_exception_mask). */
static bool deliver_nmi(struct vcpu *v)
{
	struct bounce b = bounce_of(v, VEC_NMI);

	if (!atomic_load(&v->nmi_pending) || v->in_nmi)
		return false;
	atomic_store(&v->nmi_pending, false);
	if (!b.eip)
		return false;
	v->in_nmi = true;
	return bounce_frame(v, &b);
}

/* entry.S, test_guest_events. That there is a callback is not asked: an upcall
 * without one crashes the domain. */
static bool deliver_upcall(struct vcpu *v)
{
	struct bounce b = {.eip = v->event_callback.eip, .mask_events = true};

	if (!vcpu_events_need_delivery(v))
		return false;
	if (!b.eip) {
		domain_crash(shared(v->domain),
			     "vcpu %u: events are pending and unmasked at rip %#lx, but no event "
			     "callback is registered",
			     v->id, (unsigned long)v->regs.rip);
		return false;
	}
	PROBE_HIT(shared(v->domain), upcall, v->id, v->regs.rip);
	atomic_store_explicit(&v->upcalls, v->upcalls + 1, memory_order_relaxed);
	return bounce_frame(v, &b);
}

bool vcpu_deliver_events(struct vcpu *v)
{
	bool changed = deliver_nmi(v);

	changed |= deliver_upcall(v);
	changed |= bounce_sysret(v);
	return changed;
}

bool vcpu_settle_regs(struct vcpu *v)
{
	return bounce_sysret(v);
}
