/*
 * The host's side of a console: opening it, and moving bytes without ever
 * blocking the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "devices/console_internal.h"

/* For console_restore_terminal(), which a signal may call: the one terminal that
 * a process has. */
static struct termios saved_terminal;
static volatile int terminal_is_raw;

void console_restore_terminal(void)
{
	if (terminal_is_raw) {
		terminal_is_raw = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
	}
}

static void drop_client(struct console *c)
{
	if (c->in_watched)
		event_loop_del(c->loop, c->in_fd);
	c->in_watched = c->out_watched = c->reader_gone = false;
	close(c->in_fd);
	c->in_fd = c->out_fd = -1;
}

static void end_of_input(struct console *c)
{
	if (c->p.kind == CONSOLE_SOCKET) {
		drop_client(c);
		return;
	}
	if (c->p.kind == CONSOLE_PTY)
		return; /* nobody has the other end open; our own descriptor keeps it alive */
	event_loop_del(c->loop, c->in_fd);
	c->in_watched = false;
	c->in_fd = -1;
}

/* Lock held. True when the escape key was typed. */
static bool take_input(struct console *c)
{
	uint8_t buf[512];
	uint32_t room = queue_room(&c->in);

	if (c->in_fd < 0 || !room)
		return false;
	ssize_t n = read(c->in_fd, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		end_of_input(c);
		return false;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (c->raw && buf[i] == ESCAPE_KEY)
			return true;
		queue_put(&c->in, buf[i]);
	}
	return false;
}

static void on_host(void *arg, uint32_t events)
{
	struct console *c = arg;

	pthread_mutex_lock(&c->lock);
	bool escape = events & (EPOLLIN | EPOLLHUP | EPOLLERR) && take_input(c);
	/* What a client left behind that the guest had no room for goes with it. */
	if (events & (EPOLLHUP | EPOLLERR) && c->p.kind == CONSOLE_SOCKET && c->in_fd >= 0 &&
	    !queue_room(&c->in))
		drop_client(c);
	if (events & EPOLLOUT)
		console_host_flush(c);
	bool moved = console_ring_take(c);
	moved |= console_ring_give(c);
	console_host_watch(c);
	pthread_mutex_unlock(&c->lock);
	if (moved && c->domain)
		evtchn_backend_send(c->domain, (evtchn_port_t)c->port);
	if (escape && c->p.escape)
		c->p.escape(c->p.escape_arg);
}

void console_host_flush(struct console *c)
{
	while (c->out_fd >= 0 && !c->reader_gone && queue_used(&c->out)) {
		uint32_t at = c->out.cons & (c->out.size - 1), n = queue_used(&c->out);
		if (n > c->out.size - at)
			n = c->out.size - at;
		ssize_t w = write(c->out_fd, c->out.data + at, n);
		if (w > 0)
			c->out.cons += (uint32_t)w;
		else if (w < 0 && errno == EINTR)
			continue;
		else if (w < 0 && errno == EAGAIN)
			return;
		else {
			/* The reader is gone; on a socket there may be another. The loop
			 * drops the client: we may be in a vcpu's thread. */
			if (c->p.kind == CONSOLE_SOCKET)
				c->reader_gone = true;
			else
				c->out.cons = c->out.prod;
			return;
		}
	}
}

void console_host_watch(struct console *c)
{
	if (c->reader_gone)
		drop_client(c);
	uint32_t events = (queue_room(&c->in) ? EPOLLIN : 0u);

	if (c->in_fd >= 0 && c->in_fd == c->out_fd && queue_used(&c->out))
		events |= EPOLLOUT;
	if (c->in_fd >= 0 && c->in_watched)
		event_loop_mod(c->loop, c->in_fd, events);
	/* stdout of its own. */
	if (c->out_fd >= 0 && c->out_fd != c->in_fd && c->out_pollable) {
		bool want = queue_used(&c->out);
		if (want && !c->out_watched)
			c->out_watched = !event_loop_add(c->loop, c->out_fd, EPOLLOUT, on_host, c);
		else if (!want && c->out_watched) {
			event_loop_del(c->loop, c->out_fd);
			c->out_watched = false;
		}
	}
}

