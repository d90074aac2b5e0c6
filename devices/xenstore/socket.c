/*
 * The store on a UNIX socket: a client of domain 0 for each connection, as with
 * xenstored. Nothing here ever waits. A client that does not read its answers is not
 * read from; one that breaks the protocol, or lets too many events pile up, is
 * disconnected.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/socket_file.h"
#include "devices/xenstore/xenstore.h"

#define MAX_CONNECTIONS 256

struct connection {
	struct connection *next;
	struct listener *l;
	struct client *c;
	int fd;
	uint32_t events; /* what epoll looks for */
	bool ended;	 /* the peer sends no more */
	size_t used;	 /* bytes of in[] that the client had no room for */
	uint8_t in[MESSAGE_MAX];
};

struct listener {
	struct xenstore *xs;
	int fd;
	int spare_fd; /* given up to refuse a connection when there is no other descriptor */
	bool paused;  /* no room for connections */
	struct connection *connections;
	unsigned nr;
	struct socket_file file;
};

static void listener_pause(struct listener *l, bool pause)
{
	if (l->paused != pause)
		event_loop_mod(l->xs->loop, l->fd, pause ? 0 : EPOLLIN);
	l->paused = pause;
}

static void connection_free(struct connection *cn)
{
	for (struct connection **p = &cn->l->connections; *p; p = &(*p)->next)
		if (*p == cn) {
			*p = cn->next;
			break;
		}
	cn->l->nr--;
	close(cn->fd);
	client_free(cn->c);
	free(cn);
}

static void connection_close(struct connection *cn)
{
	struct listener *l = cn->l;

	event_loop_del(l->xs->loop, cn->fd);
	connection_free(cn);
	listener_pause(l, false);
}

static void look_for(struct connection *cn)
{
	uint32_t events = 0;

	if (!cn->ended && !cn->used && client_may_request(cn->c))
		events |= EPOLLIN;
	if (cn->c->out_len)
		events |= EPOLLOUT;
	if (events != cn->events)
		event_loop_mod(cn->l->xs->loop, cn->fd, events);
	cn->events = events;
}

/* Something waits for the client, from a request of its own or of somebody else. */
static void on_output(struct client *c)
{
	struct connection *cn = c->wake_arg;

	/* Its handler closes it: whoever sends does not lose the client under his feet. */
	if (c->overrun)
		shutdown(cn->fd, SHUT_RDWR);
	look_for(cn);
}

/* Writes what the peer takes. False: it is gone. */
static bool deliver(struct connection *cn)
{
	const uint8_t *p;
	size_t len;

	while ((len = client_output(cn->c, &p))) {
		ssize_t n = send(cn->fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		client_sent(cn->c, (size_t)n);
	}
	return true;
}

/* Serves what was read before and then, once, what can be read: a client that never
 * stops gets its turn again after the others'. False: it broke the protocol. */
static bool serve(struct connection *cn)
{
	if (!cn->used && !cn->ended && client_may_request(cn->c)) {
		ssize_t n = recv(cn->fd, cn->in, sizeof(cn->in), 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		cn->used = n > 0 ? (size_t)n : 0;
		cn->ended = n == 0;
	}
	long taken = client_take(cn->c, cn->in, cn->used);
	if (taken < 0)
		return false;
	cn->used -= (size_t)taken;
	memmove(cn->in, cn->in + taken, cn->used);
	return true;
}

static void on_connection(void *arg, uint32_t events)
{
	struct connection *cn = arg;
	struct client *c = cn->c;
	bool alive = !c->overrun;

	/* What was held back is served as soon as there is room for its answers. */
	do {
		alive = alive && deliver(cn) && serve(cn) && deliver(cn);
	} while (alive && cn->used && client_may_request(c));
	if (alive && cn->ended) {
		/* It asks no more; it gets its answers, but waits for no event. */
		watch_remove_all(c);
		alive = c->out_len || cn->used;
	}
	if (alive)
		look_for(cn);
	else
		connection_close(cn);
}

/* A connection that is left waiting would wake the loop for ever. */
static void refuse(struct listener *l)
{
	close(l->spare_fd);
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->spare_fd = eventfd(0, EFD_CLOEXEC);
}

static void on_listener(void *arg, uint32_t events)
{
	struct listener *l = arg;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse(l);
		return;
	}
	struct connection *cn = calloc(1, sizeof(*cn));
	if (!cn || !(cn->c = client_new(l->xs, domain_find(l->xs, 0))))
		goto fail;
	cn->c->wake = on_output;
	cn->c->wake_arg = cn;
	cn->l = l;
	cn->fd = fd;
	cn->events = EPOLLIN;
	if (event_loop_add(l->xs->loop, fd, EPOLLIN, on_connection, cn)) {
		client_free(cn->c);
		goto fail;
	}
	cn->next = l->connections;
	l->connections = cn;
	listener_pause(l, ++l->nr == MAX_CONNECTIONS);
	return;
fail:
	free(cn);
	close(fd);
}

static int open_socket(struct listener *l, const char *path)
{
	l->spare_fd = eventfd(0, EFD_CLOEXEC);
	if (l->spare_fd < 0)
		return -errno;
	int rc = l->fd = socket_file_listen(&l->file, path, 16);
	if (rc >= 0)
		rc = event_loop_add(l->xs->loop, l->fd, EPOLLIN, on_listener, l);
	if (rc)
		socket_file_remove(&l->file);
	return rc;
}

int xenstore_listen(struct xenstore *xs, const char *path, char *err, size_t errlen)
{
	struct listener *l = calloc(1, sizeof(*l));
	int rc = -ENOMEM;

	if (!l)
		goto fail;
	l->xs = xs;
	l->fd = l->spare_fd = -1;
	rc = open_socket(l, path);
	if (rc)
		goto fail;
	xs->listener = l;
	return 0;
fail:
	snprintf(err, errlen, "cannot listen on '%s': %s", path, strerror(-rc));
	if (l && l->fd >= 0)
		close(l->fd);
	if (l && l->spare_fd >= 0)
		close(l->spare_fd);
	free(l);
	return rc;
}

void listener_destroy(struct listener *l)
{
	while (l->connections)
		connection_free(l->connections);
	close(l->fd);
	close(l->spare_fd);
	socket_file_remove(&l->file);
	free(l);
}
