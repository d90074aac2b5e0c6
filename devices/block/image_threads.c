/*
 * Images through threads, for hosts that refuse io_uring: a few of them take requests
 * from one list and put them on another.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/block/image.h"

#define NR_THREADS 4

struct list {
	struct image_io *first, **tail;
};

struct threads_queue {
	struct image_queue q;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct list todo, done; /* under lock */
	bool stop;
	pthread_t thread[NR_THREADS];
	unsigned nr_threads;
};

/* What is finished carries its result here: a read or write needs its length no more. */
static void set_result(struct image_io *io, int rc)
{
	io->length = (uint64_t)(int64_t)rc;
}

static void put(struct list *l, struct image_io *io)
{
	io->next = NULL;
	*l->tail = io;
	l->tail = &io->next;
}

static struct image_io *take(struct list *l)
{
	struct image_io *io = l->first;

	if (io) {
		l->first = io->next;
		if (!l->first)
			l->tail = &l->first;
	}
	return io;
}

static int move_bytes(int fd, struct image_io *io)
{
	for (;;) {
		int nr = io->nr_iov < IOV_MAX ? (int)io->nr_iov : IOV_MAX;
		ssize_t n = io->op == IMAGE_READ ? preadv(fd, io->iov, nr, (off_t)io->offset)
						 : pwritev(fd, io->iov, nr, (off_t)io->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		if (image_io_advance(io, (size_t)n))
			return 0;
	}
}

static int perform(int fd, struct image_io *io)
{
	switch (io->op) {
	case IMAGE_READ:
	case IMAGE_WRITE:
		return move_bytes(fd, io);
	case IMAGE_FLUSH:
		return fdatasync(fd) < 0 ? -errno : 0;
	case IMAGE_DISCARD:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)io->offset,
				 (off_t)io->length) < 0
			       ? -errno
			       : 0;
	}
	return -EINVAL;
}

static void *worker(void *arg)
{
	struct threads_queue *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		struct image_io *io = take(&t->todo);
		if (!io) {
			pthread_cond_wait(&t->work, &t->lock);
			continue;
		}
		pthread_mutex_unlock(&t->lock);
		set_result(io, perform(t->q.image->fd, io));
		pthread_mutex_lock(&t->lock);
		put(&t->done, io);
		eventfd_write(t->q.fd, 1);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int submit(struct image_queue *q, struct image_io *io)
{
	struct threads_queue *t = (struct threads_queue *)q;

	q->in_flight++;
	pthread_mutex_lock(&t->lock);
	put(&t->todo, io);
	pthread_cond_signal(&t->work);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static void flush(struct image_queue *q)
{
}

static unsigned reap(struct image_queue *q)
{
	struct threads_queue *t = (struct threads_queue *)q;
	struct image_io *io;
	eventfd_t count;
	unsigned n = 0;

	eventfd_read(q->fd, &count);
	pthread_mutex_lock(&t->lock);
	while ((io = take(&t->done))) {
		pthread_mutex_unlock(&t->lock);
		q->in_flight--;
		n++;
		io->done(io, (int)(int64_t)io->length);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

static void destroy(struct image_queue *q)
{
	struct threads_queue *t = (struct threads_queue *)q;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->nr_threads; i++)
		pthread_join(t->thread[i], NULL);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	close(q->fd);
	free(t);
}

static const struct image_queue_ops ops = {
	.name = "threads",
	.submit = submit,
	.flush = flush,
	.reap = reap,
	.destroy = destroy,
};

struct image_queue *image_threads_create(struct image *img, unsigned depth)
{
	struct threads_queue *t = calloc(1, sizeof(*t));
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (!t || fd < 0) {
		free(t);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	t->q = (struct image_queue){.ops = &ops, .image = img, .fd = fd};
	t->todo.tail = &t->todo.first;
	t->done.tail = &t->done.first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	for (; t->nr_threads < NR_THREADS; t->nr_threads++) {
		int rc = pthread_create(&t->thread[t->nr_threads], NULL, worker, t);
		if (rc) {
			if (t->nr_threads)
				break; /* fewer will do */
			destroy(&t->q);
			errno = rc;
			return NULL;
		}
	}
	return &t->q;
}
