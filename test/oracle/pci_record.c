/*
 * In a dom0, before pciback has them: what PCI functions are, for a model of each. For every
 * address named: all bytes of the configuration space, the bits of its first 256 bytes that can
 * be changed, the resources that Linux found, the line.
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static char path[200];

static int open_file(const char *bdf, const char *name, int how)
{
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	return open(path, how);
}

static void print_file(const char *bdf, const char *name)
{
	char text[4096];
	int fd = open_file(bdf, name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		n = 0;
	text[n] = 0;
	for (char *line = text, *p = text; *p; p++)
		if (*p == '\n') {
			*p = 0;
			printf("RECORD %s %s %s\n", bdf, name, line);
			line = p + 1;
		}
	close(fd);
}

static void print_bytes(const char *bdf, const char *name, const uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i += 32) {
		unsigned any = 0;

		for (unsigned j = 0; j < 32; j++)
			any |= b[i + j];
		if (!any)
			continue;
		printf("RECORD %s %s %03x ", bdf, name, i);
		for (unsigned j = 0; j < 32; j++)
			printf("%02x", b[i + j]);
		printf("\n");
	}
}

/* Where writing would reset the function: device control of PCI Express. 0: nowhere. */
static unsigned reset_byte(const uint8_t *config)
{
	for (unsigned at = config[PCI_CAPABILITY_LIST]; at >= 0x40; at = config[at + 1])
		if (config[at] == PCI_CAP_ID_EXP)
			return at + PCI_EXP_DEVCTL + 1;
	return 0;
}

int main(int argc, char **argv)
{
	static uint8_t config[4096], mask[256];

	for (int i = 1; i < argc; i++) {
		int fd = open_file(argv[i], "config", O_RDWR);
		if (fd < 0) {
			perror(path);
			return 1;
		}
		/* As most firmware leaves a device: it answers at its BARs. */
		uint8_t command = 0;
		pread(fd, &command, 1, PCI_COMMAND);
		command |= PCI_COMMAND_MEMORY;
		pwrite(fd, &command, 1, PCI_COMMAND);
		ssize_t n = pread(fd, config, sizeof(config), 0);
		printf("RECORD %s size %zd\n", argv[i], n);
		for (unsigned o = 0; o < 256; o++) {
			uint8_t turned = (uint8_t)~config[o], seen = 0;

			mask[o] = 0;
			if (o && o == reset_byte(config))
				continue;

			pwrite(fd, &turned, 1, o);
			pread(fd, &seen, 1, o);
			pwrite(fd, &config[o], 1, o);
			mask[o] = seen ^ config[o];
		}
		print_bytes(argv[i], "config", config, n < 0 ? 0 : (unsigned)n);
		print_bytes(argv[i], "mask", mask, 256);
		print_file(argv[i], "resource");
		print_file(argv[i], "irq");
		close(fd);
	}
	return 0;
}
