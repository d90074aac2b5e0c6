/*
 * What a partition holds.
 */
#include "vmm/boot/file_system.h"

#include <string.h>

static const struct file_system_kind *const kinds[] = {&ext_kind, &fat_kind};

/* What is met in disks and cannot be read here, by what it begins with (libblkid has the
 * same numbers). */
static const struct {
	const char *name;
	uint32_t offset;
	const char *magic;
	unsigned len;
} others[] = {
	{"xfs", 0, "XFSB", 4},
	{"btrfs", 0x10040, "_BHRfS_M", 8},
	{"LVM", 512, "LABELONE", 8},
	{"LVM", 0, "LABELONE", 8},
	{"LUKS", 0, "LUKS\xba\xbe", 6},
	{"Linux RAID", 4096, "\xfc\x4e\x2b\xa9", 4},
	{"swap", 4086, "SWAPSPACE2", 10},
	{"ISO 9660", 0x8001, "CD001", 5},
	{"squashfs", 0, "hsqs", 4},
	{"f2fs", 1024, "\x10\x20\xf5\xf2", 4},
	{"reiserfs", 0x10034, "ReIsEr", 6},
	{"jfs", 0x8000, "JFS1", 4},
	{"NTFS", 3, "NTFS    ", 8},
	{"UFS", 0x1055c, "\x19\x01\x54\x19", 4},
	{"qcow2 (format=qcow2 is missing in the disk's line)", 0, "QFI\xfb", 4},
};

static const char *look(const struct disk_reader *d, const struct partition *p)
{
	char magic[16];

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i].offset + others[i].len <= p->size &&
		    !disk_read(d, p->offset + others[i].offset, magic, others[i].len) &&
		    !memcmp(magic, others[i].magic, others[i].len))
			return others[i].name;
	return NULL;
}

struct file_system *file_system_open(const struct disk_reader *d, const struct partition *p,
				     const char **seen)
{
	*seen = NULL;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct file_system *fs = kinds[i]->open(d, p->offset, p->size);
		if (fs) {
			fs->kind = kinds[i];
			return fs;
		}
	}
	*seen = look(d, p);
	return NULL;
}

int file_system_read(struct file_system *fs, const char *path, size_t limit, void **data,
		     size_t *size)
{
	return fs->kind->read(fs, path, limit, data, size);
}

int file_system_list(struct file_system *fs, const char *path,
		     void (*fn)(void *arg, const char *name), void *arg)
{
	return fs->kind->list(fs, path, fn, arg);
}

void file_system_close(struct file_system *fs)
{
	if (fs)
		fs->kind->close(fs);
}
