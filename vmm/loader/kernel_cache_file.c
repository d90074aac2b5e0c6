#include "vmm/loader/kernel_cache_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/kept_file.h"
#include "vmm/loader/decompress.h"
#include "vmm/loader/kernel_cache.h"

#define MAGIC	    0x316b656874696c6full /* of this form of entries */
#define BLOCK	    (64ul << 10)
#define SEEN_SUFFIX ".seen"

struct entry_header {
	uint64_t magic;
	struct file_identity source;
	uint64_t elf_size, elf_sum;
	char format[16], compression[16];
	uint64_t sum; /* of all before */
};

/* Beside an entry: its sum was computed, in this boot, when it was this file. */
struct entry_seen {
	char boot_id[BOOT_ID_SIZE];
	struct file_identity entry;
	uint64_t sum;
};

struct file_identity file_identity_of(const struct stat *st)
{
	struct file_identity f;

	memset(&f, 0, sizeof(f));
	f.dev = st->st_dev;
	f.ino = st->st_ino;
	f.size = (uint64_t)st->st_size;
	f.mtime = st->st_mtim.tv_sec * 1000000000l + st->st_mtim.tv_nsec;
	f.ctime = st->st_ctim.tv_sec * 1000000000l + st->st_ctim.tv_nsec;
	return f;
}

/* By the place only: another state of the file replaces the one before. */
void entry_name(char name[ENTRY_NAME], const struct file_identity *source)
{
	snprintf(name, ENTRY_NAME, "%08llx-%llx" ENTRY_SUFFIX, (unsigned long long)source->dev,
		 (unsigned long long)source->ino);
}

static void seen_name(char name[ENTRY_NAME + 8], const char *entry)
{
	snprintf(name, ENTRY_NAME + 8, "%s" SEEN_SUFFIX, entry);
}

/* A file of ours that nobody else can write to or read. */
static int open_own(int cache, const char *name, struct stat *st)
{
	int fd = openat(cache, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EBADMSG;
	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_uid != geteuid() ||
	    st->st_mode & 077 || st->st_nlink != 1) {
		close(fd);
		return -EBADMSG;
	}
	return fd;
}

/* Under a name that nobody looks at until it is whole. */
static int create(int cache, const char *name, char temporary[ENTRY_NAME + 32])
{
	snprintf(temporary, ENTRY_NAME + 32, "%s.%d", name, (int)getpid());
	unlinkat(cache, temporary, 0);
	int fd = openat(cache, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int finish(int cache, int fd, const char *temporary, const char *name, int rc)
{
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && renameat(cache, temporary, cache, name))
		rc = -errno;
	if (rc)
		unlinkat(cache, temporary, 0);
	return rc;
}

static int write_all(int fd, const void *data, size_t len, uint64_t at)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- has its sum been computed? ---- */

static bool seen_of(struct entry_seen *s, const struct stat *st)
{
	memset(s, 0, sizeof(*s));
	bool usable = !boot_id_read(s->boot_id);
	s->entry = file_identity_of(st);
	s->sum = kept_sum(s, offsetof(struct entry_seen, sum));
	return usable;
}

static bool was_seen(int cache, const char *entry, const struct entry_seen *now)
{
	struct entry_seen then;
	char name[ENTRY_NAME + 8];
	struct stat st;

	seen_name(name, entry);
	int fd = open_own(cache, name, &st);
	if (fd < 0)
		return false;
	bool same = read(fd, &then, sizeof(then)) == (ssize_t)sizeof(then) &&
		    !memcmp(&then, now, sizeof(then));
	close(fd);
	return same;
}

static void write_seen(int cache, const char *entry, const struct entry_seen *s)
{
	char name[ENTRY_NAME + 8], temporary[ENTRY_NAME + 32];

	seen_name(name, entry);
	int fd = create(cache, name, temporary);
	if (fd >= 0)
		finish(cache, fd, temporary, name, write_all(fd, s, sizeof(*s), 0));
}

/* ---- entries ---- */

static const char *known(const char text[16], const char *const *names)
{
	for (; *names; names++)
		if (!strncmp(text, *names, 16))
			return *names;
	return NULL;
}

static bool header_is_right(const struct entry_header *h, const struct stat *st)
{
	return h->magic == MAGIC && h->sum == kept_sum(h, offsetof(struct entry_header, sum)) &&
	       h->elf_size && h->elf_size <= IMAGE_SIZE_LIMIT &&
	       (uint64_t)st->st_size == ENTRY_HEADER + h->elf_size;
}

static bool contents_are_right(int cache, const char *name, const struct stat *st,
			       const struct blob *file, const struct entry_header *h)
{
	struct entry_seen s;
	bool usable = seen_of(&s, st);

	if (usable && was_seen(cache, name, &s))
		return true;
	if (kept_sum(file->data, file->len) != h->elf_sum)
		return false;
	if (usable)
		write_seen(cache, name, &s);
	return true;
}

int entry_map(struct blob *file, const char **format, const char **compression, int cache,
	      const struct file_identity *source)
{
	static const char *const formats[] = {"ELF64", "bzImage", NULL};
	struct entry_header h;
	char name[ENTRY_NAME];
	struct stat st;

	entry_name(name, source);
	int fd = open_own(cache, name, &st);
	if (fd < 0)
		return fd;
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || !header_is_right(&h, &st)) {
		close(fd);
		return -EBADMSG;
	}
	if (memcmp(&h.source, source, sizeof(*source))) {
		close(fd);
		return -ESTALE;
	}
	h.format[sizeof(h.format) - 1] = h.compression[sizeof(h.compression) - 1] = '\0';
	if (!(*format = known(h.format, formats)) ||
	    !(*compression = payload_format_known(h.compression))) {
		close(fd);
		return -EBADMSG;
	}
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		close(fd);
		return -ENOENT;
	}
	*file = (struct blob){(uint8_t *)p + ENTRY_HEADER, h.elf_size, p, (size_t)st.st_size, fd};
	if (contents_are_right(cache, name, &st, file, &h))
		return 0;
	blob_free(file);
	return -EBADMSG;
}

