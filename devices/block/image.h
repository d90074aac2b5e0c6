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

#define IMAGE_MAX_QUEUES 32

struct disk_spec;
struct nbd_image;

struct image {
	int fd;		       /* of a file or device; else -1 */
	struct nbd_image *nbd; /* behind a server; else NULL */
	bool readonly, is_block_device;
	bool can_discard, can_flush;
	unsigned discard_granularity; /* bytes */
	unsigned max_queues;	      /* that may be used at a time */
	_Atomic uint64_t size;	      /* bytes; image_resized() follows the file's */
	_Atomic uint64_t copied;      /* bytes, by our process, between buffers */
};

/* What the spec names, for up to `queues` queues at a time; without a target an empty
 * drive, of size 0. 0, or negative errno and a sentence that names the file. Then img
 * need not be closed, but can be. */
int image_open(struct image *img, const struct disk_spec *spec, unsigned queues, char *err,
	       size_t errlen);
void image_close(struct image *img);
/* Only looks whether the file is there and of the format that the spec says: quick. */
int image_check(const struct disk_spec *spec, char *err, size_t errlen);
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
	/* Nobody wants to wait any more: what is in flight ends soon, if need be with an
	 * error. NULL where the host's kernel sees to it. */
	void (*hurry)(struct image_queue *q);
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

/* image_uring.c, image_threads.c, image_nbd.c */
struct image_queue *image_uring_create(struct image *img, unsigned depth);
struct image_queue *image_threads_create(struct image *img, unsigned depth);
struct image_queue *image_nbd_create(struct image *img, unsigned depth);
/* Fill in all of img but readonly. */
int image_nbd_open(struct image *img, const struct disk_spec *spec, unsigned queues, char *err,
		   size_t errlen);
void image_nbd_close(struct image *img);

/* ---- image_lock.c ---- */
/* The file, which `path` names, is ours: as the only one who writes, or one of many who
 * read. 0, or -EBUSY and a sentence. The lock goes with the process. */
int image_lock(const struct image *img, const char *path, char *err, size_t errlen);
/* Before img->fd is closed: io_uring lets go of its copy some time after that. */
void image_unlock(const struct image *img);

/* ---- image_format.c ---- */
/* "nbd://...": the address of a server. */
bool image_is_uri(const char *target);
/* Is what fd holds of the format that it should be? 0, or -EINVAL and a sentence. */
int image_format_check(int fd, const struct disk_spec *spec, char *err, size_t errlen);
/* The format that a raw file looks like, NULL: none. */
const char *image_format_seen(const struct image *img);
/* QEMU's name of the spec's format. */
const char *image_format_qemu(const struct disk_spec *spec);

/* ---- for the implementations ---- */
/* `n` bytes of io were done: 0 when that is all, else what is left is in io. */
bool image_io_advance(struct image_io *io, size_t n);

#endif
