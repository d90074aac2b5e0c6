/*
 * The console's two halves: what the guest's ring needs of the host's side.
 * Internal to devices/console*.c.
 */
#ifndef DEVICES_CONSOLE_INTERNAL_H
#define DEVICES_CONSOLE_INTERNAL_H

#include <pthread.h>

#include "devices/device.h"
#include "devices/socket_file.h"

#define OUT_SIZE   65536u /* powers of two */
#define IN_SIZE	   4096u
#define ESCAPE_KEY 0x1d /* Ctrl-] */

struct byte_queue {
	uint8_t *data;
	uint32_t size, prod, cons; /* free-running */
};

static inline uint32_t queue_used(const struct byte_queue *q)
{
	return q->prod - q->cons;
}

static inline uint32_t queue_room(const struct byte_queue *q)
{
	return q->size - queue_used(q);
}

static inline void queue_put(struct byte_queue *q, uint8_t b)
{
	q->data[q->prod++ & (q->size - 1)] = b;
}

struct console {
	struct event_loop *loop;
	struct console_params p;
	pthread_mutex_t lock; /* out and in: console_io comes from vcpu threads */
	struct byte_queue out, in;
	uint64_t dropped; /* bytes that a slow reader lost */

	/* Host side (console_host.c); -1: none. */
	int listen_fd, in_fd, out_fd, pty_slave;
	bool in_watched, out_watched, out_pollable, raw;
	bool reader_gone; /* of a socket: a write has failed */
	char where[108];
	struct socket_file socket; /* of listen_fd */

	/* Guest side (console_ring.c). */
	struct domain *domain;
	volatile struct xencons_interface *ring;
	int port;
	int event_fd;
};

/* console_host.c */
int console_host_open(struct console *c, char *err, size_t errlen);
void console_host_close(struct console *c);
/* Writes what it can of c->out now. Lock held. */
void console_host_flush(struct console *c);
/* (Un)watches input and output as room and data allow. Lock held, loop's thread. */
void console_host_watch(struct console *c);

/* Output to standard output or a file is never lost: the guest waits. Nobody may ever
 * read a socket or a pty: there the guest goes on and the oldest output is lost, as with
 * xenconsoled (Xen: tools/console/daemon/io.c, buffer_append). */
static inline bool console_host_waits(const struct console *c)
{
	return c->p.kind == CONSOLE_STDIO || c->p.kind == CONSOLE_FILE;
}

/* console_ring.c; lock held. True when something moved. */
bool console_ring_take(struct console *c);
bool console_ring_give(struct console *c);

/* For output: keeps the newest when nobody reads. Lock held. */
void console_out(struct console *c, const uint8_t *buf, size_t len);

#endif
