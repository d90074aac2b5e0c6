/*
 * Images through io_uring. The ring's descriptor is readable when completions wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <stdlib.h>

#include "devices/block/image.h"

struct uring_queue {
	struct image_queue q;
	struct io_uring ring;
	unsigned depth;
	struct image_io *waiting, **tail; /* no room in the ring */
};

static void prepare(struct uring_queue *u, struct io_uring_sqe *sqe, struct image_io *io)
{
	int fd = u->q.image->fd;

	switch (io->op) {
	case IMAGE_READ:
		io_uring_prep_readv(sqe, fd, io->iov, io->nr_iov, io->offset);
		break;
	case IMAGE_WRITE:
		io_uring_prep_writev(sqe, fd, io->iov, io->nr_iov, io->offset);
		break;
	case IMAGE_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case IMAGE_DISCARD:
		io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)io->offset, (off_t)io->length);
		break;
	}
	io_uring_sqe_set_data(sqe, io);
}

static bool start(struct uring_queue *u, struct image_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe) {
		io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	if (!sqe)
		return false;
	prepare(u, sqe, io);
	return true;
}

static void wait_for_room(struct uring_queue *u, struct image_io *io)
{
	io->next = NULL;
	*u->tail = io;
	u->tail = &io->next;
}

static int submit(struct image_queue *q, struct image_io *io)
{
	struct uring_queue *u = (struct uring_queue *)q;

	q->in_flight++;
	if (u->waiting || !start(u, io))
		wait_for_room(u, io);
	return 0;
}

static void flush(struct image_queue *q)
{
	io_uring_submit(&((struct uring_queue *)q)->ring);
}

/* True when the request is over, with its result in *rc. */
static bool finished(struct image_io *io, int res, int *rc)
{
	*rc = 0;
	if (res < 0) {
		*rc = res;
		return res != -EINTR && res != -EAGAIN;
	}
	if (io->op == IMAGE_FLUSH || io->op == IMAGE_DISCARD)
		return true;
	if (res == 0) {
		*rc = -EIO; /* the end of the file */
		return true;
	}
	return image_io_advance(io, (size_t)res);
}

static unsigned reap(struct image_queue *q)
{
	struct uring_queue *u = (struct uring_queue *)q;
	struct io_uring_cqe *cqe;
	unsigned n = 0;
	bool again = false;

	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		struct image_io *io = io_uring_cqe_get_data(cqe);
		int rc, res = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		if (!finished(io, res, &rc)) {
			if (!start(u, io))
				wait_for_room(u, io);
			again = true;
			continue;
		}
		q->in_flight--;
		n++;
		io->done(io, rc);
	}
	while (u->waiting && start(u, u->waiting)) {
		u->waiting = u->waiting->next;
		if (!u->waiting)
			u->tail = &u->waiting;
		again = true;
	}
	/* What the kernel did not take before (it was out of memory) is tried again, too. */
	if (again || io_uring_sq_ready(&u->ring))
		io_uring_submit(&u->ring);
	return n;
}

static void destroy(struct image_queue *q)
{
	struct uring_queue *u = (struct uring_queue *)q;

	io_uring_queue_exit(&u->ring);
	free(u);
}

static const struct image_queue_ops ops = {
	.name = "io_uring",
	.submit = submit,
	.flush = flush,
	.reap = reap,
	.destroy = destroy,
};

/* All of what prepare() uses? Kernels before 5.6 have rings without fallocate. */
static bool has_operations(struct io_uring *ring)
{
	static const int used[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
				   IORING_OP_FALLOCATE};
	struct io_uring_probe *p = io_uring_get_probe_ring(ring);
	bool ok = p;

	for (unsigned i = 0; ok && i < sizeof(used) / sizeof(used[0]); i++)
		ok = io_uring_opcode_supported(p, used[i]);
	io_uring_free_probe(p);
	return ok;
}

struct image_queue *image_uring_create(struct image *img, unsigned depth)
{
	struct uring_queue *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	int rc = io_uring_queue_init(depth, &u->ring, 0);
	if (!rc && !has_operations(&u->ring)) {
		io_uring_queue_exit(&u->ring);
		rc = -ENOSYS;
	}
	if (rc) {
		free(u);
		errno = -rc;
		return NULL;
	}
	u->q = (struct image_queue){.ops = &ops, .image = img, .fd = u->ring.ring_fd};
	u->depth = depth;
	u->tail = &u->waiting;
	return &u->q;
}
