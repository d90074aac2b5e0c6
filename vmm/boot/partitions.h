/* Where file systems can begin in a disk. */
#ifndef VMM_BOOT_PARTITIONS_H
#define VMM_BOOT_PARTITIONS_H

#include <stdbool.h>

#include "vmm/boot/disk_reader.h"

#define MAX_PARTITIONS 128

struct partition {
	unsigned number; /* as Linux counts them; 0: the whole disk */
	bool active;
	uint64_t offset, size; /* bytes; inside the disk */
};

/* The partitions of an MBR (logical ones, too) or a GPT in the order in which a boot loader
 * is looked for: the active ones, the others, and last the whole disk. Entries that make
 * no sense are left out. How many; a disk that cannot be read has only itself. */
unsigned partitions_find(const struct disk_reader *d, struct partition p[MAX_PARTITIONS]);

#endif
