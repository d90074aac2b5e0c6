/*
 * domain_pause: counts as Xen's does, keeps what a vcpu waits for, and lets timers that
 * wake a vcpu go on.
 */
#include <check.h>
#include <errno.h>

#include "test/unit/test_evtchn.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(3, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static uint32_t flags(unsigned vcpu)
{
	return atomic_load(&t->d->vcpu[vcpu]->pause_flags);
}

START_TEST(all_vcpus_at_once)
{
	atomic_store(&t->d->vcpu[2]->pause_flags, VPF_DOWN);
	ck_assert_int_eq(domain_pause(t->d), 0);
	ck_assert_uint_eq(flags(0), VPF_PAUSED);
	ck_assert_uint_eq(flags(2), VPF_PAUSED | VPF_DOWN);
	ck_assert_uint_eq(t->kicks[0], 1);
	ck_assert_uint_eq(t->kicks[1], 1);
	/* One that comes up meanwhile waits, too. */
	vcpu_up(t->d->vcpu[2]);
	ck_assert_uint_eq(flags(2), VPF_PAUSED);
	unsigned before = t->kicks[2];
	ck_assert_int_eq(domain_unpause(t->d), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(flags(i), 0);
	ck_assert_uint_eq(t->kicks[2], before + 1);
}
END_TEST

/* Xen: 255 at most, -EOVERFLOW; -EINVAL for a domain that runs. */
START_TEST(pauses_count)
{
	ck_assert_int_eq(domain_unpause(t->d), -EINVAL);
	for (int i = 0; i < 255; i++)
		ck_assert_int_eq(domain_pause(t->d), 0);
	ck_assert_int_eq(domain_pause(t->d), -EOVERFLOW);
	for (int i = 0; i < 254; i++)
		ck_assert_int_eq(domain_unpause(t->d), 0);
	ck_assert_uint_eq(flags(1), VPF_PAUSED);
	ck_assert_int_eq(domain_unpause(t->d), 0);
	ck_assert_uint_eq(flags(1), 0);
	ck_assert_int_eq(domain_unpause(t->d), -EINVAL);
}
END_TEST

START_TEST(a_sleeper_is_woken_and_waits)
{
	struct vcpu *v = t->d->vcpu[1];

	atomic_store(&v->pause_flags, VPF_BLOCKED);
	domain_pause(t->d);
	ck_assert_uint_eq(flags(1), VPF_BLOCKED | VPF_PAUSED);
	vcpu_unblock(v);
	ck_assert_uint_eq(flags(1), VPF_PAUSED);
	domain_unpause(t->d);
	ck_assert_uint_eq(flags(1), 0);
}
END_TEST

/* The periodic timer is a tick for vcpus that run; the single shot comes in time. */
START_TEST(timers)
{
	struct vcpu *v = t->d->vcpu[0];
	evtchn_port_t port = bind_virq(t, VIRQ_TIMER, 0);

	vcpu_set_periodic_timer(v, 1000000);
	vcpu_run_timers(v, t->now += 1000000);
	port_clear(t, port);
	uint64_t tick = vcpu_next_deadline(v);
	ck_assert_uint_ne(tick, 0);
	domain_pause(t->d);
	ck_assert_uint_eq(vcpu_next_deadline(v), 0);
	vcpu_run_timers(v, t->now = tick);
	ck_assert(!port_pending(t, port));
	atomic_store(&v->timer[TIMER_SINGLESHOT], tick + 10);
	ck_assert_uint_eq(vcpu_next_deadline(v), tick + 10);
	vcpu_run_timers(v, t->now = tick + 10);
	ck_assert(port_pending(t, port));
	port_clear(t, port);
	domain_unpause(t->d);
	ck_assert_uint_eq(vcpu_next_deadline(v), tick);
	vcpu_run_timers(v, t->now);
	ck_assert(port_pending(t, port));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_vcpus_at_once,
		pauses_count,
		a_sleeper_is_woken_and_waits,
		timers,
	};

	return RUN_TESTS("pause", setup, teardown, tests);
}
