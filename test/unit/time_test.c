/*
 * What the guest reads of time from memory: vcpu_time_info in both places, the
 * wall clock, run states; and that a reader never sees half of an update.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "test/unit/test_evtchn.h"

#define SEC 1000000000ull

static struct test_domain *t;
static struct vcpu *v;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	v = t->d->vcpu[0];
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(test_vcpu_info_time)
{
	volatile struct vcpu_time_info *u = &vcpu_info_of(t, 0)->time;
	uint32_t version;

	vcpu_time_update(v);
	version = u->version;
	ck_assert_uint_eq(version & 1, 0);
	ck_assert_uint_eq(u->system_time, t->now);
	ck_assert_uint_eq(u->tsc_to_system_mul, 0x80000000u);
	ck_assert_int_eq(u->tsc_shift, 1);
	ck_assert_uint_eq(u->flags, XEN_PVCLOCK_TSC_STABLE_BIT);
	t->now += 5;
	vcpu_time_update(v);
	ck_assert_uint_eq(u->system_time, t->now);
	ck_assert_uint_eq(u->version, version + 2);
	/* What the guest writes there is its own problem. */
	u->version = 77;
	vcpu_time_update(v);
	ck_assert_uint_eq(u->version, version + 4);
}
END_TEST

START_TEST(test_time_area)
{
	uint64_t va = test_alloc(t, 2 * PAGE_SIZE) + PAGE_SIZE - 12; /* over a page's end */
	struct vcpu_time_info u;

	v->time_area_va = va;
	vcpu_time_update(v);
	test_read(t, va, &u, sizeof(u));
	ck_assert_mem_eq(&u, &vcpu_info_of(t, 0)->time, sizeof(u));
	/* The same from user mode, on tables that have nothing mapped. */
	v->kernel_mode = false;
	v->guest_table_user = test_frame(t);
	t->now += SEC;
	vcpu_time_update(v);
	test_read(t, va, &u, sizeof(u));
	ck_assert_uint_eq(u.system_time, t->now);
	ck_assert_uint_eq(u.version & 1, 0);
	/* A bad address stops nothing. */
	v->time_area_va = TEST_VA_UNMAPPED;
	t->now += SEC;
	vcpu_time_update(v);
	ck_assert_uint_eq(vcpu_info_of(t, 0)->time.system_time, t->now);
	v->guest_table = INVALID_MFN;
	vcpu_time_update(v);
}
END_TEST

START_TEST(test_time_area_not_mapped_far_enough)
{
	uint64_t va = test_alloc(t, PAGE_SIZE) + PAGE_SIZE - 16;

	v->time_area_va = va;
	vcpu_time_update(v);
	ck_assert_uint_eq(vcpu_info_of(t, 0)->time.system_time, t->now);
}
END_TEST

START_TEST(test_wallclock)
{
	struct shared_info *si = t->d->shared_info;

	t->wall = 5000000000ull * SEC + 300; /* more seconds than 32 bits hold */
	t->now = 7 * SEC + 400;
	domain_wallclock_update(t->d);
	ck_assert_uint_eq((uint64_t)si->wc_sec_hi << 32 | si->wc_sec, 5000000000ull - 8);
	ck_assert_uint_eq(si->wc_nsec, SEC - 100);
	ck_assert_uint_eq(si->wc_version, 2);
	domain_wallclock_update(t->d);
	ck_assert_uint_eq(si->wc_version, 4);
	si->wc_version = ~0u;
	domain_wallclock_update(t->d);
	ck_assert_uint_eq(si->wc_version, 0);
}
END_TEST

