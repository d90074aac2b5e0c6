/*
 * SCHEDOP_*: blocking, polling, shutdown, watchdogs, the old call.
 */
#include <check.h>
#include <errno.h>

#include "test/unit/test_evtchn.h"

#define MSEC 1000000ull
#define SEC  1000000000ull

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(4, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static void use_profile(enum abi_profile_id id)
{
	test_domain_free(t);
	t = test_domain_new(4, id);
}

/* SCHEDOP_poll of vcpu 0. */
static long poll_at(uint64_t ports, unsigned nr, uint64_t timeout)
{
	struct sched_poll p = {.nr_ports = nr, .timeout = timeout};

	p.ports.p = (evtchn_port_t *)ports;
	return SCHED_OP(t, 0, SCHEDOP_poll, &p);
}

static long poll_port(evtchn_port_t port, uint64_t timeout)
{
	return poll_at(test_put(t, &port, sizeof(port)), 1, timeout);
}

static long simple(unsigned cmd)
{
	return HCALL(t, 0, __HYPERVISOR_sched_op, cmd, 0);
}

static void assert_not_polling(void)
{
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert_int_eq(t->d->vcpu[0]->poll_evtchn, 0);
	ck_assert_uint_eq(t->d->poll_mask, 0);
}

static void assert_polling(int evtchn)
{
	ck_assert(vcpu_blocked(t, 0));
	ck_assert_int_eq(t->d->vcpu[0]->poll_evtchn, evtchn);
	ck_assert_uint_eq(t->d->poll_mask, 1);
}

/* A port that notifies vcpu 1, masked: what a poller waits for. */
static evtchn_port_t masked_port(void)
{
	evtchn_port_t port = bind_ipi(t, 1);

	port_set_mask(t, port, true);
	return port;
}

START_TEST(test_yield)
{
	ck_assert_int_eq(simple(SCHEDOP_yield), 0);
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert(vcpu_info_of(t, 0)->evtchn_upcall_mask);
}
END_TEST

START_TEST(test_block)
{
	long port = bind_ipi(t, 0);

	ck_assert_int_eq(simple(SCHEDOP_block), 0);
	ck_assert(vcpu_blocked(t, 0));
	ck_assert(!vcpu_info_of(t, 0)->evtchn_upcall_mask);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert_int_gt(t->kicks[0], 0);
	/* Pending now, so it does not block again. */
	vcpu_info_of(t, 0)->evtchn_upcall_mask = 1;
	ck_assert_int_eq(simple(SCHEDOP_block), 0);
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert(!vcpu_info_of(t, 0)->evtchn_upcall_mask);
}
END_TEST

START_TEST(test_block_is_not_ended_by_masked_port)
{
	evtchn_port_t port = bind_ipi(t, 0);

	port_set_mask(t, port, true);
	ck_assert_int_eq(simple(SCHEDOP_block), 0);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	ck_assert(vcpu_blocked(t, 0));
	ck_assert_int_eq(t->kicks[0], 0);
}
END_TEST

START_TEST(test_shutdown)
{
	struct sched_shutdown s = {.reason = 0x100 | SHUTDOWN_reboot};

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_shutdown, TEST_VA_UNMAPPED),
			 -EFAULT);
	ck_assert_uint_eq(t->shutdowns, 0);
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown, &s), 0);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_reboot);
	ck_assert(t->d->is_shut_down);
	s.reason = SHUTDOWN_crash;
	ck_assert_int_eq(SCHED_OP(t, 1, SCHEDOP_shutdown, &s), 0);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->d->shutdown_code, SHUTDOWN_reboot);
}
END_TEST

/* It is called off once, whichever call the guest makes. */
START_TEST(test_suspend_goes_on)
{
	struct sched_shutdown s = {.reason = SHUTDOWN_suspend};

	t->d->suspend_goes_on = true;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown, &s), 1);
	t->d->suspend_goes_on = true;
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_shutdown, SHUTDOWN_suspend), 1);
	ck_assert_uint_eq(t->shutdowns, 0);
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown, &s), 0);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_suspend);
}
END_TEST

START_TEST(test_every_shutdown_reason)
{
	for (unsigned reason = 0; reason <= 255; reason++) {
		struct sched_shutdown s = {.reason = reason};

		use_profile(PROFILE_XEN_4_17);
		ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown, &s), 0);
		ck_assert_uint_eq(t->shutdown_reason, reason);
	}
}
END_TEST

