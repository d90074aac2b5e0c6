/*
 * LZO in lzop's container, with liblzo2. All numbers are big endian. The layout
 * is lzop's; Linux: lib/decompress_unlzo.c reads the same.
 *
 *	magic (9), version (2), library version (2), version needed (2), method (1),
 *	level (1), flags (4), mode (4), mtime (4), mtime high (4), name (1 + n),
 *	checksum of all that (4); then blocks:
 *	unpacked size (4), packed size (4), checksums (4 each, by flags), data;
 *	an unpacked size of 0 ends them.
 */
#include <string.h>

#include <lzo/lzo1x.h>
#include <zlib.h>

#include "vmm/loader/decompress.h"

#define MAGIC_LEN     9
#define VERSION_LEVEL 0x0940 /* since then: version needed, level, mtime high */
#define BLOCK_MAX     (64u << 20)

#define FLAG_ADLER32_OUT  0x0001u
#define FLAG_ADLER32_IN	  0x0002u
#define FLAG_EXTRA	  0x0040u
#define FLAG_CRC32_OUT	  0x0100u
#define FLAG_CRC32_IN	  0x0200u
#define FLAG_FILTER	  0x0800u
#define FLAG_HEADER_CRC32 0x1000u

/* Both libraries count in size_t-like types; blocks are far smaller. */
_Static_assert(sizeof(lzo_uint) >= sizeof(uint32_t), "lzo_uint holds a block's size");

/* Big-endian number of `bytes`; sets *truncated instead when the input ends. */
static uint32_t get(struct unpack *u, unsigned bytes, bool *truncated)
{
	uint32_t v = 0;

	if (u->in_len - u->in_pos < bytes) {
		*truncated = true;
		return 0;
	}
	while (bytes--)
		v = v << 8 | u->in[u->in_pos++];
	return v;
}

static void skip(struct unpack *u, size_t bytes, bool *truncated)
{
	if (u->in_len - u->in_pos < bytes)
		*truncated = true;
	else
		u->in_pos += bytes;
}

static uint32_t adler_of(const uint8_t *p, size_t len)
{
	return adler32(adler32(0, NULL, 0), p, len);
}

static uint32_t crc_of(const uint8_t *p, size_t len)
{
	return crc32(crc32(0, NULL, 0), p, len);
}

static int read_header(struct unpack *u, uint32_t *flags)
{
	bool cut = false;
	size_t start = u->in_pos + MAGIC_LEN;
	uint32_t version, method, filter = 0, sum, want;

	skip(u, MAGIC_LEN, &cut);
	version = get(u, 2, &cut);
	skip(u, version >= VERSION_LEVEL ? 4 : 2, &cut);
	method = get(u, 1, &cut);
	if (version >= VERSION_LEVEL)
		skip(u, 1, &cut);
	*flags = get(u, 4, &cut);
	if (*flags & FLAG_FILTER)
		filter = get(u, 4, &cut);
	skip(u, version >= VERSION_LEVEL ? 12 : 8, &cut);
	skip(u, get(u, 1, &cut), &cut);
	if (cut)
		return unpack_truncated(u);
	want = *flags & FLAG_HEADER_CRC32 ? crc_of(u->in + start, u->in_pos - start)
					  : adler_of(u->in + start, u->in_pos - start);
	sum = get(u, 4, &cut);
	if (*flags & FLAG_EXTRA) {
		skip(u, get(u, 4, &cut), &cut);
		skip(u, 4, &cut);
	}
	if (cut)
		return unpack_truncated(u);
	if (sum != want)
		return unpack_damaged(u, "its header's checksum is wrong");
	if (method < 1 || method > 3) /* LZO1X-1, LZO1X-1(15), LZO1X-999 */
		return unpack_damaged(u, "its method is not LZO1X");
	if (filter)
		return unpack_damaged(u, "it uses a filter");
	return 0;
}

struct block {
	uint32_t out_len, in_len;
	uint32_t adler_out, crc_out, adler_in, crc_in;
};

static int unpack_block(struct unpack *u, const struct block *b, uint32_t flags)
{
	const uint8_t *in = u->in + u->in_pos;
	lzo_uint n = b->out_len;
	uint8_t *out;
	size_t room;
	int rc = unpack_room(u, b->out_len, &room);

	if (rc)
		return rc;
	if (room < b->out_len)
		return unpack_too_large(u);
	out = u->out + u->out_len;
	if (b->in_len < b->out_len) {
		if (((flags & FLAG_ADLER32_IN) && adler_of(in, b->in_len) != b->adler_in) ||
		    ((flags & FLAG_CRC32_IN) && crc_of(in, b->in_len) != b->crc_in))
			return unpack_damaged(u, "a packed block's checksum is wrong");
		if (lzo1x_decompress_safe(in, b->in_len, out, &n, NULL) != LZO_E_OK ||
		    n != b->out_len)
			return unpack_damaged(u, "a block does not unpack");
	} else {
		memcpy(out, in, b->in_len); /* stored */
	}
	if (((flags & FLAG_ADLER32_OUT) && adler_of(out, n) != b->adler_out) ||
	    ((flags & FLAG_CRC32_OUT) && crc_of(out, n) != b->crc_out))
		return unpack_damaged(u, "a block's checksum is wrong");
	u->in_pos += b->in_len;
	u->out_len += b->out_len;
	return 0;
}

int unpack_lzo(struct unpack *u)
{
	uint32_t flags;
	int rc;

	if (lzo_init() != LZO_E_OK)
		return unpack_damaged(u, "liblzo2 does not work on this host");
	rc = read_header(u, &flags);
	while (!rc) {
		struct block b = {0};
		bool cut = false;

		b.out_len = get(u, 4, &cut);
		if (!cut && !b.out_len)
			return 0;
		b.in_len = get(u, 4, &cut);
		if (!cut && (b.out_len > BLOCK_MAX || !b.in_len || b.in_len > b.out_len))
			return unpack_damaged(u, "a block's size is impossible");
		if (flags & FLAG_ADLER32_OUT)
			b.adler_out = get(u, 4, &cut);
		if (flags & FLAG_CRC32_OUT)
			b.crc_out = get(u, 4, &cut);
		/* Stored blocks lack the packed form's checksums. */
		if ((flags & FLAG_ADLER32_IN) && b.in_len < b.out_len)
			b.adler_in = get(u, 4, &cut);
		if ((flags & FLAG_CRC32_IN) && b.in_len < b.out_len)
			b.crc_in = get(u, 4, &cut);
		if (cut || b.in_len > u->in_len - u->in_pos)
			return unpack_truncated(u);
		rc = unpack_block(u, &b, flags);
	}
	return rc;
}
