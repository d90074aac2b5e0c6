/*
 * net=socket: how the two ends of a cable meet, part and meet again; what is at the path
 * when it is not a socket of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/net/link.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

struct end {
	struct link *link;
	unsigned received, ups, downs, readies;
	uint32_t last_len;
	char log[200];
};

static struct event_loop *loop;
static char dir[40], path[80];
static struct vif_spec spec;
static struct end a, b, c;
static char err[300];
static uint8_t frame[100];

static void on_receive(void *arg, struct packet *p)
{
	struct end *e = arg;

	e->received++;
	e->last_len = p->len;
}

static void on_done(void *arg)
{
}

static void on_ready(void *arg)
{
	((struct end *)arg)->readies++;
}

static void on_carrier(void *arg, bool up)
{
	struct end *e = arg;

	e->ups += up;
	e->downs += !up;
}

static void on_log(void *arg, enum log_level level, const char *text)
{
	snprintf(((struct end *)arg)->log, 200, "%s", text);
}

static bool plug(struct end *e)
{
	const struct link_owner o = {on_receive, on_done, on_ready, on_carrier, on_log, e};

	*e = (struct end){0};
	e->link = link_socket_open(loop, &spec, &o, err, sizeof(err));
	return e->link;
}

static void unplug(struct end *e)
{
	e->link->ops->close(e->link);
	e->link = NULL;
}

static void run(void)
{
	event_loop_start(loop);
	test_loop_sync();
	event_loop_stop(loop);
}

static void run_until(const bool *condition)
{
	for (unsigned i = 0; i < 400 && !*condition; i++) {
		usleep(10000);
		run();
	}
	ck_assert(*condition);
}

static int transmit(struct end *e, uint32_t len)
{
	struct packet p = {.data = frame, .len = len};

	return e->link->ops->send(e->link, &p);
}

static void expect_joined(struct end *x, struct end *y)
{
	unsigned nx = x->received, ny = y->received;

	ck_assert_int_eq(transmit(x, 60), 0);
	ck_assert_int_eq(transmit(y, 61), 0);
	run();
	ck_assert_uint_eq(x->received, nx + 1);
	ck_assert_uint_eq(y->received, ny + 1);
	ck_assert_uint_eq(x->last_len, 61);
	ck_assert_uint_eq(y->last_len, 60);
}

static void setup(void)
{
	char text[120];

	strcpy(dir, "/tmp/cable.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/cable", dir);
	snprintf(text, sizeof(text), "path=%s", path);
	ck_assert_int_eq(vif_spec_parse(&spec, text, err, sizeof(err)), 0);
	loop = event_loop_create();
	test_loop_init(loop);
}

static void teardown(void)
{
	struct end *all[] = {&a, &b, &c};

	for (unsigned i = 0; i < 3; i++)
		if (all[i]->link)
			unplug(all[i]);
	event_loop_destroy(loop);
	test_loop_free();
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(two_meet)
{
	struct stat st;

	ck_assert(plug(&a));
	ck_assert(!a.link->carrier);
	ck_assert_int_eq(transmit(&a, 60), -ENETDOWN);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(plug(&b));
	ck_assert(b.link->carrier);
	run();
	ck_assert(a.link->carrier);
	ck_assert_uint_eq(a.ups, 1);
	expect_joined(&a, &b);
	unplug(&b);
	unplug(&a);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(who_connected_goes_and_comes)
{
	plug(&a);
	plug(&b);
	run();
	unplug(&b);
	run();
	ck_assert_uint_eq(a.downs, 1);
	ck_assert_int_eq(transmit(&a, 60), -ENETDOWN);
	plug(&b);
	run();
	expect_joined(&a, &b);
}
END_TEST

/* The one that is left listens then. */
START_TEST(who_listened_goes_and_comes)
{
	plug(&a);
	plug(&b);
	run();
	unplug(&a);
	run();
	ck_assert_uint_eq(b.downs, 1);
	for (unsigned i = 0; i < 400 && access(path, F_OK); i++) {
		usleep(10000);
		run();
	}
	ck_assert_int_eq(access(path, F_OK), 0);
	plug(&a);
	ck_assert(a.link->carrier);
	run();
	expect_joined(&a, &b);
}
END_TEST

/* A cable has two ends; the third waits, and comes when one goes. */
START_TEST(third)
{
	plug(&a);
	plug(&b);
	run();
	plug(&c);
	run();
	run();
	ck_assert(!c.link->carrier);
	expect_joined(&a, &b);
	unplug(&b);
	run_until(&c.link->carrier);
	run();
	expect_joined(&a, &c);
}
END_TEST

/* What a process that was killed leaves behind. */
START_TEST(stale_socket)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(sun.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	listen(fd, 1);
	close(fd);
	ck_assert(plug(&a));
	ck_assert(plug(&b));
	run();
	expect_joined(&a, &b);
}
END_TEST

START_TEST(not_ours)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	/* A file is not replaced. */
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert(!plug(&a));
	ck_assert_msg(strstr(err, "something else"), "%s", err);
	ck_assert_int_eq(access(path, F_OK), 0);
	unlink(path);
	/* A socket of streams. */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(sun.sun_path, path);
	bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	listen(fd, 1);
	ck_assert(!plug(&a));
	ck_assert_msg(strstr(err, "another kind"), "%s", err);
	close(fd);
	unlink(path);
	/* No such folder. */
	strcpy(spec.path, "/nonexistent/x");
	ck_assert(!plug(&a));
	ck_assert_msg(strstr(err, "No such file"), "%s", err);
}
END_TEST

/* The other end is full: what is sent waits, and then the owner is told. */
START_TEST(full)
{
	int rc = 0;
	unsigned sent = 0;

	plug(&a);
	plug(&b);
	run();
	b.link->ops->want(b.link, false);
	while (!rc && sent < 1000000) {
		rc = transmit(&a, 100);
		sent += !rc;
	}
	ck_assert_int_eq(rc, -EAGAIN);
	run();
	ck_assert_uint_eq(b.received, 0);
	b.link->ops->want(b.link, true);
	for (unsigned i = 0; i < 1000000 && b.received < sent; i++)
		run();
	ck_assert_uint_eq(b.received, sent);
	ck_assert_uint_eq(a.readies, 1);
	/* One that waits when the other goes is told, too. */
	b.link->ops->want(b.link, false);
	while (!transmit(&a, 100))
		;
	unplug(&b);
	run();
	ck_assert_uint_eq(a.readies, 2);
	ck_assert_int_eq(transmit(&a, 100), -ENETDOWN);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		two_meet,
		who_connected_goes_and_comes,
		who_listened_goes_and_comes,
		third,
		stale_socket,
		not_ours,
		full,
	};

	return RUN_TESTS("link_socket", setup, teardown, tests);
}
