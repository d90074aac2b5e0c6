/*
 * PIRQs: who may bind them, what a device's interrupt does, and EOIs.
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_evtchn.h"
#include "test/unit/test_run.h"

#define LEVEL 20
#define EDGE  50

static struct test_domain *t;
static unsigned eois;

static void on_eoi(void *arg)
{
	(*(unsigned *)arg)++;
}

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	eois = 0;
	ck_assert_int_eq(domain_permit_pirq(t->d, LEVEL, on_eoi, &eois), 0);
	ck_assert_int_eq(domain_permit_pirq(t->d, EDGE, NULL, NULL), 0);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long bind(unsigned pirq)
{
	struct evtchn_bind_pirq a = {.pirq = pirq, .flags = BIND_PIRQ__WILL_SHARE};
	long rc = EVTCHN_OP(t, 0, EVTCHNOP_bind_pirq, &a);

	return rc ? rc : (long)a.port;
}

static long eoi(unsigned pirq)
{
	struct physdev_eoi a = {.irq = pirq};

	return block_hypercall(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &a, sizeof(a));
}

START_TEST(test_rights)
{
	ck_assert_int_eq(domain_permit_pirq(t->d, DEFAULT_NR_PIRQS, NULL, NULL), -EINVAL);
	ck_assert_int_eq(domain_permit_pirq(t->d, NR_PIRQS, NULL, NULL), -EINVAL);
	ck_assert_int_eq(domain_permit_pirq(t->d, EDGE, NULL, NULL), -EEXIST);
	ck_assert_int_eq(bind(DEFAULT_NR_PIRQS), -EINVAL);
	ck_assert_int_eq(bind(~0u), -EINVAL);
	ck_assert_int_eq(bind(LEVEL + 1), -EPERM);
	ck_assert_int_eq(eoi(LEVEL + 1), -EINVAL);
	ck_assert_int_eq(eoi(~0u), -EINVAL);
	domain_revoke_pirq(t->d, EDGE);
	ck_assert_int_eq(bind(EDGE), -EPERM);
}
END_TEST

START_TEST(test_bind_and_status)
{
	struct evtchn_status s = {.dom = DOMID_SELF};
	long port = bind(EDGE);

	ck_assert_int_eq(port, 1);
	ck_assert_int_eq(bind(EDGE), -EEXIST);
	s.port = 1;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_status, &s), 0);
	ck_assert_int_eq(s.status, EVTCHNSTAT_pirq);
	ck_assert_int_eq(s.u.pirq, EDGE);
	ck_assert_int_eq(send_port(t, 0, 1), -EINVAL);
	ck_assert_int_eq(close_port(t, 1), 0);
	ck_assert_int_eq(bind(EDGE), 1);
}
END_TEST

START_TEST(test_delivery)
{
	struct evtchn_bind_vcpu move = {.vcpu = 1};

	domain_send_pirq(t->d, EDGE); /* not bound: lost */
	domain_send_pirq(t->d, DEFAULT_NR_PIRQS);
	move.port = (evtchn_port_t)bind(EDGE);
	ck_assert(!port_pending(t, move.port));
	domain_send_pirq(t->d, EDGE);
	ck_assert(port_pending(t, move.port));
	ck_assert(vcpu_info_of(t, 0)->evtchn_upcall_pending);
	port_clear(t, move.port);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &move), 0);
	ck_assert(!vcpu_info_of(t, 1)->evtchn_upcall_pending);
	domain_send_pirq(t->d, EDGE);
	ck_assert(vcpu_info_of(t, 1)->evtchn_upcall_pending);
	port_clear(t, move.port);
	domain_revoke_pirq(t->d, EDGE);
	domain_send_pirq(t->d, EDGE);
	ck_assert(!port_pending(t, move.port));
	ck_assert_int_eq(close_port(t, move.port), 0);
}
END_TEST

