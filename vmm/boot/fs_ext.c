/*
 * ext2, ext3 and ext4, through libext2fs. They are read as they are in the disk: a journal
 * that was not played back stays so, as with GRUB.
 */
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/boot/file_system.h"

struct ext {
	struct file_system base;
	const struct disk_reader *disk;
	uint64_t offset, size;
	ext2_filsys fs;
};

/* ---- the library's way to a disk ---- */

static const struct ext *channel_ext(io_channel c)
{
	return c->private_data;
}

static errcode_t channel_open(const char *name, int flags, io_channel *channel);

static errcode_t channel_close(io_channel c)
{
	if (--c->refcount > 0)
		return 0;
	free(c->name);
	free(c);
	return 0;
}

static errcode_t channel_blksize(io_channel c, int size)
{
	/* Of the superblock that it reads first, and then what that says. */
	if (size < 1 || size > 65536)
		return EXT2_ET_INVALID_ARGUMENT;
	c->block_size = size;
	return 0;
}

/* A negative count is one of bytes. */
static errcode_t channel_read(io_channel c, unsigned long long block, int count, void *data)
{
	const struct ext *e = channel_ext(c);
	uint64_t len =
		count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * (unsigned)c->block_size;
	uint64_t at;

	if (__builtin_mul_overflow(block, (unsigned)c->block_size, &at) || at > e->size ||
	    len > e->size - at || disk_read(e->disk, e->offset + at, data, len))
		return EXT2_ET_SHORT_READ;
	return 0;
}

static errcode_t channel_read32(io_channel c, unsigned long block, int count, void *data)
{
	return channel_read(c, block, count, data);
}

static errcode_t channel_write(io_channel c, unsigned long long block, int count, const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t channel_write32(io_channel c, unsigned long block, int count, const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t channel_flush(io_channel c)
{
	return 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "disk reader",
	.open = channel_open,
	.close = channel_close,
	.set_blksize = channel_blksize,
	.read_blk = channel_read32,
	.write_blk = channel_write32,
	.flush = channel_flush,
	.read_blk64 = channel_read,
	.write_blk64 = channel_write,
};

/* The library hands only a name on: it has the address of our struct ext. */
static errcode_t channel_open(const char *name, int flags, io_channel *channel)
{
	void *ext;
	io_channel c = calloc(1, sizeof(*c));

	if (!c || sscanf(name, "%p", &ext) != 1) {
		free(c);
		return EXT2_ET_NO_MEMORY;
	}
	c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->manager = &manager;
	c->name = strdup(name);
	c->block_size = 1024;
	c->refcount = 1;
	c->private_data = ext;
	*channel = c;
	return 0;
}

/* ---- files ---- */

static void ext_close(struct file_system *base)
{
	struct ext *e = (struct ext *)base;

	ext2fs_close_free(&e->fs);
	free(e);
}

static struct file_system *ext_open(const struct disk_reader *d, uint64_t offset, uint64_t size)
{
	struct ext *e = calloc(1, sizeof(*e));
	char name[32];

	if (!e)
		return NULL;
	e->disk = d;
	e->offset = offset;
	e->size = size;
	snprintf(name, sizeof(name), "%p", (void *)e);
	if (ext2fs_open2(name, NULL, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0, &manager,
			 &e->fs)) {
		free(e);
		return NULL;
	}
	return &e->base;
}

static int error_of(errcode_t e)
{
	switch (e) {
	case EXT2_ET_FILE_NOT_FOUND:
	case EXT2_ET_NO_DIRECTORY:
		return -ENOENT;
	case EXT2_ET_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int read_all(struct ext *e, ext2_ino_t ino, struct ext2_inode *inode, size_t size,
		    void *data)
{
	ext2_file_t file = NULL;
	unsigned got;
	size_t done = 0;
	errcode_t rc = ext2fs_file_open2(e->fs, ino, inode, 0, &file);

	while (!rc && done < size) {
		size_t n = size - done < 1u << 20 ? size - done : 1u << 20;
		rc = ext2fs_file_read(file, (char *)data + done, (unsigned)n, &got);
		if (!rc && !got)
			rc = EXT2_ET_SHORT_READ;
		done += got;
	}
	if (file)
		ext2fs_file_close(file);
	return rc ? error_of(rc) : 0;
}

static int ext_read(struct file_system *base, const char *path, size_t limit, void **data,
		    size_t *size)
{
	struct ext *e = (struct ext *)base;
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t rc = ext2fs_namei_follow(e->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);

	if (!rc)
		rc = ext2fs_read_inode(e->fs, ino, &inode);
	if (rc)
		return error_of(rc);
	if (LINUX_S_ISDIR(inode.i_mode))
		return -EISDIR;
	if (!LINUX_S_ISREG(inode.i_mode))
		return -ENOENT;
	if (EXT2_I_SIZE(&inode) > limit)
		return -EFBIG;
	*size = EXT2_I_SIZE(&inode);
	*data = malloc(*size + 1);
	if (!*data)
		return -ENOMEM;
	((char *)*data)[*size] = 0;
	int err = read_all(e, ino, &inode, *size, *data);
	if (err) {
		free(*data);
		*data = NULL;
	}
	return err;
}

struct listing {
	void (*fn)(void *arg, const char *name);
	void *arg;
};

static int on_name(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int blocksize,
		   char *buf, void *arg)
{
	const struct listing *l = arg;
	char name[EXT2_NAME_LEN + 1];
	int len = ext2fs_dirent_name_len(e);

	memcpy(name, e->name, (size_t)len);
	name[len] = 0;
	l->fn(l->arg, name);
	return 0;
}

static int ext_list(struct file_system *base, const char *path,
		    void (*fn)(void *arg, const char *name), void *arg)
{
	struct ext *e = (struct ext *)base;
	struct listing l = {.fn = fn, .arg = arg};
	ext2_ino_t ino;
	errcode_t rc = ext2fs_namei_follow(e->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);

	if (!rc)
		rc = ext2fs_dir_iterate2(e->fs, ino, 0, NULL, on_name, &l);
	return rc ? error_of(rc) : 0;
}

const struct file_system_kind ext_kind = {
	.name = "ext",
	.open = ext_open,
	.read = ext_read,
	.list = ext_list,
	.close = ext_close,
};
