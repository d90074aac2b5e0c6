/*
 * The store's UNIX socket, with clients of every kind: in pieces, half-closed, gone,
 * silent, flooding. The messages' form is io/xs_wire.h's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;
static char dir[64], path[100];
static struct xsd_sockmsg h;
static char answer[XENSTORE_PAYLOAD_MAX + 1];

static void setup(void)
{
	char err[200];

	strcpy(dir, "/tmp/xenstore_socket_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	t = test_domain_new(1, PROFILE_XEN_4_17);
	loop = event_loop_create();
	test_loop_init(loop);
	xs = xenstore_create(loop);
	ck_assert_int_gt(xenstore_bind_port(xs, t->d), 0);
	struct xenstore_domain xd = {
		.domain = t->d,
		.store_mfn = test_frame(t),
		.console_mfn = test_frame(t),
		.console_type = "xenconsoled",
		.tty = "",
	};
	ck_assert_int_eq(xenstore_introduce(xs, &xd), 0);
	ck_assert_int_eq(xenstore_listen(xs, path, err, sizeof(err)), 0);
	ck_assert_int_eq(event_loop_start(loop), 0);
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	test_loop_free();
	test_domain_free(t);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static bool get(int fd, void *to, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (size_t n = 0; n < len;) {
		if (poll(&p, 1, 5000) != 1)
			return false;
		ssize_t r = recv(fd, (char *)to + n, len - n, 0);
		if (r <= 0)
			return false;
		n += (size_t)r;
	}
	return true;
}

/* The next message; false: none comes, or the connection is closed. */
static bool next(int fd)
{
	if (!get(fd, &h, sizeof(h)))
		return false;
	ck_assert_uint_le(h.len, XENSTORE_PAYLOAD_MAX);
	ck_assert(get(fd, answer, h.len));
	answer[h.len] = 0;
	return true;
}

static bool closed(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[4096];
	ssize_t n;

	do {
		if (poll(&p, 1, 5000) != 1)
			return false;
		n = recv(fd, buf, sizeof(buf), 0);
	} while (n > 0);
	return true;
}

static size_t message(uint8_t *buf, uint32_t type, const void *data, size_t len)
{
	struct xsd_sockmsg m = {.type = type, .req_id = 7, .len = (uint32_t)len};

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), data, len);
	return sizeof(m) + len;
}

static void put(int fd, uint32_t type, const void *data, size_t len)
{
	uint8_t buf[MESSAGE_MAX];
	size_t n = message(buf, type, data, len);

	ck_assert_int_eq(send(fd, buf, n, MSG_NOSIGNAL), (ssize_t)n);
}

static const char *ask(int fd, uint32_t type, const void *data, size_t len)
{
	put(fd, type, data, len);
	ck_assert(next(fd));
	ck_assert_uint_eq(h.req_id, 7);
	return answer;
}

#define ASK(fd, type, text) ask(fd, type, text, sizeof(text))

/* How many clients there are, the guest's included, once the loop has seen to all. */
static unsigned clients(void)
{
	unsigned n = 0;

	test_loop_sync();
	for (const struct client *c = xs->clients; c; c = c->next)
		n++;
	return n;
}

static bool clients_become(unsigned n)
{
	for (unsigned i = 0; i < 500; i++) {
		if (clients() == n)
			return true;
		usleep(10000);
	}
	return false;
}

START_TEST(only_the_user_may_connect)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0600);
}
END_TEST

START_TEST(bad_paths_are_told)
{
	struct xenstore *other = xenstore_create(loop);
	char err[200], bad[200];

	ck_assert_int_eq(xenstore_listen(other, path, err, sizeof(err)), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err, path));
	ck_assert_int_eq(xenstore_listen(other, "/no/such/s", err, sizeof(err)), -ENOENT);
	memset(bad, 'x', sizeof(bad));
	bad[sizeof(bad) - 1] = 0;
	ck_assert_int_eq(xenstore_listen(other, bad, err, sizeof(err)), -ENAMETOOLONG);
	ck_assert_int_eq(access(path, F_OK), 0); /* not removed */
	event_loop_destroy(loop);
	xenstore_destroy(other);
	loop = event_loop_create();
}
END_TEST

