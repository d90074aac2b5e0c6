/*
 * PIRQs inside pvabi: what event_channel_op and physdev_op do to them.
 * evtchn_lock is held.
 */
#ifndef PVABI_PIRQ_H
#define PVABI_PIRQ_H

#include "pvabi/evtchn.h"

/* A new port for it. -EINVAL: no such PIRQ; -EPERM: it is not the domain's; -EEXIST: it is
 * bound; -ENOSPC. */
int pirq_bind(struct domain *d, unsigned pirq);
/* Its port closes. */
void pirq_unbind(struct domain *d, unsigned pirq);
/* PHYSDEVOP_eoi. -EINVAL: it is not the domain's. */
int pirq_eoi(struct domain *d, unsigned pirq);
/* PHYSDEVOP_IRQ_UNMASK_NOTIFY: what is in service on ports that are not masked is
 * acknowledged (Xen: pirq_guest_unmask()). */
void pirq_unmask_all(struct domain *d);
/* As domain_get_free_pirq(). */
int pirq_get_free(struct domain *d, bool line, unsigned nr);

#endif
