/*
 * Event-channel and scheduler hypercalls for unit tests: see test_evtchn.h.
 */
#include <string.h>

#include "test/unit/test_evtchn.h"

#define SCRATCH_VA 0x30000000ull

uint64_t scratch_va(struct test_domain *t, unsigned vcpu)
{
	uint64_t va = SCRATCH_VA + vcpu * PAGE_SIZE;

	if (!test_ptr(t, va))
		test_map(t, va, test_frame(t), true);
	return va;
}

long block_hypercall(struct test_domain *t, unsigned vcpu, unsigned nr, unsigned cmd, void *block,
		     size_t size)
{
	uint64_t va = scratch_va(t, vcpu);
	void *p = test_ptr(t, va);
	long rc;

	memcpy(p, block, size);
	rc = HCALL(t, vcpu, nr, cmd, va);
	memcpy(block, p, size);
	return rc;
}

long evtchn_hypercall(struct test_domain *t, unsigned vcpu, unsigned cmd, void *block, size_t size)
{
	uint64_t va = scratch_va(t, vcpu);
	struct evtchn_op *op = test_ptr(t, va);
	long rc;

	if (t->d->profile->id >= PROFILE_XEN_4_17)
		return block_hypercall(t, vcpu, __HYPERVISOR_event_channel_op, cmd, block, size);
	op->cmd = cmd;
	memcpy(&op->u, block, size);
	rc = HCALL(t, vcpu, __HYPERVISOR_event_channel_op_compat, va);
	memcpy(block, &op->u, size);
	return rc;
}

long bind_ipi(struct test_domain *t, unsigned vcpu)
{
	struct evtchn_bind_ipi a = {.vcpu = vcpu};
	long rc = EVTCHN_OP(t, 0, EVTCHNOP_bind_ipi, &a);

	return rc ? rc : (long)a.port;
}

long bind_virq(struct test_domain *t, unsigned virq, unsigned vcpu)
{
	struct evtchn_bind_virq a = {.virq = virq, .vcpu = vcpu};
	long rc = EVTCHN_OP(t, 0, EVTCHNOP_bind_virq, &a);

	return rc ? rc : (long)a.port;
}

long alloc_unbound(struct test_domain *t, domid_t remote)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};
	long rc = EVTCHN_OP(t, 0, EVTCHNOP_alloc_unbound, &a);

	return rc ? rc : (long)a.port;
}

long bind_self(struct test_domain *t, evtchn_port_t remote_port)
{
	struct evtchn_bind_interdomain a = {.remote_dom = DOMID_SELF, .remote_port = remote_port};
	long rc = EVTCHN_OP(t, 0, EVTCHNOP_bind_interdomain, &a);

	return rc ? rc : (long)a.local_port;
}

long close_port(struct test_domain *t, evtchn_port_t port)
{
	struct evtchn_close a = {.port = port};

	return EVTCHN_OP(t, 0, EVTCHNOP_close, &a);
}

long send_port(struct test_domain *t, unsigned vcpu, evtchn_port_t port)
{
	struct evtchn_send a = {.port = port};

	return EVTCHN_OP(t, vcpu, EVTCHNOP_send, &a);
}

bool port_pending(struct test_domain *t, evtchn_port_t port)
{
	return __atomic_load_n(&t->d->shared_info->evtchn_pending[port / 64], __ATOMIC_SEQ_CST) >>
		       port % 64 &
	       1;
}

void port_clear(struct test_domain *t, evtchn_port_t port)
{
	__atomic_fetch_and(&t->d->shared_info->evtchn_pending[port / 64], ~(1ull << port % 64),
			   __ATOMIC_SEQ_CST);
}

void port_set_mask(struct test_domain *t, evtchn_port_t port, bool masked)
{
	xen_ulong_t *w = &t->d->shared_info->evtchn_mask[port / 64];

	if (masked)
		__atomic_fetch_or(w, 1ull << port % 64, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(w, ~(1ull << port % 64), __ATOMIC_SEQ_CST);
}

struct vcpu_info *vcpu_info_of(struct test_domain *t, unsigned vcpu)
{
	return vcpu_info_get(t->d->vcpu[vcpu]);
}

bool vcpu_blocked(struct test_domain *t, unsigned vcpu)
{
	return atomic_load(&t->d->vcpu[vcpu]->pause_flags) & VPF_BLOCKED;
}