static uint64_t sum(const struct vcpu_runstate_info *r)
{
	return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

START_TEST(test_runstate_times)
{
	uint64_t start = t->now;
	struct vcpu_runstate_info r;

	ck_assert_int_eq(v->runstate.state, RUNSTATE_offline);
	vcpu_runstate_change(v, RUNSTATE_running, start + 10);
	vcpu_runstate_change(v, RUNSTATE_blocked, start + 30);
	vcpu_runstate_change(v, RUNSTATE_running, start + 70);
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_offline], 10);
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_running], 20);
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_blocked], 40);
	ck_assert_uint_eq(v->runstate.state_entry_time, start + 70);
	vcpu_runstate_get(v, start + 75, &r);
	ck_assert_uint_eq(r.time[RUNSTATE_running], 25);
	ck_assert_uint_eq(r.state_entry_time, start + 70);
	ck_assert_uint_eq(sum(&r), 75);
	/* A clock that went back does no harm. */
	vcpu_runstate_change(v, RUNSTATE_blocked, start + 60);
	vcpu_runstate_change(v, RUNSTATE_running, start + 80);
	ck_assert_uint_eq(sum(&v->runstate), 80);
}
END_TEST

START_TEST(test_runstate_steal)
{
	uint64_t start = t->now;

	vcpu_runstate_change(v, RUNSTATE_running, start);
	t->now = start + 100;
	vcpu_runstate_steal(v, 30);
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_running], 70);
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_runnable], 30);
	ck_assert_int_eq(v->runstate.state, RUNSTATE_running);
	vcpu_runstate_steal(v, 1000); /* no more than there is */
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_running], 0);
	ck_assert_uint_eq(v->runstate.time[RUNSTATE_runnable], 100);
	vcpu_runstate_change(v, RUNSTATE_blocked, start + 150);
	ck_assert_uint_eq(sum(&v->runstate), 150);
}
END_TEST

/* The time running never goes back once the guest has seen it. */
START_TEST(test_runstate_steal_after_told)
{
	uint64_t start = t->now;
	struct vcpu_runstate_info r;

	vcpu_runstate_change(v, RUNSTATE_running, start);
	t->now = start + 100;
	vcpu_runstate_get(v, t->now, &r);
	ck_assert_uint_eq(r.time[RUNSTATE_running], 100);
	t->now = start + 110;
	vcpu_runstate_steal(v, 50);
	vcpu_runstate_get(v, t->now, &r);
	ck_assert_uint_eq(r.time[RUNSTATE_running], 100);
	ck_assert_uint_eq(r.time[RUNSTATE_runnable], 10);
	t->now = start + 120;
	vcpu_runstate_get(v, t->now, &r);
	ck_assert_uint_eq(r.time[RUNSTATE_running], 110);
}
END_TEST

START_TEST(test_runstate_area)
{
	uint64_t va = test_alloc(t, sizeof(struct vcpu_runstate_info));
	struct vcpu_runstate_info r;

	v->runstate_area_va = va;
	vcpu_runstate_change(v, RUNSTATE_running, t->now + 10);
	v->kernel_mode = false; /* an area of the kernel's all the same */
	vcpu_runstate_publish(v);
	test_read(t, va, &r, sizeof(r));
	ck_assert_mem_eq(&r, &v->runstate, sizeof(r));
	/* Nothing new: nothing written. */
	memset(test_ptr(t, va), 0xff, sizeof(r));
	vcpu_runstate_publish(v);
	test_read(t, va, &r, sizeof(r));
	ck_assert_int_eq(r.state, -1);
	/* With the flag the end result is the same. */
	t->d->vm_assist |= 1u << VMASST_TYPE_runstate_update_flag;
	vcpu_runstate_change(v, RUNSTATE_blocked, t->now + 20);
	vcpu_runstate_publish(v);
	test_read(t, va, &r, sizeof(r));
	ck_assert_mem_eq(&r, &v->runstate, sizeof(r));
	v->runstate_area_va = TEST_VA_UNMAPPED;
	vcpu_runstate_change(v, RUNSTATE_running, t->now + 30);
	vcpu_runstate_publish(v);
}
END_TEST

/* Another thread reads as a guest's other vcpu would. */
static _Atomic bool stop;
static _Atomic unsigned seen;

