/*
 * The hypercalls that are handled inside the guest: rows of pvabi's table (pvabi/hypercall.c)
 * with the same handlers.
 */
#include <errno.h>

#include "pvabi/evtchn.h"
#include "pvabi/hypercalls.h"
#include "vmm/resident/guest/resident_guest.h"

/* As pvabi/vcpu_op.c. A time that is past is found by the host, whose timer is later than it. */
static long set_singleshot_timer(struct vcpu *v, uint64_t va)
{
	struct vcpu_set_singleshot_timer s;

	if (guest_copy_from(v, &s, va, sizeof(s)))
		return -EFAULT;
	atomic_store(&v->timer[TIMER_SINGLESHOT], s.timeout_abs_ns ? s.timeout_abs_ns : 1);
	return 0;
}

static long is_up(const struct domain *d, uint32_t id)
{
	return id < d->nr_vcpus
		       ? !(atomic_load(&shared(d->vcpu[id])->pause_flags) & VPF_DOWN)
		       : -ENOENT;
}

/* VCPUOP_is_up, which Linux asks at every switch of tables and, at its start, of every vcpu that
 * there might be; and a vcpu's own timer. resident_has_call() lets no other through. */
static long vcpu_op(struct vcpu *v, const uint64_t *args)
{
	switch ((int)args[0]) {
	case VCPUOP_set_singleshot_timer:
		return set_singleshot_timer(v, args[2]);
	case VCPUOP_stop_singleshot_timer:
		atomic_store(&v->timer[TIMER_SINGLESHOT], 0);
		return 0;
	default:
		return is_up(shared(v->domain), (uint32_t)args[1]);
	}
}

static bool has_vcpu_op(const struct vcpu *v, int op, uint32_t id)
{
	switch (op) {
	case VCPUOP_is_up:
		return true;
	case VCPUOP_set_singleshot_timer:
	case VCPUOP_stop_singleshot_timer:
		return id == v->id;
	default:
		return false;
	}
}

/* XENVER_version, by which Linux has its pending events delivered. */
static long xen_version(struct vcpu *v, const uint64_t *args)
{
	return shared(shared(v->domain)->profile)->version;
}

/* EVTCHNOP_send to a backend whose eventfd KVM has. resident_has_call() saw such a port, which
 * may have another state by now: then the call is made again, and goes to the host. */
static bool rings(const struct evtchn *chn)
{
	return chn && evtchn_has_backend(chn) && chn->u.interdomain.fd >= 0;
}

static long event_channel_op(struct vcpu *v, const uint64_t *args)
{
	struct domain *d = shared(v->domain);
	struct evtchn_send s;

	if (guest_copy_from(v, &s, args[1], sizeof(s)))
		return -EFAULT;
	evtchn_lock(d);
	struct evtchn *chn = evtchn_from_port(d, s.port);
	bool can = rings(chn);
	if (can) {
		chn->sent++;
		__asm__ volatile("outl %0, $" XSTR(MON_PORT_EVENT)::"a"(s.port) : "memory");
	}
	evtchn_unlock(d);
	return can ? 0 : hypercall_continue(v, args);
}

static bool has_event(struct vcpu *v, int op, uint64_t va)
{
	struct evtchn_send s;

	return op == EVTCHNOP_send && !guest_copy_from(v, &s, va, sizeof(s)) &&
	       rings(evtchn_from_port(shared(v->domain), s.port));
}

#define CALL(nr, f, ...) \
	[__HYPERVISOR_##nr] = {.name = #nr, .profiles = PROFILES_ALL, .fn = f, ##__VA_ARGS__}

/* With the host's services behind it in one page. */
_Alignas(4096) const struct hypercall hypercall_table[NR_HYPERCALLS] = {
	CALL(mmu_update, hypercall_mmu_update),
	CALL(stack_switch, hypercall_stack_switch, .flags = HC_UNLOCKED),
	CALL(multicall, hypercall_multicall, .flags = HC_UNLOCKED),
	CALL(update_va_mapping, hypercall_update_va_mapping),
	CALL(set_timer_op, hypercall_set_timer_op, .flags = HC_UNLOCKED),
	CALL(xen_version, xen_version, .flags = HC_UNLOCKED),
	CALL(iret, hypercall_iret, .flags = HC_UNLOCKED | HC_SETS_REGS),
	CALL(vcpu_op, vcpu_op, .flags = HC_UNLOCKED),
	CALL(set_segment_base, hypercall_set_segment_base, .flags = HC_UNLOCKED),
	CALL(mmuext_op, hypercall_mmuext_op),
	CALL(event_channel_op, event_channel_op, .flags = HC_UNLOCKED),
};

/* The guest's, which only the host loads. At each exec Linux asks for null, which it mostly is. */
static uint16_t gs_selector(void)
{
	uint16_t sel;

	__asm__("movw %%gs, %0" : "=r"(sel));
	return sel;
}

static bool has(struct vcpu *v, uint64_t nr, uint64_t arg0, uint64_t arg1)
{
	if (nr >= NR_HYPERCALLS || !hypercall_table[nr].name)
		return false;
	switch (nr) {
	case __HYPERVISOR_xen_version:
		return (int)arg0 == XENVER_version;
	case __HYPERVISOR_vcpu_op:
		return has_vcpu_op(v, (int)arg0, (uint32_t)arg1);
	case __HYPERVISOR_event_channel_op:
		return has_event(v, (int)arg0, arg1);
	case __HYPERVISOR_set_segment_base:
		return (unsigned)arg0 != SEGBASE_GS_USER_SEL || (!(uint16_t)arg1 && !gs_selector());
	default:
		return true;
	}
}

bool resident_has_call(struct vcpu *v, uint64_t nr, const struct cpu_user_regs *frame)
{
	struct multicall_entry e;

	if (!has(v, nr, frame->rdi, frame->rsi))
		return false;
	/* A list is interrupted before an entry that is not handled here. */
	return nr != __HYPERVISOR_multicall || !(uint32_t)frame->rsi ||
	       guest_copy_from(v, &e, frame->rdi, sizeof(e)) ||
	       (has(v, e.op, e.args[0], e.args[1]) && e.op != __HYPERVISOR_multicall);
}

bool hypercall_elsewhere(struct vcpu *v, uint64_t nr, const uint64_t *args)
{
	return !has(v, nr, args[0], args[1]);
}
