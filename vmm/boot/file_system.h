/*
 * Reading files of a file system that nobody has mounted. Whatever the disk holds, reading
 * it ends, with the file or an error.
 */
#ifndef VMM_BOOT_FILE_SYSTEM_H
#define VMM_BOOT_FILE_SYSTEM_H

#include "vmm/boot/partitions.h"
#include "vmm/error.h"

struct file_system;

struct file_system_kind {
	const char *name;
	/* NULL: it is none of this kind, or it is damaged. */
	struct file_system *(*open)(const struct disk_reader *d, uint64_t offset, uint64_t size);
	/* A regular file, symbolic links followed: *data is malloc'ed, with a zero byte behind
	 * it. -ENOENT, -EISDIR, -EFBIG (more than `limit` bytes), -EIO, -ENOMEM. */
	int (*read)(struct file_system *fs, const char *path, size_t limit, void **data,
		    size_t *size);
	/* Calls fn for each name in a folder. 0, -ENOENT, -EIO. */
	int (*list)(struct file_system *fs, const char *path,
		    void (*fn)(void *arg, const char *name), void *arg);
	void (*close)(struct file_system *fs);
};

/* The first member of what a kind opens. */
struct file_system {
	const struct file_system_kind *kind;
};

extern const struct file_system_kind ext_kind, fat_kind;

/* NULL: nothing that can be read. *seen is then what it is ("xfs"), or NULL. */
struct file_system *file_system_open(const struct disk_reader *d, const struct partition *p,
				     const char **seen);
int file_system_read(struct file_system *fs, const char *path, size_t limit, void **data,
		     size_t *size);
int file_system_list(struct file_system *fs, const char *path,
		     void (*fn)(void *arg, const char *name), void *arg);
void file_system_close(struct file_system *fs);

#endif
