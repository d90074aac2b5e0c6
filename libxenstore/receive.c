/*
 * What comes from the store: answers and events.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libxenstore/internal.h"

void messages_free(struct message *m)
{
	while (m) {
		struct message *next = m->next;
		free(m);
		m = next;
	}
}

static bool wait_readable(int fd, int stop_fd)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return false;
	if (p[1].revents)
		errno = ECANCELED;
	return !p[1].revents;
}

static bool read_all(int fd, int stop_fd, void *buf, size_t len)
{
	while (len) {
		if (stop_fd >= 0 && !wait_readable(fd, stop_fd))
			return false;
		ssize_t n = read(fd, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (!n)
			errno = EBADF;
		if (n <= 0)
			return false;
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
	return true;
}

struct message *message_read(struct xs_handle *h, int stop_fd)
{
	struct xsd_sockmsg head;

	if (!read_all(h->fd, stop_fd, &head, sizeof(head)))
		return NULL;
	if (head.len > XENSTORE_PAYLOAD_MAX) {
		errno = E2BIG;
		return NULL;
	}
	struct message *m = malloc(sizeof(*m) + head.len + 1);
	if (!m)
		return NULL;
	m->next = NULL;
	m->h = head;
	if (!read_all(h->fd, stop_fd, m->body, head.len)) {
		int err = errno;
		free(m);
		errno = err;
		return NULL;
	}
	m->body[head.len] = 0;
	/* As Xen's library leaves it; programs look at errno after a success. */
	errno = 0;
	return m;
}

static void event_append(struct xs_handle *h, struct message *m)
{
	if (!h->events && h->watch_fd >= 0)
		eventfd_write(h->watch_fd, 1);
	*h->events_end = m;
	h->events_end = &m->next;
	pthread_cond_signal(&h->fired);
}

bool message_deliver(struct xs_handle *h, struct message *m)
{
	bool ok = true;

	pthread_mutex_lock(&h->lock);
	if (m->h.type == XS_WATCH_EVENT) {
		/* Whoever reads it relies on a path and a token. */
		ok = count_strings(m->body, m->h.len) >= 2;
		if (ok)
			event_append(h, m);
	} else {
		ok = h->expects_reply;
		if (ok) {
			h->expects_reply = false;
			h->reply = m;
			pthread_cond_signal(&h->replied);
		}
	}
	pthread_mutex_unlock(&h->lock);
	if (!ok)
		free(m);
	return ok;
}

void connection_disable(struct xs_handle *h)
{
	pthread_mutex_lock(&h->lock);
	h->broken = true;
	pthread_cond_broadcast(&h->replied);
	pthread_cond_broadcast(&h->fired);
	pthread_mutex_unlock(&h->lock);
}

void connection_break(struct xs_handle *h)
{
	connection_disable(h);
	/* The other end sees it; the descriptor is closed with the handle, when no thread
	 * can mistake a new file for it. */
	if (h->is_socket)
		shutdown(h->fd, SHUT_RDWR);
}

static void *reader(void *arg)
{
	struct xs_handle *h = arg;
	struct message *m;

	do
		m = message_read(h, h->stop_fd);
	while (m && message_deliver(h, m));
	/* xs_close() asked for it, or the stream makes no sense any more. */
	if (m || errno != ECANCELED)
		connection_break(h);
	return NULL;
}

bool reader_start(struct xs_handle *h)
{
	sigset_t all, old;
	int err;

	if (h->has_reader)
		return true;
	if (h->stop_fd < 0)
		h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->stop_fd < 0)
		return false;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&h->reader, NULL, reader, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	h->has_reader = !err;
	errno = err;
	return !err;
}

void reader_stop(struct xs_handle *h)
{
	if (!h->has_reader)
		return;
	eventfd_write(h->stop_fd, 1);
	pthread_join(h->reader, NULL);
	h->has_reader = false;
}
