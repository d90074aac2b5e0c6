/*
 * Event-channel and scheduler hypercalls for unit tests: an argument block is
 * put into a page of the calling vcpu, the call made, the block read back.
 */
#ifndef TEST_UNIT_TEST_EVTCHN_H
#define TEST_UNIT_TEST_EVTCHN_H

#include "test/unit/test_domain.h"

/* The page that calls of `vcpu` use. The first use maps it: before any thread
 * runs in the domain. */
uint64_t scratch_va(struct test_domain *t, unsigned vcpu);

long block_hypercall(struct test_domain *t, unsigned vcpu, unsigned nr, unsigned cmd, void *block,
		     size_t size);
/* event_channel_op, or where the profile knows only that the old call. */
long evtchn_hypercall(struct test_domain *t, unsigned vcpu, unsigned cmd, void *block, size_t size);
#define EVTCHN_OP(t, vcpu, cmd, block) evtchn_hypercall(t, vcpu, cmd, block, sizeof(*(block)))
#define SCHED_OP(t, vcpu, cmd, block) \
	block_hypercall(t, vcpu, __HYPERVISOR_sched_op, cmd, block, sizeof(*(block)))

/* The port or a negative errno value. */
long bind_ipi(struct test_domain *t, unsigned vcpu);
long bind_virq(struct test_domain *t, unsigned virq, unsigned vcpu);
long alloc_unbound(struct test_domain *t, domid_t remote);
long bind_self(struct test_domain *t, evtchn_port_t remote_port);
long close_port(struct test_domain *t, evtchn_port_t port);
/* By vcpu `vcpu`. */
long send_port(struct test_domain *t, unsigned vcpu, evtchn_port_t port);

bool port_pending(struct test_domain *t, evtchn_port_t port);
void port_clear(struct test_domain *t, evtchn_port_t port);
void port_set_mask(struct test_domain *t, evtchn_port_t port, bool masked);
struct vcpu_info *vcpu_info_of(struct test_domain *t, unsigned vcpu);
bool vcpu_blocked(struct test_domain *t, unsigned vcpu);

#endif
