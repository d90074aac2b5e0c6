/*
 * The event_channel_op hypercall: EVTCHNOP_* and its old one-structure form.
 * The rules are those of Xen's common/event_channel.c; the operation's number is
 * in event_channel.h beside its structure.
 *
 * A handler gets its argument block copied in and takes evtchn_lock itself.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "pvabi/evtchn.h"
#include "pvabi/hypercalls.h"
#include "pvabi/pirq.h"

/* event_channel.h shows EVTCHNOP_reset_cont to Xen only; guests can call it. */
#define OP_RESET_CONT 14

/* Whom a domid means to the caller. The backends are domain 0 to the guest: it
 * exists, and a guest has no rights over it. */
enum who { WHO_SELF, WHO_DOM0, WHO_NOBODY };

static enum who who_is(const struct domain *d, domid_t domid)
{
	if (domid == DOMID_SELF || domid == d->domid)
		return WHO_SELF;
	return domid == 0 ? WHO_DOM0 : WHO_NOBODY;
}

/* Xen: include/xsm/dummy.h, XSM_TARGET: a domain's own, or a control domain's. */
static int target_check(const struct domain *d, domid_t domid)
{
	switch (who_is(d, domid)) {
	case WHO_SELF:
		return 0;
	case WHO_DOM0:
		return -EPERM;
	default:
		return -ESRCH;
	}
}

static struct vcpu *domain_vcpu(struct domain *d, uint32_t id)
{
	return id < d->nr_vcpus ? d->vcpu[id] : NULL;
}

static long op_alloc_unbound(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_alloc_unbound *a = arg;
	struct domain *d = v->domain;
	struct evtchn *chn;
	int rc = target_check(d, a->dom);

	if (rc)
		return rc;
	evtchn_lock(d);
	rc = evtchn_get_free_port(d);
	if (rc > 0) {
		chn = &d->evtchn[rc];
		chn->state = ECS_UNBOUND;
		chn->u.unbound.remote_domid =
			a->remote_dom == DOMID_SELF ? d->domid : a->remote_dom;
		evtchn_port_bound(d, rc);
		a->port = rc;
		rc = 0;
	}
	evtchn_unlock(d);
	return rc;
}

static long op_bind_interdomain(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_bind_interdomain *a = arg;
	struct domain *d = v->domain;
	enum who who = who_is(d, a->remote_dom);
	struct evtchn *lchn, *rchn;
	int lport, rc;

	if (who == WHO_NOBODY)
		return -ESRCH;
	evtchn_lock(d);
	rc = lport = evtchn_get_free_port(d);
	if (rc < 0)
		goto out;
	/* No backend of ours waits for a guest to bind to it. */
	rc = -EINVAL;
	rchn = who == WHO_SELF ? evtchn_from_port(d, a->remote_port) : NULL;
	if (!rchn || rchn->state != ECS_UNBOUND || rchn->u.unbound.remote_domid != d->domid)
		goto out;
	lchn = &d->evtchn[lport];
	lchn->state = ECS_INTERDOMAIN;
	lchn->u.interdomain.remote_domid = d->domid;
	lchn->u.interdomain.remote_port = a->remote_port;
	lchn->u.interdomain.remote = d;
	rchn->state = ECS_INTERDOMAIN;
	rchn->u.interdomain.remote_domid = d->domid;
	rchn->u.interdomain.remote_port = lport;
	rchn->u.interdomain.remote = d;
	evtchn_port_bound(d, lport);
	/* In place of what was sent on the other port while it was unbound. */
	evtchn_set_pending(d->vcpu[lchn->notify_vcpu], lport);
	a->local_port = lport;
	rc = 0;
out:
	evtchn_unlock(d);
	return rc;
}

static long op_bind_virq(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_bind_virq *a = arg;
	struct domain *d = v->domain;
	struct vcpu *target;
	struct evtchn *chn;
	int rc;

	if (a->virq >= NR_VIRQS || (virq_is_global(a->virq) && a->vcpu != 0))
		return -EINVAL;
	target = domain_vcpu(d, a->vcpu);
	if (!target)
		return -ENOENT;
	evtchn_lock(d);
	rc = -EEXIST;
	if (!target->virq_to_evtchn[a->virq])
		rc = evtchn_get_free_port(d);
	if (rc > 0) {
		chn = &d->evtchn[rc];
		chn->state = ECS_VIRQ;
		chn->notify_vcpu = a->vcpu;
		chn->u.virq = a->virq;
		evtchn_port_bound(d, rc);
		target->virq_to_evtchn[a->virq] = rc;
		a->port = rc;
		rc = 0;
	}
	evtchn_unlock(d);
	return rc;
}

