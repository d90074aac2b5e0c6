/*
 * Kernels that were unpacked before, in a folder of the user's: one file for each file that a
 * kernel was read from, found by which file that is and when it was changed last. Kernels that
 * are not packed are kept, too: the guest's memory can be a private mapping of a file in the
 * folder, which nobody writes to. (Who cuts a file takes pages from all who have it mapped,
 * also those that they had written to; so the user's own file is always copied.)
 *
 * What is in the folder is believed as far as it can be checked: the folder and its files are
 * the user's, and nobody else can write to them; an entry says which source it is of, and the
 * sum of its contents is computed when it is met for the first time since the host was
 * started, or was changed in any way. An entry that is not right is removed and made again.
 */
#ifndef VMM_LOADER_KERNEL_CACHE_H
#define VMM_LOADER_KERNEL_CACHE_H

#include "vmm/loader/kernel_image.h"

/* Entries that are kept, the newest. */
#define KERNEL_CACHE_MAX 16

enum kernel_cache_result {
	KERNEL_CACHE_UNUSED, /* the kernel cannot be kept */
	KERNEL_CACHE_HIT,
	KERNEL_CACHE_MISS,   /* it was unpacked, and is there now */
	KERNEL_CACHE_BROKEN, /* so it was, because what was there was not right */
};

/* A folder that may be used, made when it does not exist. A descriptor, or a negative errno
 * and a sentence that names it. */
int kernel_cache_open(const char *path, struct error *err);
/* kernel_image_load() with a cache. What keeps a kernel from being put there is no error:
 * *why is "", or a sentence of fewer than 200 characters. */
int kernel_image_load_cached(struct kernel_image *img, const char *path, int cache,
			     enum kernel_cache_result *result, char why[200], struct error *err);

#endif
