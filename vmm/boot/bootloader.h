/*
 * bootloader="pygrub": the kernel and the ramdisk that the boot loader in a disk image
 * would start, found without root and without running anything of the image.
 *
 * The image is the guest's, and may be made to break whoever reads it. So its file systems
 * and configurations are read by a process that has nothing but a socket to us, on which
 * it asks for the disk's bytes: it cannot open a file, and its time and memory are limited.
 */
#ifndef VMM_BOOT_BOOTLOADER_H
#define VMM_BOOT_BOOTLOADER_H

#include "vmm/boot/boot_search.h"
#include "vmm/error.h"

/* Adds what pygrub's options say (bootloader_args; NULL ends them). The strings stay the
 * caller's. 0, or -EINVAL and a sentence. boot_wish.c */
int boot_wish_read(struct boot_wish *w, char *const *arg, struct error *err);

/* Looks into the disk that an xl specification names. 0, or negative errno and a sentence.
 * No threads may run. */
int bootloader_run(struct boot_found *f, const char *disk, const struct boot_wish *w,
		   struct error *err);
/* f all zero: nothing happens. It is so afterwards. */
void boot_found_free(struct boot_found *f);

/* ---- bootloader_child.c ---- */
/* The other process, on its end of the socket; the disk has `size` bytes. Never returns. */
void bootloader_child(int fd, uint64_t size, const struct boot_wish *w) __attribute__((noreturn));

/* Its exit status when it could not give up its rights. */
#define BOOT_NOT_CONFINED 3

/* What goes over the socket. */
enum { BOOT_ASK_READ = 1, BOOT_ASK_DONE = 2 };
#define BOOT_READ_MAX (128u << 10)
struct boot_ask {
	uint32_t what;
	uint32_t len; /* of a read: at most BOOT_READ_MAX; answered by an int32_t that is 0 or
		       * negative errno and, when 0, these bytes */
	uint64_t offset;
};
/* Behind BOOT_ASK_DONE; the kernel and the ramdisk follow. */
struct boot_answer {
	int32_t rc;
	struct error err;
	uint64_t kernel_size, ramdisk_size;
	char kernel_name[256], ramdisk_name[256];
	char cmdline[BOOT_MAX_CMDLINE];
	char title[128];
};

#endif
