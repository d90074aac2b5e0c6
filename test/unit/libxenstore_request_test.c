/*
 * libxenstore: what each call sends, what it makes of the answer, and what a store that
 * errs does to it. Payloads as in Xen's docs/misc/xenstore.txt.
 */
#include <errno.h>
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

#define OPEN(...)                         \
	do {                              \
		TEST_STORE(__VA_ARGS__);  \
		h = xs_open(0);           \
		ck_assert_ptr_nonnull(h); \
	} while (0)

#define OK(type, tx) SEND(type, tx, "OK")

START_TEST(values)
{
	unsigned len = 77;

	OPEN(WANT(XS_READ, 5, "/a"), SEND_BARE(XS_READ, 5, "x\0y"), WANT(XS_READ, 0, "b"),
	     SEND_BARE(XS_READ, 0, ""), WANT_BARE(XS_WRITE, 5, "/a\0x\0y"), OK(XS_WRITE, 5),
	     WANT(XS_WRITE, 0, "/a"), OK(XS_WRITE, 0), WANT(XS_MKDIR, 5, "/a"), OK(XS_MKDIR, 5),
	     WANT(XS_RM, 5, "/a"), OK(XS_RM, 5), WANT(XS_RM, 0, "/a"), SEND(XS_ERROR, 0, "ENOENT"));
	char *v = xs_read(h, 5, "/a", &len);
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(v, "x\0y", 4);
	free(v);
	v = xs_read(h, XBT_NULL, "b", &len);
	ck_assert_uint_eq(len, 0);
	ck_assert_str_eq(v, "");
	free(v);
	errno = 77; /* test-xenstore returns errno after a success */
	ck_assert(xs_write(h, 5, "/a", "x\0y", 3));
	ck_assert_int_eq(errno, 0);
	ck_assert(xs_write(h, XBT_NULL, "/a", NULL, 0));
	ck_assert(xs_mkdir(h, 5, "/a"));
	ck_assert(xs_rm(h, 5, "/a"));
	ck_assert(!xs_rm(h, XBT_NULL, "/a"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(transactions)
{
	OPEN(WANT(XS_TRANSACTION_START, 0, ""), SEND(XS_TRANSACTION_START, 0, "4294967295"),
	     WANT(XS_TRANSACTION_END, 0xffffffff, "T"), SEND(XS_ERROR, 0xffffffff, "EAGAIN"),
	     WANT(XS_TRANSACTION_START, 0, ""), SEND(XS_TRANSACTION_START, 0, "7"),
	     WANT(XS_TRANSACTION_END, 7, "F"), OK(XS_TRANSACTION_END, 7),
	     WANT(XS_TRANSACTION_START, 0, ""), SEND(XS_ERROR, 0, "ENOSPC"));
	ck_assert_uint_eq(xs_transaction_start(h), 0xffffffff);
	ck_assert(!xs_transaction_end(h, 0xffffffff, false));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(xs_transaction_start(h), 7);
	ck_assert(xs_transaction_end(h, 7, true));
	ck_assert_uint_eq(xs_transaction_start(h), XBT_NULL);
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(domains)
{
	OPEN(WANT(XS_INTRODUCE, 0, "3\00018446744073709551615\0002"), OK(XS_INTRODUCE, 0),
	     WANT(XS_SET_TARGET, 0, "3\0004294967295"), OK(XS_SET_TARGET, 0),
	     WANT(XS_RESUME, 0, "3"), OK(XS_RESUME, 0), WANT(XS_RELEASE, 0, "4294967295"),
	     SEND(XS_ERROR, 0, "EINVAL"), WANT(XS_IS_DOMAIN_INTRODUCED, 0, "3"),
	     SEND(XS_IS_DOMAIN_INTRODUCED, 0, "T"), WANT(XS_IS_DOMAIN_INTRODUCED, 0, "4"),
	     SEND(XS_IS_DOMAIN_INTRODUCED, 0, "F"), WANT(XS_IS_DOMAIN_INTRODUCED, 0, "5"),
	     SEND(XS_ERROR, 0, "EACCES"), WANT(XS_GET_DOMAIN_PATH, 0, "3"),
	     SEND(XS_GET_DOMAIN_PATH, 0, "/local/domain/3"));
	ck_assert(xs_introduce_domain(h, 3, ~0ul, 2));
	ck_assert(xs_set_target(h, 3, ~0u));
	ck_assert(xs_resume_domain(h, 3));
	ck_assert(!xs_release_domain(h, ~0u));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(xs_is_domain_introduced(h, 3));
	ck_assert(!xs_is_domain_introduced(h, 4));
	ck_assert(!xs_is_domain_introduced(h, 5));
	char *path = xs_get_domain_path(h, 3);
	ck_assert_str_eq(path, "/local/domain/3");
	free(path);
}
END_TEST

START_TEST(control)
{
	OPEN(WANT(XS_CONTROL, 0, "print\0text"), SEND(XS_CONTROL, 0, "OK"),
	     WANT(XS_CONTROL, 0, "check"), SEND(XS_CONTROL, 0, "well"));
	char *r = xs_control_command(h, "print", (char[]){"text"}, 5);
	ck_assert_str_eq(r, "OK");
	free(r);
	r = xs_debug_command(h, "check", NULL, 0);
	ck_assert_str_eq(r, "well");
	free(r);
}
END_TEST

#define PORT_PATH "/local/domain/9/device/suspend/event-channel"
START_TEST(suspend_port)
{
	static const struct {
		struct store_step answer;
		int port;
	} cases[] = {
		{SEND_BARE(XS_READ, 0, "12"), 12},
		{SEND_BARE(XS_READ, 0, ""), -1},
		{SEND(XS_ERROR, 0, "ENOENT"), -1},
	};
	h = NULL;
	for (unsigned i = 0; i < 3; i++) {
		const struct store_step steps[] = {WANT(XS_READ, 0, PORT_PATH), cases[i].answer};
		test_store_start(steps, 2);
		ck_assert_int_eq(xs_suspend_evtchn_port(9), cases[i].port);
		if (i < 2)
			test_store_end();
	}
}
END_TEST

START_TEST(errors_of_the_store)
{
	static struct store_step steps[2 * 16 + 2];
	unsigned nr = sizeof(xsd_errors) / sizeof(xsd_errors[0]);

	ck_assert_uint_eq(nr, 16);
	for (unsigned i = 0; i <= nr; i++) {
		const char *name = i < nr ? xsd_errors[i].errstring : "EWHATEVER";
		steps[2 * i] = (struct store_step)WANT(XS_MKDIR, 0, "/a");
		steps[2 * i + 1] =
			(struct store_step){STEP_SEND, XS_ERROR, 0, name, strlen(name) + 1};
	}
	test_store_start(steps, 2 * (nr + 1));
	h = xs_open(0);
	for (unsigned i = 0; i <= nr; i++) {
		ck_assert(!xs_mkdir(h, XBT_NULL, "/a"));
		ck_assert_int_eq(errno, i < nr ? xsd_errors[i].errnum : EINVAL);
	}
}
END_TEST

START_TEST(an_error_without_a_nul)
{
	OPEN(WANT(XS_MKDIR, 0, "/a"), SEND_BARE(XS_ERROR, 0, "EROFS"), WANT(XS_MKDIR, 0, "/a"),
	     SEND_BARE(XS_ERROR, 0, ""));
	ck_assert(!xs_mkdir(h, XBT_NULL, "/a"));
	ck_assert_int_eq(errno, EROFS);
	ck_assert(!xs_mkdir(h, XBT_NULL, "/a"));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* Refused before anything is sent; the connection goes on. */
START_TEST(requests_too_long)
{
	static char big[XENSTORE_PAYLOAD_MAX + 1];
	static char most[XENSTORE_PAYLOAD_MAX] = "/a";
	static struct store_step steps[] = {
		{STEP_WANT, XS_WRITE, 0, most, sizeof(most)},
		SEND(XS_WRITE, 0, "OK"),
	};

	memset(most + 3, 'x', sizeof(most) - 3);
	memset(big, 'x', sizeof(big) - 1);
	test_store_start(steps, 2);
	h = xs_open(0);
	ck_assert(!xs_write(h, XBT_NULL, "/a", big, sizeof(most) - 2));
	ck_assert_int_eq(errno, E2BIG);
	ck_assert(!xs_write(h, XBT_NULL, "/a", big, ~0u));
	ck_assert_int_eq(errno, E2BIG);
	ck_assert(!xs_mkdir(h, XBT_NULL, big));
	ck_assert_int_eq(errno, E2BIG);
	ck_assert(xs_write(h, XBT_NULL, "/a", most + 3, sizeof(most) - 3));
}
END_TEST

static void lost(int err)
{
	ck_assert(!xs_mkdir(h, XBT_NULL, "/a"));
	ck_assert_int_eq(errno, err);
	/* And it stays so. */
	ck_assert(!xs_mkdir(h, XBT_NULL, "/b"));
	ck_assert_int_eq(errno, EBADF);
	ck_assert_ptr_null(xs_check_watch(h));
	ck_assert_int_eq(errno, EINVAL);
}

START_TEST(the_store_hangs_up)
{
	OPEN(WANT(XS_MKDIR, 0, "/a"));
	lost(EBADF);
}
END_TEST

START_TEST(it_hangs_up_in_a_message)
{
	OPEN(WANT(XS_MKDIR, 0, "/a"), SEND_RAW("\x0c\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0O"));
	lost(EBADF);
}
END_TEST

START_TEST(an_answer_of_another_type)
{
	OPEN(WANT(XS_MKDIR, 0, "/a"), SEND(XS_RM, 0, "OK"));
	lost(EBADF);
}
END_TEST

START_TEST(an_answer_too_long)
{
	OPEN(WANT(XS_MKDIR, 0, "/a"), SEND_RAW("\x0c\0\0\0\0\0\0\0\0\0\0\0\1\x10\0\0"));
	lost(E2BIG);
}
END_TEST

/* It was gone before we asked; the program's SIGPIPE is as it was. */
START_TEST(the_store_is_gone)
{
	OPEN(WAIT());
	signal(SIGPIPE, SIG_DFL);
	test_store_go();
	ck_assert(!xs_mkdir(h, XBT_NULL, "/a"));
	ck_assert(errno == EPIPE || errno == EBADF || errno == ECONNRESET);
	ck_assert(!xs_mkdir(h, XBT_NULL, "/b"));
	ck_assert_int_eq(errno, EBADF);
	ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_DFL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {values,
				      transactions,
				      domains,
				      control,
				      suspend_port,
				      errors_of_the_store,
				      an_error_without_a_nul,
				      requests_too_long,
				      the_store_hangs_up,
				      it_hangs_up_in_a_message,
				      an_answer_of_another_type,
				      an_answer_too_long,
				      the_store_is_gone};

	return RUN_TESTS("libxenstore_request", setup, teardown, tests);
}
