/*
 * The hypercalls that are handled inside the guest: rows of pvabi's table (pvabi/hypercall.c)
 * with the same handlers.
 */
#include <errno.h>

#include "pvabi/evtchn.h"
#include "pvabi/hypercalls.h"
#include "vmm/resident/guest/resident_guest.h"
#ifdef PVABI_RING3
#include "vmm/resident/ring3/ring3_guest.h"
#endif

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
	return id < d->nr_vcpus ? !(atomic_load(&shared(d->vcpu[id])->pause_flags) & VPF_DOWN)
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

/* Timers of a vcpu's own came later (pvabi/vcpu_op.c). */
static bool has_vcpu_op(const struct vcpu *v, int op, uint32_t id)
{
	switch (op) {
	case VCPUOP_is_up:
		return true;
	case VCPUOP_set_singleshot_timer:
	case VCPUOP_stop_singleshot_timer:
		return id == v->id && shared(shared(v->domain)->profile)->id == PROFILE_XEN_4_17;
	default:
		return false;
	}
}

/* XENVER_version, by which Linux has its pending events delivered. */
static long xen_version(struct vcpu *v, const uint64_t *args)
{
	return shared(shared(v->domain)->profile)->version;
}

#ifdef PVABI_RING3
/* EVTCHNOP_send to a backend whose eventfd KVM has. It may be closed by now, by another vcpu or
 * by the backend: then nothing happens. */
static bool rings(struct ring3_domain *d, evtchn_port_t port)
{
	return port < RING3_PORTS && atomic_load(&d->rings[port / 32]) >> port % 32 & 1;
}

static long event_channel_op(struct vcpu *v, const uint64_t *args)
{
	struct ring3_domain *d = (struct ring3_domain *)v->domain;
	struct evtchn_send s;

	if (guest_copy_from(v, &s, args[1], sizeof(s)))
		return -EFAULT;
	if (!rings(d, s.port))
		return hypercall_continue(v, args);
	atomic_fetch_add(&d->sent[s.port], 1);
	ring3_send(s.port);
	return 0;
}

static bool has_event(struct vcpu *v, int op, uint64_t va)
{
	struct evtchn_send s;

	return op == EVTCHNOP_send && !guest_copy_from(v, &s, va, sizeof(s)) &&
	       rings((struct ring3_domain *)v->domain, s.port);
}
#else
/* EVTCHNOP_send to a backend whose eventfd KVM has not is the host's; resident_has_call() saw none
 * such, and when it is one by now the call is made again. */
static bool is_hosts(const struct evtchn *chn)
{
	return chn && evtchn_has_backend(chn) && chn->u.interdomain.fd < 0;
}

/* Without a lock: the backend may run at once, and send something back. */
static void tell_backend(evtchn_port_t port)
{
	__asm__ volatile("outl %0, $" XSTR(MON_PORT_EVENT)::"a"(port) : "memory");
}

static long send(struct vcpu *v, evtchn_port_t port, const uint64_t *args)
{
	struct domain *d = shared(v->domain);
	bool host, backend;
	long rc = 0;

	evtchn_lock(d);
	struct evtchn *chn = evtchn_from_port(d, port);
	host = is_hosts(chn);
	backend = chn && !host && evtchn_has_backend(chn);
	if (backend)
		chn->sent++;
	else if (!host)
		rc = evtchn_send_within(d, port);
	evtchn_unlock(d);
	if (backend)
		tell_backend(port);
	return host ? hypercall_continue(v, args) : rc;
}

static long event_channel_op(struct vcpu *v, const uint64_t *args)
{
	struct domain *d = shared(v->domain);
	evtchn_port_t port; /* all that either operation's block has */
	long rc;

	if (guest_copy_from(v, &port, args[1], sizeof(port)))
		return -EFAULT;
	if ((int)args[0] == EVTCHNOP_send)
		return send(v, port, args);
	evtchn_lock(d);
	rc = evtchn_unmask(d, port);
	evtchn_unlock(d);
	return rc;
}

static bool has_event(struct vcpu *v, int op, uint64_t va)
{
	evtchn_port_t port;

	if (op == EVTCHNOP_unmask)
		return true;
	return op == EVTCHNOP_send && !guest_copy_from(v, &port, va, sizeof(port)) &&
	       !is_hosts(evtchn_from_port(shared(v->domain), port));
}
_Static_assert(sizeof(struct evtchn_send) == sizeof(evtchn_port_t) &&
		       sizeof(struct evtchn_unmask) == sizeof(evtchn_port_t),
	       "event_channel.h");

