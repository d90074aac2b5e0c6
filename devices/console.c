/*
 * The guest's console: its PV ring and its console_io calls on one side, a
 * terminal, pty, socket or file on the other. Runs in the event loop; console_io
 * comes from vcpu threads.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/console_internal.h"

#define DRAIN_MS 1000

void console_out(struct console *c, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!queue_room(&c->out)) {
			c->out.cons++; /* nobody reads: the newest is worth more */
			c->dropped++;
		}
		queue_put(&c->out, buf[i]);
	}
	console_host_flush(c);
}

/* Moves what can be moved in both directions and tells the guest. */
static void serve(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	bool moved = console_ring_take(c);
	moved |= console_ring_give(c);
	console_host_watch(c);
	pthread_mutex_unlock(&c->lock);
	if (moved)
		evtchn_backend_send(c->domain, (evtchn_port_t)c->port);
}

static void on_notify(void *arg)
{
	struct console *c = arg;

	eventfd_write(c->event_fd, 1);
}

static void on_event(void *arg, uint32_t events)
{
	struct console *c = arg;
	eventfd_t n;

	eventfd_read(c->event_fd, &n);
	serve(c);
}

struct console *console_create(struct event_loop *l, const struct console_params *p, char *err,
			       size_t errlen)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	c->loop = l;
	c->p = *p;
	c->listen_fd = c->in_fd = c->out_fd = c->pty_slave = c->port = -1;
	pthread_mutex_init(&c->lock, NULL);
	c->out = (struct byte_queue){.data = malloc(OUT_SIZE), .size = OUT_SIZE};
	c->in = (struct byte_queue){.data = malloc(IN_SIZE), .size = IN_SIZE};
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!c->out.data || !c->in.data || c->event_fd < 0 ||
	    event_loop_add(l, c->event_fd, EPOLLIN, on_event, c)) {
		snprintf(err, errlen, "cannot make a console: out of memory or descriptors");
		console_destroy(c);
		return NULL;
	}
	if (console_host_open(c, err, errlen)) {
		console_destroy(c);
		return NULL;
	}
	return c;
}

int console_bind_port(struct console *c, struct domain *d)
{
	c->domain = d;
	c->port = evtchn_bind_backend(d, on_notify, c);
	if (c->port > 0)
		evtchn_backend_offer_fd(d, (evtchn_port_t)c->port, c->event_fd);
	return c->port;
}

int console_start(struct console *c, struct domain *d, uint64_t console_mfn)
{
	struct xencons_interface *ring = frame_ptr(d, console_mfn);

	if (!ring)
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	c->ring = ring;
	pthread_mutex_unlock(&c->lock);
	on_notify(c);
	return 0;
}

void console_write(struct console *c, const char *buf, size_t len)
{
	pthread_mutex_lock(&c->lock);
	console_out(c, (const uint8_t *)buf, len);
	bool left = queue_used(&c->out);
	pthread_mutex_unlock(&c->lock);
	if (left)
		on_notify(c); /* the loop watches for the reader */
}

size_t console_read(struct console *c, char *buf, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	while (n < len && queue_used(&c->in))
		buf[n++] = (char)c->in.data[c->in.cons++ & (c->in.size - 1)];
	pthread_mutex_unlock(&c->lock);
	return n;
}

void console_drain(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	console_ring_take(c);
	console_host_flush(c);
	/* Once more: the first may have lacked room. */
	for (int ms = 0; ms < DRAIN_MS && c->out_fd >= 0 && queue_used(&c->out); ms += 10) {
		struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};
		poll(&p, 1, 10);
		console_host_flush(c);
		console_ring_take(c);
	}
	pthread_mutex_unlock(&c->lock);
}

const char *console_where(const struct console *c)
{
	return c->where[0] ? c->where : NULL;
}

bool console_attached(const struct console *c)
{
	return c->p.kind == CONSOLE_SOCKET && c->in_fd >= 0;
}

/* The loop does not run any more. */
void console_destroy(struct console *c)
{
	console_host_close(c);
	if (c->event_fd >= 0)
		close(c->event_fd);
	free(c->out.data);
	free(c->in.data);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
