/*
 * Images through NBD: a queue has a connection of its own, with many requests on their
 * way at once. Its descriptor is an epoll instance with the connection's socket and a
 * timer in it. A server that goes away, or does not answer in time, is lost: all that was
 * asked of it ends with an error, as does what is asked later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/block/image.h"
#include "devices/block/nbd_image.h"

#define HURRY_MS	5000
#define MAX_BOUNCE	(16u << 20) /* bytes of buffers at a time, of one queue */
#define MAX_DISCARD	(1u << 30)  /* bytes in one request; the protocol's length has 32 bits */
#define TICKS_A_TIMEOUT 4

/* A request that is under way. libnbd takes one stretch of memory: the guest's pages when
 * they follow each other, else a buffer. */
struct nbd_request {
	struct image_io *io;
	struct nbd_queue *q;
	void *buffer; /* NULL: none */
	size_t len;
	int64_t started;
	int rc;
	bool over;
	struct nbd_request *prev, *next; /* in q->active, oldest first */
};

struct nbd_queue {
	struct image_queue q;
	struct nbd_image *image;
	struct nbd_connection *connection;
	int epoll_fd, timer_fd, socket;
	uint32_t events; /* that epoll_fd waits for on the socket */
	unsigned timeout_ms;
	bool ticking;
	size_t bounced; /* bytes */
	struct image_io *waiting, **tail;
	struct nbd_request active; /* the list's head */
	struct nbd_request *over;  /* through `next` */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* ---- one request ---- */

static void finish(struct nbd_request *r, int rc)
{
	if (r->over)
		return;
	r->over = true;
	r->rc = rc;
	r->prev->next = r->next;
	r->next->prev = r->prev;
	r->next = r->q->over;
	r->q->over = r;
}

/* libnbd's, in our thread: it may not be called from here. 1: it forgets the request. */
static int completed(void *arg, int *error)
{
	finish(arg, -*error);
	return 1;
}

static size_t length(const struct image_io *io)
{
	size_t len = 0;

	if (io->op == IMAGE_DISCARD)
		return io->length < MAX_DISCARD ? (size_t)io->length : MAX_DISCARD;
	for (unsigned i = 0; i < io->nr_iov; i++)
		len += io->iov[i].iov_len;
	return len;
}

static void gather(const struct image_io *io, uint8_t *to)
{
	for (unsigned i = 0; i < io->nr_iov; i++) {
		memcpy(to, io->iov[i].iov_base, io->iov[i].iov_len);
		to += io->iov[i].iov_len;
	}
}

static void scatter(const struct image_io *io, const uint8_t *from)
{
	for (unsigned i = 0; i < io->nr_iov; i++) {
		memcpy(io->iov[i].iov_base, from, io->iov[i].iov_len);
		from += io->iov[i].iov_len;
	}
}

static int64_t send_request(struct nbd_queue *n, struct nbd_request *r)
{
	const struct nbd_library *l = &n->image->lib;
	struct nbd_handle *h = n->connection->handle;
	nbd_completion_callback done = {.callback = completed, .user_data = r};
	const struct image_io *io = r->io;
	void *memory = r->buffer ? r->buffer : io->nr_iov ? io->iov[0].iov_base : NULL;

	switch (io->op) {
	case IMAGE_READ:
		return l->aio_pread(h, memory, r->len, io->offset, done, 0);
	case IMAGE_WRITE:
		return l->aio_pwrite(h, memory, r->len, io->offset, done, 0);
	case IMAGE_FLUSH:
		return l->aio_flush(h, done, 0);
	case IMAGE_DISCARD:
		return l->aio_trim(h, r->len, io->offset, done, 0);
	}
	return -1;
}

/* False: there is no memory for it now, something else must end first. */
static bool start(struct nbd_queue *n, struct image_io *io)
{
	size_t len = length(io);
	bool bounce = io->op <= IMAGE_WRITE && io->nr_iov > 1;

	if (bounce && n->bounced && n->bounced + len > MAX_BOUNCE)
		return false;
	struct nbd_request *r = calloc(1, sizeof(*r));
	void *buffer = bounce ? malloc(len) : NULL;
	if (!r || (bounce && !buffer)) {
		free(r);
		free(buffer);
		return false;
	}
	*r = (struct nbd_request){
		.io = io, .q = n, .buffer = buffer, .len = len, .started = now_ms()};
	if (bounce) {
		n->bounced += len;
		n->q.image->copied += len;
		if (io->op == IMAGE_WRITE)
			gather(io, buffer);
	}
	r->next = &n->active;
	r->prev = n->active.prev;
	r->prev->next = r->next->prev = r;
	if (!n->connection->handle)
		finish(r, -ENOTCONN);
	else if (send_request(n, r) < 0)
		finish(r, n->image->lib.get_errno() ? -n->image->lib.get_errno() : -EIO);
	return true;
}

/* ---- the connection ---- */

static void lose(struct nbd_queue *n, int rc)
{
	/* This also closes the socket, which leaves epoll_fd by that. */
	n->image->lib.close(n->connection->handle);
	n->connection->handle = NULL;
	n->socket = -1;
	while (n->active.next != &n->active)
		finish(n->active.next, rc);
}

/* Waits for room on the socket, too, when something is left to send. */
static void choose_events(struct nbd_queue *n)
{
	const struct nbd_library *l = &n->image->lib;
	struct epoll_event e = {.events = EPOLLIN, .data.fd = n->socket};

	if (!n->connection->handle)
		return;
	if (l->aio_get_direction(n->connection->handle) & LIBNBD_AIO_DIRECTION_WRITE)
		e.events |= EPOLLOUT;
	if (e.events != n->events && !epoll_ctl(n->epoll_fd, EPOLL_CTL_MOD, n->socket, &e))
		n->events = e.events;
}

static void move_bytes(struct nbd_queue *n, uint32_t events)
{
	const struct nbd_library *l = &n->image->lib;
	struct nbd_handle *h = n->connection->handle;

	if (!h)
		return;
	if ((events & ~(uint32_t)EPOLLOUT) && (l->aio_get_direction(h) & LIBNBD_AIO_DIRECTION_READ))
		l->aio_notify_read(h);
	if ((events & EPOLLOUT) && (l->aio_get_direction(h) & LIBNBD_AIO_DIRECTION_WRITE))
		l->aio_notify_write(h);
	if (l->aio_is_dead(h) || l->aio_is_closed(h))
		lose(n, -ENOTCONN);
}

/* Ticks while there is something to wait for. */
static void set_timer(struct nbd_queue *n)
{
	bool wanted = n->active.next != &n->active || n->waiting || n->over;
	unsigned ms = n->timeout_ms / TICKS_A_TIMEOUT + 1;
	struct itimerspec t = {0};

	if (wanted == n->ticking && !n->over)
		return;
	n->ticking = wanted;
	if (wanted) {
		t.it_value.tv_sec = ms / 1000;
		t.it_value.tv_nsec = ms % 1000 * 1000000l;
		t.it_interval = t.it_value;
		if (n->over) /* failed at once: reap() is to be called */
			t.it_value = (struct timespec){.tv_nsec = 1};
	}
	timerfd_settime(n->timer_fd, 0, &t, NULL);
}

static void look_at_clock(struct nbd_queue *n)
{
	const struct nbd_request *oldest = n->active.next;
	uint64_t ticks;

	if (read(n->timer_fd, &ticks, sizeof(ticks)) < 0)
		return;
	if (oldest != &n->active && n->connection->handle &&
	    now_ms() - oldest->started >= n->timeout_ms) {
		n->image->stalled = true;
		lose(n, -ETIMEDOUT);
	}
}

/* ---- the queue ---- */

static int submit(struct image_queue *q, struct image_io *io)
{
	struct nbd_queue *n = (struct nbd_queue *)q;

	q->in_flight++;
	io->next = NULL;
	*n->tail = io;
	n->tail = &io->next;
	return 0;
}

static void start_waiting(struct nbd_queue *n)
{
	while (n->waiting) {
		struct image_io *io = n->waiting, *next = io->next;

		if (!start(n, io))
			break;
		n->waiting = next;
		if (!next)
			n->tail = &n->waiting;
	}
}

static void flush(struct image_queue *q)
{
	struct nbd_queue *n = (struct nbd_queue *)q;

	start_waiting(n);
	choose_events(n);
	set_timer(n);
}

/* True when the request is over, false when there is more of it to discard. */
static bool conclude(struct nbd_queue *n, struct nbd_request *r)
{
	struct image_io *io = r->io;

	if (r->buffer) {
		if (!r->rc && io->op == IMAGE_READ)
			scatter(io, r->buffer);
		n->bounced -= r->len;
		free(r->buffer);
	}
	if (r->rc || io->op != IMAGE_DISCARD || io->length == r->len)
		return true;
	io->offset += r->len;
	io->length -= r->len;
	return false;
}

static unsigned reap(struct image_queue *q)
{
	struct nbd_queue *n = (struct nbd_queue *)q;
	struct epoll_event e[2];
	unsigned nr = 0;

	for (int i = epoll_wait(n->epoll_fd, e, 2, 0); i > 0; i--) {
		if (e[i - 1].data.fd == n->timer_fd)
			look_at_clock(n);
		else
			move_bytes(n, e[i - 1].events);
	}
	/* done() may submit, which starts nothing: the list is not touched meanwhile. */
	while (n->over) {
		struct nbd_request *r = n->over;
		struct image_io *io = r->io;
		int rc = r->rc;

		n->over = r->next;
		q->in_flight--;
		nr++;
		if (conclude(n, r))
			io->done(io, rc);
		else
			submit(q, io);
		free(r);
	}
	return nr;
}

static void hurry(struct image_queue *q)
{
	struct nbd_queue *n = (struct nbd_queue *)q;

	if (n->timeout_ms <= HURRY_MS)
		return;
	n->timeout_ms = HURRY_MS;
	n->ticking = false; /* at the new rate */
	set_timer(n);
}

static void destroy(struct image_queue *q)
{
	struct nbd_queue *n = (struct nbd_queue *)q;

	n->connection->used = false;
	if (n->timer_fd >= 0)
		close(n->timer_fd);
	if (n->epoll_fd >= 0)
		close(n->epoll_fd);
	free(n);
}

static const struct image_queue_ops ops = {
	.name = "nbd",
	.submit = submit,
	.flush = flush,
	.reap = reap,
	.hurry = hurry,
	.destroy = destroy,
};

static int watch(struct nbd_queue *n, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(n->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static struct nbd_connection *free_connection(struct nbd_image *image)
{
	struct nbd_connection *lost = NULL;

	for (unsigned i = 0; i < image->nr; i++) {
		struct nbd_connection *c = &image->connection[i];

		if (!c->used && c->handle)
			return c;
		if (!c->used)
			lost = c; /* all will fail */
	}
	return lost;
}

struct image_queue *image_nbd_create(struct image *img, unsigned depth)
{
	struct nbd_connection *c = free_connection(img->nbd);
	struct nbd_queue *n = c ? calloc(1, sizeof(*n)) : NULL;

	if (!n) {
		errno = c ? ENOMEM : EBUSY;
		return NULL;
	}
	c->used = true;
	n->image = img->nbd;
	n->connection = c;
	n->timeout_ms = img->nbd->timeout_ms;
	n->tail = &n->waiting;
	n->active.next = n->active.prev = &n->active;
	n->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	n->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	n->socket = c->handle ? img->nbd->lib.aio_get_fd(c->handle) : -1;
	n->events = EPOLLIN;
	n->q = (struct image_queue){.ops = &ops, .image = img, .fd = n->epoll_fd};
	if (n->epoll_fd < 0 || n->timer_fd < 0 || watch(n, n->timer_fd) < 0 ||
	    (n->socket >= 0 && watch(n, n->socket) < 0)) {
		destroy(&n->q);
		return NULL;
	}
	return &n->q;
}