START_TEST(test_eoi)
{
	long port = bind(LEVEL);

	ck_assert_uint_eq(eois, 1); /* were it raised already, it would be sent again */
	eois = 0;
	ck_assert_int_eq(eoi(LEVEL), 0);
	ck_assert_uint_eq(eois, 0); /* nothing had come */
	domain_send_pirq(t->d, LEVEL);
	ck_assert_int_eq(eoi(LEVEL), 0);
	ck_assert_int_eq(eoi(LEVEL), 0);
	ck_assert_uint_eq(eois, 1);
	/* Closing the port acknowledges what is left. */
	domain_send_pirq(t->d, LEVEL);
	ck_assert_int_eq(close_port(t, (evtchn_port_t)port), 0);
	ck_assert_uint_eq(eois, 2);
	/* So does EVTCHNOP_reset. */
	ck_assert_int_eq(bind(LEVEL), port);
	eois = 2;
	domain_send_pirq(t->d, LEVEL);
	struct evtchn_reset r = {.dom = DOMID_SELF};
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_reset, &r), 0);
	ck_assert_uint_eq(eois, 3);
	/* Nobody is called for a device that is gone. */
	ck_assert_int_gt(bind(LEVEL), 0);
	eois = 3;
	domain_send_pirq(t->d, LEVEL);
	domain_revoke_pirq(t->d, LEVEL);
	ck_assert_int_eq(eoi(LEVEL), 0);
	ck_assert_uint_eq(eois, 3);
}
END_TEST

/* Xen: unmap_domain_pirq() and map_domain_pirq(): what is still bound is not given out
 * again, and letting go of it does not touch who has it next. */
START_TEST(test_gone_but_bound)
{
	long port = bind(EDGE);

	domain_revoke_pirq(t->d, EDGE);
	ck_assert_int_eq(domain_permit_pirq(t->d, EDGE, NULL, NULL), -EBUSY);
	ck_assert_int_eq(eoi(EDGE), 0);
	ck_assert_int_eq(close_port(t, (evtchn_port_t)port), 0);
	ck_assert_int_eq(eoi(EDGE), -EINVAL);
	ck_assert_int_eq(domain_permit_pirq(t->d, EDGE, NULL, NULL), 0);
	ck_assert_int_gt(bind(EDGE), 0);
}
END_TEST

START_TEST(test_free_ones)
{
	/* 16 to 19 and 21 to 23 (LEVEL is taken), then downwards from the end. */
	for (int n = 16; n < 24; n++)
		if (n != LEVEL)
			ck_assert_int_eq(domain_get_free_pirq(t->d, true, 1), n);
	ck_assert_int_eq(domain_get_free_pirq(t->d, true, 1), DEFAULT_NR_PIRQS - 1);
	ck_assert_int_eq(domain_get_free_pirq(t->d, false, 1), DEFAULT_NR_PIRQS - 2);
	/* EDGE is in the way of a row of eight, but not of four. */
	ck_assert_int_eq(domain_get_free_pirq(t->d, false, 8), EDGE - 8);
	ck_assert_int_eq(domain_get_free_pirq(t->d, false, 3), EDGE + 1);
	ck_assert_int_eq(domain_get_free_pirq(t->d, false, 32), -ENOSPC);
	domain_raise_pirqs(t->d);
	ck_assert_int_eq(domain_get_free_pirq(t->d, false, 32), NR_PIRQS - 32);
	ck_assert_int_eq(domain_permit_pirq(t->d, NR_PIRQS - 32, NULL, NULL), 0);
	ck_assert_int_gt(bind(NR_PIRQS - 32), 0);
	/* Taken, but nothing drives it. */
	ck_assert_int_eq(bind(NR_PIRQS - 31), -EPERM);
	ck_assert_int_eq(eoi(NR_PIRQS - 31), 0);
	domain_revoke_pirq(t->d, NR_PIRQS - 1);
	ck_assert_int_eq(domain_get_free_pirq(t->d, false, 1), NR_PIRQS - 1);
}
END_TEST

static bool port_masked(const struct test_domain *td, evtchn_port_t port)
{
	return td->d->shared_info->evtchn_mask[port / 64] >> port % 64 & 1;
}

static bool eoi_bit(uint64_t mfn, unsigned pirq)
{
	return ((const uint64_t *)frame_ptr(t->d, mfn))[pirq / 64] >> pirq % 64 & 1;
}

