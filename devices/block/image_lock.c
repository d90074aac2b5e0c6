/*
 * Two who write to one raw file destroy what is in it: the second is refused, as Xen's
 * block scripts refuse it (tools/hotplug/Linux/block, check_sharing). A lock on the file, so
 * that it goes with the process however that ends.
 *
 * The bytes that are locked are those of QEMU (block/file-posix.c, raw_apply_lock_bytes), so
 * that its programs and ours see each other: for each right that somebody holds a shared lock
 * at 100 + its number, for each that others must not have one at 200 + its number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "devices/block/image.h"

#define HELD_BASE   100
#define DENIED_BASE 200

/* QEMU: include/block/block-common.h, BLK_PERM_*, by number. */
enum { READ_CONSISTENT, WRITE };

static int lock_byte(int fd, int cmd, short type, off_t at)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	if (fcntl(fd, cmd, &l) < 0)
		return -errno;
	return cmd == F_OFD_GETLK && l.l_type != F_UNLCK ? -EBUSY : 0;
}

static int hold(int fd, off_t at)
{
	return lock_byte(fd, F_OFD_SETLK, F_RDLCK, at);
}

/* Somebody else's lock at `at`? */
static int look(int fd, off_t at)
{
	return lock_byte(fd, F_OFD_GETLK, F_WRLCK, at);
}

void image_unlock(const struct image *img)
{
	struct flock l = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	fcntl(img->fd, F_OFD_SETLK, &l);
}

int image_lock(const struct image *img, const char *path, char *err, size_t errlen)
{
	int fd = img->fd;
	int rc = hold(fd, HELD_BASE + READ_CONSISTENT);

	if (!rc && !img->readonly)
		rc = hold(fd, HELD_BASE + WRITE);
	if (!rc)
		rc = hold(fd, DENIED_BASE + WRITE);
	/* Ours are there: of two who come at once both may be refused, but not none. */
	if (!rc)
		rc = look(fd, HELD_BASE + WRITE);
	if (!rc && !img->readonly)
		rc = look(fd, DENIED_BASE + WRITE);
	if (!rc)
		rc = look(fd, DENIED_BASE + READ_CONSISTENT);
	if (rc == -EACCES || rc == -EAGAIN)
		rc = -EBUSY;
	/* A file system that has no locks. */
	if (rc && rc != -EBUSY)
		return 0;
	if (rc)
		snprintf(err, errlen,
			 "%s: is in use by another disk or program%s (access=%s shares it all the "
			 "same)",
			 path, img->readonly ? " that writes to it" : "",
			 img->readonly ? "ro!" : "rw!");
	return rc;
}