static long op_bind_ipi(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_bind_ipi *a = arg;
	struct domain *d = v->domain;
	int rc;

	if (!domain_vcpu(d, a->vcpu))
		return -ENOENT;
	evtchn_lock(d);
	rc = evtchn_get_free_port(d);
	if (rc > 0) {
		d->evtchn[rc].state = ECS_IPI;
		d->evtchn[rc].notify_vcpu = a->vcpu;
		evtchn_port_bound(d, rc);
		a->port = rc;
		rc = 0;
	}
	evtchn_unlock(d);
	return rc;
}

static long op_bind_pirq(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_bind_pirq *a = arg;
	int port;

	evtchn_lock(v->domain);
	port = pirq_bind(v->domain, a->pirq);
	evtchn_unlock(v->domain);
	if (port < 0)
		return port;
	a->port = (evtchn_port_t)port;
	return 0;
}

static long op_close(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_close *a = arg;
	int rc;

	evtchn_lock(v->domain);
	rc = evtchn_close_port(v->domain, a->port);
	evtchn_unlock(v->domain);
	return rc;
}

static int send(struct domain *d, evtchn_port_t port)
{
	struct evtchn *chn = evtchn_from_port(d, port);

	if (!chn || !evtchn_has_backend(chn))
		return evtchn_send_within(d, port);
	chn->sent++;
	PROBE_HIT(d, event_to_backend, port);
	if (d->deferred && port < EVTCHN_FIFO_NR_CHANNELS)
		atomic_fetch_or(&d->deferred[EVTCHN_DEFERRED_WORDS + port / 64], 1ull << port % 64);
	else
		chn->u.interdomain.notify(chn->u.interdomain.arg);
	return 0;
}

static long op_send(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_send *a = arg;
	int rc;

	evtchn_lock(v->domain);
	rc = send(v->domain, a->port);
	evtchn_unlock(v->domain);
	return rc;
}

static void status_fill(struct evtchn_status *a, const struct evtchn *chn)
{
	switch ((enum evtchn_state)chn->state) {
	case ECS_FREE:
	case ECS_RESERVED:
		a->status = EVTCHNSTAT_closed;
		break;
	case ECS_UNBOUND:
		a->status = EVTCHNSTAT_unbound;
		a->u.unbound.dom = chn->u.unbound.remote_domid;
		break;
	case ECS_INTERDOMAIN:
		a->status = EVTCHNSTAT_interdomain;
		a->u.interdomain.dom = chn->u.interdomain.remote_domid;
		a->u.interdomain.port = chn->u.interdomain.remote_port;
		break;
	case ECS_PIRQ:
		a->status = EVTCHNSTAT_pirq;
		a->u.pirq = chn->u.pirq;
		break;
	case ECS_VIRQ:
		a->status = EVTCHNSTAT_virq;
		a->u.virq = chn->u.virq;
		break;
	case ECS_IPI:
		a->status = EVTCHNSTAT_ipi;
		break;
	}
	a->vcpu = chn->notify_vcpu;
}

static long op_status(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_status *a = arg;
	struct domain *d = v->domain;
	struct evtchn *chn;
	int rc = target_check(d, a->dom);

	if (rc == -ESRCH)
		return rc;
	evtchn_lock(d);
	/* The port is looked at first; the backends' are numbered as the guest's. */
	chn = evtchn_from_port(d, a->port);
	if (!chn)
		rc = -EINVAL;
	else if (!rc)
		status_fill(a, chn);
	evtchn_unlock(d);
	return rc;
}

static int bind_vcpu(struct evtchn *chn, unsigned vcpu)
{
	switch (chn->state) {
	case ECS_VIRQ:
		if (!virq_is_global(chn->u.virq))
			return -EINVAL;
		break;
	case ECS_UNBOUND:
	case ECS_INTERDOMAIN:
	case ECS_PIRQ:
		break;
	default:
		return -EINVAL;
	}
	chn->notify_vcpu = vcpu;
	return 0;
}

static long op_bind_vcpu(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_bind_vcpu *a = arg;
	struct domain *d = v->domain;
	struct evtchn *chn;
	int rc;

	if (!domain_vcpu(d, a->vcpu))
		return -ENOENT;
	evtchn_lock(d);
	chn = evtchn_from_port(d, a->port);
	rc = chn ? bind_vcpu(chn, a->vcpu) : -EINVAL;
	evtchn_unlock(d);
	return rc;
}

static long op_unmask(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_unmask *a = arg;
	int rc;

	evtchn_lock(v->domain);
	rc = evtchn_unmask(v->domain, a->port);
	evtchn_unlock(v->domain);
	return rc;
}

/* Closes every port, those of the store and the console too, and goes back to two
 * levels. */
