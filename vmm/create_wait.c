#include "vmm/create_wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Smaller than PIPE_BUF: written and read at once. */
struct message {
	enum { DOING, UP } kind;
	unsigned domid;
	char text[200];
};

static void tell(int fd, const struct message *m)
{
	/* SIGPIPE is ignored, and a `create` that was killed misses nothing. */
	if (fd >= 0 && write(fd, m, sizeof(*m)) < 0)
		return;
}

void create_tell_doing(int fd, const char *what)
{
	struct message m = {.kind = DOING};

	snprintf(m.text, sizeof(m.text), "%s", what);
	tell(fd, &m);
}

void create_tell_up(int fd, const char *name, unsigned domid)
{
	struct message m = {.kind = UP, .domid = domid};

	snprintf(m.text, sizeof(m.text), "%s", name);
	tell(fd, &m);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int reap(struct create_wait *w)
{
	int status;

	while (waitpid(w->child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void pass_signal_on(struct create_wait *w)
{
	struct signalfd_siginfo si;

	if (read(w->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	kill(w->child, (int)si.ssi_signo);
	/* It may be up before it sees that, and will not be for long. */
	w->until_end = true;
}

int create_wait(struct create_wait *w)
{
	struct pollfd p[2] = {{.fd = w->fd, .events = POLLIN},
			      {.fd = w->signal_fd, .events = POLLIN}};
	uint64_t since = now_ms(), told = 0;
	struct message m = {.kind = UP};

	for (;;) {
		bool idle = !w->is_up && m.kind == DOING && !w->quiet;
		uint64_t waited = now_ms() - since;

		/* Once after our patience, then at ever longer intervals. */
		if (idle && waited >= (told ? 2 * told : w->patience_ms)) {
			fprintf(stderr, "xenolith: still %s (%llu s)\n", m.text,
				(unsigned long long)(waited / 1000));
			told = waited;
		}
		if (poll(p, 2, idle ? 100 : -1) < 0)
			continue;
		if (p[1].revents)
			pass_signal_on(w);
		if (!p[0].revents)
			continue;
		ssize_t n = read(w->fd, &m, sizeof(m));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(m))
			return reap(w); /* the child's end is closed: it ends */
		m.text[sizeof(m.text) - 1] = 0;
		since = now_ms();
		told = 0;
		if (m.kind != UP)
			continue;
		w->is_up = true;
		w->domid = m.domid;
		snprintf(w->name, sizeof(w->name), "%s", m.text);
		if (!w->until_end)
			return 0;
	}
}