#endif

#ifdef PVABI_RING3
#define IS_RING3	true /* its host loads the selector */
#define load_null_gs(v) ((void)(v))
#else
#define IS_RING3 false

#define MSR_GS_BASE 0xc0000101

/* Some processors clear the base, too, and that is this vcpu's area now. */
static void load_null_gs(const struct vcpu *v)
{
	if (!v->regs.gs)
		__asm__ volatile("rdmsr\n\tmovw %w0, %%gs\n\twrmsr"
				 :
				 : "r"(0), "c"(MSR_GS_BASE)
				 : "eax", "edx", "memory");
}
#endif

static long set_segment_base(struct vcpu *v, const uint64_t *args)
{
	long rc = hypercall_set_segment_base(v, args);

	if ((uint32_t)args[0] == SEGBASE_GS_USER_SEL)
		load_null_gs(v);
	return rc;
}

#define CALL(nr, f, ...) \
	[__HYPERVISOR_##nr] = {.name = #nr, .profiles = PROFILES_ALL, .fn = f, ##__VA_ARGS__}

/* With the host's services behind it in one page. */
_Alignas(4096) const struct hypercall hypercall_table[NR_HYPERCALLS] = {
	CALL(mmu_update, hypercall_mmu_update),
	CALL(stack_switch, hypercall_stack_switch, .flags = HC_UNLOCKED),
	CALL(multicall, hypercall_multicall, .flags = HC_UNLOCKED),
	CALL(update_va_mapping, hypercall_update_va_mapping),
	CALL(xen_version, xen_version, .flags = HC_UNLOCKED),
	CALL(iret, hypercall_iret, .flags = HC_UNLOCKED | HC_SETS_REGS),
	CALL(vcpu_op, vcpu_op, .flags = HC_UNLOCKED),
	CALL(set_segment_base, set_segment_base, .flags = HC_UNLOCKED),
	CALL(mmuext_op, hypercall_mmuext_op),
	[__HYPERVISOR_event_channel_op] = {.name = "event_channel_op",
					   .profiles = PROFILES_4_17,
					   .fn = event_channel_op,
					   .flags = HC_UNLOCKED},
#ifndef PVABI_RING3
	CALL(set_timer_op, hypercall_set_timer_op, .flags = HC_UNLOCKED),
	CALL(update_descriptor, hypercall_update_descriptor),
	CALL(fpu_taskswitch, hypercall_fpu_taskswitch, .flags = HC_UNLOCKED),
#endif
};

/* At each exec Linux asks for null; others the host loads. */
static bool has_segment_base(unsigned which, uint16_t sel)
{
	return which != SEGBASE_GS_USER_SEL || !sel || IS_RING3;
}

/* The M2P, and a vcpu's LDT, are the host's where only page tables are shared with it. */
bool mmu_update_elsewhere(const struct mmu_update *req)
{
#ifdef PVABI_RING3
	return (req->ptr & 7) == MMU_MACHPHYS_UPDATE;
#else
	return false;
#endif
}

bool mmuext_elsewhere(const struct vcpu *v, const struct mmuext_op *op)
{
#ifdef PVABI_RING3
	/* Tables that are the kernel's and user mode's at once do not have the monitor. */
	return op->cmd == MMUEXT_SET_LDT ||
	       (op->cmd == MMUEXT_NEW_USER_BASEPTR && op->arg1.mfn == v->guest_table) ||
	       (op->cmd == MMUEXT_NEW_BASEPTR && op->arg1.mfn == v->guest_table_user);
#else
	return false;
#endif
}

#ifdef PVABI_RING3
static bool list_is_elsewhere(struct vcpu *v, uint64_t nr, uint64_t list)
{
	struct mmu_update req;
	struct mmuext_op op;

	if (nr == __HYPERVISOR_mmu_update)
		return !guest_copy_from(v, &req, list, sizeof(req)) && mmu_update_elsewhere(&req);
	return !guest_copy_from(v, &op, list, sizeof(op)) && mmuext_elsewhere(v, &op);
}
#endif

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
#ifdef PVABI_RING3
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_mmuext_op:
		return !list_is_elsewhere(v, nr, arg0);
#endif
	case __HYPERVISOR_set_segment_base:
		return has_segment_base((unsigned)arg0, (uint16_t)arg1);
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
