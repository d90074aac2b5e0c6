/*
 * libxenstore: where it connects, and how a connection is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "libxenstore/include/xenstore.h"
#include "test/unit/test_run.h"
#include "test/unit/test_store.h"

/* This program stands in for libxentoolcore: Xentoolcore__Active_Handle begins with the
 * callback. */
struct active {
	int (*restrict_callback)(struct active *a, uint16_t domid);
};

static struct active *registered;

void xentoolcore__register_active_handle(struct active *a);
void xentoolcore__deregister_active_handle(struct active *a);

void xentoolcore__register_active_handle(struct active *a)
{
	registered = a;
}

void xentoolcore__deregister_active_handle(struct active *a)
{
	if (registered == a)
		registered = NULL;
}

static void setup(void)
{
	unsetenv("XENSTORED_PATH");
	unsetenv("XENSTORED_RUNDIR");
}

static void teardown(void)
{
}

static void ask(struct xs_handle *h)
{
	char *v = xs_read(h, XBT_NULL, "/a", NULL);

	ck_assert_ptr_nonnull(v);
	ck_assert_str_eq(v, "1");
	free(v);
}

#define ANSWERED WANT(XS_READ, 0, "/a"), SEND_BARE(XS_READ, 0, "1")

START_TEST(paths)
{
	char longest[PATH_MAX + 1];

	ck_assert_str_eq(xs_daemon_rundir(), "/var/run/xenstored");
	ck_assert_str_eq(xs_daemon_socket(), "/var/run/xenstored/socket");
	setenv("XENSTORED_RUNDIR", "/r", 1);
	ck_assert_str_eq(xs_daemon_rundir(), "/r");
	ck_assert_str_eq(xs_daemon_socket(), "/r/socket");
	ck_assert_str_eq(xs_daemon_socket_ro(), "/r/socket");
	setenv("XENSTORED_PATH", "/p", 1);
	ck_assert_str_eq(xs_daemon_rundir(), "/r");
	ck_assert_str_eq(xs_daemon_socket(), "/p");
	ck_assert_str_eq(xs_daemon_socket_ro(), "/p");

	unsetenv("XENSTORED_PATH");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	setenv("XENSTORED_RUNDIR", longest, 1);
	ck_assert_ptr_null(xs_daemon_socket());
	ck_assert_ptr_null(xs_open(0));
}
END_TEST

START_TEST(every_open)
{
	struct xs_handle *(*const opens[])(void) = {xs_daemon_open, xs_daemon_open_readonly,
						    xs_domain_open};

	for (unsigned i = 0; i < 5; i++) {
		struct xs_handle *h;
		TEST_STORE(ANSWERED);
		if (i == 4) {
			setenv("XENSTORED_RUNDIR", test_store_dir(), 1);
			unsetenv("XENSTORED_PATH");
		}
		h = i < 3 ? opens[i]() : xs_open(XS_OPEN_READONLY | XS_OPEN_SOCKETONLY);
		ck_assert_ptr_nonnull(h);
		ask(h);
		if (i % 2)
			xs_close(h);
		else
			xs_daemon_close(h);
		test_store_end();
	}
	xs_close(NULL);
}
END_TEST

START_TEST(nobody_is_there)
{
	char path[128];

	setenv("XENSTORED_PATH", "/no/such/socket", 1);
	ck_assert_ptr_null(xs_open(0));
	ck_assert_int_eq(errno, ENOENT);

	TEST_STORE(ANSWERED);
	snprintf(path, sizeof(path), "%s/other", test_store_dir());
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	close(s);
	struct xs_handle *h = xs_open(0);
	setenv("XENSTORED_PATH", path, 1);
	ck_assert_ptr_null(xs_open(0));
	ck_assert_int_eq(errno, ECONNREFUSED);
	unlink(path);
	ask(h);
	xs_close(h);
	test_store_end();
}
END_TEST

