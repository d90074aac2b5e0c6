/*
 * The event loop: handlers run in its thread, may add, change and delete
 * descriptors, their own too, and the loop ends when it is destroyed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

static struct event_loop *l;
static int fd, other;
static _Atomic unsigned calls, other_calls;
static uint32_t last_events;
static pthread_t thread;

static void setup(void)
{
	l = event_loop_create();
	ck_assert_ptr_nonnull(l);
	test_loop_init(l);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	calls = other_calls = 0;
}

static void teardown(void)
{
	event_loop_destroy(l);
	test_loop_free();
	close(fd);
	close(other);
}

static void on_fd(void *arg, uint32_t events)
{
	eventfd_t n;

	calls++;
	last_events = events;
	thread = pthread_self();
	eventfd_read(*(int *)arg, &n);
}

static void on_other(void *arg, uint32_t events)
{
	eventfd_t n;

	other_calls++;
	eventfd_read(other, &n);
}

START_TEST(runs_in_its_thread)
{
	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, on_fd, &fd), 0);
	eventfd_write(fd, 1);
	ck_assert_uint_eq(calls, 0);
	ck_assert_int_eq(event_loop_start(l), 0);
	test_loop_sync();
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(last_events, EPOLLIN);
	ck_assert(!pthread_equal(thread, pthread_self()));
	eventfd_write(fd, 1);
	test_loop_sync();
	ck_assert_uint_eq(calls, 2);
}
END_TEST

START_TEST(refusals)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, on_fd, &fd), 0);
	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, on_fd, &fd), -EEXIST);
	ck_assert_int_eq(event_loop_add(l, file, EPOLLIN, on_fd, &file), -EPERM);
	ck_assert_int_eq(event_loop_add(l, -1, EPOLLIN, on_fd, &fd), -EBADF);
	ck_assert_int_eq(event_loop_mod(l, other, EPOLLIN), -ENOENT);
	event_loop_del(l, other); /* nothing */
	event_loop_del(l, fd);
	ck_assert_int_eq(event_loop_mod(l, fd, EPOLLIN), -ENOENT);
	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, on_fd, &fd), 0);
	close(file);
}
END_TEST

START_TEST(what_is_watched_can_change)
{
	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, on_fd, &fd), 0);
	ck_assert_int_eq(event_loop_mod(l, fd, 0), 0);
	ck_assert_int_eq(event_loop_start(l), 0);
	eventfd_write(fd, 1);
	test_loop_sync();
	ck_assert_uint_eq(calls, 0);
}
END_TEST

/* Of two that are ready, the first handler deletes both. */
static void delete_both(void *arg, uint32_t events)
{
	calls++;
	event_loop_del(l, fd);
	event_loop_del(l, other);
}

START_TEST(deleted_in_the_same_batch)
{
	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, delete_both, NULL), 0);
	ck_assert_int_eq(event_loop_add(l, other, EPOLLIN, delete_both, NULL), 0);
	eventfd_write(fd, 1);
	eventfd_write(other, 1);
	ck_assert_int_eq(event_loop_start(l), 0);
	test_loop_sync();
	ck_assert_uint_eq(calls, 1);
}
END_TEST

/* A number that is closed and used again in the same batch is a new source. */
static void replace(void *arg, uint32_t events)
{
	calls++;
	event_loop_del(l, fd);
	event_loop_del(l, other);
	close(other);
	int again = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_eq(again, other);
	ck_assert_int_eq(event_loop_add(l, other, EPOLLIN, on_other, NULL), 0);
}

START_TEST(a_reused_descriptor_is_another_source)
{
	ck_assert_int_eq(event_loop_add(l, fd, EPOLLIN, replace, NULL), 0);
	ck_assert_int_eq(event_loop_add(l, other, EPOLLIN, on_fd, &other), 0);
	eventfd_write(fd, 1);
	eventfd_write(other, 1);
	ck_assert_int_eq(event_loop_start(l), 0);
	test_loop_sync();
	ck_assert_uint_eq(calls, 1); /* not on_fd with the old argument */
	ck_assert_uint_eq(other_calls, 1);
}
END_TEST

static void count_once(void *arg, uint32_t events)
{
	calls++;
	event_loop_del(l, *(int *)arg);
}

/* More than one epoll_wait() returns. */
START_TEST(many_sources)
{
	int many[100];

	for (unsigned i = 0; i < 100; i++) {
		many[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		ck_assert_int_eq(event_loop_add(l, many[i], EPOLLIN, count_once, &many[i]), 0);
	}
	ck_assert_int_eq(event_loop_start(l), 0);
	for (unsigned i = 0; i < 20 && calls < 100; i++)
		test_loop_sync();
	ck_assert_uint_eq(calls, 100);
	for (unsigned i = 0; i < 100; i++)
		close(many[i]);
}
END_TEST

START_TEST(never_started)
{
	struct event_loop *idle = event_loop_create();

	ck_assert_int_eq(event_loop_add(idle, fd, EPOLLIN, on_fd, &fd), 0);
	event_loop_destroy(idle);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		runs_in_its_thread,
		refusals,
		what_is_watched_can_change,
		deleted_in_the_same_batch,
		a_reused_descriptor_is_another_source,
		many_sources,
		never_started,
	};

	return RUN_TESTS("event_loop", setup, teardown, tests);
}