START_TEST(test_shutdown_code)
{
	struct sched_shutdown s = {.reason = SHUTDOWN_crash};

	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown_code, &s), 0);
	ck_assert(!t->d->is_shut_down);
	s.reason = SHUTDOWN_suspend;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown_code, &s), 0); /* the first stands */
	s.reason = SHUTDOWN_poweroff;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_shutdown, &s), 0);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_crash);
	ck_assert_int_eq(
		HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_shutdown_code, TEST_VA_UNMAPPED),
		-EFAULT);
}
END_TEST

START_TEST(test_remote_shutdown)
{
	struct sched_remote_shutdown r = {.domain_id = 9, .reason = SHUTDOWN_poweroff};

	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_remote_shutdown, &r), -ESRCH);
	r.domain_id = DOMID_SELF;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_remote_shutdown, &r), -ESRCH);
	r.domain_id = 0;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_remote_shutdown, &r), -EPERM);
	r.domain_id = 1;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_remote_shutdown, &r), -EPERM);
	ck_assert_uint_eq(t->shutdowns, 0);
	t->d->privileged = true;
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_remote_shutdown, &r), 0);
	ck_assert_uint_eq(t->shutdowns, 1);
}
END_TEST

START_TEST(test_refused_ops)
{
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_pin_override, TEST_VA_UNMAPPED),
			 -EPERM);
	ck_assert_int_eq(simple(8), -ENOSYS);
	ck_assert_int_eq(simple(-1), -ENOSYS);
	ck_assert_int_eq(simple(0x80000000u), -ENOSYS);
}
END_TEST

static long watchdog(uint32_t id, uint32_t timeout)
{
	struct sched_watchdog w = {.id = id, .timeout = timeout};

	return SCHED_OP(t, 1, SCHEDOP_watchdog, &w);
}

START_TEST(test_watchdog_ids)
{
	ck_assert_int_eq(watchdog(3, 1), -EINVAL);
	ck_assert_int_eq(watchdog(~0u, 1), -EINVAL);
	ck_assert_int_eq(watchdog(1, 1), -EINVAL); /* not in use */
	ck_assert_int_eq(watchdog(0, 10), 1);
	ck_assert_int_gt(t->kicks[0], 0);
	ck_assert_int_eq(watchdog(0, 5), 2);
	/* As real Xen answers: guests/tests/sched_ops. */
	ck_assert_int_eq(watchdog(0, 5), (uint32_t)-ENOSPC);
	ck_assert_uint_eq(vcpu_next_deadline(t->d->vcpu[0]), t->now + 5 * SEC);
	ck_assert_uint_eq(vcpu_next_deadline(t->d->vcpu[1]), 0);
	ck_assert_int_eq(watchdog(2, 0), 0);
	ck_assert_int_eq(watchdog(2, 0), -EINVAL);
	ck_assert_uint_eq(vcpu_next_deadline(t->d->vcpu[0]), t->now + 10 * SEC);
	ck_assert_int_eq(watchdog(0, ~0u), 2);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_watchdog, TEST_VA_UNMAPPED),
			 -EFAULT);
}
END_TEST

START_TEST(test_watchdog_fires)
{
	struct vcpu *v0 = t->d->vcpu[0];

	ck_assert_int_eq(watchdog(0, 10), 1);
	t->now += 9 * SEC;
	vcpu_run_timers(v0, t->now);
	ck_assert_int_eq(watchdog(1, 10), 0); /* poked */
	t->now += 9 * SEC;
	vcpu_run_timers(v0, t->now);
	ck_assert_uint_eq(t->shutdowns, 0);
	t->now += 1 * SEC;
	vcpu_run_timers(t->d->vcpu[1], t->now); /* not its business */
	ck_assert_uint_eq(t->shutdowns, 0);
	vcpu_run_timers(v0, t->now);
	ck_assert_uint_eq(t->shutdowns, 1);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_watchdog);
	ck_assert_uint_eq(vcpu_next_deadline(v0), 0);
}
END_TEST

