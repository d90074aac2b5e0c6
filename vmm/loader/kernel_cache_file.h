/* An entry of the kernel cache: its first page, then the ELF file. kernel_cache.c's and
 * kernel_cache_file.c's. */
#ifndef VMM_LOADER_KERNEL_CACHE_FILE_H
#define VMM_LOADER_KERNEL_CACHE_FILE_H

#include <sys/stat.h>

#include "vmm/loader/loader.h"

#define ENTRY_HEADER 4096u
#define ENTRY_NAME   40
#define ENTRY_SUFFIX ".kernel"

/* Which file, and which state of it. */
struct file_identity {
	uint64_t dev, ino, size;
	int64_t mtime, ctime; /* ns */
};

struct file_identity file_identity_of(const struct stat *st);
void entry_name(char name[ENTRY_NAME], const struct file_identity *source);

/* Maps the entry: -ENOENT when there is none, -ESTALE when it is of another state of the
 * source, -EBADMSG when it is not right. */
int entry_map(struct blob *file, const char **format, const char **compression, int cache,
	      const struct file_identity *source);
/* 0 or a negative errno. */
int entry_write(const struct kernel_image *img, int cache, const struct file_identity *source);
/* The oldest beyond KERNEL_CACHE_MAX. */
void entries_trim(int cache);

#endif
