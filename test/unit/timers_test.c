/*
 * Timers: set_timer_op, single shot and periodic, deadlines.
 */
#include <check.h>
#include <errno.h>

#include "test/unit/test_evtchn.h"

#define MSEC 1000000ull

static struct test_domain *t;
static struct vcpu *v;
static evtchn_port_t timer_port;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
	timer_port = bind_virq(t, VIRQ_TIMER, 0);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long set_timer(uint64_t timeout)
{
	return HCALL(t, 0, __HYPERVISOR_set_timer_op, timeout);
}

/* The timers run at `now`: did VIRQ_TIMER come? */
static bool ticked(uint64_t now)
{
	bool yes;

	t->now = now;
	vcpu_run_timers(v, now);
	yes = port_pending(t, timer_port);
	port_clear(t, timer_port);
	return yes;
}

START_TEST(test_set_timer)
{
	uint64_t start = t->now;

	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	ck_assert_int_eq(set_timer(start + 10), 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 10);
	ck_assert(!ticked(start + 9));
	ck_assert(ticked(start + 10));
	ck_assert(!ticked(start + 11));
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	/* A time that is past: at once. */
	ck_assert_int_eq(set_timer(1), 0);
	ck_assert(ticked(start + 11));
	/* 0 stops. */
	ck_assert_int_eq(set_timer(start + 20), 0);
	ck_assert_int_eq(set_timer(0), 0);
	ck_assert(!ticked(start + 30));
}
END_TEST

START_TEST(test_set_timer_huge)
{
	uint64_t start = t->now;

	ck_assert_int_eq(set_timer(-1ull), 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 100 * MSEC);
	ck_assert_int_eq(set_timer(1ull << 63), 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 100 * MSEC);
	ck_assert_int_eq(set_timer(start + (1ull << 50)), 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 100 * MSEC);
	ck_assert_int_eq(set_timer(start + (1ull << 50) - 1), 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + (1ull << 50) - 1);
}
END_TEST

START_TEST(test_timer_wakes_blocked_vcpu)
{
	ck_assert_int_eq(set_timer(t->now + MSEC), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_block, 0), 0);
	ck_assert(vcpu_blocked(t, 0));
	ck_assert_uint_eq(vcpu_next_deadline(v), t->now + MSEC);
	ck_assert(ticked(t->now + MSEC));
	ck_assert(!vcpu_blocked(t, 0));
}
END_TEST

START_TEST(test_periodic)
{
	uint64_t start = t->now;

	vcpu_set_periodic_timer(v, 10 * MSEC);
	/* It has not ticked for a period: at once. */
	ck_assert(ticked(start));
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 10 * MSEC);
	ck_assert(!ticked(start + 10 * MSEC - 1));
	/* Late by 3 ms: so are the ones that follow. */
	ck_assert(ticked(start + 13 * MSEC));
	ck_assert(!ticked(start + 22 * MSEC));
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 23 * MSEC);
	ck_assert(ticked(start + 23 * MSEC));
	/* Set again: not before a period is over. */
	vcpu_set_periodic_timer(v, 10 * MSEC);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 33 * MSEC);
	/* A blocked vcpu is not woken; it is told afterwards, once. */
	atomic_fetch_or(&v->pause_flags, VPF_BLOCKED);
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	ck_assert(!ticked(start + 75 * MSEC));
	atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED);
	ck_assert(ticked(start + 75 * MSEC));
	ck_assert(!ticked(start + 76 * MSEC));
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 85 * MSEC);
	vcpu_set_periodic_timer(v, 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	ck_assert(!ticked(start + 1000 * MSEC));
}
END_TEST

START_TEST(test_both_timers)
{
	uint64_t start = t->now;

	vcpu_set_periodic_timer(v, 10 * MSEC);
	ck_assert(ticked(start));
	ck_assert_int_eq(set_timer(start + 4 * MSEC), 0);
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 4 * MSEC);
	ck_assert(ticked(start + 4 * MSEC));
	ck_assert_uint_eq(vcpu_next_deadline(v), start + 10 * MSEC);
	ck_assert(ticked(start + 10 * MSEC));
}
END_TEST

/* Somebody else may ask while v goes to sleep: asking changes nothing. */
START_TEST(test_next_deadline_only_looks)
{
	atomic_store(&t->d->poll_mask, 1);
	atomic_store(&v->poll_evtchn, -1);
	atomic_store(&v->timer[TIMER_POLL], t->now + 5);
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	atomic_fetch_or(&v->pause_flags, VPF_BLOCKED);
	ck_assert_uint_eq(vcpu_next_deadline(v), t->now + 5);
	ck_assert_uint_eq(t->d->poll_mask, 1);
	t->now += 5;
	vcpu_run_timers(v, t->now);
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert_uint_eq(t->d->poll_mask, 0);
}
END_TEST

START_TEST(test_unbound_virq)
{
	ck_assert_int_eq(HCALL(t, 1, __HYPERVISOR_set_timer_op, t->now + 1), 0);
	t->now += 2;
	vcpu_run_timers(t->d->vcpu[1], t->now);
	ck_assert_uint_eq(vcpu_next_deadline(t->d->vcpu[1]), 0);
	ck_assert(!vcpu_info_of(t, 1)->evtchn_upcall_pending);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		test_set_timer,	  test_set_timer_huge, test_timer_wakes_blocked_vcpu, test_periodic,
		test_both_timers, test_unbound_virq,   test_next_deadline_only_looks,
	};
	Suite *s = suite_create("timers");
	TCase *c = tcase_create("timers");
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