/* A socket that exists, under a name that no socket address has room for. */
START_TEST(a_path_too_long_for_sockets)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
	char dir[] = "/tmp/libxenstore-XXXXXX", longer[200], path[256];
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(longer, sizeof(longer), "%s/%0150d", dir, 0);
	ck_assert_int_eq(mkdir(longer, 0700), 0);
	ck_assert_int_eq(chdir(longer), 0);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	snprintf(path, sizeof(path), "%s/s", longer);
	setenv("XENSTORED_PATH", path, 1);
	ck_assert_ptr_null(xs_open(0));
	ck_assert_int_eq(errno, EINVAL);
	close(s);
	unlink("s");
	ck_assert_int_eq(chdir("/tmp"), 0);
	rmdir(longer);
	rmdir(dir);
}
END_TEST

/* As /dev/xen/xenbus in a guest: no socket; here a terminal in raw mode. */
START_TEST(a_device)
{
	static const struct store_step steps[] = {
		ANSWERED,
		WANT(XS_WATCH, 0, "/a\0t"),
		SEND(XS_WATCH, 0, "OK"),
		SEND(XS_WATCH_EVENT, 0, "/a\0t"),
		ANSWERED,
		WAIT(),
	};
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	struct termios t;
	unsigned num;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	tcgetattr(master, &t);
	cfmakeraw(&t);
	tcsetattr(master, TCSANOW, &t);
	setenv("XENSTORED_PATH", ptsname(master), 1);
	test_store_start_fd(steps, sizeof(steps) / sizeof(steps[0]), master);
	struct xs_handle *h = xs_open(0);
	ck_assert_ptr_nonnull(h);
	ask(h);
	ck_assert(xs_watch(h, "/a", "t"));
	char **e = xs_read_watch(h, &num);
	ck_assert_ptr_nonnull(e);
	free(e);
	ask(h);
	/* Its thread waits for the device, and ends all the same. */
	xs_close(h);
	test_store_go();
	test_store_end();
}
END_TEST

START_TEST(a_child_leaves_the_connection_alone)
{
	int status;

	TEST_STORE(WANT(XS_WATCH, 0, "/a\0t"), SEND(XS_WATCH, 0, "OK"), ANSWERED);
	struct xs_handle *h = xs_open(0);
	ck_assert(xs_watch(h, "/a", "t"));
	pid_t pid = fork();
	if (!pid) {
		xs_daemon_destroy_postfork(h);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ask(h);
	xs_close(h);
	test_store_end();
}
END_TEST

START_TEST(no_descriptor_is_inherited)
{
	bool before[256];

	/* Whoever runs the tests may have left us some. */
	for (int fd = 0; fd < 256; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	TEST_STORE(WANT(XS_WATCH, 0, "/a\0t"), SEND(XS_WATCH, 0, "OK"));
	struct xs_handle *h = xs_open(0);
	ck_assert(xs_watch(h, "/a", "t"));
	ck_assert_int_ge(xs_fileno(h), 0);
	/* The script's thread has opened some, too; it may be closing them. */
	for (int fd = 0; fd < 256; fd++) {
		int flags = before[fd] ? FD_CLOEXEC : fcntl(fd, F_GETFD);
		ck_assert(flags < 0 || flags & FD_CLOEXEC);
	}
	xs_close(h);
	test_store_end();
}
END_TEST

START_TEST(restrict_all_ends_the_connection)
{
	TEST_STORE(ANSWERED);
	struct xs_handle *h = xs_open(0);
	ck_assert(!xs_restrict(h, 1));
	ck_assert_ptr_nonnull(registered);
	ask(h);
	ck_assert_int_eq(registered->restrict_callback(registered, 1), 0);
	ck_assert_ptr_null(xs_read(h, XBT_NULL, "/a", NULL));
	ck_assert_int_eq(errno, EBADF);
	ck_assert_ptr_null(xs_check_watch(h));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(registered->restrict_callback(registered, 2), 0);
	xs_close(h);
	ck_assert_ptr_null(registered);
	test_store_end();

	setenv("XENSTORED_PATH", "/no/such/socket", 1);
	ck_assert_ptr_null(xs_open(0));
	ck_assert_ptr_null(registered);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {paths,
				      every_open,
				      nobody_is_there,
				      a_path_too_long_for_sockets,
				      a_device,
				      a_child_leaves_the_connection_alone,
				      no_descriptor_is_inherited,
				      restrict_all_ends_the_connection};

	return RUN_TESTS("libxenstore_open", setup, teardown, tests);
}
