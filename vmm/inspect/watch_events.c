/*
 * Lost events: pending, not masked, and the vcpu had no upcall although it runs, or sleeps
 * and should have been woken. And vcpus that keep upcalls masked while events wait.
 */
#include <stdlib.h>
#include <time.h>

#include "pvabi/evtchn.h"
#include "vmm/inspect/watch_internal.h"

#define LOST_NS 1000000000ull

/* The processor time of the vcpu's thread: false when it has none. Its runstate learns only
 * afterwards that the host's scheduler let it wait. (The clock is that of
 * pthread_getcpuclockid(3), by the thread's id: it may have ended.) */
static bool thread_time(const struct cpu *c, uint64_t *ns)
{
	struct timespec t;

	if (!c || !c->tid || clock_gettime((clockid_t)(~(unsigned)c->tid << 3 | 6), &t))
		return false;
	*ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	return true;
}

/* Time in which the vcpu could have had an upcall: what it ran, or all when it is blocked.
 * Returns how long it waited for a processor of the host. */
static uint64_t count_time(struct watchdog *w, struct vcpu *v)
{
	struct vcpu_memory *m = &w->vcpu[v->id];
	uint32_t pause = atomic_load(&v->pause_flags);
	struct vcpu_runstate_info r;
	uint64_t waited = 0, ran;

	vcpu_runstate_get(v, v->domain->ops->system_time(v->domain), &r);
	uint64_t wanted = r.time[RUNSTATE_running] + r.time[RUNSTATE_runnable];
	bool has_thread = thread_time(w->target.guest->cpu[v->id], &ran);
	bool woken = has_thread && !pause && r.state != RUNSTATE_running;
	if (!has_thread)
		ran = r.time[RUNSTATE_running];
	if (m->known) {
		uint64_t runs = ran > m->ran ? ran - m->ran : 0;
		uint64_t wants = wanted > m->wanted ? wanted - m->wanted : 0;

		if (pause == VPF_BLOCKED)
			m->clock += w->step;
		else if (!pause)
			m->clock += runs < w->step ? runs : w->step;
		/* Woken, and its thread has not come yet. */
		waited = woken ? w->step : wants > runs ? wants - runs : 0;
	} else {
		m->clock = 1;
	}
	m->known = true;
	m->ran = ran;
	m->wanted = wanted;
	return waited;
}

uint64_t watch_count_time(struct watchdog *w)
{
	struct domain *d = w->target.guest->domain;
	uint64_t most = 0;
	struct vcpu *v;

	for_each_vcpu (d, v) {
		uint64_t waited = count_time(w, v);

		most = waited > most ? waited : most;
	}
	return most < w->step ? w->step - most : 0;
}

struct waiting {
	evtchn_port_t port;
	unsigned vcpu;
};

/* Ports whose event is pending and not masked, for vcpus that are up. */
static unsigned collect(struct domain *d, struct waiting *all, unsigned max)
{
	unsigned nr = 0;

	evtchn_lock(d);
	for (evtchn_port_t port = 1; port < d->nr_evtchns && nr < max; port++) {
		const struct evtchn *chn = &d->evtchn[port];

		if (!evtchn_usable(chn) || chn->state == ECS_UNBOUND ||
		    !evtchn_ops(d)->is_pending(d, port) || evtchn_ops(d)->is_masked(d, port))
			continue;
		all[nr++] = (struct waiting){port, chn->notify_vcpu};
	}
	evtchn_unlock(d);
	return nr;
}

#define MAX_WAITING 256

static void lost(struct watchdog *w, const struct waiting *e, const struct vcpu *v,
		 const struct inspect_holders *h)
{
	const char *holder = inspect_port_holder(h, e->port);
	const struct vcpu_info *info = vcpu_info_get(v);
	char what[WATCH_KEY];

	snprintf(what, sizeof(what), "port %u%s%.60s%s", e->port, holder ? " (" : "",
		 holder ? holder : "", holder ? ")" : "");
	watch_hold(
		w, "lost event", what, atomic_load(&v->upcalls), w->vcpu[v->id].clock, LOST_NS,
		"an event is lost: pending and unmasked for a second, and vcpu %u, which %s, had "
		"no upcall; its evtchn_upcall_pending is %u",
		v->id, atomic_load(&v->pause_flags) & VPF_BLOCKED ? "is blocked" : "runs",
		info->evtchn_upcall_pending);
}

void watch_events(struct watchdog *w, const json_t *devices)
{
	struct domain *d = w->target.guest->domain;
	struct waiting all[MAX_WAITING];
	unsigned masked[MAX_VCPUS] = {0};
	struct inspect_holders *h = NULL;
	struct vcpu *v;

	unsigned nr = collect(d, all, MAX_WAITING);
	for (unsigned i = 0; i < nr; i++) {
		v = d->vcpu[all[i].vcpu];
		/* Before it has said where upcalls go nothing can come. */
		if (atomic_load(&v->pause_flags) & VPF_DOWN || !v->event_callback.eip)
			continue;
		if (vcpu_info_get(v)->evtchn_upcall_mask) {
			masked[v->id]++;
			continue;
		}
		if (!h)
			h = inspect_holders_new(devices);
		lost(w, &all[i], v, h);
	}
	for_each_vcpu (d, v) {
		char what[24];
		uint64_t upcalls = atomic_load(&v->upcalls);

		/* A kernel that boots has not unmasked them yet. */
		if (!masked[v->id] || !upcalls)
			continue;
		snprintf(what, sizeof(what), "vcpu %u", v->id);
		watch_hold(
			w, "masked", what, upcalls, w->vcpu[v->id].clock, w->limit,
			"the backends wait for the guest: %u events are pending, and it has kept "
			"upcalls masked on this vcpu for %u s",
			masked[v->id], w->seconds);
	}
	inspect_holders_free(h);
}
