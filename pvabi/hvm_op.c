/*
 * hvm_op as a PV domain meets it. Little of it is for PV guests: the time is told,
 * everything about parameters ends with -EINVAL once the arguments were looked at
 * (Xen: arch/x86/hvm/hvm.c, do_hvm_op).
 */
#include <errno.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#define TRACE_EVENT_BITS 0xfffu /* trace.h: below the sub-class */

static long param(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_hvm_param *p = arg;

	if (p->index >= HVM_NR_PARAMS)
		return -EINVAL;
	return mm_any_domain(v->domain, p->domid) == -ESRCH ? -ESRCH : -EINVAL;
}

static long get_mem_type(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_hvm_get_mem_type *m = arg;
	int rc = mm_any_domain(v->domain, m->domid);

	return rc ? rc : -EINVAL;
}

static long pagetable_dying(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_hvm_pagetable_dying *p = arg;

	return mm_any_domain(v->domain, p->domid) == -ESRCH ? -ESRCH : -EOPNOTSUPP;
}

static long get_time(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_hvm_get_time *t = arg;

	t->now = host_of(v->domain)->system_time(v->domain);
	return 0;
}

/* There is no trace buffer; what a guest writes into it goes nowhere. */
static long xentrace(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_hvm_xentrace *t = arg;

	return t->extra_bytes > sizeof(t->extra) || t->event & ~TRACE_EVENT_BITS ? -EINVAL : 0;
}

static long invalid(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EINVAL;
}

/* Nobody listens. */
static long request_vm_event(struct vcpu *v, void *arg, const uint64_t *args)
{
	return args[1] ? -EINVAL : 0;
}

static long altp2m(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EOPNOTSUPP;
}

#define ROW(op, bytes, how, f)                                            \
	{                                                                 \
		.nr = HVMOP_##op, .name = #op, .size = bytes, .dir = how, \
		.profiles = PROFILES_4_17, .fn = f                        \
	}

const struct subop hvm_op_subops[] = {
	ROW(set_param, sizeof(struct xen_hvm_param), ARG_IN, param),
	ROW(get_param, sizeof(struct xen_hvm_param), ARG_IN, param),
	ROW(flush_tlbs, 0, 0, invalid),
	ROW(get_mem_type, sizeof(struct xen_hvm_get_mem_type), ARG_IN, get_mem_type),
	ROW(pagetable_dying, sizeof(struct xen_hvm_pagetable_dying), ARG_IN, pagetable_dying),
	ROW(get_time, sizeof(struct xen_hvm_get_time), ARG_OUT, get_time),
	ROW(xentrace, sizeof(struct xen_hvm_xentrace), ARG_IN, xentrace),
	ROW(set_evtchn_upcall_vector, 0, 0, invalid),
	ROW(guest_request_vm_event, 0, 0, request_vm_event),
	ROW(altp2m, 0, 0, altp2m),
	{0},
};
