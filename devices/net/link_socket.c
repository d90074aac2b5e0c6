/*
 * net=socket: a cable between two guests, a UNIX socket of packets. Each packet is a
 * struct virtio_net_hdr and a frame, as on a tap interface. The two ends are equal: who
 * finds nobody at the path listens there, the other connects; when one goes and comes
 * back they meet again (socket_meet.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/net/link_socket.h"
#include "devices/net/vnet_header.h"

#define BATCH	      64 /* frames for the guest in one go */
#define RETRY_SECONDS 1

static int send_packet(struct link *l, struct packet *p)
{
	struct link_socket *s = (struct link_socket *)l;
	struct virtio_net_hdr h;
	struct iovec iov[2] = {{&h, sizeof(h)}, {p->data, p->len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	if (s->peer_fd < 0)
		return -ENETDOWN;
	vnet_header_of(p, &h);
	if (sendmsg(s->peer_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	if (!s->blocked) {
		s->blocked = true;
		socket_watch(s);
	}
	return -EAGAIN;
}

void socket_watch(struct link_socket *s)
{
	event_loop_mod(s->l.loop, s->peer_fd,
		       (s->l.wanted ? EPOLLIN : 0) | (s->blocked ? EPOLLOUT : 0));
}

static void retry_later(struct link_socket *s)
{
	struct itimerspec t = {{0, 0}, {RETRY_SECONDS, 0}};

	timerfd_settime(s->timer_fd, 0, &t, NULL);
}

static void lost_peer(struct link_socket *s)
{
	event_loop_del(s->l.loop, s->peer_fd);
	close(s->peer_fd);
	s->peer_fd = -1;
	s->l.carrier = false;
	s->l.owner.carrier(s->l.owner.arg, false);
	if (s->listen_fd < 0)
		retry_later(s);
	/* What waited is lost with it. */
	s->blocked = false;
	s->l.owner.ready(s->l.owner.arg);
}

/* false: the peer is gone. */
static bool receive(struct link_socket *s)
{
	for (unsigned i = 0; i < BATCH && s->l.wanted; i++) {
		struct virtio_net_hdr h;
		ssize_t n =
			recv(s->peer_fd, s->buffer, sizeof(s->buffer), MSG_TRUNC | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!n)
			return false;
		if (n < (ssize_t)(sizeof(h) + ETH_HEADER) || n > (ssize_t)sizeof(s->buffer))
			continue;
		memcpy(&h, s->buffer, sizeof(h));
		struct packet p = {.data = s->buffer + sizeof(h), .len = (uint32_t)n - sizeof(h)};
		if (vnet_header_apply(&h, &p))
			s->l.owner.receive(s->l.owner.arg, &p);
	}
	return true;
}

static void on_peer(void *arg, uint32_t events)
{
	struct link_socket *s = arg;
	bool there = true;

	if (events & EPOLLIN || (events & (EPOLLHUP | EPOLLERR) && s->l.wanted))
		there = receive(s);
	/* While frames are not wanted nobody reads what the peer left behind. */
	if (events & (EPOLLHUP | EPOLLERR) && !s->l.wanted)
		there = false;
	if (there && events & EPOLLOUT && s->blocked) {
		s->blocked = false;
		socket_watch(s);
		s->l.owner.ready(s->l.owner.arg);
	}
	if (there)
		s->l.owner.done(s->l.owner.arg);
	else
		lost_peer(s);
}

/* A socket that is connected. 0, or negative errno: it is closed. */
static int take_peer(struct link_socket *s, int fd)
{
	int size = SOCKET_BUFFER;
	int rc;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rc = event_loop_add(s->l.loop, fd, s->l.wanted ? EPOLLIN : 0, on_peer, s);
	if (rc) {
		close(fd);
		return rc;
	}
	s->peer_fd = fd;
	s->blocked = false;
	s->l.carrier = true;
	return 0;
}

static void on_listen(void *arg, uint32_t events)
{
	struct link_socket *s = arg;
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	/* The cable has two ends. */
	if (s->peer_fd >= 0 || !socket_peer_is_user(fd)) {
		close(fd);
		return;
	}
	if (!take_peer(s, fd))
		s->l.owner.carrier(s->l.owner.arg, true);
}

/* Connects, or listens, or tries again later. Only at first an error ends it. */
static int meet(struct link_socket *s, char *err, size_t errlen)
{
	int fd = -1;
	int rc = socket_meet(s, &fd, err, errlen);

	if (rc == -EAGAIN) {
		retry_later(s);
		return 0;
	}
	if (rc)
		return rc;
	if (fd >= 0)
		rc = take_peer(s, fd);
	else
		rc = event_loop_add(s->l.loop, s->listen_fd, EPOLLIN, on_listen, s);
	if (rc)
		snprintf(err, errlen, "%s: %s", s->path, strerror(-rc));
	return rc;
}

static void on_timer(void *arg, uint32_t events)
{
	struct link_socket *s = arg;
	char err[200];
	uint64_t n;

	if (read(s->timer_fd, &n, sizeof(n)) < 0 || s->peer_fd >= 0 || s->listen_fd >= 0)
		return;
	if (meet(s, err, sizeof(err))) {
		if (!s->complained)
			s->l.owner.log(s->l.owner.arg, LOG_WARN, err);
		s->complained = true;
		retry_later(s);
	}
	if (s->l.carrier)
		s->l.owner.carrier(s->l.owner.arg, true);
}

static void want(struct link *l, bool wanted)
{
	struct link_socket *s = (struct link_socket *)l;

	l->wanted = wanted;
	if (s->peer_fd >= 0)
		socket_watch(s);
}

static void close_link(struct link *l)
{
	struct link_socket *s = (struct link_socket *)l;
	int fds[] = {s->peer_fd, s->listen_fd, s->timer_fd};

	if (s->listen_fd >= 0)
		socket_unlink(s);
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0) {
			event_loop_del(l->loop, fds[i]);
			close(fds[i]);
		}
	free(s);
}

static const struct link_ops socket_ops = {
	.name = "socket",
	.send = send_packet,
	.want = want,
	.close = close_link,
};

struct link *link_socket_open(struct event_loop *l, const struct vif_spec *spec,
			      const struct link_owner *owner, char *err, size_t errlen)
{
	struct link_socket *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	s->l = (struct link){.ops = &socket_ops, .owner = *owner, .loop = l, .wanted = true};
	s->peer_fd = s->listen_fd = -1;
	memcpy(s->path, spec->path, sizeof(s->path));
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int rc = s->timer_fd < 0 ? -errno : event_loop_add(l, s->timer_fd, EPOLLIN, on_timer, s);
	if (rc)
		snprintf(err, errlen, "%s: %s", s->path, strerror(-rc));
	else
		rc = meet(s, err, errlen);
	if (rc) {
		close_link(&s->l);
		return NULL;
	}
	return &s->l;
}
