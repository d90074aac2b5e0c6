/*
 * The formats of images, told by how they begin. What an image is comes from the user: a
 * guest could write another format's beginning into a raw disk. It is only looked at to
 * refuse a mistake in a clear sentence, before anything is started for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"

#define VHD_FOOTER 512 /* the last sector of every VHD, of 511 bytes in old ones */

static const struct {
	const char *qemu; /* block driver's name */
	const char *magic;
	size_t len;
	const char *magic2; /* another beginning */
	size_t len2;
} formats[NR_DISK_FORMATS] = {
	[DISK_RAW] = {.qemu = "raw"},
	/* Version 1 is QCOW, 2 and 3 are QCOW2 (QEMU's docs/interop/qcow2.txt). */
	[DISK_QCOW2] = {"qcow2", "QFI\xfb\0\0\0\2", 8, "QFI\xfb\0\0\0\3", 8},
	[DISK_QCOW] = {"qcow", "QFI\xfb\0\0\0\1", 8, NULL, 0},
	[DISK_VHD] = {"vpc", "conectix", 8, NULL, 0},
	[DISK_QED] = {"qed", "QED\0", 4, NULL, 0},
	[DISK_VMDK] = {"vmdk", "KDMV", 4, "# Disk DescriptorFile", 21},
};

const char *image_format_qemu(const struct disk_spec *spec)
{
	return formats[spec->format].qemu;
}

bool image_is_uri(const char *target)
{
	static const char *const schemes[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://"};

	for (unsigned i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strncmp(target, schemes[i], strlen(schemes[i])))
			return true;
	return false;
}

static bool begins(const char *head, size_t n, const char *magic, size_t len)
{
	return magic && n >= len && !memcmp(head, magic, len);
}

/* A VHD of fixed size has only a footer. */
static bool has_vhd_footer(int fd)
{
	struct stat st;
	char foot[VHD_FOOTER];

	return !fstat(fd, &st) && st.st_size > VHD_FOOTER &&
	       pread(fd, foot, sizeof(foot), st.st_size - VHD_FOOTER) == sizeof(foot) &&
	       (!memcmp(foot, "conectix", 8) || !memcmp(foot + 1, "conectix", 8));
}

static enum disk_format looks_like(int fd)
{
	char head[64];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	for (unsigned i = 0; n > 0 && i < NR_DISK_FORMATS; i++)
		if (begins(head, (size_t)n, formats[i].magic, formats[i].len) ||
		    begins(head, (size_t)n, formats[i].magic2, formats[i].len2))
			return (enum disk_format)i;
	return has_vhd_footer(fd) ? DISK_VHD : DISK_RAW;
}

int image_format_check(int fd, const struct disk_spec *spec, char *err, size_t errlen)
{
	enum disk_format is;

	if (spec->format == DISK_RAW)
		return 0;
	is = looks_like(fd);
	if (is == spec->format)
		return 0;
	snprintf(err, errlen, "%s: is no %s image%s%s%s", spec->target,
		 disk_format_name(spec->format), is == DISK_RAW ? "" : " but a ",
		 is == DISK_RAW ? " (a disk without a format is raw)" : disk_format_name(is),
		 is == DISK_RAW ? "" : " one");
	return -EINVAL;
}

const char *image_format_seen(const struct image *img)
{
	enum disk_format is = img->fd >= 0 ? looks_like(img->fd) : DISK_RAW;

	return is == DISK_RAW ? NULL : disk_format_name(is);
}
