/*
 * The one thread that serves devices: epoll, a handler for each descriptor.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/device.h"

#define BATCH 16

struct source {
	int fd; /* -1: deleted, freed after the batch */
	void (*fn)(void *arg, uint32_t events);
	void *arg;
	struct source *next;
};

struct event_loop {
	int epoll_fd, stop_fd;
	pthread_t thread;
	bool started;
	struct source *sources;
};

struct event_loop *event_loop_create(void)
{
	struct event_loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
	if (l->epoll_fd < 0 || l->stop_fd < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->stop_fd, &e) < 0) {
		event_loop_destroy(l);
		return NULL;
	}
	return l;
}

static void sweep(struct event_loop *l)
{
	for (struct source **p = &l->sources; *p;) {
		struct source *s = *p;
		if (s->fd >= 0) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		free(s);
	}
}

static void *loop(void *arg)
{
	struct event_loop *l = arg;
	struct epoll_event e[BATCH];

	for (;;) {
		int n = epoll_wait(l->epoll_fd, e, BATCH, -1);
		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++) {
			struct source *s = e[i].data.ptr;
			if (!s)
				return NULL; /* stop_fd */
			/* An earlier handler of this batch may have deleted it. */
			if (s->fd >= 0)
				s->fn(s->arg, e[i].events);
		}
		sweep(l);
	}
}

int event_loop_start(struct event_loop *l)
{
	int rc;

	l->started = true; /* before a handler runs: event_loop_del() asks */
	rc = pthread_create(&l->thread, NULL, loop, l);
	if (rc)
		l->started = false;
	else
		pthread_setname_np(l->thread, "devices");
	return -rc;
}

void event_loop_stop(struct event_loop *l)
{
	if (!l->started)
		return;
	eventfd_write(l->stop_fd, 1);
	pthread_join(l->thread, NULL);
	l->started = false;
	eventfd_t n;
	eventfd_read(l->stop_fd, &n); /* it may start again */
}

void event_loop_destroy(struct event_loop *l)
{
	event_loop_stop(l);
	while (l->sources) {
		struct source *s = l->sources;
		l->sources = s->next;
		free(s);
	}
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->stop_fd >= 0)
		close(l->stop_fd);
	free(l);
}

int event_loop_add(struct event_loop *l, int fd, uint32_t events,
		   void (*fn)(void *arg, uint32_t events), void *arg)
{
	struct source *s = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct source){.fd = fd, .fn = fn, .arg = arg, .next = l->sources};
	struct epoll_event e = {.events = events, .data.ptr = s};
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
		int rc = -errno;
		free(s);
		return rc;
	}
	l->sources = s;
	return 0;
}

static struct source *find(struct event_loop *l, int fd)
{
	for (struct source *s = l->sources; s; s = s->next)
		if (s->fd == fd)
			return s;
	return NULL;
}

int event_loop_mod(struct event_loop *l, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = find(l, fd)};

	if (!e.data.ptr)
		return -ENOENT;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &e) < 0 ? -errno : 0;
}

void event_loop_del(struct event_loop *l, int fd)
{
	struct source *s = find(l, fd);

	if (!s)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	s->fd = -1;
	if (!l->started) /* nothing is being handled */
		sweep(l);
}