static long op_reset(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_reset *a = arg;
	struct domain *d = v->domain;
	int rc = target_check(d, a->dom);

	if (rc)
		return rc;
	domain_lock(d);
	evtchn_lock(d);
	for (evtchn_port_t port = 1; port < d->nr_evtchns; port++)
		evtchn_close_port(d, port);
	evtchn_fifo_destroy(d);
	evtchn_unlock(d);
	domain_unlock(d);
	return 0;
}

/* Xen continues a long EVTCHNOP_reset under this number. Ours is never
 * interrupted, so there is nothing to continue (Xen: evtchn_reset, resuming). */
static long op_reset_cont(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_reset *a = arg;
	int rc = target_check(v->domain, a->dom);

	return rc ? rc : -EBUSY;
}

/* Xen: link_bits is told whatever else is wrong, but copied out on success only. */
static long op_init_control(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct evtchn_init_control *a = arg;
	struct domain *d = v->domain;
	int rc;

	a->link_bits = EVTCHN_FIFO_LINK_BITS;
	domain_lock(d);
	evtchn_lock(d);
	rc = evtchn_fifo_init_control(d, a);
	evtchn_unlock(d);
	domain_unlock(d);
	return rc;
}

static long op_expand_array(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_expand_array *a = arg;
	struct domain *d = v->domain;
	int rc;

	domain_lock(d);
	evtchn_lock(d);
	rc = evtchn_fifo_expand_array(d, a->array_gfn);
	evtchn_unlock(d);
	domain_unlock(d);
	return rc;
}

static long op_set_priority(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct evtchn_set_priority *a = arg;
	struct domain *d = v->domain;
	struct evtchn *chn;
	int rc;

	evtchn_lock(d);
	chn = evtchn_from_port(d, a->port);
	if (!chn)
		rc = -EINVAL;
	else if (!evtchn_ops(d)->set_priority)
		rc = -ENOSYS;
	else if (!evtchn_usable(chn))
		rc = -EACCES;
	else
		rc = evtchn_ops(d)->set_priority(d, a->port, a->priority);
	evtchn_unlock(d);
	return rc;
}

#define ROW(op, direction, which, handler)                                            \
	{                                                                             \
		.nr = EVTCHNOP_##op, .name = #op, .size = sizeof(struct evtchn_##op), \
		.dir = (direction), .profiles = (which), .fn = (handler)              \
	}
#define ARG_IN_OUT (ARG_IN | ARG_OUT)

const struct subop event_channel_op_subops[] = {
	ROW(bind_interdomain, ARG_IN_OUT, PROFILES_ALL, op_bind_interdomain),
	ROW(bind_virq, ARG_IN_OUT, PROFILES_ALL, op_bind_virq),
	ROW(bind_pirq, ARG_IN_OUT, PROFILES_ALL, op_bind_pirq),
	ROW(close, ARG_IN, PROFILES_ALL, op_close),
	ROW(send, ARG_IN, PROFILES_ALL, op_send),
	ROW(status, ARG_IN_OUT, PROFILES_ALL, op_status),
	ROW(alloc_unbound, ARG_IN_OUT, PROFILES_ALL, op_alloc_unbound),
	ROW(bind_ipi, ARG_IN_OUT, PROFILES_ALL, op_bind_ipi),
	ROW(bind_vcpu, ARG_IN, PROFILES_ALL, op_bind_vcpu),
	ROW(unmask, ARG_IN, PROFILES_ALL, op_unmask),
	ROW(reset, ARG_IN, PROFILES_4_17, op_reset),
	ROW(init_control, ARG_IN_OUT, PROFILES_4_17, op_init_control),
	ROW(expand_array, ARG_IN, PROFILES_4_17, op_expand_array),
	ROW(set_priority, ARG_IN, PROFILES_4_17, op_set_priority),
	{.nr = OP_RESET_CONT,
	 .name = "reset_cont",
	 .size = sizeof(struct evtchn_reset),
	 .dir = ARG_IN,
	 .profiles = PROFILES_4_17,
	 .fn = op_reset_cont},
	{0},
};

/* event_channel_op(struct evtchn_op *): the operation's number stands in front of
 * its block (Xen: arch/x86/compat.c, do_event_channel_op_compat). */
long hypercall_event_channel_op_compat(struct vcpu *v, const uint64_t *args)
{
	struct evtchn_op op;
	const struct subop *s;
	long rc;

	if (guest_copy_from(v, &op, args[0], sizeof(op)))
		return -EFAULT;
	if (op.cmd > EVTCHNOP_unmask)
		return -ENOSYS;
	for (s = event_channel_op_subops; s->name; s++)
		if ((uint32_t)s->nr == op.cmd)
			break;
	if (!s->name)
		return -ENOSYS;
	rc = s->fn(v, &op.u, args);
	if (rc >= 0 && (s->dir & ARG_OUT) &&
	    guest_copy_to(v, args[0] + offsetof(struct evtchn_op, u), &op.u, s->size))
		return -EFAULT;
	return rc;
}
