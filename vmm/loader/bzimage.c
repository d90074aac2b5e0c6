/*
 * bzImage: the setup header and where the compressed kernel is. Linux:
 * Documentation/arch/x86/boot.rst; offsets are those of its table.
 */
#include <string.h>

#include "vmm/loader/loader.h"

#define OFF_SETUP_SECTS	   0x1f1
#define OFF_BOOT_FLAG	   0x1fe
#define OFF_HEADER	   0x202
#define OFF_VERSION	   0x206
#define OFF_PAYLOAD_OFFSET 0x248
#define OFF_PAYLOAD_LENGTH 0x24c
#define HEADER_END	   0x250

#define VERSION_PAYLOAD	    0x0208 /* the first with payload_offset and payload_length */
#define SECTOR		    512u
#define DEFAULT_SETUP_SECTS 4u /* "if the value is 0, the real value is 4" */

static uint32_t get_le(const uint8_t *p, unsigned bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/* A file that is cut inside of its header still is a bzImage, for a better
 * sentence. */
bool bzimage_is(const uint8_t *data, size_t len)
{
	return len >= OFF_HEADER + 4 && get_le(data + OFF_BOOT_FLAG, 2) == 0xaa55 &&
	       !memcmp(data + OFF_HEADER, "HdrS", 4);
}

int bzimage_payload(const uint8_t *data, size_t len, size_t *offset, size_t *size,
		    const struct load_ctx *ctx)
{
	uint64_t start, length;
	unsigned version, sects;

	if (len < HEADER_END)
		return load_refuse(ctx, "bzImage header is truncated at byte %zu", len);
	version = get_le(data + OFF_VERSION, 2);
	if (version < VERSION_PAYLOAD)
		return load_refuse(ctx,
				   "bzImage of boot protocol %u.%02u: before 2.08 it does not say "
				   "where its kernel is, use the vmlinux file",
				   version >> 8, version & 0xff);
	sects = data[OFF_SETUP_SECTS];
	start = (uint64_t)((sects ? sects : DEFAULT_SETUP_SECTS) + 1) * SECTOR +
		get_le(data + OFF_PAYLOAD_OFFSET, 4);
	length = get_le(data + OFF_PAYLOAD_LENGTH, 4);
	if (!length)
		return load_refuse(ctx, "bzImage without a payload (its length is 0)");
	if (start + length > len)
		return load_refuse(ctx,
				   "bzImage payload is truncated at byte %zu: it goes from byte "
				   "%llu to %llu",
				   len, (unsigned long long)start,
				   (unsigned long long)(start + length));
	*offset = start;
	*size = length;
	return 0;
}
