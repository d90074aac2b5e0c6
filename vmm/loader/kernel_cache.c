#include "vmm/loader/kernel_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/loader/kernel_cache_file.h"

/* A file that was changed so lately may change again without looking changed: its times are
 * those of a clock that ticks every 10 ms at worst. */
#define TOO_NEW_NS 100000000l

int kernel_cache_open(const char *path, struct error *err)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return error_set(err, -errno, "--kernel-cache: cannot make the folder '%s': %s",
				 path, strerror(errno));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		int e = errno;
		if (fd >= 0)
			close(fd);
		return error_set(err, -e, "--kernel-cache: cannot open the folder '%s': %s", path,
				 strerror(e));
	}
	if (st.st_uid == geteuid() && !(st.st_mode & 022))
		return fd;
	close(fd);
	if (st.st_uid != geteuid())
		return error_set(err, -EPERM, "--kernel-cache: the folder '%s' is another user's",
				 path);
	return error_set(err, -EPERM,
			 "--kernel-cache: others can write to the folder '%s' (chmod 700)", path);
}

static int load_entry(struct kernel_image *img, const char *path, int cache,
		      const struct file_identity *source)
{
	struct error ignored;
	const struct load_ctx ctx = {path, &ignored};
	struct blob file;

	memset(img, 0, sizeof(*img));
	int rc = entry_map(&file, &img->format, &img->compression, cache, source);
	if (rc)
		return rc;
	img->elf = file.data;
	img->elf_size = file.len;
	img->elf_base = file.base;
	img->elf_mapped = file.mapped;
	img->elf_fd = file.fd;
	img->elf_kept = true;
	if (!elf_parse(img, &ctx))
		return 0;
	kernel_image_free(img);
	return -EBADMSG;
}

static bool is_too_new(const struct file_identity *f)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000l + t.tv_nsec - f->ctime < TOO_NEW_NS;
}

/* Of the file as it was before it was read, if it is so still. */
static enum kernel_cache_result keep(const struct kernel_image *img, const char *path, int cache,
				     const struct file_identity *source, char why[200])
{
	struct file_identity now;
	struct stat st;

	if (stat(path, &st))
		return KERNEL_CACHE_UNUSED;
	now = file_identity_of(&st);
	if (memcmp(&now, source, sizeof(now)) || is_too_new(source)) {
		snprintf(why, 200, "the kernel is not put into the cache: it was just changed");
		return KERNEL_CACHE_UNUSED;
	}
	int rc = entry_write(img, cache, source);
	if (rc) {
		snprintf(why, 200, "the kernel is not put into the cache: %s", strerror(-rc));
		return KERNEL_CACHE_UNUSED;
	}
	entries_trim(cache);
	return KERNEL_CACHE_MISS;
}

int kernel_image_load_cached(struct kernel_image *img, const char *path, int cache,
			     enum kernel_cache_result *result, char why[200], struct error *err)
{
	struct file_identity source;
	char name[ENTRY_NAME];
	struct stat st;
	int found = -ENOENT;

	*result = KERNEL_CACHE_UNUSED;
	*why = '\0';
	/* What is no ordinary file is the loader's to refuse or to read. */
	bool usable = !stat(path, &st) && S_ISREG(st.st_mode);
	if (usable) {
		source = file_identity_of(&st);
		found = load_entry(img, path, cache, &source);
		*result = KERNEL_CACHE_HIT;
		if (!found)
			return 0;
		*result = KERNEL_CACHE_UNUSED;
		if (found != -ENOENT) {
			entry_name(name, &source);
			unlinkat(cache, name, 0);
		}
	}
	int rc = kernel_image_load(img, path, err);
	/* One that is not in pages any more has a symbol table behind it, which is appended
	 * each time that it is parsed. */
	if (rc || !usable || !img->elf_mapped)
		return rc;
	*result = keep(img, path, cache, &source, why);
	if (*result == KERNEL_CACHE_MISS && found == -EBADMSG)
		*result = KERNEL_CACHE_BROKEN;
	return 0;
}
