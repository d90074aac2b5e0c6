/*
 * Watch events that a fault holds back (pvabi/faults.def: delay of xs_event), as from a store
 * that is slow to tell. A client's events keep their order: those that come while one is
 * held wait behind it. Its answers do not. Who has stopped to watch gets what was held, as
 * with xenstored, where it may have been on its way.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/xenstore/xenstore.h"

#define MAX_HELD 1024 /* of a client; with one more they come all at once */

struct late_event {
	struct late_event *next;
	uint64_t due;
	size_t charged; /* to the client's domain, as for an event that waits */
	const char *token;
	char path[]; /* and the token behind it */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct late_event *take_first(struct client *c)
{
	struct late_event *e = c->late;

	c->late = e->next;
	if (!c->late)
		c->late_tail = NULL;
	c->nr_late--;
	domain_charge(c->domain, -(long)e->charged);
	return e;
}

/* Those that are due by `time` come. Their request has been answered long since, and is not
 * charged for them. */
static void let_go(struct client *c, uint64_t time)
{
	while (c->late && c->late->due <= time) {
		struct late_event *e = take_first(c);

		client_event(c, NULL, e->path, e->token);
		free(e);
	}
}

void events_forget(struct client *c)
{
	while (c->late)
		free(take_first(c));
}

static void arm(struct xenstore *xs)
{
	uint64_t due = UINT64_MAX;

	for (const struct client *c = xs->clients; c; c = c->next)
		if (c->late && c->late->due < due)
			due = c->late->due;
	struct itimerspec t = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
	if (due == UINT64_MAX)
		t.it_value = (struct timespec){0};
	timerfd_settime(xs->late_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void on_timer(void *arg, uint32_t events)
{
	struct xenstore *xs = arg;
	uint64_t n, now = now_ns();

	if (read(xs->late_fd, &n, sizeof(n)) != sizeof(n))
		return;
	for (struct client *c = xs->clients; c; c = c->next)
		let_go(c, now);
	arm(xs);
}

static bool have_timer(struct xenstore *xs)
{
	if (xs->late_fd >= 0)
		return true;
	xs->late_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (xs->late_fd >= 0 && event_loop_add(xs->loop, xs->late_fd, EPOLLIN, on_timer, xs)) {
		close(xs->late_fd);
		xs->late_fd = -1;
	}
	return xs->late_fd >= 0;
}

static bool is_held(const struct client *c, const char *path, const char *token)
{
	for (const struct late_event *e = c->late; e && *path != '@'; e = e->next)
		if (!strcmp(e->path, path) && !strcmp(e->token, token))
			return true;
	return false;
}

bool event_hold(struct client *c, const char *path, const char *token, uint64_t ns)
{
	size_t p = strlen(path) + 1, t = strlen(token) + 1;
	size_t charged = sizeof(struct xsd_sockmsg) + p + t;
	struct late_event *e;

	/* One that waits says all that an equal one would, as in client_event(). */
	if (is_held(c, path, token))
		return true;
	if (domain_is_full(c->domain, (long)charged) || !have_timer(c->xs))
		return false;
	e = c->nr_late < MAX_HELD ? malloc(sizeof(*e) + p + t) : NULL;
	if (!e) {
		let_go(c, UINT64_MAX);
		return false;
	}
	*e = (struct late_event){.due = now_ns() + ns, .charged = charged, .token = e->path + p};
	memcpy(e->path, path, p);
	memcpy(e->path + p, token, t);
	if (c->late_tail && e->due < c->late_tail->due)
		e->due = c->late_tail->due;
	*(c->late_tail ? &c->late_tail->next : &c->late) = e;
	c->late_tail = e;
	c->nr_late++;
	domain_charge(c->domain, (long)charged);
	arm(c->xs);
	return true;
}
