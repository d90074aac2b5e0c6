/*
 * The console: the guest's ring (io/console.h) and console_io on one side; a
 * file, a socket, a pty or nobody on the other. What xenconsoled does when
 * nobody reads is the rule: the guest is never held up, the oldest output is
 * lost (Xen: tools/console/daemon/io.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/console_internal.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

#define RING_OUT sizeof(((struct xencons_interface *)0)->out)
#define RING_IN	 sizeof(((struct xencons_interface *)0)->in)

static struct test_domain *t;
static struct event_loop *loop;
static struct console *c;
static struct xencons_interface *ring;
static char dir[] = "/tmp/console_testXXXXXX", path[64], err[256];
static int port;

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the program does */
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c", dir);
	t = test_domain_new(1, PROFILE_XEN_4_17);
	loop = event_loop_create();
	test_loop_init(loop);
}

static void teardown(void)
{
	event_loop_destroy(loop);
	if (c)
		console_destroy(c);
	test_loop_free();
	test_domain_free(t);
	unlink(path);
	rmdir(dir);
}

static void start(enum console_kind kind)
{
	struct console_params p = {.kind = kind, .path = path};
	uint64_t mfn = test_frame(t);

	ring = frame_ptr(t->d, mfn);
	c = console_create(loop, &p, err, sizeof(err));
	ck_assert_msg(c, "%s", err);
	port = console_bind_port(c, t->d);
	ck_assert_int_gt(port, 0);
	ck_assert_int_eq(console_start(c, t->d, mfn), 0);
	ck_assert_int_eq(event_loop_start(loop), 0);
	test_loop_sync();
}

static void kick(void)
{
	ck_assert_int_eq(send_port(t, 0, (evtchn_port_t)port), 0);
	test_loop_sync();
}

/* As much as the ring has room for; how much that was. */
static size_t guest_says(const char *s, size_t len)
{
	size_t n = 0;

	for (; n < len && ring->out_prod - ring->out_cons < RING_OUT; n++, ring->out_prod++)
		ring->out[ring->out_prod & (RING_OUT - 1)] = s[n];
	kick();
	return n;
}

static size_t guest_hears(char *buf, size_t size)
{
	size_t n = 0;

	for (; n < size && ring->in_cons != ring->in_prod; n++, ring->in_cons++)
		buf[n] = ring->in[ring->in_cons & (RING_IN - 1)];
	return n;
}

static size_t read_file(char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = fread(buf, 1, size, f);

	fclose(f);
	return n;
}

static int connect_client(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	test_loop_sync();
	return fd;
}

/* Reads what comes within a moment; how much. */
static size_t drain(int fd, char *buf, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	while (n < size && poll(&p, 1, 200) > 0) {
		ssize_t r = read(fd, buf + n, size - n);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	return n;
}

static void fill(char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)('a' + i % 23);
}

START_TEST(to_a_file)
{
	char buf[64];

	start(CONSOLE_FILE);
	ck_assert_str_eq(console_where(c), path);
	ck_assert_uint_eq(guest_says("hello\r\n", 7), 7);
	ck_assert_uint_eq(ring->out_cons, 7);
	ck_assert(port_pending(t, (evtchn_port_t)port));
	console_write(c, "by hypercall\n", 13);
	ck_assert_uint_eq(read_file(buf, sizeof(buf)), 20);
	ck_assert_mem_eq(buf, "hello\r\nby hypercall\n", 20);
}
END_TEST

START_TEST(around_the_ring)
{
	static char text[50000], got[60000];

	start(CONSOLE_FILE);
	ring->out_prod = ring->out_cons = 0xfffffff0u;
	fill(text, sizeof(text));
	for (size_t n = 0; n < sizeof(text);) {
		size_t want = sizeof(text) - n < 777 ? sizeof(text) - n : 777;
		size_t one = guest_says(text + n, want);
		ck_assert_uint_gt(one, 0);
		n += one;
	}
	ck_assert_uint_eq(read_file(got, sizeof(got)), sizeof(text));
	ck_assert_mem_eq(got, text, sizeof(text));
}
END_TEST

START_TEST(hostile_indices)
{
	char got[RING_OUT];

	start(CONSOLE_FILE);
	ring->out_prod = ring->out_cons + RING_OUT + 1;
	kick();
	ck_assert_uint_eq(ring->out_cons, 0);
	ring->out_prod = ring->out_cons - 1;
	kick();
	ck_assert_uint_eq(read_file(got, sizeof(got)), 0);
	/* One that can be: all of the ring. */
	ring->out_prod = ring->out_cons + RING_OUT;
	kick();
	ck_assert_uint_eq(ring->out_cons, ring->out_prod);
	ck_assert_uint_eq(read_file(got, sizeof(got)), RING_OUT);
}
END_TEST

