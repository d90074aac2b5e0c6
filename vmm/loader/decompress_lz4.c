/*
 * LZ4 in its legacy frame, the one that `lz4 -l` and so Linux write: the magic,
 * then blocks (4 bytes little endian for the packed size, then the data), each
 * unpacking to at most 8 MiB. There is no end mark. Linux: lib/decompress_unlz4.c.
 */
#include <lz4.h>

#include "vmm/loader/decompress.h"

#define LEGACY_MAGIC 0x184c2102u
#define BLOCK_MAX    (8u << 20)
#define RATIO_MAX    255u /* a byte of input adds at most so many to a match */
#define WORD	     4u

static uint32_t word_at(const struct unpack *u)
{
	const uint8_t *p = u->in + u->in_pos;

	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static int unpack_block(struct unpack *u, uint32_t packed)
{
	size_t want = BLOCK_MAX, room;
	int n, rc;

	if (packed > (uint32_t)LZ4_compressBound(BLOCK_MAX))
		return unpack_damaged(u, "a block is larger than blocks can be");
	if (packed > u->in_len - u->in_pos)
		return unpack_truncated(u);
	if (packed < BLOCK_MAX / RATIO_MAX)
		want = (size_t)packed * RATIO_MAX + RATIO_MAX;
	rc = unpack_room(u, want, &room);
	if (rc)
		return rc;
	if (room > want)
		room = want;
	n = LZ4_decompress_safe((const char *)u->in + u->in_pos, (char *)u->out + u->out_len,
				(int)packed, (int)room);
	if (n < 0 && room < want)
		return unpack_too_large(u);
	if (n < 0)
		return unpack_damaged(u, "a block does not unpack");
	u->in_pos += packed;
	u->out_len += (size_t)n;
	return 0;
}

int unpack_lz4(struct unpack *u)
{
	int rc = 0;

	while (!rc) {
		size_t left = u->in_len - u->in_pos;
		uint32_t packed;

		if (left == 0 || (left == WORD && u->in_pos)) /* the appended size */
			return 0;
		if (left < WORD)
			return unpack_truncated(u);
		packed = word_at(u);
		u->in_pos += WORD;
		if (packed == LEGACY_MAGIC) /* also between frames that follow each other */
			continue;
		if (!packed)
			return 0;
		rc = unpack_block(u, packed);
	}
	return rc;
}
