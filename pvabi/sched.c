/*
 * sched_op: SCHEDOP_* (hypercall 29) and the old call with its argument by value
 * (hypercall 6), and the wake-up of vcpus that sleep in them.
 *
 * Nothing here sleeps. A handler leaves VPF_BLOCKED in pause_flags, with
 * TIMER_POLL armed for a timeout, and returns; v's thread does not enter the
 * guest while a flag is set. None of the handlers runs with `lock` held.
 *
 * SCHEDOP_poll and this form of the call came with Xen changeset c445d4a0dd76
 * (March 2006).
 */
#include <errno.h>

#include "pvabi/evtchn.h"
#include "pvabi/hypercalls.h"

/* Xen: common/sched/core.c, do_poll. */
#define POLL_MAX_PORTS 128

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC  1000000000ull

/* Clears what is left of a SCHEDOP_poll that was woken: its timeout, and marks
 * that two who woke v at the same time can leave. Only v's thread begins to poll
 * or block, and it does so after this. */
static void poll_tidy(struct vcpu *v)
{
	uint32_t bit = 1u << v->id;

	atomic_store(&v->timer[TIMER_POLL], 0);
	atomic_store(&v->poll_evtchn, 0);
	if (atomic_load(&v->domain->poll_mask) & bit)
		atomic_fetch_and(&v->domain->poll_mask, ~bit);
}

/* The flag first, then the look at pending events: who sets one looks at the flag
 * afterwards. */
static void block(struct vcpu *v)
{
	poll_tidy(v);
	__atomic_store_n(&vcpu_info_get(v)->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
	atomic_fetch_or(&v->pause_flags, VPF_BLOCKED);
	if (vcpu_events_need_delivery(v))
		atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED);
	PROBE_HIT(v->domain, block, v->id, !!(atomic_load(&v->pause_flags) & VPF_BLOCKED));
}

static void poll_end(struct vcpu *v)
{
	poll_tidy(v);
	atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED);
}

/* Somebody who woke v may have seen that it is blocked and not that it polls, or
 * the other way round; then not all three marks stand. */
static bool poll_marks_stand(struct vcpu *v)
{
	return atomic_load(&v->poll_evtchn) && (atomic_load(&v->domain->poll_mask) >> v->id & 1) &&
	       (atomic_load(&v->pause_flags) & VPF_BLOCKED);
}

/* 1: a port is pending, 0: none is; the last port read is left in *port. Ports
 * are read one by one, as a pending one makes those behind it irrelevant. */
static int poll_ports(struct vcpu *v, uint64_t ports, unsigned nr, evtchn_port_t *port)
{
	for (unsigned i = 0; i < nr; i++) {
		int rc;

		if (guest_copy_from(v, port, ports + i * sizeof(*port), sizeof(*port)))
			return -EFAULT;
		rc = evtchn_port_poll(v->domain, *port);
		if (rc)
			return rc;
	}
	return 0;
}

/* Xen: common/sched/core.c, do_poll; the first one also in changeset c445d4a0dd76.
 * The marks are set before anything is looked at, so that no event in between is
 * missed. */
static long op_poll(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct sched_poll *a = arg;
	uint64_t ports = (uintptr_t)a->ports.p;
	struct domain *d = v->domain;
	evtchn_port_t port = 0;
	int any = -1;
	int rc;

	if (a->nr_ports > POLL_MAX_PORTS)
		return -EINVAL;
	if (!guest_addr_ok(ports))
		return -EFAULT;
	if (d->profile->poll_needs_masked &&
	    !__atomic_load_n(&vcpu_info_get(v)->evtchn_upcall_mask, __ATOMIC_SEQ_CST))
		return -EINVAL;

	poll_tidy(v);
	atomic_fetch_or(&v->pause_flags, VPF_BLOCKED);
	atomic_store(&v->poll_evtchn, -1);
	atomic_fetch_or(&d->poll_mask, 1u << v->id);

	rc = poll_marks_stand(v) ? 0 : 1;
	if (!rc && vcpu_events_need_delivery(v))
		rc = 1;
	if (!rc)
		rc = poll_ports(v, ports, a->nr_ports, &port);
	/* Xen arms a timer for a time that is past, which fires at once. */
	if (!rc && a->timeout && (int64_t)a->timeout <= (int64_t)host_of(d)->system_time(d))
		rc = 1;
	/* Before it sleeps: result 1 is that it does not. */
	PROBE_HIT(d, poll, v->id, a->nr_ports, a->timeout, (uint64_t)rc);
	if (rc) {
		poll_end(v);
		return rc < 0 ? rc : 0;
	}
	/* Only this port is waited for, unless v is being woken already. */
	if (a->nr_ports == 1)
		atomic_compare_exchange_strong(&v->poll_evtchn, &any, (int)port);
	atomic_store(&v->timer[TIMER_POLL], a->timeout);
	return 0;
}

/* The call makes the vcpu leave the guest; what the host's scheduler does with
 * that is its business. */
static long op_yield(struct vcpu *v, void *arg, const uint64_t *args)
{
	return 0;
}

static long op_block(struct vcpu *v, void *arg, const uint64_t *args)
{
	block(v);
	return 0;
}

