/*
 * Event channels inside pvabi: the port table, and the operations that depend on
 * how events are marked in memory shared with the guest (two-level or other).
 *
 * All functions here want d->evtchn_lock held unless they say otherwise.
 */
#ifndef PVABI_EVTCHN_H
#define PVABI_EVTCHN_H

#include "pvabi/pvabi.h"

/* Where and how the events of a domain are marked. Called for ports in a state
 * that a guest can use (Xen: include/xen/event.h, evtchn_usable). */
struct evtchn_port_ops {
	evtchn_port_t nr_ports;
	/* A port was bound; may be NULL. */
	void (*init)(struct domain *d, evtchn_port_t port);
	void (*set_pending)(struct vcpu *v, evtchn_port_t port);
	void (*clear_pending)(struct domain *d, evtchn_port_t port);
	void (*unmask)(struct domain *d, evtchn_port_t port);
	bool (*is_pending)(const struct domain *d, evtchn_port_t port);
	bool (*is_masked)(const struct domain *d, evtchn_port_t port);
	/* A free port that the guest still has linked somewhere; may be NULL. */
	bool (*is_busy)(const struct domain *d, evtchn_port_t port);
	/* NULL: events have no priorities. */
	int (*set_priority)(struct domain *d, evtchn_port_t port, unsigned priority);
};

extern const struct evtchn_port_ops evtchn_2l_ops, evtchn_fifo_ops;

static inline const struct evtchn_port_ops *evtchn_ops(const struct domain *d)
{
	return shared(d->evtchn_fifo) ? &evtchn_fifo_ops : &evtchn_2l_ops;
}

/* EVTCHNOP_init_control and EVTCHNOP_expand_array: 0 or their errors. The first
 * control block changes the domain over to FIFO events; destroying goes back to two
 * levels. `lock` is held too: they take and give up references to the guest's pages. */
int evtchn_fifo_init_control(struct domain *d, const struct evtchn_init_control *c);
int evtchn_fifo_expand_array(struct domain *d, uint64_t mfn);
/* What inspection shows: a port's word (0: the guest has given no page for it), and a
 * queue's ends. False: v has no control block. */
uint32_t evtchn_fifo_word(const struct domain *d, evtchn_port_t port);
bool evtchn_fifo_queue(const struct vcpu *v, unsigned queue, evtchn_port_t *head,
		       evtchn_port_t *tail, bool *ready);
/* The guest's pages that the ABI uses: the n-th, or INVALID_MFN behind the last; *vcpu is
 * whose control block it is, or -1 for a page of words. */
uint64_t evtchn_fifo_page(const struct domain *d, unsigned n, int *vcpu);
void evtchn_fifo_destroy(struct domain *d);

static inline void evtchn_lock(struct domain *d)
{
	pv_lock(&d->evtchn_lock, host_of(d)->lock_wait);
}

static inline void evtchn_unlock(struct domain *d)
{
	pv_unlock(&d->evtchn_lock, host_of(d)->lock_wake);
}

/* The port's row, NULL when the domain has no such port. */
static inline struct evtchn *evtchn_from_port(const struct domain *d, evtchn_port_t port)
{
	return port < d->nr_evtchns ? &shared(d->evtchn)[port] : NULL;
}

static inline bool evtchn_usable(const struct evtchn *chn)
{
	return chn->state > ECS_RESERVED;
}

/* Marks an interdomain port as connected to a backend in our process. */
static inline bool evtchn_has_backend(const struct evtchn *chn)
{
	return chn->state == ECS_INTERDOMAIN && !shared(chn->u.interdomain.remote);
}

/* The backend has left, or the port: its eventfd is the host's no more. */
static inline void evtchn_forget_fd(struct domain *d, struct evtchn *chn, evtchn_port_t port)
{
	if (chn->u.interdomain.fd >= 0)
		host_of(d)->event_fd(d, port, chn->u.interdomain.fd, false);
	chn->u.interdomain.fd = -1;
}

/* VIRQs that are bound per vcpu; all others are the domain's, bound on vcpu 0
 * (xen.h: the V and G marks of VIRQ_*). */
bool virq_is_global(unsigned virq);

/* The lowest free port; it stays free until the caller gives it a state.
 * -ENOSPC when the domain has no more. */
int evtchn_get_free_port(struct domain *d);
/* A port was given its state and u: makes it known to the port operations. */
void evtchn_port_bound(struct domain *d, evtchn_port_t port);
/* Back to ECS_FREE, not pending, notifying vcpu 0. */
void evtchn_free_port(struct domain *d, evtchn_port_t port);
/* EVTCHNOP_close for a port in any state. */
int evtchn_close_port(struct domain *d, evtchn_port_t port);

/* EVTCHNOP_send on a port behind which there is no backend, and EVTCHNOP_unmask: 0 or -EINVAL. */
int evtchn_send_within(struct domain *d, evtchn_port_t port);
int evtchn_unmask(struct domain *d, evtchn_port_t port);

/* For SCHEDOP_poll: 1 pending, 0 not, -EINVAL no port that could be. Takes
 * evtchn_lock. */
int evtchn_port_poll(struct domain *d, evtchn_port_t port);
/* Wakes the vcpus whose SCHEDOP_poll waits for the port. */
void evtchn_check_pollers(struct domain *d, evtchn_port_t port);

#endif
