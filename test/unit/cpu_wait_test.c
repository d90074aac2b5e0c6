/*
 * Who asked another vcpu to forget its translations waits for it no longer than it must.
 */
#include <pthread.h>
#include <sched.h>

#include "test/unit/test_run.h"
#include "vmm/cpu.h"

static struct cpu c;

static void setup(void)
{
	c = (struct cpu){.entries = 7, .in_guest = true, .remote_flush = true};
}

static void teardown(void)
{
}

/* It was kicked, came out and is in the guest again before anybody looked: with nothing to come
 * out for it may stay there for ever, as a vcpu that spins for a lock of the waiting one's. */
START_TEST(who_has_flushed_and_gone_on_is_not_waited_for)
{
	c.entries++;
	c.remote_flush = false;
	cpu_wait_flushed(&c);
}
END_TEST

START_TEST(who_is_outside_flushes_on_its_way_in)
{
	c.in_guest = false;
	cpu_wait_flushed(&c);
	ck_assert(c.remote_flush);
}
END_TEST

static _Atomic bool waited;

static void *wait_for_it(void *arg)
{
	cpu_wait_flushed(&c);
	atomic_store(&waited, true);
	return NULL;
}

static void waits_until(void (*happens)(void))
{
	pthread_t thread;

	waited = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_it, NULL), 0);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	ck_assert(!atomic_load(&waited));
	happens();
	pthread_join(thread, NULL);
}

static void flushes(void)
{
	atomic_store(&c.remote_flush, false);
}

static void goes_out(void)
{
	atomic_store(&c.in_guest, false);
}

START_TEST(others_are)
{
	waits_until(flushes);
	setup();
	waits_until(goes_out);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		who_has_flushed_and_gone_on_is_not_waited_for,
		who_is_outside_flushes_on_its_way_in,
		others_are,
	};

	return RUN_TESTS("cpu_wait", setup, teardown, tests);
}
