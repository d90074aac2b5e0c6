/*
 * The connection to a vfio-user server: messages out, under a lock; messages in, by a thread.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/vfio_user.h"

static const char *const command_name[] = {
	[VFIO_USER_VERSION] = "VERSION",
	[VFIO_USER_DMA_MAP] = "DMA_MAP",
	[VFIO_USER_DMA_UNMAP] = "DMA_UNMAP",
	[VFIO_USER_DEVICE_GET_INFO] = "DEVICE_GET_INFO",
	[VFIO_USER_DEVICE_GET_REGION_INFO] = "DEVICE_GET_REGION_INFO",
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = "DEVICE_GET_REGION_IO_FDS",
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = "DEVICE_GET_IRQ_INFO",
	[VFIO_USER_DEVICE_SET_IRQS] = "DEVICE_SET_IRQS",
	[VFIO_USER_REGION_READ] = "REGION_READ",
	[VFIO_USER_REGION_WRITE] = "REGION_WRITE",
	[VFIO_USER_DEVICE_RESET] = "DEVICE_RESET",
};

void vfio_user_break(struct vfio_user_link *l, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&l->lock);
	if (!l->broken) {
		va_start(ap, fmt);
		vsnprintf(l->why, sizeof(l->why), fmt, ap);
		va_end(ap);
		l->broken = true;
		/* Whoever reads or writes now stops. */
		shutdown(l->fd, SHUT_RDWR);
		pthread_cond_broadcast(&l->answered);
		eventfd_write(l->broken_fd, 1);
	}
	pthread_mutex_unlock(&l->lock);
}

/* ---- out ---- */

int vfio_user_send(struct vfio_user_link *l, const struct vfio_user_header *h, const void *data,
		   size_t size, const void *data2, size_t size2, const int *fds, unsigned nr_fds)
{
	struct iovec iov[3] = {{(void *)(uintptr_t)h, sizeof(*h)},
			       {(void *)(uintptr_t)data, size},
			       {(void *)(uintptr_t)data2, size2}};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(VFIO_USER_MOST_FDS * sizeof(int))];
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
	size_t left = sizeof(*h) + size + size2;
	int rc = 0;

	if (nr_fds) {
		memset(control, 0, sizeof(control));
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	pthread_mutex_lock(&l->send_lock);
	while (left && !rc) {
		/* SO_SNDTIMEO bounds it. */
		ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -errno;
			break;
		}
		left -= (size_t)n;
		/* The descriptors went with the first byte. */
		m.msg_control = NULL;
		m.msg_controllen = 0;
		for (; m.msg_iovlen && (size_t)n >= m.msg_iov->iov_len; m.msg_iovlen--)
			n -= (ssize_t)m.msg_iov++->iov_len;
		if (m.msg_iovlen) {
			m.msg_iov->iov_base = (uint8_t *)m.msg_iov->iov_base + n;
			m.msg_iov->iov_len -= (size_t)n;
		}
	}
	pthread_mutex_unlock(&l->send_lock);
	if (!rc)
		return 0;
	if (rc == -EAGAIN)
		vfio_user_break(l, "takes no message within %u s", l->timeout_ms / 1000);
	else
		vfio_user_break(l, "is gone: %s", strerror(-rc));
	return -EIO;
}

static void take_out(struct vfio_user_link *l, struct vfio_user_request *r)
{
	for (struct vfio_user_request **p = &l->waiting; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			return;
		}
}