static long eoi_page(unsigned cmd, uint64_t mfn)
{
	struct physdev_pirq_eoi_gmfn a = {.gmfn = mfn};

	return block_hypercall(t, 0, __HYPERVISOR_physdev_op, cmd, &a, sizeof(a));
}

START_TEST(test_eoi_map)
{
	uint64_t mfn = test_frame(t);
	evtchn_port_t level;

	memset(frame_ptr(t->d, mfn), 0xff, PAGE_SIZE);
	ck_assert_int_gt(bind(EDGE), 0); /* before: its bit stays as it is */
	ck_assert_int_eq(eoi_page(PHYSDEVOP_pirq_eoi_gmfn_v2, mfn), 0);
	ck_assert(eoi_bit(mfn, EDGE));
	ck_assert_int_eq(close_port(t, 1), 0);
	ck_assert_int_gt(bind(EDGE), 0);
	ck_assert(!eoi_bit(mfn, EDGE));
	memset(frame_ptr(t->d, mfn), 0, PAGE_SIZE);
	level = (evtchn_port_t)bind(LEVEL);
	eois = 0;
	ck_assert(eoi_bit(mfn, LEVEL));
	/* v2 leaves the port's mask to the guest. */
	port_set_mask(t, level, true);
	domain_send_pirq(t->d, LEVEL);
	ck_assert_int_eq(eoi(LEVEL), 0);
	ck_assert_uint_eq(eois, 1);
	ck_assert(port_masked(t, level));
}
END_TEST

START_TEST(test_eoi_unmasks_with_v1)
{
	evtchn_port_t port = (evtchn_port_t)bind(LEVEL);

	ck_assert_int_eq(eoi_page(PHYSDEVOP_pirq_eoi_gmfn_v1, test_frame(t)), 0);
	ck_assert_int_eq(eoi_page(PHYSDEVOP_pirq_eoi_gmfn_v2, test_frame(t)), -EBUSY);
	port_set_mask(t, port, true);
	domain_send_pirq(t->d, LEVEL);
	ck_assert(!vcpu_info_of(t, 0)->evtchn_upcall_pending);
	ck_assert_int_eq(eoi(LEVEL), 0);
	ck_assert(!port_masked(t, port));
	ck_assert(vcpu_info_of(t, 0)->evtchn_upcall_pending);
}
END_TEST

/* How a guest of before PHYSDEVOP_eoi acknowledges. */
START_TEST(test_unmask_notify)
{
	struct physdev_op old = {.cmd = PHYSDEVOP_IRQ_UNMASK_NOTIFY};
	evtchn_port_t port = (evtchn_port_t)bind(LEVEL);
	uint64_t va = test_put(t, &old, sizeof(old));

	eois = 0;
	port_set_mask(t, port, true);
	domain_send_pirq(t->d, LEVEL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op_compat, va), 0);
	ck_assert_uint_eq(eois, 0);
	port_set_mask(t, port, false);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op_compat, va), 0);
	ck_assert_uint_eq(eois, 1);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_IRQ_UNMASK_NOTIFY, 0), 0);
	ck_assert_uint_eq(eois, 1);
}
END_TEST

START_TEST(test_a_poller_wakes)
{
	evtchn_port_t port = (evtchn_port_t)bind(EDGE);
	struct sched_poll poll = {.nr_ports = 1};

	test_write(t, scratch_va(t, 1) + 1024, &port, sizeof(port));
	poll.ports.p = (void *)(scratch_va(t, 1) + 1024);
	port_set_mask(t, port, true);
	ck_assert_int_eq(SCHED_OP(t, 1, SCHEDOP_poll, &poll), 0);
	ck_assert(vcpu_blocked(t, 1));
	domain_send_pirq(t->d, EDGE);
	ck_assert(!vcpu_blocked(t, 1));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_rights, test_bind_and_status, test_delivery, test_eoi, test_a_poller_wakes,
		test_gone_but_bound, test_free_ones, test_eoi_map, test_eoi_unmasks_with_v1,
		test_unmask_notify,
	};

	return RUN_TESTS("pirq", setup, teardown, tests);
}
