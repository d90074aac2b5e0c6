#include "vmm/kept_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <unistd.h>

uint64_t kept_sum(const void *data, size_t len)
{
	return lzma_crc64(data, len, 0);
}

int boot_id_read(char id[BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	memset(id, 0, BOOT_ID_SIZE);
	if (fd >= 0) {
		n = read(fd, id, BOOT_ID_SIZE - 1);
		close(fd);
	}
	return n > 0 ? 0 : -ENOENT;
}
