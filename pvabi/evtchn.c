/*
 * The event-channel table of a domain: ports taken and given back, events
 * marked, polling vcpus woken, VIRQs raised.
 */
#include <errno.h>
#include <stdlib.h>

#include "pvabi/evtchn.h"
#include "pvabi/fault.h"
#include "pvabi/pirq.h"

/* Xen's port table grows by buckets, a page of 64-byte entries each, and a port
 * beyond the last bucket is -EINVAL where a free one is not, e.g. for
 * EVTCHNOP_status and EVTCHNOP_unmask (Xen: include/xen/sched.h,
 * EVTCHNS_PER_BUCKET; common/event_channel.c, evtchn_allocate_port). */
#define PORTS_PER_BUCKET 64

#ifndef PVABI_RESIDENT
int evtchn_domain_init(struct domain *d)
{
	d->evtchn = calloc(EVTCHN_FIFO_NR_CHANNELS, sizeof(*d->evtchn));
	if (!d->evtchn)
		return -ENOMEM;
	d->max_evtchn_port = EVTCHN_2L_PORTS - 1;
	d->nr_evtchns = PORTS_PER_BUCKET;
	/* Port 0 is never given out: guests take it for "none". */
	shared(d->evtchn)[0].state = ECS_RESERVED;
	return 0;
}

void evtchn_domain_destroy(struct domain *d)
{
	if (shared(d->pages))
		evtchn_fifo_destroy(d);
	free(d->evtchn);
	d->evtchn = NULL;
	d->nr_evtchns = 0;
}
#endif

int evtchn_get_free_port(struct domain *d)
{
	evtchn_port_t end = evtchn_ops(d)->nr_ports;

	if (d->max_evtchn_port < end)
		end = d->max_evtchn_port + 1;
	for (evtchn_port_t port = 0; port < end; port++) {
		if (port >= d->nr_evtchns)
			d->nr_evtchns += PORTS_PER_BUCKET;
		if (shared(d->evtchn)[port].state == ECS_FREE &&
		    !(evtchn_ops(d)->is_busy && evtchn_ops(d)->is_busy(d, port)))
			return port;
	}
	return -ENOSPC;
}

void evtchn_port_bound(struct domain *d, evtchn_port_t port)
{
	shared(d->evtchn)[port].sent = shared(d->evtchn)[port].raised = 0;
	if (evtchn_ops(d)->init)
		evtchn_ops(d)->init(d, port);
}

void evtchn_free_port(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn = &shared(d->evtchn)[port];

	/* Else the next to have the port would start with an event. */
	if (evtchn_usable(chn))
		evtchn_ops(d)->clear_pending(d, port);
	chn->state = ECS_FREE;
	chn->notify_vcpu = 0;
}

/* Xen: common/event_channel.c, evtchn_close. */
int evtchn_close_port(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn = evtchn_from_port(d, port);

	if (!chn || !evtchn_usable(chn))
		return -EINVAL;
	if (chn->state == ECS_VIRQ) {
		unsigned virq = chn->u.virq;
		unsigned id = virq_is_global(virq) ? 0 : chn->notify_vcpu;

		shared(d->vcpu[id])->virq_to_evtchn[virq] = 0;
	} else if (chn->state == ECS_PIRQ) {
		pirq_unbind(d, chn->u.pirq);
	} else if (evtchn_has_backend(chn)) {
		evtchn_forget_fd(d, chn, port);
	} else if (chn->state == ECS_INTERDOMAIN) {
		struct domain *rd = shared(chn->u.interdomain.remote);
		struct evtchn *rchn = &shared(rd->evtchn)[chn->u.interdomain.remote_port];

		rchn->state = ECS_UNBOUND;
		rchn->u.unbound.remote_domid = d->domid;
	}
	evtchn_free_port(d, port);
	return 0;
}

#define STORM_NS  100000ull
#define STORM_MAX 100000

/* True: the event does not come now. Out of line, for those that do. */
__attribute__((noinline, cold)) static bool event_faulty(struct domain *d, evtchn_port_t port,
							 const struct fault *f)
{
	struct fault_host *h = d->fault_host;
	int64_t n = fault_value(f, 1000000);

	switch (f->kind) {
	case FAULT_DELAY:
		h->event_later(h, port, (uint64_t)n);
		return true;
	case FAULT_DUPLICATE:
		h->event_later(h, port, (uint64_t)n);
		return false;
	case FAULT_STORM:
		for (int64_t i = 1; i <= fault_value(f, 100) && i <= STORM_MAX; i++)
			h->event_later(h, port, (uint64_t)i * STORM_NS);
		return false;
	default:
		return f->kind == FAULT_DROP;
	}
}