START_TEST(hostile_input_indices)
{
	start(CONSOLE_SOCKET);
	int fd = connect_client();

	ring->in_prod = 5;
	ring->in_cons = 6;
	ck_assert_int_eq(write(fd, "x", 1), 1);
	test_loop_sync();
	ck_assert_uint_eq(ring->in_prod, 5);
	ring->in_cons = ring->in_prod - RING_IN - 1;
	kick();
	ck_assert_uint_eq(ring->in_prod, 5);
	ring->in_cons = 5;
	kick();
	ck_assert_uint_eq(ring->in_prod, 6);
	close(fd);
}
END_TEST

START_TEST(random_indices)
{
	uint32_t seed = 99;

	start(CONSOLE_NONE);
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t *index[] = {&ring->in_cons, &ring->in_prod, &ring->out_cons,
				     &ring->out_prod};
		*index[rand_r(&seed) % 4] =
			rand_r(&seed) % 2 ? (uint32_t)rand_r(&seed) : ring->out_cons + 7;
		eventfd_write(c->event_fd, 1);
		if (i % 8 == 0)
			test_loop_sync();
	}
	test_loop_sync();
	ck_assert_uint_le(queue_used(&c->out), OUT_SIZE);
}
END_TEST

START_TEST(socket_both_ways)
{
	char buf[64];

	start(CONSOLE_SOCKET);
	int fd = connect_client();
	guest_says("login: ", 7);
	ck_assert_uint_eq(drain(fd, buf, 7), 7);
	ck_assert_mem_eq(buf, "login: ", 7);
	port_clear(t, (evtchn_port_t)port);
	ck_assert_int_eq(write(fd, "root\n", 5), 5);
	test_loop_sync();
	ck_assert(port_pending(t, (evtchn_port_t)port));
	ck_assert_uint_eq(guest_hears(buf, sizeof(buf)), 5);
	ck_assert_mem_eq(buf, "root\n", 5);
	close(fd);
}
END_TEST

START_TEST(one_client_at_a_time_and_another_later)
{
	char buf[64];

	start(CONSOLE_SOCKET);
	int fd = connect_client(), second = connect_client();
	ck_assert_int_eq(read(second, buf, 1), 0);
	close(second);
	close(fd);
	test_loop_sync();
	guest_says("meanwhile\n", 10);
	fd = connect_client();
	guest_says("now\n", 4);
	ck_assert_uint_eq(drain(fd, buf, 14), 14);
	ck_assert_mem_eq(buf, "meanwhile\nnow\n", 14);
	close(fd);
}
END_TEST

/* The ring fills, then our queue, then the client waits; nothing is lost. */
START_TEST(more_input_than_the_guest_reads)
{
	static char text[8000], got[8000];
	size_t n = 0;

	start(CONSOLE_SOCKET);
	int fd = connect_client();
	fill(text, sizeof(text));
	ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
	for (unsigned i = 0; i < 50; i++)
		test_loop_sync();
	ck_assert_uint_eq(ring->in_prod - ring->in_cons, RING_IN);
	for (unsigned i = 0; i < 1000 && n < sizeof(got); i++) {
		n += guest_hears(got + n, sizeof(got) - n);
		kick();
	}
	ck_assert_uint_eq(n, sizeof(got));
	ck_assert_mem_eq(got, text, sizeof(text));
	close(fd);
}
END_TEST

