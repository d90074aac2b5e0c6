/*
 * What is behind a disk: a file or block device, read and written without waiting.
 * An image is opened once; each thread that uses it makes a queue of its own.
 */
#ifndef DEVICES_BLOCK_IMAGE_H
#define DEVICES_BLOCK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct image {
	int fd;
	bool readonly, is_block_device;
	bool can_discard;
	unsigned discard_granularity; /* bytes */
	_Atomic uint64_t size;	      /* bytes; image_resized() follows the file's */
};

/* 0, or negative errno and a sentence that names the file. */
int image_open(struct image *img, const char *path, bool readonly, char *err, size_t errlen);
void image_close(struct image *img);
/* Looks at the file's size. True when it changed. */
bool image_resized(struct image *img);

enum image_op { IMAGE_READ, IMAGE_WRITE, IMAGE_FLUSH, IMAGE_DISCARD };

/* One request. The queue owns it from submit to done; iov is changed meanwhile. */
struct image_io {
	enum image_op op;
	uint64_t offset; /* bytes */
	uint64_t length; /* of a discard */
	struct iovec *iov;
	unsigned nr_iov;
	/* rc: 0 when all of it was done, else negative errno: in the queue's thread,
	 * from image_queue_reap(). A file that is shorter than it was: -EIO. */
	void (*done)(struct image_io *io, int rc);
	struct image_io *next; /* the queue's */
};

/* How requests reach the host; one for each kind of host. */
struct image_queue;
struct image_queue_ops {
	const char *name;
	int (*submit)(struct image_queue *q, struct image_io *io);
	void (*flush)(struct image_queue *q);	 /* what was submitted is to begin */
	unsigned (*reap)(struct image_queue *q); /* calls done; how many */
	void (*destroy)(struct image_queue *q);
};
struct image_queue {
	const struct image_queue_ops *ops;
	struct image *image;
	int fd; /* readable when there is something to reap */
	unsigned in_flight;
};

/* Room for `depth` requests in flight. Through io_uring where the host has it, else
 * through threads (always when the environment has XENOLITH_NO_IO_URING: for tests). NULL
 * and errno when neither can be had. */
struct image_queue *image_queue_create(struct image *img, unsigned depth);
/* Nothing may be in flight. */
void image_queue_destroy(struct image_queue *q);

/* image_uring.c, image_threads.c */
struct image_queue *image_uring_create(struct image *img, unsigned depth);
struct image_queue *image_threads_create(struct image *img, unsigned depth);

/* ---- for the implementations ---- */
/* `n` bytes of io were done: 0 when that is all, else what is left is in io. */
bool image_io_advance(struct image_io *io, size_t n);

#endif