int vfio_user_ask(struct vfio_user_link *l, struct vfio_user_request *r)
{
	struct vfio_user_header h = {.command = r->command,
				     .size = (uint32_t)(sizeof(h) + r->size + r->size2)};
	struct timespec end;
	int rc = 0;

	r->done = false;
	r->rc = -EIO;
	r->got = r->nr_reply_fds = 0;
	pthread_mutex_lock(&l->lock);
	if (l->broken) {
		pthread_mutex_unlock(&l->lock);
		return -EIO;
	}
	r->id = h.id = ++l->last_id;
	r->next = l->waiting;
	l->waiting = r;
	pthread_mutex_unlock(&l->lock);

	vfio_user_send(l, &h, r->data, r->size, r->data2, r->size2, r->fds, r->nr_fds);

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += l->timeout_ms / 1000;
	pthread_mutex_lock(&l->lock);
	while (!r->done && !l->broken && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&l->answered, &l->lock, &end);
	take_out(l, r);
	bool late = !r->done && !l->broken;
	rc = r->rc;
	pthread_mutex_unlock(&l->lock);
	if (late)
		vfio_user_break(l, "does not answer %s within %u s", command_name[r->command],
				l->timeout_ms / 1000);
	return rc;
}

/* ---- in ---- */

struct incoming {
	int fds[VFIO_USER_MAX_FDS];
	unsigned nr_fds;
};

static void close_fds(struct incoming *in)
{
	while (in->nr_fds)
		close(in->fds[--in->nr_fds]);
}

/* False: some were lost, or are too many. */
static bool take_fds(struct incoming *in, struct msghdr *m)
{
	bool ok = !(m->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned nr = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < nr; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (in->nr_fds < VFIO_USER_MAX_FDS)
				in->fds[in->nr_fds++] = fd;
			else {
				close(fd);
				ok = false;
			}
		}
	}
	return ok;
}

/* All of it: 0; -EIO: the connection is broken now. */
static int receive(struct vfio_user_link *l, struct incoming *in, void *buf, size_t len)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(VFIO_USER_MAX_FDS * sizeof(int))];

	while (len) {
		struct iovec iov = {buf, len};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(l->fd, &m, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			vfio_user_break(l, n ? "is gone: %s" : "has ended the connection%.0s",
					strerror(errno));
			return -EIO;
		}
		if (!take_fds(in, &m)) {
			vfio_user_break(l, "sends more descriptors than the %u that it may",
					VFIO_USER_MAX_FDS);
			return -EIO;
		}
		buf = (uint8_t *)buf + n;
		len -= (size_t)n;
	}
	return 0;
}

/* The answer to r, which is well formed or breaks the connection. */
static const char *answer(struct vfio_user_request *r, const struct vfio_user_header *h,
			  const void *payload, size_t size, struct incoming *in)
{
	if (h->command != r->command)
		return "answers another command than it was sent";
	if (h->flags & VFIO_USER_ERROR) {
		r->rc = h->error && h->error < 4096 ? -(int)h->error : -EIO;
	} else {
		if (size < r->least || size > r->room)
			return "sends an answer of a wrong size";
		if (size)
			memcpy(r->reply, payload, size);
		r->got = size;
		r->rc = 0;
		if (r->reply_fds) {
			memcpy(r->reply_fds, in->fds, in->nr_fds * sizeof(int));
			r->nr_reply_fds = in->nr_fds;
			in->nr_fds = 0;
		}
	}
	r->done = true;
	return NULL;
}

static void hand_over(struct vfio_user_link *l, const struct vfio_user_header *h,
		      const void *payload, size_t size, struct incoming *in)
{
	const char *wrong = "answers what it was not asked";

	pthread_mutex_lock(&l->lock);
	for (struct vfio_user_request *r = l->waiting; r; r = r->next)
		if (r->id == h->id && !r->done) {
			wrong = answer(r, h, payload, size, in);
			break;
		}
	pthread_cond_broadcast(&l->answered);
	pthread_mutex_unlock(&l->lock);
	if (wrong)
		vfio_user_break(l, "%s", wrong);
}

