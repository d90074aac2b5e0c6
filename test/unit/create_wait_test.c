/*
 * What `create` does while its child makes the domain: it says what it waits for, hands
 * signals on, and ends with the child's status. And where the child's log is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/test_run.h"
#include "vmm/create_wait.h"
#include "vmm/log_file.h"

static struct create_wait w;
static int tell_fd; /* the child's */
static sigset_t set;

static void setup(void)
{
	int fd[2];

	ck_assert(!pipe(fd));
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	w = (struct create_wait){
		.fd = fd[0], .signal_fd = signalfd(-1, &set, SFD_CLOEXEC), .patience_ms = 150};
	tell_fd = fd[1];
}

static void teardown(void)
{
	close(w.fd);
	close(w.signal_fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Forks; true in the child. */
static bool in_child(void)
{
	w.child = fork();
	ck_assert_int_ge(w.child, 0);
	if (!w.child) {
		close(w.fd);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		return true;
	}
	close(tell_fd);
	return false;
}

/* create_wait with its messages in `text`. */
static int wait_with_messages(char *text, size_t size)
{
	char name[] = "/tmp/create_wait_testXXXXXX";
	int fd = mkstemp(name), saved = dup(STDERR_FILENO);

	unlink(name);
	dup2(fd, STDERR_FILENO);
	int status = create_wait(&w);
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t n = pread(fd, text, size - 1, 0);
	text[n > 0 ? n : 0] = 0;
	close(fd);
	return status;
}

START_TEST(the_domain_is_up)
{
	char text[500];

	/* All at once, however busy the machine is. */
	create_tell_doing(tell_fd, "reading the kernel");
	create_tell_up(tell_fd, "guest", 7);
	if (in_child())
		pause();
	ck_assert_int_eq(wait_with_messages(text, sizeof(text)), 0);
	ck_assert(w.is_up);
	ck_assert_str_eq(w.name, "guest");
	ck_assert_uint_eq(w.domid, 7);
	ck_assert_str_eq(text, "");
	kill(w.child, SIGKILL);
}
END_TEST

/* Only what takes long is told, and each thing by itself. */
START_TEST(progress)
{
	char text[500];

	create_tell_doing(tell_fd, "being quick");
	create_tell_doing(tell_fd, "reading the kernel");
	if (in_child()) {
		usleep(700000);
		create_tell_doing(tell_fd, "building the domain");
		usleep(700000);
		create_tell_up(tell_fd, "guest", 7);
		pause();
	}
	ck_assert_int_eq(wait_with_messages(text, sizeof(text)), 0);
	ck_assert_msg(strstr(text, "xenolith: still reading the kernel (") &&
			      strstr(text, "xenolith: still building the domain ("),
		      "%s", text);
	ck_assert_ptr_null(strstr(text, "quick"));
	kill(w.child, SIGKILL);
}
END_TEST

START_TEST(quiet)
{
	char text[500];

	w.quiet = true;
	if (in_child()) {
		create_tell_doing(tell_fd, "reading the kernel");
		usleep(500000);
		_exit(2);
	}
	ck_assert_int_eq(wait_with_messages(text, sizeof(text)), 2);
	ck_assert_str_eq(text, "");
	ck_assert(!w.is_up);
}
END_TEST

START_TEST(statuses)
{
	if (in_child()) {
		create_tell_doing(tell_fd, "reading the kernel");
		_exit(1);
	}
	ck_assert_int_eq(create_wait(&w), 1);
	teardown();
	setup();
	if (in_child())
		raise(SIGKILL);
	ck_assert_int_eq(create_wait(&w), 128 + SIGKILL);
	teardown();
	setup();
	/* Half a message. */
	if (in_child()) {
		if (write(tell_fd, "x", 1) < 0)
			_exit(9);
		_exit(3);
	}
	ck_assert_int_eq(create_wait(&w), 3);
	teardown();
	setup();
	w.until_end = true;
	if (in_child()) {
		create_tell_up(tell_fd, "guest", 7);
		usleep(100000);
		_exit(4);
	}
	ck_assert_int_eq(create_wait(&w), 4);
	ck_assert(w.is_up);
}
END_TEST

START_TEST(signals_are_the_childs)
{
	if (in_child()) {
		create_tell_doing(tell_fd, "reading the kernel");
		for (;;)
			pause();
	}
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(create_wait(&w), 128 + SIGTERM);
	teardown();
	setup();
	/* One that is up before it notices. */
	if (in_child()) {
		sigprocmask(SIG_BLOCK, &set, NULL);
		create_tell_doing(tell_fd, "reading the kernel");
		usleep(300000);
		create_tell_up(tell_fd, "guest", 7);
		usleep(100000);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		pause();
	}
	kill(getpid(), SIGTERM);
	ck_assert_int_eq(create_wait(&w), 128 + SIGTERM);
}
END_TEST

/* ---- logs ---- */

START_TEST(logs)
{
	char dir[] = "/tmp/log_file_testXXXXXX", path[100], want[200], old[220], command[100];
	struct error err;
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b", dir);
	setenv("XDG_STATE_HOME", path, 1);
	snprintf(want, sizeof(want), "%s/xenolith/guest.log", path);
	snprintf(old, sizeof(old), "%s.1", want);
	int fd = log_file_open("guest", path, sizeof(path), &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(path, want);
	ck_assert(!fstat(fd, &st));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(write(fd, "one", 3), 3);
	close(fd);
	/* The next one. */
	fd = log_file_open("guest", path, sizeof(path), &err);
	ck_assert_int_ge(fd, 0);
	ck_assert(!fstat(fd, &st));
	ck_assert_int_eq(st.st_size, 0);
	ck_assert(!stat(old, &st));
	ck_assert_int_eq(st.st_size, 3);
	close(fd);
	/* What is in the way. */
	snprintf(command, sizeof(command), "rm -rf %s/a; touch %s/a", dir, dir);
	ck_assert(!system(command));
	ck_assert_int_eq(log_file_open("guest", path, sizeof(path), &err), -ENOTDIR);
	ck_assert_msg(strstr(err.text, "cannot make the folder"), "%s", err.text);
	setenv("XDG_STATE_HOME", "relative", 1);
	if (geteuid()) {
		unsetenv("HOME");
		ck_assert_int_eq(log_file_open("guest", path, sizeof(path), &err), -ENOENT);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert(!system(command));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_domain_is_up, progress, quiet, statuses, signals_are_the_childs, logs,
	};

	return RUN_TESTS("create_wait", setup, teardown, tests);
}
