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

int image_open(struct image *img, const char *path, bool readonly, char *err, size_t errlen)
{
	memset(img, 0, sizeof(*img));
	img->readonly = readonly;
	img->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	int rc = img->fd < 0 ? -errno : sizes(img);
	if (rc == -ENOTBLK)
		snprintf(err, errlen, "%s: is neither a file nor a block device", path);
	else if (rc == -EROFS || rc == -EACCES)
		snprintf(err, errlen, "%s: %s (access=ro opens it read-only)", path, strerror(-rc));
	else if (rc)
		snprintf(err, errlen, "%s: %s", path, strerror(-rc));
	else if (img->size < 512) {
		snprintf(err, errlen, "%s: is smaller than a sector", path);
		rc = -EINVAL;
	}
	if (rc) {
		image_close(img);
		return rc;
	}
	img->can_discard = !readonly;
	return 0;
}

void image_close(struct image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}

bool image_resized(struct image *img)
{
	uint64_t before = img->size;

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

	if (!getenv("XENOLITH_NO_IO_URING"))
		q = image_uring_create(img, depth);
	return q ? q : image_threads_create(img, depth);
}

void image_queue_destroy(struct image_queue *q)
{
	if (q)
		q->ops->destroy(q);
}
