/* A disk that the boot loader's files are looked for in, wherever its bytes come from. */
#ifndef VMM_BOOT_DISK_READER_H
#define VMM_BOOT_DISK_READER_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

struct disk_reader {
	/* All `len` bytes at `offset`, which are inside the disk: 0 or negative errno. */
	int (*read)(void *arg, uint64_t offset, void *buf, size_t len);
	void *arg;
	uint64_t size; /* bytes */
};

/* -EIO beyond the end, too. */
static inline int disk_read(const struct disk_reader *d, uint64_t offset, void *buf, size_t len)
{
	if (offset > d->size || len > d->size - offset)
		return -EIO;
	return d->read(d->arg, offset, buf, len);
}

static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static inline uint64_t le64(const uint8_t *p)
{
	return (uint64_t)le32(p) | (uint64_t)le32(p + 4) << 32;
}

#endif
