/*
 * bootloader="pygrub": the kernel and the ramdisk that the boot loader in a disk image
 * would start, found without root and without running anything of the image.
 */
#ifndef VMM_BOOT_BOOTLOADER_H
#define VMM_BOOT_BOOTLOADER_H

#include <stddef.h>

#include "vmm/error.h"

struct boot_files {
	/* The contents; no ramdisk: NULL. */
	void *kernel, *ramdisk;
	size_t kernel_size, ramdisk_size;
	char kernel_name[256], ramdisk_name[256]; /* paths in the image, for messages */
	char cmdline[4096];
};

/* `arg`: pygrub's options, NULL ends them. `cmdline`: of the configuration, appended to the
 * boot loader's as pygrub does it; "": none. `disk`: an xl disk specification. 0, or
 * negative errno and a sentence. */
int bootloader_run(struct boot_files *b, const char *disk, char *const *arg, const char *cmdline,
		   struct error *err);
/* b all zero: nothing happens. */
void boot_files_free(struct boot_files *b);

#endif
