/*
 * A vcpu's timers: single shot, periodic, the timeout of SCHEDOP_poll; and the
 * domain's watchdogs, which vcpu 0 looks after.
 *
 * A timer is a deadline in v->timer[]; v's thread sleeps or runs no longer than
 * vcpu_next_deadline() and then calls vcpu_run_timers(). Whoever arms a timer of
 * another vcpu kicks it.
 */
#include "pvabi/hypercalls.h"

#define NSEC_PER_MSEC 1000000ull
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Xen: common/sched/core.c, do_set_timer_op. Linux once asked for times that had
 * wrapped, when it had work to do and also when it had none. Xen's compromise for
 * them is an event in 100 ms, and guests have come to live with it. */
long hypercall_set_timer_op(struct vcpu *v, const uint64_t *args)
{
	struct domain *d = shared(v->domain);
	uint64_t now = host_of(d)->system_time(d);
	int64_t timeout = args[0];
	int64_t offset = args[0] - now;

	if (timeout < 0 || (timeout && offset > 0 && (uint32_t)(offset >> 50))) {
		domain_log(d, LOG_DEBUG, "vcpu %u: huge timeout %#lx taken for 100 ms", v->id,
			   args[0]);
		timeout = now + 100 * NSEC_PER_MSEC;
	}
	PROBE_HIT(d, timer_set, TIMER_SINGLESHOT, (uint64_t)timeout);
	atomic_store(&v->timer[TIMER_SINGLESHOT], (uint64_t)timeout);
	return 0;
}

/* Xen: common/sched/core.c, vcpu_set_periodic_timer: a timer whose last tick is a
 * period ago, or that never ticked, ticks at once. */
void vcpu_set_periodic_timer(struct vcpu *v, uint64_t period)
{
	/* The old deadline must not be re-armed with the new period. */
	atomic_store(&v->timer[TIMER_PERIODIC], 0);
	atomic_store(&v->periodic_period, period);
	PROBE_HIT(shared(v->domain), timer_set, TIMER_PERIODIC, period ? v->periodic_last + period : 0);
	atomic_store(&v->timer[TIMER_PERIODIC], period ? v->periodic_last + period : 0);
	host_of(shared(v->domain))->vcpu_kick(v);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

uint64_t vcpu_next_deadline(struct vcpu *v)
{
	struct domain *d = shared(v->domain);
	uint32_t pause = atomic_load(&v->pause_flags);
	uint64_t next;

	next = atomic_load(&v->timer[TIMER_SINGLESHOT]);
	/* An event may have ended the poll; its timeout then means nothing. The periodic
	 * timer is a tick for running vcpus and wakes none (Xen: common/sched/core.c,
	 * sched_switch_units and vcpu_periodic_timer_work). */
	if (pause & VPF_BLOCKED)
		next = earlier(next, atomic_load(&v->timer[TIMER_POLL]));
	else if (!(pause & (VPF_PAUSED | VPF_DEBUGGER)))
		next = earlier(next, atomic_load(&v->timer[TIMER_PERIODIC]));
	if (v->id == 0 && !(pause & VPF_DEBUGGER) && !atomic_load(&d->is_shut_down))
		for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog); i++)
			next = earlier(next, atomic_load(&d->watchdog[i].deadline));
	return next;
}

/* True once for a deadline that has come; the timer then holds `next`. */
static bool timer_expired(_Atomic uint64_t *timer, uint64_t now, uint64_t *deadline)
{
	*deadline = atomic_load(timer);
	return *deadline && *deadline <= now;
}

/* Fails when somebody set the timer anew meanwhile; that setting stands. */
static bool timer_replace(_Atomic uint64_t *timer, uint64_t deadline, uint64_t next)
{
	return atomic_compare_exchange_strong(timer, &deadline, next);
}

/* One event however many periods were missed; the next a period later. */
static void run_periodic(struct vcpu *v, uint64_t now)
{
	uint64_t deadline, period, next = 0;

	if (!timer_expired(&v->timer[TIMER_PERIODIC], now, &deadline))
		return;
	period = atomic_load(&v->periodic_period);
	if (atomic_load(&v->pause_flags) & (VPF_BLOCKED | VPF_PAUSED | VPF_DEBUGGER))
		return;
	if (period)
		next = now + period;
	if (timer_replace(&v->timer[TIMER_PERIODIC], deadline, next) && period) {
		PROBE_HIT(shared(v->domain), timer_fire, TIMER_PERIODIC, deadline, now - deadline);
		atomic_store(&v->periodic_last, now);
		vcpu_send_virq(v, VIRQ_TIMER);
	}
}

/* Xen: common/sched/core.c, poll_timer_fn. */
static void run_poll(struct vcpu *v, uint64_t now)
{
	uint32_t bit = 1u << v->id;
	uint64_t deadline;

	if (!timer_expired(&v->timer[TIMER_POLL], now, &deadline))
		return;
	PROBE_HIT(shared(v->domain), timer_fire, TIMER_POLL, deadline, now - deadline);
	atomic_store(&v->timer[TIMER_POLL], 0);
	if (atomic_fetch_and(&shared(v->domain)->poll_mask, ~bit) & bit)
		vcpu_unblock(v);
}

/* Xen: common/sched/core.c, domain_watchdog_timeout. */
static void run_watchdogs(struct domain *d, uint64_t now)
{
	uint64_t deadline;

	for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog); i++) {
		if (!timer_expired(&d->watchdog[i].deadline, now, &deadline) ||
		    !timer_replace(&d->watchdog[i].deadline, deadline, 0))
			continue;
		if (atomic_load(&d->is_shut_down))
			continue;
		PROBE_HIT(d, timer_fire, NR_VCPU_TIMERS, deadline, now - deadline);
		domain_log(d, LOG_WARN, "watchdog %u fired", i + 1);
		domain_shutdown(d, SHUTDOWN_watchdog);
	}
}

void vcpu_run_singleshot(struct vcpu *v, uint64_t now)
{
	uint64_t deadline;

	if (timer_expired(&v->timer[TIMER_SINGLESHOT], now, &deadline) &&
	    timer_replace(&v->timer[TIMER_SINGLESHOT], deadline, 0)) {
		PROBE_HIT(shared(v->domain), timer_fire, TIMER_SINGLESHOT, deadline, now - deadline);
		vcpu_send_virq(v, VIRQ_TIMER);
	}
}

void vcpu_run_timers(struct vcpu *v, uint64_t now)
{
	vcpu_run_singleshot(v, now);
	run_periodic(v, now);
	run_poll(v, now);
	if (v->id == 0 && !(atomic_load(&v->pause_flags) & VPF_DEBUGGER))
		run_watchdogs(shared(v->domain), now);
}