START_TEST(clients_are_domain_0)
{
	int a = dial(), b = dial();

	ck_assert_str_eq(ASK(a, XS_READ, "/local/domain/1/domid"), "1");
	ck_assert_str_eq(ask(a, XS_WRITE, "/a\0x", 4), "OK");
	ck_assert_str_eq(ASK(b, XS_READ, "/a"), "x");
	ck_assert_str_eq(ASK(b, XS_READ, "a"), "ENOENT"); /* /local/domain/0/a */
	ck_assert_uint_eq(clients(), 3);
	close(a);
	close(b);
	ck_assert(clients_become(1));
}
END_TEST

START_TEST(byte_by_byte_and_many_at_once)
{
	uint8_t buf[4096];
	int fd = dial();
	size_t one = message(buf, XS_READ, "/local/domain/1/domid", 22), n = one;

	for (size_t i = 0; i < one; i++)
		ck_assert_int_eq(send(fd, buf + i, 1, 0), 1);
	ck_assert(next(fd));
	ck_assert_str_eq(answer, "1");
	while (n + one < sizeof(buf))
		n += message(buf + n, XS_READ, "/local/domain/1/domid", 22);
	ck_assert_int_eq(send(fd, buf, n, 0), (ssize_t)n);
	for (size_t i = 0; i < n / one; i++) {
		ck_assert(next(fd));
		ck_assert_str_eq(answer, "1");
	}
	close(fd);
}
END_TEST

START_TEST(events_come_by_themselves)
{
	int a = dial(), b = dial();

	ck_assert_str_eq(ASK(a, XS_WATCH, "/w\0token"), "OK");
	ck_assert(next(a));
	ck_assert_str_eq(ask(b, XS_WRITE, "/w/x\0001", 6), "OK");
	ck_assert(next(a));
	ck_assert_uint_eq(h.type, XS_WATCH_EVENT);
	ck_assert_mem_eq(answer, "/w/x\0token", 11);
	close(a);
	close(b);
}
END_TEST

/* Answers to all that was asked before the end, then the end. */
START_TEST(a_half_closed_client_gets_its_answers)
{
	int fd = dial();

	for (unsigned i = 0; i < 100; i++)
		put(fd, XS_READ, "/local/domain/1/domid", 22);
	ASK(fd, XS_WATCH, "/\0t");
	shutdown(fd, SHUT_WR);
	unsigned n = 0;
	while (next(fd))
		n += h.type == XS_READ;
	ck_assert_uint_ge(n, 99);
	ck_assert(clients_become(1));
	close(fd);
}
END_TEST

START_TEST(what_a_client_left_is_cleaned_up)
{
	int fd = dial();

	ASK(fd, XS_WATCH, "/\0t");
	for (unsigned i = 0; i < 50; i++)
		put(fd, XS_TRANSACTION_START, "", 1);
	put(fd, XS_WRITE, "/half", 3); /* and never the rest */
	send(fd, "12345", 5, 0);
	close(fd);
	ck_assert(clients_become(1));
	fd = dial();
	ck_assert_str_eq(ASK(fd, XS_READ, "/local/domain/1/domid"), "1");
	close(fd);
}
END_TEST

START_TEST(garbage_ends_the_connection)
{
	struct xsd_sockmsg m = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};
	char junk[100];
	int fd = dial(), other = dial();

	send(fd, &m, sizeof(m), 0);
	ck_assert(closed(fd));
	close(fd);
	memset(junk, 'A', sizeof(junk));
	fd = dial();
	send(fd, junk, sizeof(junk), 0);
	ck_assert(closed(fd));
	close(fd);
	ck_assert_str_eq(ASK(other, XS_READ, "/local/domain/1/domid"), "1");
	close(other);
}
END_TEST