static int watch_input(struct console *c, char *err, size_t errlen)
{
	int rc = event_loop_add(c->loop, c->in_fd, EPOLLIN, on_host, c);

	if (rc == -EPERM) {
		/* A plain file is always ready and epoll refuses it: read it as the queue
		 * has room, at start. */
		take_input(c);
		c->in_fd = -1;
		return 0;
	}
	if (rc) {
		snprintf(err, errlen, "cannot watch the console's input: %s", strerror(-rc));
		return rc;
	}
	c->in_watched = true;
	return 0;
}

static int open_stdio(struct console *c, char *err, size_t errlen)
{
	struct termios raw;
	struct stat st;

	c->in_fd = STDIN_FILENO;
	c->out_fd = STDOUT_FILENO;
	/* Pipes and terminals can block a writer; /dev/null and files do not. */
	c->out_pollable = !fstat(STDOUT_FILENO, &st) && !S_ISREG(st.st_mode) &&
			  (isatty(STDOUT_FILENO) || !S_ISCHR(st.st_mode));
	if (c->out_pollable) {
		/* Only where the open file is our own: a shared pipe stays as it is, its
		 * writes block the loop at worst. */
		if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
			fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	}
	if (fcntl(STDIN_FILENO, F_GETFL) < 0) {
		c->in_fd = -1; /* closed */
		return 0;
	}
	if (isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &saved_terminal)) {
		raw = saved_terminal;
		cfmakeraw(&raw);
		terminal_is_raw = 1;
		c->raw = true;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	return watch_input(c, err, errlen);
}

static int open_pty(struct console *c, char *err, size_t errlen)
{
	struct termios raw;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, c->where, sizeof(c->where))) {
		snprintf(err, errlen, "cannot make a pty: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	/* Our own slave keeps the pair up while nobody else has it open. */
	c->pty_slave = open(c->where, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->pty_slave >= 0 && !tcgetattr(c->pty_slave, &raw)) {
		cfmakeraw(&raw);
		tcsetattr(c->pty_slave, TCSANOW, &raw);
	}
	c->in_fd = c->out_fd = fd;
	return watch_input(c, err, errlen);
}

static void on_client(void *arg, uint32_t events)
{
	struct console *c = arg;
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char err[64];

	if (fd < 0)
		return;
	pthread_mutex_lock(&c->lock);
	if (c->in_fd >= 0) {
		close(fd); /* one client at a time */
	} else {
		c->in_fd = c->out_fd = fd;
		if (watch_input(c, err, sizeof(err)))
			drop_client(c);
		else
			console_host_flush(c);
	}
	pthread_mutex_unlock(&c->lock);
}

static int open_socket(struct console *c, char *err, size_t errlen)
{
	struct stat st;

	/* A socket that an earlier run left behind. */
	if (!stat(c->p.path, &st) && S_ISSOCK(st.st_mode))
		unlink(c->p.path);
	c->listen_fd = socket_file_listen(&c->socket, c->p.path, 1);
	if (c->listen_fd < 0) {
		snprintf(err, errlen, "%s: %s", c->p.path, strerror(-c->listen_fd));
		c->listen_fd = -1;
		return -EIO;
	}
	snprintf(c->where, sizeof(c->where), "%s", c->p.path);
	return event_loop_add(c->loop, c->listen_fd, EPOLLIN, on_client, c);
}

static int open_file(struct console *c, char *err, size_t errlen)
{
	c->out_fd = open(c->p.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (c->out_fd < 0) {
		snprintf(err, errlen, "%s: %s", c->p.path, strerror(errno));
		return -EIO;
	}
	snprintf(c->where, sizeof(c->where), "%s", c->p.path);
	return 0;
}

int console_host_open(struct console *c, char *err, size_t errlen)
{
	switch (c->p.kind) {
	case CONSOLE_STDIO:
		return open_stdio(c, err, errlen);
	case CONSOLE_PTY:
		return open_pty(c, err, errlen);
	case CONSOLE_SOCKET:
		return open_socket(c, err, errlen);
	case CONSOLE_FILE:
		return open_file(c, err, errlen);
	default:
		return 0;
	}
}

void console_host_close(struct console *c)
{
	console_restore_terminal();
	if (c->pty_slave >= 0)
		close(c->pty_slave);
	if (c->out_fd > STDERR_FILENO)
		close(c->out_fd);
	if (c->in_fd > STDERR_FILENO && c->in_fd != c->out_fd)
		close(c->in_fd);
	if (c->listen_fd >= 0) {
		close(c->listen_fd);
		socket_file_remove(&c->socket);
	}
}