/* Where there are only zeros the file has a hole. */
static int write_elf(int fd, const struct kernel_image *img)
{
	static const uint8_t zeros[BLOCK];
	int rc = ftruncate(fd, (off_t)(ENTRY_HEADER + img->elf_size)) ? -errno : 0;

	for (size_t at = 0; !rc && at < img->elf_size; at += BLOCK) {
		size_t n = img->elf_size - at < BLOCK ? img->elf_size - at : BLOCK;

		if (memcmp(img->elf + at, zeros, n))
			rc = write_all(fd, img->elf + at, n, ENTRY_HEADER + at);
	}
	return rc;
}

int entry_write(const struct kernel_image *img, int cache, const struct file_identity *source)
{
	char name[ENTRY_NAME], temporary[ENTRY_NAME + 32];
	struct entry_header h;

	memset(&h, 0, sizeof(h));
	h.magic = MAGIC;
	h.source = *source;
	h.elf_size = img->elf_size;
	h.elf_sum = kept_sum(img->elf, img->elf_size);
	strncpy(h.format, img->format, sizeof(h.format) - 1);
	strncpy(h.compression, img->compression, sizeof(h.compression) - 1);
	h.sum = kept_sum(&h, offsetof(struct entry_header, sum));
	entry_name(name, source);
	int fd = create(cache, name, temporary);
	if (fd < 0)
		return fd;
	int rc = write_all(fd, &h, sizeof(h), 0);
	if (!rc)
		rc = write_elf(fd, img);
	rc = finish(cache, fd, temporary, name, rc);
	struct entry_seen seen;
	struct stat st;
	if (!rc && !fstatat(cache, name, &st, AT_SYMLINK_NOFOLLOW) && seen_of(&seen, &st))
		write_seen(cache, name, &seen);
	return rc;
}

/* ---- not too many of them ---- */

struct old_entry {
	char name[ENTRY_NAME];
	int64_t mtime;
};

static int by_age(const void *a, const void *b)
{
	const struct old_entry *x = a, *y = b;

	return x->mtime < y->mtime ? -1 : x->mtime > y->mtime;
}

static bool is_entry(const char *name)
{
	size_t len = strlen(name), suffix = sizeof(ENTRY_SUFFIX) - 1;

	return len < ENTRY_NAME && len > suffix && !strcmp(name + len - suffix, ENTRY_SUFFIX);
}

void entries_trim(int cache)
{
	struct old_entry *all = NULL, *more;
	char seen[ENTRY_NAME + 8];
	struct dirent *e;
	struct stat st;
	size_t nr = 0;
	int fd = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	while (d && (e = readdir(d))) {
		if (!is_entry(e->d_name) || fstatat(cache, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		more = realloc(all, (nr + 1) * sizeof(*all));
		if (!more)
			break;
		all = more;
		strcpy(all[nr].name, e->d_name);
		all[nr++].mtime = file_identity_of(&st).mtime;
	}
	if (nr > KERNEL_CACHE_MAX)
		qsort(all, nr, sizeof(*all), by_age);
	for (size_t i = 0; i + KERNEL_CACHE_MAX < nr; i++) {
		unlinkat(cache, all[i].name, 0);
		seen_name(seen, all[i].name);
		unlinkat(cache, seen, 0);
	}
	free(all);
	if (d)
		closedir(d);
}
