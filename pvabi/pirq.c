/*
 * PIRQs: interrupts of devices that were given to the domain, as event channels.
 * Xen: common/event_channel.c (evtchn_bind_pirq, send_guest_pirq), arch/x86/irq.c
 * (pirq_guest_bind, pirq_guest_eoi).
 */
#include <errno.h>

#include "pvabi/pirq.h"

static struct pirq *find(struct domain *d, unsigned pirq)
{
	return pirq < NR_PIRQS ? &d->pirq[pirq] : NULL;
}

int domain_permit_pirq(struct domain *d, unsigned pirq, void (*eoi)(void *arg), void *arg)
{
	struct pirq *p = find(d, pirq);
	int rc = -EINVAL;

	if (!p)
		return rc;
	evtchn_lock(d);
	rc = p->permitted ? -EEXIST : 0;
	if (!rc)
		*p = (struct pirq){.permitted = true, .eoi = eoi, .arg = arg};
	evtchn_unlock(d);
	return rc;
}

void domain_revoke_pirq(struct domain *d, unsigned pirq)
{
	struct pirq *p = find(d, pirq);

	if (!p)
		return;
	evtchn_lock(d);
	/* A port that is bound stays, and nothing comes to it any more. */
	p->permitted = false;
	p->eoi = NULL;
	evtchn_unlock(d);
}

void domain_send_pirq(struct domain *d, unsigned pirq)
{
	struct pirq *p = find(d, pirq);

	if (!p)
		return;
	evtchn_lock(d);
	if (p->permitted && p->port) {
		p->in_service = p->eoi;
		evtchn_set_pending(d->vcpu[d->evtchn[p->port].notify_vcpu], p->port);
	}
	evtchn_unlock(d);
}

int pirq_bind(struct domain *d, unsigned pirq)
{
	struct pirq *p = find(d, pirq);
	int port;

	if (!p)
		return -EINVAL;
	if (!p->permitted)
		return -EPERM;
	if (p->port)
		return -EEXIST;
	port = evtchn_get_free_port(d);
	if (port < 0)
		return port;
	d->evtchn[port].state = ECS_PIRQ;
	d->evtchn[port].u.pirq = (uint16_t)pirq;
	p->port = (evtchn_port_t)port;
	evtchn_port_bound(d, (evtchn_port_t)port);
	return port;
}

void pirq_unbind(struct domain *d, unsigned pirq)
{
	/* What was not acknowledged is (Xen: pirq_guest_unbind): a line that stays
	 * raised comes again to who binds it next. */
	pirq_eoi(d, pirq);
	d->pirq[pirq].port = 0;
}

int pirq_eoi(struct domain *d, unsigned pirq)
{
	struct pirq *p = find(d, pirq);

	if (!p || !p->permitted)
		return -EINVAL;
	if (p->in_service) {
		p->in_service = false;
		p->eoi(p->arg);
	}
	return 0;
}
