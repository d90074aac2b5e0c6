/*
 * Opening what is behind a disk, and the choice of how to reach it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"

static int sizes(struct image *img)
{
	struct stat st;
	uint64_t size;

	if (fstat(img->fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		img->is_block_device = true;
		if (ioctl(img->fd, BLKGETSIZE64, &size) < 0)
			return -errno;
	} else if (S_ISREG(st.st_mode)) {
		size = (uint64_t)st.st_size;
	} else {
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTBLK;
	}
	img->size = size;
	img->discard_granularity = st.st_blksize > 0 ? (unsigned)st.st_blksize : 4096;
	return 0;
}

static int open_file(struct image *img, const char *path, bool shared, char *err, size_t errlen)
{
	int flags = (img->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct stat st;

	/* The kernel refuses a block device that is mounted, or that somebody else has so. */
	if (!img->readonly && !shared && !stat(path, &st) && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	img->fd = open(path, flags);
	int rc = img->fd < 0 ? -errno : sizes(img);
	if (rc == -ENOTBLK)
		snprintf(err, errlen, "%s: is neither a file nor a block device", path);
	else if (rc == -EROFS || rc == -EACCES)
		snprintf(err, errlen, "%s: %s (access=ro opens it read-only)", path, strerror(-rc));
	else if (rc == -EBUSY)
		snprintf(err, errlen,
			 "%s: is in use on the host, mounted perhaps (access=rw! shares it)", path);
	else if (rc)
		snprintf(err, errlen, "%s: %s", path, strerror(-rc));
	return rc;
}

/* What any image has until more is known of it. */
static void init(struct image *img, const struct disk_spec *spec)
{
	memset(img, 0, sizeof(*img));
	img->fd = -1;
	img->readonly = spec->readonly;
	img->can_flush = true;
	img->max_queues = ~0u;
	img->discard_granularity = 4096;
}

int image_open(struct image *img, const struct disk_spec *spec, unsigned queues, char *err,
	       size_t errlen)
{
	int rc;

	init(img, spec);
	if (!spec->target[0])
		return 0;
	if (spec->format != DISK_RAW || image_is_uri(spec->target))
		return image_nbd_open(img, spec, queues, err, errlen);
	rc = open_file(img, spec->target, spec->shared, err, errlen);
	if (!rc && !spec->shared)
		rc = image_lock(img, spec->target, err, errlen);
	if (!rc && img->size < spec->sector_size) {
		snprintf(err, errlen, "%s: is smaller than a sector", spec->target);
		rc = -EINVAL;
	}
	if (rc)
		image_close(img);
	img->can_discard = !img->readonly;
	return rc;
}

void image_close(struct image *img)
{
	if (img->nbd)
		image_nbd_close(img);
	if (img->fd >= 0) {
		image_unlock(img);
		close(img->fd);
	}
	img->fd = -1;
}

int image_check(const struct disk_spec *spec, char *err, size_t errlen)
{
	struct image img;
	int rc;

	if (!spec->target[0] || image_is_uri(spec->target))
		return 0;
	if (spec->format == DISK_RAW) {
		rc = image_open(&img, spec, 1, err, errlen);
	} else {
		init(&img, spec);
		rc = open_file(&img, spec->target, true, err, errlen);
		if (!rc)
			rc = image_format_check(img.fd, spec, err, errlen);
	}
	image_close(&img);
	return rc;
}

bool image_resized(struct image *img)
{
	uint64_t before = img->size;

	if (img->fd < 0)
		return false;
	return !sizes(img) && img->size != before;
}

bool image_io_advance(struct image_io *io, size_t n)
{
	io->offset += n;
	while (io->nr_iov && n >= io->iov->iov_len) {
		n -= io->iov->iov_len;
		io->iov++;
		io->nr_iov--;
	}
	if (!io->nr_iov)
		return true;
	io->iov->iov_base = (uint8_t *)io->iov->iov_base + n;
	io->iov->iov_len -= n;
	return false;
}

struct image_queue *image_queue_create(struct image *img, unsigned depth)
{
	struct image_queue *q = NULL;

	if (img->nbd)
		return image_nbd_create(img, depth);
	if (!getenv("XENOLITH_NO_IO_URING"))
		q = image_uring_create(img, depth);
	return q ? q : image_threads_create(img, depth);
}

void image_queue_destroy(struct image_queue *q)
{
	if (q)
		q->ops->destroy(q);
}