START_TEST(test_poll_single_port)
{
	evtchn_port_t port = masked_port(), other = masked_port();

	ck_assert_int_eq(poll_port(port, 0), 0);
	assert_polling(port);
	ck_assert_uint_eq(vcpu_next_deadline(t->d->vcpu[0]), 0);
	ck_assert_int_eq(send_port(t, 1, other), 0);
	assert_polling(port);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	assert_not_polling();
	ck_assert_int_eq(t->kicks[0], 1);
	ck_assert(!vcpu_info_of(t, 0)->evtchn_upcall_pending);
	/* Pending already: no sleep. */
	ck_assert_int_eq(poll_port(port, 0), 0);
	assert_not_polling();
}
END_TEST

START_TEST(test_poll_many_ports)
{
	evtchn_port_t ports[128];
	uint64_t va;

	for (unsigned i = 0; i < 128; i++)
		ports[i] = masked_port();
	va = test_put(t, ports, sizeof(ports));
	ck_assert_int_eq(poll_at(va, 129, 0), -EINVAL);
	ck_assert_int_eq(poll_at(va, ~0u, 0), -EINVAL);
	assert_not_polling();
	ck_assert_int_eq(poll_at(va, 128, 0), 0);
	assert_polling(-1);
	ck_assert_int_eq(send_port(t, 1, ports[127]), 0);
	assert_not_polling();
	ck_assert_int_eq(poll_at(va, 128, 0), 0);
	assert_not_polling();
	ck_assert_int_eq(poll_at(va, 127, 0), 0);
	assert_polling(-1);
}
END_TEST

START_TEST(test_poll_no_ports)
{
	ck_assert_int_eq(poll_at(0, 0, 0), 0);
	assert_polling(-1);
	/* Any event ends it, masked or not; Xen does not know better either. */
	ck_assert_int_eq(send_port(t, 1, masked_port()), 0);
	assert_not_polling();
}
END_TEST

START_TEST(test_poll_errors)
{
	evtchn_port_t ports[3] = {masked_port(), 4096, 0};
	uint64_t va = test_alloc(t, PAGE_SIZE), last = va + PAGE_SIZE - sizeof(ports[0]);

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_poll, TEST_VA_UNMAPPED),
			 -EFAULT);
	ck_assert_int_eq(poll_at(TEST_VA_UNMAPPED, 1, 0), -EFAULT);
	ck_assert_int_eq(poll_at(XEN_VIRT_START, 1, 0), -EFAULT);
	ck_assert_int_eq(poll_at(XEN_VIRT_START, 0, 0), -EFAULT);
	ck_assert_int_eq(poll_at(TEST_VA_UNMAPPED, 129, 0), -EINVAL);
	assert_not_polling();
	ck_assert_int_eq(poll_port(4096, 0), -EINVAL);
	ck_assert_int_eq(poll_port(~0u, 0), -EINVAL);
	ck_assert_int_eq(poll_port(0, 0), -EINVAL);
	ck_assert_int_eq(poll_port(ports[0] + 1, 0), -EINVAL); /* free */
	assert_not_polling();
	test_write(t, va, ports, sizeof(ports));
	ck_assert_int_eq(poll_at(va, 3, 0), -EINVAL);
	test_write(t, last, ports, sizeof(ports[0]));
	ck_assert_int_eq(poll_at(last, 2, 0), -EFAULT);
	assert_not_polling();
	/* What comes behind a pending port is not looked at. */
	ck_assert_int_eq(send_port(t, 1, ports[0]), 0);
	ck_assert_int_eq(poll_at(va, 3, 0), 0);
	ck_assert_int_eq(poll_at(last, 2, 0), 0);
	assert_not_polling();
}
END_TEST

START_TEST(test_poll_timeout)
{
	struct vcpu *v = t->d->vcpu[0];
	evtchn_port_t port = masked_port();

	ck_assert_int_eq(poll_port(port, t->now), 0);
	assert_not_polling();
	ck_assert_int_eq(poll_port(port, 1), 0);
	assert_not_polling();
	ck_assert_int_eq(poll_port(port, -1ull), 0); /* a time before system time 0 */
	assert_not_polling();
	ck_assert_int_eq(poll_port(port, t->now + 5 * MSEC), 0);
	assert_polling(port);
	ck_assert_uint_eq(vcpu_next_deadline(v), t->now + 5 * MSEC);
	t->now += 5 * MSEC - 1;
	vcpu_run_timers(v, t->now);
	assert_polling(port);
	t->now++;
	vcpu_run_timers(v, t->now);
	assert_not_polling();
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	ck_assert(!port_pending(t, port));
}
END_TEST

