/*
 * The bytes of a kernel's file. An ELF file is mapped: little of it is looked at before it is
 * copied to the guest. Pipes are read too, so that `<(command)` of a
 * shell works; directories and devices are not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/loader/loader.h"

#define FIRST_CHUNK (1ul << 20)

/* Our own limits, not the file's fault. */
static bool is_host_trouble(int e)
{
	return e == ENOMEM || e == EMFILE || e == ENFILE || e == EIO;
}

static int cannot(const struct load_ctx *ctx, const char *what, int e)
{
	if (is_host_trouble(e))
		return load_fail(ctx, -e, "cannot be %s: %s", what, strerror(e));
	return load_refuse(ctx, "cannot be %s: %s", what, strerror(e));
}

static int check_kind(const struct stat *st, const struct load_ctx *ctx)
{
	if (S_ISDIR(st->st_mode))
		return load_refuse(ctx, "is a directory, not a kernel");
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return load_refuse(ctx, "is a device, not a kernel");
	if (S_ISREG(st->st_mode) && (uint64_t)st->st_size > IMAGE_SIZE_LIMIT)
		return load_refuse(ctx, "has %llu MiB, too large for a kernel (the limit is %llu)",
				   (unsigned long long)st->st_size >> 20, IMAGE_SIZE_LIMIT >> 20);
	return 0;
}

void blob_free(struct blob *b)
{
	if (b->mapped) {
		munmap(b->base, b->mapped);
		if (b->fd >= 0)
			close(b->fd);
	} else {
		free(b->base);
	}
	memset(b, 0, sizeof(*b));
}

static int grow(struct blob *b, size_t cap, const struct load_ctx *ctx)
{
	uint8_t *data = realloc(b->base, cap);

	if (!data)
		return load_fail(ctx, -ENOMEM, "no memory for its %zu bytes", cap);
	b->data = b->base = data;
	return 0;
}

/* Takes `fd` over when it can. What is to be unpacked is read: that takes long, and a file that
 * is cut meanwhile must not be our end. */
static bool map_all(int fd, struct blob *b, const struct stat *st)
{
	uint8_t magic[4];

	if (!S_ISREG(st->st_mode) || pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    !elf_is(magic, sizeof(magic)) || !st->st_size)
		return false;
	void *p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	*b = (struct blob){p, (size_t)st->st_size, p, (size_t)st->st_size, fd};
	return true;
}

/* To the end of the file, whatever stat said of its size. */
static int read_all(int fd, struct blob *b, size_t cap, const struct load_ctx *ctx)
{
	int rc = grow(b, cap, ctx);

	while (!rc) {
		ssize_t n = read(fd, b->data + b->len, cap - b->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cannot(ctx, "read", errno);
		if (n == 0)
			return 0;
		b->len += (size_t)n;
		if (b->len > IMAGE_SIZE_LIMIT)
			return load_refuse(ctx, "has more than %llu MiB, too large for a kernel",
					   IMAGE_SIZE_LIMIT >> 20);
		if (b->len == cap) {
			cap *= 2;
			rc = grow(b, cap, ctx);
		}
	}
	return rc;
}

int kernel_file_read(struct blob *file, const char *path, const struct load_ctx *ctx)
{
	struct stat st;
	int fd, rc;

	memset(file, 0, sizeof(*file));
	/* Before open(), which may wait or act on a device. */
	if (stat(path, &st) < 0)
		return cannot(ctx, "opened", errno);
	rc = check_kind(&st, ctx);
	if (rc)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot(ctx, "opened", errno);
	rc = fstat(fd, &st) < 0 ? cannot(ctx, "opened", errno) : check_kind(&st, ctx);
	if (!rc && map_all(fd, file, &st))
		return 0;
	if (!rc) /* one byte more: the read that finds the end needs no growing */
		rc = read_all(fd, file, S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : FIRST_CHUNK,
			      ctx);
	close(fd);
	if (!rc && !file->len)
		rc = load_refuse(ctx, "is empty");
	if (rc)
		blob_free(file);
	return rc;
}
