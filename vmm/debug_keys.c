/*
 * The debug keys: q, the domain and its vcpus, each of which gets VIRQ_DEBUG (Xen:
 * common/keyhandler.c, dump_domains); e, its event channels (common/event_channel.c,
 * domain_dump_evtchn_info); r, what its vcpus do; h, which keys there are.
 */
#include <stdio.h>

#include "pvabi/evtchn.h"
#include "vmm/debug_keys.h"
#include "vmm/vcpu.h"

#define SAY(d, ...) domain_log(d, LOG_INFO, __VA_ARGS__)

static const char *vcpu_does(const struct vcpu *v)
{
	uint32_t pause = atomic_load(&v->pause_flags);

	if (pause & VPF_DOWN)
		return v->initialised ? "down" : "never started";
	if (pause & VPF_BLOCKED)
		return atomic_load(&v->poll_evtchn) ? "in SCHEDOP_poll" : "in SCHEDOP_block";
	return pause ? "paused" : "running";
}

static void dump_domain(struct guest *g)
{
	struct domain *d = g->domain;
	struct vcpu *v;

	domain_lock(d);
	SAY(d,
	    "domain %u: %lu frames of at most %lu, paused %u times, %s events, upcalls of %u vcpus",
	    d->domid, (unsigned long)d->tot_pages, (unsigned long)d->max_pages, d->pause_count,
	    d->evtchn_fifo ? "FIFO" : "two-level", d->nr_vcpus);
	domain_unlock(d);
	for_each_vcpu (d, v) {
		struct vcpu_info *info = vcpu_info_get(v);

		SAY(d,
		    "  vcpu %u: %s; upcalls %s, %s; deadlines: singleshot %lu, periodic %lu, poll "
		    "%lu",
		    v->id, vcpu_does(v), info->evtchn_upcall_mask ? "masked" : "unmasked",
		    info->evtchn_upcall_pending ? "one is pending" : "none pending",
		    (unsigned long)atomic_load(&v->timer[TIMER_SINGLESHOT]),
		    (unsigned long)atomic_load(&v->timer[TIMER_PERIODIC]),
		    (unsigned long)atomic_load(&v->timer[TIMER_POLL]));
	}
	/* The guest's own view, in its log. */
	for_each_vcpu (d, v) {
		SAY(d, "  VIRQ_DEBUG to vcpu %u, port %u", v->id, v->virq_to_evtchn[VIRQ_DEBUG]);
		vcpu_send_virq(v, VIRQ_DEBUG);
	}
}

static void tell_peer(char *buf, size_t size, const struct evtchn *chn)
{
	switch ((enum evtchn_state)chn->state) {
	case ECS_UNBOUND:
		snprintf(buf, size, "unbound, for domain %u", chn->u.unbound.remote_domid);
		break;
	case ECS_INTERDOMAIN:
		snprintf(buf, size, "to domain %u, port %u", chn->u.interdomain.remote_domid,
			 chn->u.interdomain.remote_port);
		break;
	case ECS_PIRQ:
		snprintf(buf, size, "PIRQ %u", chn->u.pirq);
		break;
	case ECS_VIRQ:
		snprintf(buf, size, "VIRQ %u", chn->u.virq);
		break;
	default:
		snprintf(buf, size, "IPI");
		break;
	}
}

static void dump_events(struct guest *g)
{
	struct domain *d = g->domain;
	char peer[48];

	SAY(d, "event channels: port, pending and masked, vcpu, what it is");
	evtchn_lock(d);
	for (evtchn_port_t port = 1; port < d->nr_evtchns; port++) {
		const struct evtchn *chn = &d->evtchn[port];

		if (!evtchn_usable(chn))
			continue;
		tell_peer(peer, sizeof(peer), chn);
		SAY(d, "  %4u [%c%c] v%u %s", port, evtchn_ops(d)->is_pending(d, port) ? 'p' : '-',
		    evtchn_ops(d)->is_masked(d, port) ? 'm' : '-', chn->notify_vcpu, peer);
	}
	evtchn_unlock(d);
}

static void dump_runstates(struct guest *g)
{
	static const char *const names[] = {"running", "runnable", "blocked", "offline"};
	struct domain *d = g->domain;
	struct vcpu *v;

	for_each_vcpu (d, v) {
		struct vcpu_runstate_info r;

		vcpu_runstate_get(v, d->ops->system_time(d), &r);
		SAY(d, "vcpu %u is %s; ms running %lu, runnable %lu, blocked %lu, offline %lu",
		    v->id, r.state < 4 ? names[r.state] : "?", (unsigned long)r.time[0] / 1000000,
		    (unsigned long)r.time[1] / 1000000, (unsigned long)r.time[2] / 1000000,
		    (unsigned long)r.time[3] / 1000000);
	}
}

static void help(struct guest *g);

static const struct {
	char key;
	void (*fn)(struct guest *g);
	const char *what;
} keys[] = {
	{'e', dump_events, "event channels"},
	{'h', help, "this list"},
	{'q', dump_domain, "the domain and its vcpus; VIRQ_DEBUG to each"},
	{'r', dump_runstates, "run states of the vcpus"},
};

static void help(struct guest *g)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		SAY(g->domain, "debug key '%c': %s", keys[i].key, keys[i].what);
}

bool debug_key(struct guest *g, char key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].key == key) {
			keys[i].fn(g);
			return true;
		}
	return false;
}