static void *reader(void *arg)
{
	struct vfio_user_link *l = arg;
	uint8_t *payload = malloc(VFIO_USER_MAX_SIZE);
	struct vfio_user_header h;
	struct incoming in = {.nr_fds = 0};

	if (!payload)
		vfio_user_break(l, "cannot be read: out of memory");
	while (payload && !receive(l, &in, &h, sizeof(h))) {
		uint32_t type = h.flags & VFIO_USER_TYPE;
		if (h.size < sizeof(h) || h.size > VFIO_USER_MAX_SIZE || type > VFIO_USER_REPLY) {
			vfio_user_break(l, "sends what is no message of vfio-user");
			break;
		}
		if (receive(l, &in, payload, h.size - sizeof(h)))
			break;
		if (type == VFIO_USER_REPLY)
			hand_over(l, &h, payload, h.size - sizeof(h), &in);
		else
			vfio_user_serve(l, &h, payload, h.size - sizeof(h));
		close_fds(&in);
	}
	close_fds(&in);
	free(payload);
	return NULL;
}

/* ---- beginning and end ---- */

static void on_broken(void *arg, uint32_t events)
{
	struct vfio_user_link *l = arg;
	struct pci_device *d = l->device;
	eventfd_t n;

	/* While the device is being made, whoever makes it says what is wrong. */
	if (!d || eventfd_read(l->broken_fd, &n))
		return;
	domain_log(l->host->domain, LOG_WARN,
		   "pci: the server of %s %s; the function reads as all ones from now on", d->name,
		   l->why);
	vfio_function_lost(d);
}

static int open_socket(struct vfio_user_link *l, const char *path, char *err, size_t errlen)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = l->timeout_ms / 1000};

	if (strlen(path) >= sizeof(a.sun_path)) {
		snprintf(err, errlen, "%s: a socket's name has at most %zu characters", path,
			 sizeof(a.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(a.sun_path, path);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(l->fd, (struct sockaddr *)&a, sizeof(a))) {
		int e = errno;
		snprintf(err, errlen, "%s: %s", path,
			 e == ENOENT	     ? "there is no such socket; start the vfio-user "
					       "server first"
			 : e == ECONNREFUSED ? "no vfio-user server listens there any more; start "
					       "it again"
			 : e == EAGAIN	     ? "its vfio-user server takes no connection"
			 : e == EPROTOTYPE   ? "it is no stream socket, so no vfio-user server's"
					     : strerror(e));
		return -e;
	}
	return 0;
}

int vfio_user_connect(struct vfio_user_link *l, const char *path, char *err, size_t errlen)
{
	pthread_condattr_t attr;
	int rc;

	l->fd = l->broken_fd = -1;
	for (unsigned i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		l->region[i].fd = -1;
		memset(l->bell[i], 0xff, sizeof(l->bell[i]));
	}
	l->max_fds = VFIO_USER_DEFAULT_FDS;
	l->max_transfer = VFIO_USER_DEFAULT_TRANSFER;
	l->max_maps = VFIO_USER_DEFAULT_MAPS;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->send_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->answered, &attr);
	pthread_condattr_destroy(&attr);
	rc = open_socket(l, path, err, errlen);
	if (rc)
		return rc;
	l->broken_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = l->broken_fd < 0 ? -errno
			      : event_loop_add(l->host->loop, l->broken_fd, EPOLLIN, on_broken, l);
	if (!rc) {
		rc = -pthread_create(&l->reader, NULL, reader, l);
		l->reading = !rc;
	}
	if (rc)
		snprintf(err, errlen, "%s: %s", path, strerror(-rc));
	return rc;
}

void vfio_user_disconnect(struct vfio_user_link *l)
{
	if (l->reading) {
		shutdown(l->fd, SHUT_RDWR);
		pthread_join(l->reader, NULL);
	}
	if (l->broken_fd >= 0) {
		event_loop_del(l->host->loop, l->broken_fd);
		close(l->broken_fd);
	}
	if (l->fd >= 0)
		close(l->fd);
	for (unsigned i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		if (l->region[i].fd >= 0)
			close(l->region[i].fd);
		for (unsigned k = 0; k < VFIO_USER_MAX_FDS; k++)
			if (l->bell[i][k] >= 0)
				close(l->bell[i][k]);
	}
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->send_lock);
	pthread_mutex_destroy(&l->lock);
}