/* Any reason is passed on, cut to its low byte (Xen: do_sched_op). A guest whose suspension
 * is called off goes on behind the call, which gives it a 1 (libxc: xc_resume.c,
 * xc_domain_resume_cooperative, for `xl save -c`). */
static long shutdown(struct domain *d, uint8_t reason)
{
	if (reason == SHUTDOWN_suspend && atomic_exchange(&d->suspend_goes_on, false)) {
		domain_log(d, LOG_INFO, "the guest suspended itself, and goes on");
		return 1;
	}
	domain_shutdown(d, reason);
	return 0;
}

static long op_shutdown(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct sched_shutdown *a = arg;

	return shutdown(v->domain, (uint8_t)a->reason);
}

/* The first code stands; one that comes after the shutdown is ignored. */
static long op_shutdown_code(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct sched_shutdown *a = arg;
	struct domain *d = v->domain;

	domain_lock(d);
	if (!d->shutdown_code_set && !atomic_load(&d->shutdown_claimed)) {
		d->shutdown_code = (uint8_t)a->reason;
		d->shutdown_code_set = true;
	}
	domain_unlock(d);
	return 0;
}

/* For control domains (Xen: include/xsm/dummy.h, XSM_DM_PRIV). DOMID_SELF names no
 * domain here. */
static long op_remote_shutdown(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct sched_remote_shutdown *a = arg;
	struct domain *d = v->domain;

	if (a->domain_id != d->domid && a->domain_id != 0)
		return -ESRCH;
	if (!d->privileged || a->domain_id != d->domid)
		return -EPERM;
	domain_shutdown(d, (uint8_t)a->reason);
	return 0;
}

/* A stopped slot has no deadline; system time 0 is long gone. */
static void watchdog_arm(struct domain *d, unsigned slot, uint32_t seconds)
{
	uint64_t deadline = host_of(d)->system_time(d) + seconds * NSEC_PER_SEC;

	atomic_store(&d->watchdog[slot].deadline, deadline ? deadline : 1);
	/* Its thread looks after them, and may be asleep. */
	host_of(d)->vcpu_kick(d->vcpu[0]);
}

/* Xen: common/sched/core.c, domain_watchdog. */
static long watchdog(struct domain *d, uint32_t id, uint32_t timeout)
{
	if (id > ARRAY_SIZE(d->watchdog))
		return -EINVAL;
	if (id == 0) {
		for (unsigned slot = 0; slot < ARRAY_SIZE(d->watchdog); slot++) {
			if (d->watchdog[slot].in_use)
				continue;
			d->watchdog[slot].in_use = true;
			watchdog_arm(d, slot, timeout);
			return slot + 1;
		}
		/* Xen has the result in its 32-bit `id` at this point. */
		return (uint32_t)-ENOSPC;
	}
	id--;
	if (!d->watchdog[id].in_use)
		return -EINVAL;
	if (timeout) {
		watchdog_arm(d, id, timeout);
	} else {
		atomic_store(&d->watchdog[id].deadline, 0);
		d->watchdog[id].in_use = false;
	}
	return 0;
}

static long op_watchdog(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct sched_watchdog *a = arg;
	struct domain *d = v->domain;
	long rc;

	domain_lock(d);
	rc = watchdog(d, a->id, a->timeout);
	domain_unlock(d);
	return rc;
}

/* For the hardware domain, which a domain of ours never is; refused before the
 * argument is looked at (Xen: do_sched_op). */
static long op_pin_override(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EPERM;
}

#define PROFILES_POLL (PROFILES_ALL & ~PROFILE_BIT(PROFILE_XEN_3_0_1))

const struct subop sched_op_subops[] = {
	{SCHEDOP_yield, "yield", 0, 0, PROFILES_POLL, op_yield},
	{SCHEDOP_block, "block", 0, 0, PROFILES_POLL, op_block},
	{SCHEDOP_shutdown, "shutdown", sizeof(struct sched_shutdown), ARG_IN, PROFILES_POLL,
	 op_shutdown},
	{SCHEDOP_poll, "poll", sizeof(struct sched_poll), ARG_IN, PROFILES_POLL, op_poll},
	{SCHEDOP_remote_shutdown, "remote_shutdown", sizeof(struct sched_remote_shutdown), ARG_IN,
	 PROFILES_4_17, op_remote_shutdown},
	{SCHEDOP_shutdown_code, "shutdown_code", sizeof(struct sched_shutdown), ARG_IN,
	 PROFILES_4_17, op_shutdown_code},
	{SCHEDOP_watchdog, "watchdog", sizeof(struct sched_watchdog), ARG_IN, PROFILES_4_17,
	 op_watchdog},
	{SCHEDOP_pin_override, "pin_override", 0, 0, PROFILES_4_17, op_pin_override},
	{0},
};

/* Xen: arch/x86/compat.c, do_sched_op_compat. */
long hypercall_sched_op_compat(struct vcpu *v, const uint64_t *args)
{
	switch ((int)args[0]) {
	case SCHEDOP_yield:
		return 0;
	case SCHEDOP_block:
		block(v);
		return 0;
	case SCHEDOP_shutdown:
		return shutdown(v->domain, (uint8_t)args[1]);
	default:
		return -ENOSYS;
	}
}
