/*
 * qemu-nbd as our child. It gets its listening socket from us, with connections waiting
 * on it: the socket's name is gone before it starts, and there is no moment at which it
 * would outlive us (without --persistent it ends with its last connection).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/block/nbd_server.h"

#define LISTEN_FD   3 /* where a server that is started with sockets finds them: sd_listen_fds(3) */
#define COMPLAIN_MS 2000
#define END_MS	    30000 /* it may have much to write */
#define STALLED_MS  3000

extern char **environ;

static int close_all(int *fd, unsigned nr, int rc)
{
	while (nr)
		close(fd[--nr]);
	return rc;
}

/* A listening socket with nr connections, without a name when it returns. */
static int make_sockets(int *listener, int *fd, unsigned nr)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char private[80];
	unsigned made = 0;
	int rc = 0;

	if (!dir || strlen(dir) > sizeof(private) - 20)
		dir = "/tmp";
	snprintf(private, sizeof(private), "%s/xenolith.XXXXXX", dir);
	if (!mkdtemp(private)) {
		strcpy(private, "/tmp/xenolith.XXXXXX");
		if (!mkdtemp(private))
			return -errno;
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/nbd", private);
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || bind(*listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(*listener, (int)nr) < 0)
		rc = -errno;
	for (; !rc && made < nr; made++) {
		fd[made] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd[made] < 0)
			rc = -errno;
		else if (connect(fd[made], (struct sockaddr *)&sa, sizeof(sa)) < 0) {
			rc = -errno;
			close(fd[made]);
		}
		if (rc)
			break;
	}
	unlink(sa.sun_path);
	rmdir(private);
	if (rc) {
		close_all(fd, made, 0);
		if (*listener >= 0)
			close(*listener);
	}
	return rc;
}

/* LISTEN_PID must be the server's own number, which only it knows before it runs. */
static int spawn(pid_t *pid, int listener, int err_fd, char *const *args)
{
	static const char script[] = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
	const char *argv[32] = {"sh", "-c", script, "sh"};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, ignored;
	unsigned n = 4;

	while (*args && n < 31)
		argv[n++] = *args++;
	argv[n] = NULL;
	sigemptyset(&none);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, err_fd, 2);
	posix_spawn_file_actions_adddup2(&files, listener, LISTEN_FD);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &ignored);
	/* A session of its own: Ctrl-C on our terminal is not for it. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSID);
	int rc =
		posix_spawn(pid, "/bin/sh", &files, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -rc;
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (path = path ? path : "/usr/bin:/bin"; *path; path += strcspn(path, ":")) {
		path += *path == ':';
		snprintf(file, sizeof(file), "%.*s/%s", (int)strcspn(path, ":"), path, program);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}

int nbd_server_start(struct nbd_server *s, const char *path, const char *format, bool readonly,
		     int *sockets, unsigned nr, char *err, size_t errlen)
{
	int listener = -1, pipe_fd[2];
	char shared[32];
	/* What the guest flushes is flushed to the host's disk (writeback), what it
	 * discards is given back. */
	const char *args[] = {
		"qemu-nbd", "-f", format, shared, "--cache=writeback", "--discard=unmap", "-x", "",
		"--",	    path, NULL,	  NULL};

	*s = (struct nbd_server){.err_fd = -1};
	if (!in_path(args[0])) {
		snprintf(err, errlen,
			 "a %s image needs the program qemu-nbd; install the package qemu-utils",
			 format);
		return -ENOENT;
	}
	if (readonly) {
		args[8] = "-r";
		args[9] = "--";
		args[10] = path;
	}
	snprintf(shared, sizeof(shared), "--shared=%u", nr);
	int rc = make_sockets(&listener, sockets, nr);
	if (rc) {
		snprintf(err, errlen, "no socket for qemu-nbd: %s", strerror(-rc));
		return rc;
	}
	/* It must never wait for us to read what it says. */
	rc = pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
	if (!rc) {
		rc = spawn(&s->pid, listener, pipe_fd[1], (char *const *)(uintptr_t)args);
		close(pipe_fd[1]);
		s->err_fd = pipe_fd[0];
	}
	close(listener);
	if (rc) {
		snprintf(err, errlen, "qemu-nbd cannot be started: %s", strerror(-rc));
		if (s->err_fd >= 0)
			close(s->err_fd);
		*s = (struct nbd_server){.err_fd = -1};
		return close_all(sockets, nr, rc);
	}
	return 0;
}

/* True when it is gone. */
static bool wait_end(struct nbd_server *s, int ms)
{
	int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd >= 0) {
		int n = poll(&p, 1, ms);
		close(fd);
		if (n <= 0)
			return false;
	}
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	return true;
}

bool nbd_server_complaint(struct nbd_server *s, char *err, size_t errlen)
{
	char text[1024];

	if (!s->pid)
		return false;
	wait_end(s, COMPLAIN_MS);
	ssize_t n = read(s->err_fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	snprintf(err, errlen, "%s", text);
	return true;
}

void nbd_server_end(struct nbd_server *s, bool stalled)
{
	if (s->pid && !wait_end(s, stalled ? STALLED_MS : END_MS)) {
		kill(s->pid, SIGKILL);
		wait_end(s, END_MS);
	}
	if (s->err_fd >= 0)
		close(s->err_fd);
	s->err_fd = -1;
}
