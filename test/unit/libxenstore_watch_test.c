/*
 * libxenstore: watches, their events, and the thread that reads them.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "libxenstore/include/xenstore.h"
#include "test/unit/test_run.h"
#include "test/unit/test_store.h"

static struct xs_handle *h;

static void setup(void)
{
}

static void teardown(void)
{
	xs_close(h);
	test_store_end();
}

#define OPEN(flags, ...)                  \
	do {                              \
		TEST_STORE(__VA_ARGS__);  \
		h = xs_open(flags);       \
		ck_assert_ptr_nonnull(h); \
	} while (0)

#define WATCHED	  WANT(XS_WATCH, 0, "/a\0t"), SEND(XS_WATCH, 0, "OK")
#define EVENT(s)  SEND(XS_WATCH_EVENT, 0, s)
#define ASKED	  WANT(XS_MKDIR, 0, "/m")
#define ANSWERED  SEND(XS_MKDIR, 0, "OK")
#define UNWATCHED SEND(XS_UNWATCH, 0, "OK")

static void is_event(char **e, const char *path, const char *token)
{
	ck_assert_ptr_nonnull(e);
	ck_assert_str_eq(e[XS_WATCH_PATH], path);
	ck_assert_str_eq(e[XS_WATCH_TOKEN], token);
	free(e);
}

static void next_is(const char *path, const char *token)
{
	unsigned num = 0;
	char **e = xs_read_watch(h, &num);

	ck_assert_uint_eq(num, 2);
	is_event(e, path, token);
}

static void none_left(int err)
{
	ck_assert_ptr_null(xs_check_watch(h));
	ck_assert_int_eq(errno, err);
}

static bool readable(int timeout)
{
	struct pollfd p = {.fd = xs_fileno(h), .events = POLLIN};

	return poll(&p, 1, timeout) == 1;
}

START_TEST(events_in_their_order)
{
	OPEN(0, WATCHED, EVENT("/a\0t"), EVENT("/a/b\0t"), EVENT("/a\0t"), WAIT());
	none_left(EAGAIN);
	ck_assert(xs_watch(h, "/a", "t"));
	next_is("/a", "t");
	next_is("/a/b", "t");
	next_is("/a", "t");
	none_left(EAGAIN);
	test_store_go();
}
END_TEST

START_TEST(a_watch_that_is_refused)
{
	OPEN(0, WANT(XS_WATCH, 0, "@x\0"), SEND(XS_ERROR, 0, "EINVAL"),
	     WANT(XS_UNWATCH, 0, "/a\0t"), SEND(XS_ERROR, 0, "ENOENT"));
	ck_assert(!xs_watch(h, "@x", ""));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(!xs_unwatch(h, "/a", "t"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(fileno_is_readable_while_events_wait)
{
	OPEN(0, WATCHED, WAIT(), EVENT("/a\0t"), EVENT("/a\0t"), ASKED, ANSWERED, WAIT());
	ck_assert(!readable(0));
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert(!readable(0));
	test_store_go();
	ck_assert(readable(-1));
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	is_event(xs_check_watch(h), "/a", "t");
	ck_assert(readable(0));
	is_event(xs_check_watch(h), "/a", "t");
	ck_assert(!readable(0));
	none_left(EAGAIN);
	test_store_go();
}
END_TEST

START_TEST(fileno_after_the_event)
{
	OPEN(0, WATCHED, EVENT("/a\0t"), ASKED, ANSWERED, WAIT());
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	ck_assert(readable(0));
	next_is("/a", "t");
	ck_assert(!readable(0));
	test_store_go();
}
END_TEST

/* The store sends them before the answer to WATCH, and between request and answer. */
START_TEST(events_before_answers)
{
	OPEN(0, WANT(XS_WATCH, 0, "/a\0t"), EVENT("/a\0t"), SEND(XS_WATCH, 0, "OK"), ASKED,
	     EVENT("/a/x\0t"), ANSWERED);
	ck_assert(xs_watch(h, "/a", "t"));
	is_event(xs_check_watch(h), "/a", "t");
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	is_event(xs_check_watch(h), "/a/x", "t");
}
END_TEST

/* Without a thread whoever asks keeps what comes in between. */
START_TEST(events_without_a_watch)
{
	OPEN(0, ASKED, EVENT("/a\0t"), ANSWERED);
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	next_is("/a", "t");
}
END_TEST

#define UNWATCH_SCRIPT                                                                           \
	WATCHED, WANT(XS_UNWATCH, 0, "/a\0t"), EVENT("/a\0t"), EVENT("/a\0u"), EVENT("/a/b\0t"), \
		EVENT("/ab\0t"), EVENT("/a\0t"), UNWATCHED

START_TEST(events_after_unwatch)
{
	OPEN(0, UNWATCH_SCRIPT);
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert(xs_unwatch(h, "/a", "t"));
	next_is("/a", "t");
	next_is("/a", "u");
	next_is("/a/b", "t");
	next_is("/ab", "t");
	next_is("/a", "t");
}
END_TEST

