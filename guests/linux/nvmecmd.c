/*
 * An admin command for an NVMe controller, from inside a guest: nvmecmd DEVICE OPCODE [CDW10
 * [CDW11 [BYTES]]], numbers in C's ways. Prints the status and the result, and the first
 * bytes of what was read.
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static unsigned number(int argc, char **argv, int i)
{
	return i < argc ? (unsigned)strtoul(argv[i], NULL, 0) : 0;
}

int main(int argc, char **argv)
{
	static unsigned char data[4096] __attribute__((aligned(4096)));
	struct nvme_admin_cmd c = {
		.opcode = (unsigned char)number(argc, argv, 2),
		.cdw10 = number(argc, argv, 3),
		.cdw11 = number(argc, argv, 4),
		.data_len = number(argc, argv, 5),
	};
	int fd = argc > 2 ? open(argv[1], O_RDWR) : -1;

	if (fd < 0) {
		perror(argc > 1 ? argv[1] : "usage: nvmecmd DEVICE OPCODE [CDW10 [CDW11 [BYTES]]]");
		return 2;
	}
	if (c.data_len > sizeof(data))
		c.data_len = sizeof(data);
	c.addr = (unsigned long)data;
	int rc = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &c);
	printf("status %#x result %#x\n", (unsigned)rc, c.result);
	for (unsigned i = 0; i < c.data_len && i < 64; i++)
		printf("%02x%s", data[i], i % 16 == 15 ? "\n" : " ");
	return rc != 0;
}
