/*
 * The sockets and timers of libslirp, which is made for poll(): before each round it says
 * what it waits for. We keep that in an epoll descriptor of its own, and change what is
 * different.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/net/link_user.h"

#define BATCH 64

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct {
	int slirp;
	uint32_t epoll;
} bits[] = {
	{SLIRP_POLL_IN, EPOLLIN},   {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI},
	{SLIRP_POLL_ERR, EPOLLERR}, {SLIRP_POLL_HUP, EPOLLHUP},
};
#define NR_BITS (sizeof(bits) / sizeof(bits[0]))

static uint32_t to_epoll(int events)
{
	uint32_t e = 0;

	for (unsigned i = 0; i < NR_BITS; i++)
		e |= events & bits[i].slirp ? bits[i].epoll : 0;
	return e;
}

static int from_epoll(uint32_t events)
{
	int e = 0;

	for (unsigned i = 0; i < NR_BITS; i++)
		e |= events & bits[i].epoll ? bits[i].slirp : 0;
	return e;
}

/* ---- what slirp waits for ---- */

static void epoll_set(struct link_user *u, int fd, int events)
{
	struct user_watch *w = &u->watch[fd];
	struct epoll_event e = {.events = to_epoll(events), .data.fd = fd};

	if (w->events == events)
		return;
	if (!events)
		epoll_ctl(u->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(u->epoll_fd, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e))
		epoll_ctl(u->epoll_fd, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e);
	w->events = events;
}

/* false: no memory; the descriptor is not waited for this time. */
static bool make_room(struct link_user *u, int fd)
{
	if ((unsigned)fd >= u->nr_watches) {
		unsigned n = ((unsigned)fd + 64) / 64 * 64;
		struct user_watch *w = realloc(u->watch, n * sizeof(*w));

		if (!w)
			return false;
		memset(w + u->nr_watches, 0, (n - u->nr_watches) * sizeof(*w));
		u->watch = w;
		u->nr_watches = n;
	}
	if (u->nr_fds == u->fds_allocated) {
		unsigned n = u->fds_allocated + 64;
		int *a = realloc(u->fd, n * sizeof(*a));

		if (!a)
			return false;
		u->fd = a;
		int *b = realloc(u->old_fd, n * sizeof(*b));
		if (!b)
			return false;
		u->old_fd = b;
		u->fds_allocated = n;
	}
	return true;
}

static int add_poll(int fd, int events, void *arg)
{
	struct link_user *u = arg;

	if (fd < 0 || !make_room(u, fd))
		return -1;
	u->watch[fd].round = u->round;
	epoll_set(u, fd, events);
	u->fd[u->nr_fds] = fd;
	return (int)u->nr_fds++;
}

static int get_revents(int index, void *arg)
{
	const struct link_user *u = arg;

	if (index < 0 || (unsigned)index >= u->nr_fds)
		return 0;
	return u->watch[u->fd[index]].revents;
}

/* slirp closes it: the kernel forgets it, and the number may come again. */
void user_poll_forget(struct link_user *u, int fd)
{
	if (fd >= 0 && (unsigned)fd < u->nr_watches) {
		epoll_set(u, fd, 0);
		u->watch[fd].revents = 0;
	}
}

bool user_poll_is_full(const struct link_user *u)
{
	return u->nr_fds >= u->max_sockets;
}

/* ---- time ---- */

static void set_timer(struct link_user *u, uint32_t timeout)
{
	int64_t at = timeout == UINT32_MAX ? -1 : now_ms() + timeout;

	for (unsigned i = 0; i < USER_TIMERS; i++) {
		const struct user_timer *t = &u->timer[i];

		if (t->used && t->at_ms >= 0 && (at < 0 || t->at_ms < at))
			at = t->at_ms;
	}
	/* One that is early only makes us look again. */
	if (at < 0 || (u->timer_ms >= 0 && u->timer_ms <= at))
		return;
	struct itimerspec s = {{0, 0}, {at / 1000, at % 1000 * 1000000}};
	u->timer_ms = at;
	if (!at)
		s.it_value.tv_nsec = 1;
	timerfd_settime(u->timer_fd, TFD_TIMER_ABSTIME, &s, NULL);
}

static void run_timers(struct link_user *u)
{
	int64_t now = now_ms();

	for (unsigned i = 0; i < USER_TIMERS; i++) {
		struct user_timer *t = &u->timer[i];

		if (t->used && t->at_ms >= 0 && t->at_ms <= now) {
			t->at_ms = -1;
			slirp_handle_timer(u->slirp, t->id, t->arg);
		}
	}
}

static void poll_slirp(struct link_user *u)
{
	u->polled_ms = now_ms();
	slirp_pollfds_poll(u->slirp, 0, get_revents, u);
}

/* slirp knows the time of its last poll only: what the guest sent after a long rest would be as
 * old as that, and be forgotten before the answer. */
void user_poll_freshen(struct link_user *u)
{
	if (now_ms() - u->polled_ms >= 1000)
		poll_slirp(u);
}

void user_poll_update(struct link_user *u)
{
	uint32_t timeout = UINT32_MAX;
	int *old = u->fd;

	u->fd = u->old_fd;
	u->old_fd = old;
	u->nr_old = u->nr_fds;
	u->nr_fds = 0;
	u->round++;
	slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
	for (unsigned i = 0; i < u->nr_old; i++)
		if (u->watch[u->old_fd[i]].round != u->round)
			epoll_set(u, u->old_fd[i], 0);
	set_timer(u, timeout);
}

/* ---- in the event loop ---- */

static void look(struct link_user *u)
{
	struct epoll_event e[BATCH];
	int n = u->paused ? 0 : epoll_wait(u->epoll_fd, e, BATCH, 0);

	for (int i = 0; i < n; i++)
		u->watch[e[i].data.fd].revents = from_epoll(e[i].events);
	poll_slirp(u);
	for (int i = 0; i < n; i++)
		u->watch[e[i].data.fd].revents = 0;
	user_poll_update(u);
	u->l.owner.done(u->l.owner.arg);
}

static void on_sockets(void *arg, uint32_t events)
{
	look(arg);
}

static void on_timer(void *arg, uint32_t events)
{
	struct link_user *u = arg;
	uint64_t n;

	if (read(u->timer_fd, &n, sizeof(n)) < 0)
		return;
	u->timer_ms = -1;
	run_timers(u);
	look(u);
}

void user_poll_pause(struct link_user *u, bool paused)
{
	u->paused = paused;
	event_loop_mod(u->l.loop, u->epoll_fd, paused ? 0 : EPOLLIN);
}

int user_poll_open(struct link_user *u)
{
	struct rlimit r;

	u->timer_ms = -1;
	u->max_sockets = USER_MAX_SOCKETS;
	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur / 4 < u->max_sockets)
		u->max_sockets = (unsigned)(r.rlim_cur / 4);
	u->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	u->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (u->epoll_fd < 0 || u->timer_fd < 0)
		return -errno;
	int rc = event_loop_add(u->l.loop, u->epoll_fd, EPOLLIN, on_sockets, u);
	return rc ? rc : event_loop_add(u->l.loop, u->timer_fd, EPOLLIN, on_timer, u);
}

void user_poll_close(struct link_user *u)
{
	int fds[] = {u->epoll_fd, u->timer_fd};

	for (unsigned i = 0; i < 2; i++)
		if (fds[i] >= 0) {
			event_loop_del(u->l.loop, fds[i]);
			close(fds[i]);
		}
	free(u->watch);
	free(u->fd);
	free(u->old_fd);
}