static void *read_runstate(void *area)
{
	volatile struct vcpu_runstate_info *u = area;
	unsigned bad = 0;

	while (!atomic_load(&stop)) {
		struct vcpu_runstate_info r, g;
		uint64_t before, after;

		before = u->state_entry_time;
		atomic_thread_fence(memory_order_acquire);
		for (unsigned i = 0; i < 4; i++)
			r.time[i] = u->time[i];
		atomic_thread_fence(memory_order_acquire);
		after = u->state_entry_time;
		/* Entered at E, the times are those of E: offline began at 1 s. */
		if (before == after && !(before & XEN_RUNSTATE_UPDATE) && before &&
		    sum(&r) != before - SEC)
			bad++;
		vcpu_runstate_get(v, 0, &g);
		if (sum(&g) != g.state_entry_time - SEC)
			bad++;
		atomic_fetch_add(&seen, 1);
	}
	return (void *)(uintptr_t)bad;
}

START_TEST(test_runstate_readers)
{
	uint64_t va = test_alloc(t, sizeof(struct vcpu_runstate_info)), now = t->now;
	pthread_t thread;
	void *bad;

	t->d->vm_assist |= 1u << VMASST_TYPE_runstate_update_flag;
	v->runstate_area_va = va;
	ck_assert_int_eq(pthread_create(&thread, NULL, read_runstate, test_ptr(t, va)), 0);
	for (unsigned i = 0; i < 200000 || atomic_load(&seen) < 1000; i++) {
		now += i % 7 + 1;
		vcpu_runstate_change(v, i & 1 ? RUNSTATE_blocked : RUNSTATE_running, now);
		vcpu_runstate_publish(v);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &bad);
	ck_assert_ptr_null(bad);
}
END_TEST

static void *read_time(void *area)
{
	volatile struct vcpu_time_info *u = area;
	unsigned bad = 0;

	while (!atomic_load(&stop)) {
		uint64_t tsc, system;
		uint32_t before, after;

		before = u->version;
		atomic_thread_fence(memory_order_acquire);
		tsc = u->tsc_timestamp;
		system = u->system_time;
		atomic_thread_fence(memory_order_acquire);
		after = u->version;
		if (before == after && !(before & 1) && tsc != system)
			bad++;
		atomic_fetch_add(&seen, 1);
	}
	return (void *)(uintptr_t)bad;
}

/* A clock that notices when two threads publish at once. */
static _Atomic uint64_t ticks;
static _Atomic unsigned inside, meetings;

static void time_info(struct domain *d, struct vcpu_time_info *u)
{
	if (atomic_fetch_add(&inside, 1))
		atomic_fetch_add(&meetings, 1);
	u->tsc_timestamp = u->system_time = atomic_fetch_add(&ticks, 1);
	if (u->system_time % 64 == 0)
		sched_yield();
	atomic_fetch_sub(&inside, 1);
}

/* A vcpu that registers the area again and again, for v. */
static void *write_time(void *arg)
{
	while (!atomic_load(&stop))
		vcpu_time_update(v);
	return NULL;
}

START_TEST(test_time_readers)
{
	uint64_t va = test_alloc(t, sizeof(struct vcpu_time_info));
	void *places[2] = {test_ptr(t, va), &vcpu_info_of(t, 0)->time};
	struct host_ops ops = *t->d->ops;
	pthread_t threads[2], writer;

	ops.time_info = time_info;
	t->d->ops = &ops;
	v->time_area_va = va;
	ck_assert_int_eq(pthread_create(&writer, NULL, write_time, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_time, places[i]), 0);
	for (unsigned i = 0; i < 200000 || atomic_load(&seen) < 1000; i++)
		vcpu_time_update(v);
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	for (unsigned i = 0; i < 2; i++) {
		void *bad;

		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_uint_eq(meetings, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		test_vcpu_info_time, test_time_area,	    test_time_area_not_mapped_far_enough,
		test_wallclock,	     test_runstate_times,   test_runstate_steal,  test_runstate_steal_after_told,
		test_runstate_area,  test_runstate_readers, test_time_readers,
	};
	Suite *s = suite_create("time");
	TCase *c = tcase_create("time");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
