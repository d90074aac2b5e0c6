/*
 * The ramdisk as the guest finds it. Xen's toolstack hands every module over
 * unpacked when it is a gzip file, and as it is when it is anything else or
 * does not unpack (tools/libs/guest/xg_dom_core.c: xc_dom_build_module,
 * xc_dom_check_gzip).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "vmm/build_internal.h"
#include "vmm/pages.h"

/* xenguest.h: XC_DOM_DECOMPRESS_MAX. */
#define UNPACK_MAX (1ull << 30)
/* xc_dom_check_gzip adds this to the size it finds; guests see it in mod_len. */
#define UNPACK_SLACK 16

/* The size that the last four bytes of a gzip file name; 0: not a gzip file. */
static uint64_t gzip_size(const uint8_t *data, size_t size)
{
	uint64_t n;

	if (size < 6 || data[0] != 0x1f || data[1] != 0x8b)
		return 0;
	n = data[size - 4] | data[size - 3] << 8 | data[size - 2] << 16 |
	    (uint64_t)data[size - 1] << 24;
	return n > UNPACK_MAX - UNPACK_SLACK ? 0 : n + UNPACK_SLACK;
}

/* Bytes unpacked, 0 when it does not unpack into `room` bytes. A file with
 * something behind the first gzip member stays packed: the guest would lose it. */
static uint64_t gunzip(const uint8_t *data, size_t size, uint8_t *to, uint64_t room)
{
	z_stream z = {.next_in = (uint8_t *)data, .next_out = to, .avail_out = room};
	uint64_t got = 0;

	if (size > UINT32_MAX || inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
		return 0;
	z.avail_in = size;
	if (inflate(&z, Z_FINISH) == Z_STREAM_END && !z.avail_in)
		got = z.total_out;
	inflateEnd(&z);
	return got;
}

int build_ramdisk_init(struct build_ramdisk *r, const void *data, size_t size, struct error *err)
{
	uint64_t room, got;

	*r = (struct build_ramdisk){.data = data, .size = data ? size : 0};
	r->seg_size = r->size;
	if (!r->size)
		return 0;
	room = gzip_size(data, size);
	if (!room)
		return 0;
	r->unpacked = pages_alloc(room);
	r->room = room;
	if (!r->unpacked)
		return error_set(err, -ENOMEM,
				 "no memory to unpack the ramdisk: %llu MiB needed on the host",
				 (unsigned long long)(room >> 20) + 1);
	got = gunzip(data, size, r->unpacked, room);
	if (!got) {
		build_ramdisk_free(r);
		return 0;
	}
	r->data = r->unpacked;
	r->size = got;
	r->seg_size = room > size ? room : size;
	return 0;
}

void build_ramdisk_free(struct build_ramdisk *r)
{
	if (r->unpacked)
		munmap(r->unpacked, r->room);
	r->unpacked = NULL;
}
