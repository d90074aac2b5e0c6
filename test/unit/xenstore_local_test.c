/*
 * The store from our own process: values, numbers, permissions, watches.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_run.h"

static struct event_loop *loop;
static struct xenstore *xs;

static void setup(void)
{
	loop = event_loop_create();
	xs = xenstore_create(loop);
	ck_assert_ptr_nonnull(xs);
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
}

START_TEST(what_is_written_is_read)
{
	ck_assert_ptr_null(xenstore_read(xs, "/a/b"));
	ck_assert(!xenstore_exists(xs, "/a"));
	ck_assert_int_eq(xenstore_write(xs, "/a/b", "%s %u", "x", 7), 0);
	char *v = xenstore_read(xs, "/a/b");
	ck_assert_str_eq(v, "x 7");
	free(v);
	v = xenstore_read(xs, "/a");
	ck_assert_str_eq(v, "");
	free(v);
	ck_assert_int_eq(xenstore_remove(xs, "/a"), 0);
	ck_assert_int_eq(xenstore_remove(xs, "/a"), -ENOENT);
	ck_assert(!xenstore_exists(xs, "/a/b"));
	ck_assert_int_eq(xenstore_remove(xs, "/"), -ENOENT);
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		const char *text;
		uint64_t max;
		int rc;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0, 0},
		{"4095", 4095, 0, 4095},
		{"4096", 4095, -EINVAL, 0},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -EINVAL, 0},
		{"99999999999999999999", UINT64_MAX, -EINVAL, 0},
		{"", 9, -EINVAL, 0},
		{"-1", 9, -EINVAL, 0},
		{" 1", 9, -EINVAL, 0},
		{"1 ", 9, -EINVAL, 0},
		{"0x1", 99, -EINVAL, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t v = 0;
		xenstore_write(xs, "/n", "%s", cases[i].text);
		ck_assert_int_eq(xenstore_read_number(xs, "/n", cases[i].max, &v), cases[i].rc);
		ck_assert_uint_eq(v, cases[i].value);
	}
	uint64_t v;
	ck_assert_int_eq(xenstore_read_number(xs, "/none", 9, &v), -ENOENT);
}
END_TEST

START_TEST(paths_and_values_that_are_none)
{
	char big[2048 + 2], path[PATH_SIZE + 8];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	ck_assert_int_eq(xenstore_write(xs, "/big", "%s", big), -EINVAL);
	ck_assert_int_eq(xenstore_write(xs, "relative", "1"), -EINVAL);
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	ck_assert_int_eq(xenstore_write(xs, path, "1"), -EINVAL);
	ck_assert_int_eq(xenstore_mkdir(xs, path, 0, 1), -EINVAL);
}
END_TEST

START_TEST(a_directory_s_permissions_are_inherited)
{
	ck_assert_int_eq(xenstore_mkdir(xs, "/d", 3, 0), 0);
	ck_assert_int_eq(xenstore_write(xs, "/d/key", "1"), 0);
	const struct node *n = store_find(&xs->store, "/d/key");
	ck_assert(perms_of(&n->perms, 3, NO_TARGET) & XS_PERM_WRITE);
	ck_assert(!(perms_of(&n->perms, 4, NO_TARGET) & XS_PERM_READ));
}
END_TEST

/* A watch whose function is called in the loop's thread. */
static sem_t called;
static _Atomic unsigned calls;
static struct local_watch *watch;

static void on_change(void *arg)
{
	calls++;
	sem_post(&called);
}

static void on_change_once(void *arg)
{
	on_change(arg);
	xenstore_unwatch(watch);
	xenstore_write(xs, "/w/a", "again");
}

static void on_change_stores(void *arg)
{
	if (calls < 3)
		xenstore_write(xs, "/w/a", "%u", calls);
	on_change(arg);
}

static bool another_call(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * 1000000l;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return !sem_timedwait(&called, &t);
}

static void start(const char *path, void (*fn)(void *arg))
{
	sem_init(&called, 0, 0);
	calls = 0;
	watch = xenstore_watch(xs, path, fn, NULL);
	for (unsigned i = 0; i < 1000; i++)
		xenstore_write(xs, "/w/a", "%u", i);
	ck_assert_int_eq(event_loop_start(loop), 0);
	ck_assert(another_call(5000));
}

START_TEST(many_changes_are_one_call)
{
	start("/w", on_change);
	ck_assert(!another_call(100));
	ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(a_function_may_change_what_it_watches)
{
	start("/w/a", on_change_stores);
	ck_assert(another_call(5000));
	ck_assert(another_call(5000));
	ck_assert(another_call(5000));
	ck_assert(!another_call(100));
}
END_TEST

START_TEST(a_function_may_end_its_watch)
{
	start("/w", on_change_once);
	ck_assert(!another_call(100));
	ck_assert_ptr_null(xs->local.watches);
}
END_TEST

START_TEST(a_removed_parent_fires)
{
	xenstore_write(xs, "/p/q/r", "1");
	watch = xenstore_watch(xs, "/p/q/r", on_change, NULL);
	watch = NULL;
	xs->local.watches->fired = false;
	xenstore_write(xs, "/p/other", "1");
	ck_assert(!xs->local.watches->fired);
	xenstore_remove(xs, "/p");
	ck_assert(xs->local.watches->fired);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_written_is_read,	numbers,
		paths_and_values_that_are_none, a_directory_s_permissions_are_inherited,
		many_changes_are_one_call,	a_function_may_change_what_it_watches,
		a_function_may_end_its_watch,	a_removed_parent_fires,
	};

	return RUN_TESTS("xenstore_local", setup, teardown, tests);
}