/* It writes as long as the kernel takes it; we keep no more than our share. */
START_TEST(a_client_that_does_not_read_waits)
{
	uint8_t buf[MESSAGE_MAX];
	size_t one = message(buf, XS_READ, "/local/domain/1/domid", 22), sent = 0;
	int fd = dial(), other = dial();
	unsigned stuck = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (stuck < 20) {
		ssize_t n = send(fd, buf + sent % one, one - sent % one, 0);
		sent += n > 0 ? (size_t)n : 0;
		stuck = n > 0 ? 0 : stuck + 1;
		if (n <= 0)
			usleep(1000);
		ck_assert_uint_lt(sent, 100u << 20);
	}
	test_loop_sync();
	for (const struct client *c = xs->clients; c; c = c->next)
		ck_assert_uint_le(c->out_len, QUOTA_OUT_REQUESTS + MESSAGE_MAX);
	ck_assert_str_eq(ASK(other, XS_READ, "/local/domain/1/domid"), "1");
	fcntl(fd, F_SETFL, 0);
	for (size_t i = 0; i < sent / one; i++)
		ck_assert(next(fd));
	close(fd);
	close(other);
}
END_TEST

START_TEST(events_that_nobody_reads_end_the_connection)
{
	int fd = dial(), writer = dial();

	for (unsigned i = 0; i < 100; i++) {
		char w[16];
		int n = snprintf(w, sizeof(w), "/w%c%u", 0, i);
		ck_assert_str_eq(ask(fd, XS_WATCH, w, (size_t)n + 1), "OK");
		ck_assert(next(fd));
	}
	/* Equal events would be one. */
	for (unsigned i = 0; i < 5000 && clients() == 3; i++) {
		char w[32];
		int n = snprintf(w, sizeof(w), "/w/%u", i);
		ck_assert_str_eq(ask(writer, XS_WRITE, w, (size_t)n + 1), "OK");
		for (const struct client *c = xs->clients; c; c = c->next)
			ck_assert_uint_le(c->out_len, QUOTA_OUT_EVENTS + MESSAGE_MAX);
	}
	ck_assert(clients_become(2));
	ck_assert(closed(fd));
	close(fd);
	close(writer);
}
END_TEST

START_TEST(more_connections_than_there_may_be)
{
	struct rlimit r = {1024, 1024};
	int fd[300];

	setrlimit(RLIMIT_NOFILE, &r);
	for (unsigned i = 0; i < 256; i++) {
		fd[i] = dial();
		ck_assert_str_eq(ASK(fd[i], XS_READ, "/local/domain/1/domid"), "1");
	}
	/* This one waits until another goes. */
	fd[256] = dial();
	put(fd[256], XS_READ, "/local/domain/1/domid", 22);
	ck_assert_uint_eq(clients(), 257);
	close(fd[0]);
	ck_assert(next(fd[256]));
	for (unsigned i = 1; i <= 256; i++)
		close(fd[i]);
	ck_assert(clients_become(1));
}
END_TEST

/* The connection that finds no descriptor is refused; the loop does not spin. */
START_TEST(no_descriptor_is_left)
{
	struct rlimit r;
	int first = dial(), fd = dial(), extra;

	ck_assert_uint_eq(clients(), 3);
	extra = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = (rlim_t)extra + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(extra, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert(closed(extra));
	close(extra);
	close(first);
	ck_assert(clients_become(2));
	first = dial();
	ck_assert_str_eq(ASK(fd, XS_READ, "/local/domain/1/domid"), "1");
	close(first);
	close(fd);
}
END_TEST

/* An event that a program causes reaches the guest without its asking. */
START_TEST(events_for_the_guest_wake_it)
{
	int fd = dial();

	test_loop_sync();
	ck_assert_int_eq(watch_add(xs->guest, "/local/domain/1/data", "t", 0), 0);
	ck_assert_str_eq(ask(fd, XS_WRITE, "/local/domain/1/data/x\0001", 24), "OK");
	test_loop_sync();
	ck_assert_uint_eq(xs->guest->out_len, 0);
	ck_assert_uint_gt(xs->guest->domain->ring->rsp_prod, 0);
	close(fd);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		only_the_user_may_connect,
		bad_paths_are_told,
		clients_are_domain_0,
		byte_by_byte_and_many_at_once,
		events_come_by_themselves,
		a_half_closed_client_gets_its_answers,
		what_a_client_left_is_cleaned_up,
		garbage_ends_the_connection,
		a_client_that_does_not_read_waits,
		events_that_nobody_reads_end_the_connection,
		more_connections_than_there_may_be,
		no_descriptor_is_left,
		events_for_the_guest_wake_it,
	};

	return RUN_TESTS("xenstore_socket", setup, teardown, tests);
}
