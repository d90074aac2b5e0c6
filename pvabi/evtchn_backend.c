/*
 * The backends' end of event channels. To the guest a backend is domain 0; here
 * it is a function that the guest's EVTCHNOP_send calls.
 */
#include <errno.h>

#include "pvabi/evtchn.h"

#define BACKEND_DOMID 0

/* The port number at the backend's end shows in EVTCHNOP_status only. Backends
 * of ours have no table of their own, so their numbers follow the guest's. */
static void connect(struct evtchn *chn, evtchn_port_t port, evtchn_notify_fn notify, void *arg)
{
	chn->state = ECS_INTERDOMAIN;
	chn->u.interdomain.remote_domid = BACKEND_DOMID;
	chn->u.interdomain.remote_port = port;
	chn->u.interdomain.remote = NULL;
	chn->u.interdomain.notify = notify;
	chn->u.interdomain.arg = arg;
	chn->u.interdomain.fd = -1;
	chn->sent = chn->raised = 0;
}

int evtchn_bind_backend(struct domain *d, evtchn_notify_fn notify, void *arg)
{
	int port;

	evtchn_lock(d);
	port = evtchn_get_free_port(d);
	if (port > 0) {
		connect(&d->evtchn[port], port, notify, arg);
		evtchn_port_bound(d, port);
	}
	evtchn_unlock(d);
	return port;
}

int evtchn_backend_connect(struct domain *d, evtchn_port_t port, evtchn_notify_fn notify, void *arg)
{
	struct evtchn *chn;
	int rc = -EINVAL;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && chn->state == ECS_UNBOUND && chn->u.unbound.remote_domid == BACKEND_DOMID) {
		connect(chn, port, notify, arg);
		/* What the guest sent while the port was unbound is lost: Xen sets
		 * the binder's new port pending for that (evtchn_bind_interdomain). */
		notify(arg);
		rc = 0;
	}
	evtchn_unlock(d);
	return rc;
}

void evtchn_backend_offer_fd(struct domain *d, evtchn_port_t port, int fd)
{
	struct evtchn *chn;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && evtchn_has_backend(chn) && host_of(d)->event_fd &&
	    host_of(d)->event_fd(d, port, fd, true))
		chn->u.interdomain.fd = fd;
	evtchn_unlock(d);
}

void evtchn_backend_close(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && evtchn_has_backend(chn)) {
		evtchn_forget_fd(d, chn, port);
		chn->state = ECS_UNBOUND;
		chn->u.unbound.remote_domid = BACKEND_DOMID;
	}
	evtchn_unlock(d);
}

static void raise(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && evtchn_has_backend(chn)) {
		chn->raised++;
		evtchn_set_pending(d->vcpu[chn->notify_vcpu], port);
	}
	evtchn_unlock(d);
}

static void tell(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn;

	evtchn_lock(d);
	chn = evtchn_from_port(d, port);
	if (chn && evtchn_has_backend(chn))
		chn->u.interdomain.notify(chn->u.interdomain.arg);
	evtchn_unlock(d);
}

static bool for_deferred(struct domain *d, _Atomic uint64_t *words,
			 void (*fn)(struct domain *d, evtchn_port_t port))
{
	bool any = false;

	for (unsigned w = 0; w < d->nr_evtchns / 64 + 1 && w < EVTCHN_DEFERRED_WORDS; w++)
		for (uint64_t bits = atomic_exchange(&words[w], 0); bits; bits &= bits - 1) {
			fn(d, w * 64 + (unsigned)__builtin_ctzll(bits));
			any = true;
		}
	return any;
}

bool evtchn_deferred_send(struct domain *d)
{
	return d->deferred && for_deferred(d, d->deferred + EVTCHN_DEFERRED_WORDS, tell);
}

bool evtchn_deferred_raise(struct domain *d)
{
	return d->deferred && for_deferred(d, d->deferred, raise);
}

void evtchn_backend_send(struct domain *d, evtchn_port_t port)
{
	PROBE_HIT(d, event_from_backend, port);
	if (!d->deferred) {
		raise(d, port);
	} else if (port < EVTCHN_FIFO_NR_CHANNELS) {
		atomic_fetch_or(&d->deferred[port / 64], 1ull << port % 64);
		/* It may sleep for want of it. */
		host_of(d)->vcpu_kick(d->vcpu[0]);
	}
}
