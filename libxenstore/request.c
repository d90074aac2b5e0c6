/*
 * A request and its answer (Xen: tools/libs/store/xs.c, xs_talkv(), for the errors).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libxenstore/internal.h"

struct packet {
	struct xsd_sockmsg h;
	char body[XENSTORE_PAYLOAD_MAX];
};

bool xs_write_all(int fd, const void *data, unsigned int len)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data = (const char *)data + n;
		len -= (unsigned int)n;
	}
	return true;
}

static bool send_packet(struct xs_handle *h, const struct packet *p)
{
	const char *at = (const char *)p;
	size_t len = sizeof(p->h) + p->h.len;

	if (!h->is_socket)
		return xs_write_all(h->fd, at, (unsigned int)len);
	while (len) {
		/* The program's SIGPIPE is not for us to change. */
		ssize_t n = send(h->fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool expect_reply(struct xs_handle *h)
{
	pthread_mutex_lock(&h->lock);
	h->expects_reply = !h->broken;
	pthread_mutex_unlock(&h->lock);
	if (!h->expects_reply)
		errno = EBADF;
	return h->expects_reply;
}

static struct message *take_reply(struct xs_handle *h)
{
	struct message *m = h->reply;

	h->reply = NULL;
	return m;
}

static struct message *await_reply(struct xs_handle *h)
{
	struct message *m;

	pthread_mutex_lock(&h->lock);
	while (!h->reply && !h->broken)
		pthread_cond_wait(&h->replied, &h->lock);
	m = take_reply(h);
	pthread_mutex_unlock(&h->lock);
	if (!m)
		errno = EINVAL;
	return m;
}

/* There is no thread yet: events that come first are kept for later. */
static struct message *read_reply(struct xs_handle *h)
{
	struct message *m;

	do {
		m = message_read(h, -1);
		if (!m)
			return NULL;
		if (!message_deliver(h, m)) {
			errno = EBADF;
			return NULL;
		}
	} while (!h->reply);
	return take_reply(h);
}

static struct message *exchange(struct xs_handle *h, const struct packet *p)
{
	struct message *m = NULL;

	pthread_mutex_lock(&h->request_lock);
	if (expect_reply(h)) {
		if (send_packet(h, p))
			m = h->has_reader ? await_reply(h) : read_reply(h);
		if (m && m->h.type != XS_ERROR && m->h.type != p->h.type) {
			free(m);
			m = NULL;
			errno = EBADF;
		}
		if (!m) {
			int err = errno;
			connection_break(h);
			errno = err;
		}
	}
	pthread_mutex_unlock(&h->request_lock);
	return m;
}

static int error_number(const char *name)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (!strcmp(name, xsd_errors[i].errstring))
			return xsd_errors[i].errnum;
	return EINVAL;
}

char *request(struct xs_handle *h, xs_transaction_t t, enum xsd_sockmsg_type type,
	      const struct iovec *parts, unsigned int nr, unsigned int *len)
{
	struct packet p = {.h = {.type = type, .tx_id = t}};

	for (unsigned int i = 0; i < nr; i++) {
		if (parts[i].iov_len > sizeof(p.body) - p.h.len) {
			errno = E2BIG;
			return NULL;
		}
		if (parts[i].iov_len)
			memcpy(p.body + p.h.len, parts[i].iov_base, parts[i].iov_len);
		p.h.len += (uint32_t)parts[i].iov_len;
	}
	struct message *m = exchange(h, &p);
	if (!m)
		return NULL;
	if (m->h.type == XS_ERROR) {
		int err = error_number(m->body);
		free(m);
		errno = err;
		return NULL;
	}
	/* The block becomes its payload. */
	unsigned int n = m->h.len;
	if (len)
		*len = n;
	return memmove(m, m->body, n + 1);
}

char *request_string(struct xs_handle *h, xs_transaction_t t, enum xsd_sockmsg_type type,
		     const char *s, unsigned int *len)
{
	return request_pair(h, t, type, s, NULL, 0, len);
}

char *request_pair(struct xs_handle *h, xs_transaction_t t, enum xsd_sockmsg_type type,
		   const char *s, const void *data, size_t len, unsigned int *reply_len)
{
	const struct iovec parts[] = {{(void *)s, strlen(s) + 1}, {(void *)data, len}};

	return request(h, t, type, parts, 2, reply_len);
}

bool done(char *reply)
{
	bool ok = reply;

	free(reply);
	return ok;
}
