#include <errno.h>

#include "vmm/boot/bootloader.h"

int bootloader_run(struct boot_files *b, const char *disk, char *const *arg, const char *cmdline,
		   struct error *err)
{
	return error_set(err, -ENOTSUP, "this version has no pygrub yet");
}

void boot_files_free(struct boot_files *b)
{
}