START_TEST(pty_both_ways)
{
	char buf[64];

	start(CONSOLE_PTY);
	ck_assert_int_eq(strncmp(console_where(c), "/dev/pts/", 9), 0);
	int fd = open(console_where(c), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	guest_says("a\nb", 3);
	ck_assert_uint_eq(drain(fd, buf, 3), 3);
	ck_assert_mem_eq(buf, "a\nb", 3); /* raw: no carriage return */
	ck_assert_int_eq(write(fd, "\x03q\n", 3), 3);
	usleep(20000); /* the terminal hands it over in its own time */
	test_loop_sync();
	ck_assert_uint_eq(guest_hears(buf, sizeof(buf)), 3);
	ck_assert_mem_eq(buf, "\x03q\n", 3);
	close(fd);
}
END_TEST

/* Nobody reads: the guest goes on, we keep the newest and no more than our queue. */
static void flood(void)
{
	static char text[1024];
	size_t total = 0;

	fill(text, sizeof(text));
	for (unsigned i = 0; i < 1000; i++)
		total += guest_says(text, sizeof(text));
	ck_assert_uint_eq(total, 1000 * sizeof(text));
	ck_assert_uint_eq(ring->out_cons, ring->out_prod);
	ck_assert_uint_le(queue_used(&c->out), OUT_SIZE);
	ck_assert_uint_gt(c->dropped, 0);
	guest_says("the end", 7);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_int_eq(c->out.data[(c->out.prod - 7 + i) & (OUT_SIZE - 1)], "the end"[i]);
}

START_TEST(nobody_is_connected)
{
	start(CONSOLE_SOCKET);
	flood();
}
END_TEST

START_TEST(a_client_that_does_not_read)
{
	start(CONSOLE_SOCKET);
	int fd = connect_client();

	flood();
	close(fd);
}
END_TEST

START_TEST(nobody_has_the_pty_open)
{
	start(CONSOLE_PTY);
	flood();
}
END_TEST

START_TEST(no_console_at_all)
{
	start(CONSOLE_NONE);
	ck_assert_ptr_null(console_where(c));
	flood();
}
END_TEST

START_TEST(hypercall_input_and_output)
{
	char buf[16];

	start(CONSOLE_SOCKET);
	int fd = connect_client();
	ck_assert_uint_eq(console_read(c, buf, sizeof(buf)), 0);
	ring->in_cons = ring->in_prod - RING_IN; /* the ring takes none */
	ck_assert_int_eq(write(fd, "typed", 5), 5);
	test_loop_sync();
	ck_assert_uint_eq(console_read(c, buf, 3), 3);
	ck_assert_uint_eq(console_read(c, buf + 3, 10), 2);
	ck_assert_mem_eq(buf, "typed", 5);
	console_write(c, "out", 3);
	ck_assert_uint_eq(drain(fd, buf, 3), 3);
	close(fd);
}
END_TEST

START_TEST(drain_takes_what_is_left)
{
	char buf[16];

	start(CONSOLE_FILE);
	memcpy(ring->out, "last words", 10);
	ring->out_prod = 10; /* without a notification */
	console_drain(c);
	ck_assert_uint_eq(read_file(buf, sizeof(buf)), 10);
	ck_assert_mem_eq(buf, "last words", 10);
}
END_TEST

START_TEST(drain_does_not_wait_for_ever)
{
	start(CONSOLE_SOCKET);
	int fd = connect_client();
	struct timespec a, b;

	flood();
	clock_gettime(CLOCK_MONOTONIC, &a);
	console_drain(c);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_le(b.tv_sec - a.tv_sec, 2);
	close(fd);
}
END_TEST

/* A client that went away with input that nobody took is gone all the same. */
START_TEST(a_client_that_leaves_with_a_full_queue)
{
	static char text[RING_IN + IN_SIZE];

	start(CONSOLE_SOCKET);
	int fd = connect_client();
	fill(text, sizeof(text));
	ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));
	for (unsigned i = 0; i < 50; i++)
		test_loop_sync();
	ck_assert_uint_eq(queue_room(&c->in), 0);
	close(fd);
	for (unsigned i = 0; i < 50; i++)
		test_loop_sync();
	ck_assert_int_eq(c->in_fd, -1);
}
END_TEST

/* One that reads no more is dropped, and what it did not get is for the next. */
START_TEST(a_client_that_closes_its_ear)
{
	char buf[64];

	start(CONSOLE_SOCKET);
	int fd = connect_client();
	shutdown(fd, SHUT_RD);
	guest_says("kept ", 5);
	test_loop_sync();
	ck_assert_int_eq(c->in_fd, -1);
	console_write(c, "too", 3);
	int next = connect_client();
	ck_assert_uint_eq(drain(next, buf, 8), 8);
	ck_assert_mem_eq(buf, "kept too", 8);
	close(next);
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_opened)
{
	struct console_params p = {.kind = CONSOLE_FILE, .path = "/no/such/file"};
	char name[200];

	ck_assert_ptr_null(console_create(loop, &p, err, sizeof(err)));
	ck_assert_str_eq(err, "/no/such/file: No such file or directory");
	event_loop_destroy(loop);
	loop = event_loop_create();
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	p = (struct console_params){.kind = CONSOLE_SOCKET, .path = name};
	ck_assert_ptr_null(console_create(loop, &p, err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "too long"));
}
END_TEST

/* A path that somebody else's file has is not ours to remove. */
START_TEST(a_file_in_the_socket_s_place_survives)
{
	struct console_params p = {.kind = CONSOLE_SOCKET, .path = path};
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(fd);
	ck_assert_ptr_null(console_create(loop, &p, err, sizeof(err)));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(no_such_frame)
{
	struct console_params p = {.kind = CONSOLE_NONE};

	c = console_create(loop, &p, err, sizeof(err));
	ck_assert_int_gt(console_bind_port(c, t->d), 0);
	ck_assert_int_eq(console_start(c, t->d, ~0ull >> 12), -EINVAL);
	console_drain(c);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		to_a_file,
		around_the_ring,
		hostile_indices,
		hostile_input_indices,
		random_indices,
		socket_both_ways,
		one_client_at_a_time_and_another_later,
		more_input_than_the_guest_reads,
		pty_both_ways,
		nobody_is_connected,
		a_client_that_does_not_read,
		nobody_has_the_pty_open,
		no_console_at_all,
		hypercall_input_and_output,
		drain_takes_what_is_left,
		drain_does_not_wait_for_ever,
		a_client_that_leaves_with_a_full_queue,
		a_client_that_closes_its_ear,
		what_cannot_be_opened,
		a_file_in_the_socket_s_place_survives,
		no_such_frame,
	};

	return RUN_TESTS("console", setup, teardown, tests);
}
