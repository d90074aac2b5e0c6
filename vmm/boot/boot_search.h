/* Finding in a disk what its boot loader would boot. */
#ifndef VMM_BOOT_BOOT_SEARCH_H
#define VMM_BOOT_BOOT_SEARCH_H

#include <stdbool.h>

#include "vmm/boot/boot_menu.h"
#include "vmm/boot/disk_reader.h"
#include "vmm/error.h"

#define BOOT_MAX_KERNEL	 ((size_t)256 << 20)
#define BOOT_MAX_RAMDISK ((size_t)1 << 30)

/* What pygrub's options ask for; all may be NULL or 0. */
struct boot_wish {
	const char *entry;
	const char *kernel, *ramdisk; /* paths in the disk: no boot loader is asked */
	const char *args;	      /* of the kernel, behind the boot loader's */
	bool has_offset;
	uint64_t offset; /* of the only file system that is looked into, bytes */
};

struct boot_found {
	void *kernel, *ramdisk; /* malloc'ed; ramdisk may be NULL */
	size_t kernel_size, ramdisk_size;
	char kernel_name[256], ramdisk_name[256];
	char cmdline[BOOT_MAX_CMDLINE];
	char title[128]; /* of the entry; "" with a wished kernel */
};

/* 0, or negative errno and a sentence without the disk's name. */
int boot_search(const struct disk_reader *d, const struct boot_wish *w, struct boot_found *f,
		struct error *err);

#endif