START_TEST(test_poll_timeout_is_gone_after_event)
{
	struct vcpu *v = t->d->vcpu[0];
	evtchn_port_t port = masked_port();

	ck_assert_int_eq(poll_port(port, t->now + 5 * MSEC), 0);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	assert_not_polling();
	port_clear(t, port);
	ck_assert_int_eq(poll_port(port, 0), 0);
	t->now += SEC;
	vcpu_run_timers(v, t->now);
	assert_polling(port);
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
}
END_TEST

START_TEST(test_poll_sees_events)
{
	evtchn_port_t port = masked_port();
	long ipi0 = bind_ipi(t, 0);

	/* A deliverable event goes first, whatever is polled for. */
	vcpu_info_of(t, 0)->evtchn_upcall_mask = 0;
	ck_assert_int_eq(poll_port(port, 0), 0);
	assert_polling(port);
	ck_assert_int_eq(send_port(t, 1, ipi0), 0);
	assert_not_polling();
	ck_assert_int_eq(poll_port(~0u, 0), 0);
	assert_not_polling();
	/* With upcalls masked it does not count. */
	vcpu_info_of(t, 0)->evtchn_upcall_mask = 1;
	ck_assert_int_eq(poll_port(port, 0), 0);
	assert_polling(port);
}
END_TEST

START_TEST(test_poll_first_version)
{
	evtchn_port_t port;

	use_profile(PROFILE_XEN_3_0_2);
	port = masked_port();
	vcpu_info_of(t, 0)->evtchn_upcall_mask = 0;
	ck_assert_int_eq(poll_port(port, 0), -EINVAL);
	ck_assert_int_eq(poll_at(XEN_VIRT_START, 1, 0), -EFAULT);
	assert_not_polling();
	vcpu_info_of(t, 0)->evtchn_upcall_mask = 1;
	ck_assert_int_eq(poll_port(port, 0), 0);
	assert_polling(port);
	ck_assert_int_eq(send_port(t, 1, port), 0);
	assert_not_polling();
	/* Only the number of a port counted then, not its state. */
	ck_assert_int_eq(poll_port(4096, 0), -EINVAL);
	ck_assert_int_eq(poll_port(4095, t->now + 1), 0);
	assert_polling(4095);
}
END_TEST

START_TEST(test_profiles)
{
	struct sched_watchdog w = {.id = 0, .timeout = 1};

	use_profile(PROFILE_XEN_3_0_2);
	ck_assert_int_eq(simple(SCHEDOP_yield), 0);
	ck_assert_int_eq(SCHED_OP(t, 0, SCHEDOP_watchdog, &w), -ENOSYS);
	ck_assert_int_eq(simple(SCHEDOP_pin_override), -ENOSYS);
	use_profile(PROFILE_XEN_3_0_1);
	ck_assert_int_eq(simple(SCHEDOP_yield), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0);
}
END_TEST

START_TEST(test_compat)
{
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_poll, 0), -ENOSYS);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_block, 0), 0);
	ck_assert(vcpu_blocked(t, 0));
	vcpu_unblock(t->d->vcpu[0]);
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op_compat, SCHEDOP_shutdown,
			       0xff00 | SHUTDOWN_suspend),
			 0);
	ck_assert_uint_eq(t->shutdown_reason, SHUTDOWN_suspend);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		test_yield,
		test_block,
		test_block_is_not_ended_by_masked_port,
		test_shutdown,
		test_suspend_goes_on,
		test_every_shutdown_reason,
		test_shutdown_code,
		test_remote_shutdown,
		test_refused_ops,
		test_watchdog_ids,
		test_watchdog_fires,
		test_poll_single_port,
		test_poll_many_ports,
		test_poll_no_ports,
		test_poll_errors,
		test_poll_timeout,
		test_poll_timeout_is_gone_after_event,
		test_poll_sees_events,
		test_poll_first_version,
		test_profiles,
		test_compat,
	};
	Suite *s = suite_create("sched");
	TCase *c = tcase_create("sched");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