void evtchn_set_pending(struct vcpu *v, evtchn_port_t port)
{
	struct domain *d = shared(v->domain);
	struct evtchn *chn = evtchn_from_port(d, port);
	struct fault f;

	if (!chn || !evtchn_usable(chn))
		return;
	PROBE_HIT(d, event_pending, port, v->id, evtchn_ops(d)->is_pending(d, port),
		  evtchn_ops(d)->is_masked(d, port));
	if (FAULT_AT(d, event_pending, &f, port, v->id, 0, 0) && event_faulty(d, port, &f))
		return;
	evtchn_ops(d)->set_pending(v, port);
}

int evtchn_send_within(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn = evtchn_from_port(d, port);
	struct domain *to = d;

	if (!chn)
		return -EINVAL;
	chn->sent++;
	switch (chn->state) {
	case ECS_UNBOUND:
		return 0; /* nobody there: dropped */
	case ECS_IPI:
		break;
	case ECS_INTERDOMAIN:
		to = shared(chn->u.interdomain.remote);
		port = chn->u.interdomain.remote_port;
		break;
	default:
		return -EINVAL;
	}
	evtchn_set_pending(shared(to->vcpu[shared(to->evtchn)[port].notify_vcpu]), port);
	return 0;
}

int evtchn_unmask(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn = evtchn_from_port(d, port);

	if (!chn)
		return -EINVAL;
	if (evtchn_usable(chn))
		evtchn_ops(d)->unmask(d, port);
	return 0;
}

int evtchn_port_poll(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn;
	int rc = -EINVAL;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && evtchn_usable(chn))
		rc = evtchn_ops(d)->is_pending(d, port);
	/* The first SCHEDOP_poll (changeset c445d4a0dd76) took any port number. */
	else if (shared(d->profile)->poll_needs_masked && port < EVTCHN_2L_PORTS)
		rc = evtchn_2l_ops.is_pending(d, port);
	evtchn_unlock(d);
	return rc;
}

/* The poller raises its bit in poll_mask before it looks at pending bits, and we
 * look at poll_mask after setting one: one of the two notices. poll_evtchn is
 * only there to spare a vcpu that waits for another single port a wake-up.
 * Xen: common/event_channel.c, evtchn_check_pollers. */
void evtchn_check_pollers(struct domain *d, evtchn_port_t port)
{
	uint32_t pollers = atomic_load(&d->poll_mask);

	while (pollers) {
		unsigned id = __builtin_ctz(pollers);
		uint32_t bit = 1u << id;
		struct vcpu *v = shared(d->vcpu[id]);
		int waits_for = atomic_load(&v->poll_evtchn);

		pollers &= ~bit;
		if (waits_for > 0 && waits_for != (int)port)
			continue;
		if (!(atomic_fetch_and(&d->poll_mask, ~bit) & bit))
			continue;
		atomic_store(&v->poll_evtchn, 0);
		vcpu_unblock(v);
	}
}

/* Xen: arch/x86/domain.c, vcpu_mark_events_pending, vcpu_kick. A vcpu that had
 * the flag already is on its way to see it. */
void vcpu_mark_events_pending(struct vcpu *v)
{
	struct vcpu_info *info = vcpu_info_get(v);

	/* Its lowest bit: what else the guest wrote there stays. */
	if (__atomic_fetch_or(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST) & 1)
		return;
	if (!vcpu_unblock(v))
		host_of(shared(v->domain))->vcpu_notify(v);
}

/* Xen: arch/x86/include/asm/event.h, local_events_need_delivery. */
bool vcpu_events_need_delivery(const struct vcpu *v)
{
	const struct vcpu_info *info = vcpu_info_get(v);

	return __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&info->evtchn_upcall_mask, __ATOMIC_SEQ_CST);
}

bool virq_is_global(unsigned virq)
{
	switch (virq) {
	case VIRQ_TIMER:
	case VIRQ_DEBUG:
	case VIRQ_XENOPROF:
	case VIRQ_XENPMU:
		return false;
	default:
		return true;
	}
}

void vcpu_send_virq(struct vcpu *v, unsigned virq)
{
	struct domain *d = shared(v->domain);

	if (virq >= NR_VIRQS || virq_is_global(virq))
		return;
	evtchn_lock(d);
	if (v->virq_to_evtchn[virq])
		evtchn_set_pending(v, v->virq_to_evtchn[virq]);
	evtchn_unlock(d);
}

void domain_send_global_virq(struct domain *d, unsigned virq)
{
	evtchn_port_t port;

	if (virq >= NR_VIRQS || !virq_is_global(virq))
		return;
	evtchn_lock(d);
	port = shared(d->vcpu[0])->virq_to_evtchn[virq];
	if (port)
		evtchn_set_pending(shared(d->vcpu[shared(d->evtchn)[port].notify_vcpu]), port);
	evtchn_unlock(d);
}