START_TEST(no_events_after_unwatch_with_the_filter)
{
	OPEN(XS_UNWATCH_FILTER, UNWATCH_SCRIPT, ASKED, EVENT("/ab\0v"), ANSWERED,
	     WANT(XS_UNWATCH, 0, "/ab\0v"), UNWATCHED, WAIT());
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert(xs_unwatch(h, "/a", "t"));
	next_is("/a", "u");
	ck_assert(readable(0));
	next_is("/ab", "t");
	ck_assert(!readable(0));
	none_left(EAGAIN);
	/* When it takes the last one, nothing is readable. */
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	ck_assert(readable(0));
	ck_assert(xs_unwatch(h, "/ab", "v"));
	ck_assert(!readable(0));
	none_left(EAGAIN);
	test_store_go();
}
END_TEST

START_TEST(what_came_before_the_end_is_there)
{
	OPEN(0, WATCHED, EVENT("/a\0t"), EVENT("/a\0t"));
	unsigned num;
	ck_assert(xs_watch(h, "/a", "t"));
	next_is("/a", "t");
	next_is("/a", "t");
	ck_assert_ptr_null(xs_read_watch(h, &num));
	ck_assert_int_eq(errno, EINVAL);
	none_left(EINVAL);
	ck_assert(!xs_mkdir(h, XBT_NULL, "/m"));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(the_end_in_a_request)
{
	OPEN(0, WATCHED, ASKED);
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert(!xs_mkdir(h, XBT_NULL, "/m"));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(!xs_mkdir(h, XBT_NULL, "/m"));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(events_that_are_none)
{
	static const struct store_step bad[] = {
		SEND(XS_WATCH_EVENT, 0, "/a"),	    /* no token */
		SEND_BARE(XS_WATCH_EVENT, 0, ""),   /* nothing */
		SEND_BARE(XS_WATCH_EVENT, 0, "/a"), /* no NUL */
		SEND(XS_MKDIR, 0, "OK"),	    /* an answer that nobody waits for */
	};
	unsigned num;

	for (unsigned i = 0; i < 4; i++) {
		const struct store_step steps[] = {WATCHED, bad[i], WAIT()};
		test_store_start(steps, 4);
		h = xs_open(0);
		ck_assert(xs_watch(h, "/a", "t"));
		ck_assert_ptr_null(xs_read_watch(h, &num));
		ck_assert_int_eq(errno, EINVAL);
		test_store_go();
		if (i == 3)
			break;
		xs_close(h);
		test_store_end();
	}
}
END_TEST

/* A token may hold anything but NUL; an event may have more strings. */
START_TEST(odd_events)
{
	unsigned num = 0;

	OPEN(0, WATCHED, EVENT("/a\0"), EVENT("/a\0t\0more"), WAIT());
	ck_assert(xs_watch(h, "/a", "t"));
	next_is("/a", "");
	char **e = xs_read_watch(h, &num);
	ck_assert_uint_eq(num, 3);
	ck_assert_str_eq(e[2], "more");
	free(e);
	test_store_go();
}
END_TEST

static void *reads(void *arg)
{
	next_is("/a", "t");
	return NULL;
}

/* Somebody waits for events before there is a watch; others ask meanwhile. */
START_TEST(a_thread_waits_for_events)
{
	pthread_t thread;

	OPEN(0, ASKED, ANSWERED, WATCHED, ASKED, ANSWERED, WAIT(), EVENT("/a\0t"), WAIT());
	pthread_create(&thread, NULL, reads, NULL);
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert(xs_mkdir(h, XBT_NULL, "/m"));
	test_store_go();
	pthread_join(thread, NULL);
	test_store_go();
}
END_TEST

/* The library's thread takes no signal of the program's. */
START_TEST(signals_are_the_programs)
{
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OPEN(0, WATCHED, WAIT());
	ck_assert(xs_watch(h, "/a", "t"));
	sigset_t now;
	pthread_sigmask(SIG_BLOCK, &set, &now);
	ck_assert(!sigismember(&now, SIGUSR1));
	kill(getpid(), SIGUSR1);
	sigwait(&set, &sig);
	ck_assert_int_eq(sig, SIGUSR1);
	test_store_go();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {events_in_their_order,
				      a_watch_that_is_refused,
				      fileno_is_readable_while_events_wait,
				      fileno_after_the_event,
				      events_before_answers,
				      events_without_a_watch,
				      events_after_unwatch,
				      no_events_after_unwatch_with_the_filter,
				      what_came_before_the_end_is_there,
				      the_end_in_a_request,
				      events_that_are_none,
				      odd_events,
				      a_thread_waits_for_events,
				      signals_are_the_programs};

	return RUN_TESTS("libxenstore_watch", setup, teardown, tests);
}
