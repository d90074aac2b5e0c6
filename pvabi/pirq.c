/*
 * PIRQs: interrupts of devices that were given to the domain, as event channels.
 * Xen: common/event_channel.c (evtchn_bind_pirq, send_guest_pirq), arch/x86/irq.c
 * (pirq_guest_bind, pirq_guest_eoi).
 */
#include <errno.h>

#include "pvabi/pirq.h"

#define NR_ISA_IRQS 16 /* never handed out as free */

static struct pirq *find(struct domain *d, unsigned pirq)
{
	return pirq < NR_PIRQS ? &d->pirq[pirq] : NULL;
}

void domain_raise_pirqs(struct domain *d)
{
	evtchn_lock(d);
	d->nr_pirqs = NR_PIRQS;
	evtchn_unlock(d);
}

/* One whose device went while the guest had it bound is not free before it lets go
 * (Xen: is_free_pirq()). */
static bool is_free(const struct pirq *p)
{
	return !p->taken && !p->permitted && !p->port;
}

int pirq_get_free(struct domain *d, bool line, unsigned nr)
{
	unsigned found = 0;

	if (line && nr == 1)
		for (int i = NR_ISA_IRQS; i < NR_GSIS; i++)
			if (is_free(&d->pirq[i])) {
				d->pirq[i].taken = true;
				return i;
			}
	for (int i = (int)d->nr_pirqs - 1; i >= NR_GSIS; i--) {
		found = is_free(&d->pirq[i]) ? found + 1 : 0;
		if (found && found == nr) {
			for (unsigned k = 0; k < nr; k++)
				d->pirq[(unsigned)i + k].taken = true;
			return i;
		}
	}
	return -ENOSPC;
}

int domain_get_free_pirq(struct domain *d, bool line, unsigned nr)
{
	int pirq;

	evtchn_lock(d);
	pirq = pirq_get_free(d, line, nr);
	evtchn_unlock(d);
	return pirq;
}

int domain_permit_pirq(struct domain *d, unsigned pirq, void (*eoi)(void *arg), void *arg)
{
	struct pirq *p = find(d, pirq);
	int rc = -EINVAL;

	if (!p)
		return rc;
	evtchn_lock(d);
	if (pirq < d->nr_pirqs)
		rc = p->permitted ? -EEXIST : p->port ? -EBUSY : 0;
	if (!rc)
		*p = (struct pirq){.taken = p->taken, .permitted = true, .eoi = eoi, .arg = arg};
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
	p->taken = p->permitted = p->in_service = false;
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

/* The guest's page of bits that say which PIRQs want an EOI (Xen: set_pirq_eoi()). */
static void eoi_map_set(struct domain *d, unsigned pirq, bool needs_eoi)
{
	uint64_t *word, bit = 1ull << pirq % 64;

	if (!d->physdev.has_eoi_map)
		return;
	word = (uint64_t *)frame_ptr(d, d->physdev.eoi_map_mfn) + pirq / 64;
	if (needs_eoi)
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}
_Static_assert(NR_PIRQS <= PAGE_SIZE * 8, "a bit for each");

int pirq_bind(struct domain *d, unsigned pirq)
{
	struct pirq *p = find(d, pirq);
	int port;

	if (pirq >= d->nr_pirqs)
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
	eoi_map_set(d, pirq, p->eoi);
	evtchn_port_bound(d, (evtchn_port_t)port);
	/* A line that is raised already comes now. */
	if (p->eoi)
		p->eoi(p->arg);
	return port;
}

/* What was sent and not acknowledged is now. */
static void acknowledge(struct pirq *p)
{
	if (p->in_service) {
		p->in_service = false;
		if (p->eoi)
			p->eoi(p->arg);
	}
}

void pirq_unbind(struct domain *d, unsigned pirq)
{
	/* Xen: pirq_guest_unbind. A line that stays raised comes again to who binds it
	 * next. */
	acknowledge(&d->pirq[pirq]);
	d->pirq[pirq].port = 0;
}

int pirq_eoi(struct domain *d, unsigned pirq)
{
	struct pirq *p = find(d, pirq);

	/* One that get_free_pirq gave out, and that nothing drives, is known too. */
	if (pirq >= d->nr_pirqs || !(p->permitted || p->taken || p->port))
		return -EINVAL;
	if (d->physdev.auto_unmask && p->port)
		evtchn_ops(d)->unmask(d, p->port);
	acknowledge(p);
	return 0;
}

void pirq_unmask_all(struct domain *d)
{
	for (unsigned i = 0; i < d->nr_pirqs; i++) {
		struct pirq *p = &d->pirq[i];

		if (p->in_service && p->port && !evtchn_ops(d)->is_masked(d, p->port))
			acknowledge(p);
	}
}
