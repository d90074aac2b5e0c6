/*
 * LZ4 in its legacy frame, the one that `lz4 -l` and so Linux write: the magic,
 * then blocks (4 bytes little endian for the packed size, then the data), each
 * unpacking to at most 8 MiB. There is no end mark. Linux: lib/decompress_unlz4.c.
 */
#include <lz4.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

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

/* ---- blocks beside each other ---- */

#define BLOCKS_MAX  128u
#define THREADS_MAX 4

struct blocks {
	const struct unpack *u;
	size_t at[BLOCKS_MAX]; /* in the input, and packed bytes there */
	uint32_t packed[BLOCKS_MAX];
	int got[BLOCKS_MAX];
	unsigned nr;
	atomic_uint next;
};

/* The blocks of one frame up to the end. False: there is something else, too, or too many. */
static bool find_blocks(struct blocks *b, const struct unpack *u, size_t *end)
{
	struct unpack at = *u;

	if (at.in_len - at.in_pos < WORD || word_at(&at) != LEGACY_MAGIC)
		return false;
	at.in_pos += WORD;
	while (at.in_len - at.in_pos > WORD) {
		uint32_t packed = word_at(&at);

		if (!packed || packed > (uint32_t)LZ4_compressBound(BLOCK_MAX) ||
		    packed > at.in_len - at.in_pos - WORD || b->nr == BLOCKS_MAX)
			return false;
		b->at[b->nr] = at.in_pos + WORD;
		b->packed[b->nr++] = packed;
		at.in_pos += WORD + packed;
	}
	*end = at.in_pos;
	return b->nr > 1 && (at.in_pos == at.in_len || at.in_len - at.in_pos == WORD);
}

static void *unpack_some(void *arg)
{
	struct blocks *b = arg;
	unsigned i;

	while ((i = atomic_fetch_add(&b->next, 1)) < b->nr)
		b->got[i] = LZ4_decompress_safe((const char *)b->u->in + b->at[i],
						(char *)b->u->out + b->u->out_len +
							(size_t)i * BLOCK_MAX,
						(int)b->packed[i], BLOCK_MAX);
	return NULL;
}

/* All blocks but the last unpack to the same size, so each has its place before any is
 * unpacked. False: not here, or something is wrong; one after the other will tell. */
static bool unpack_blocks(struct unpack *u)
{
	struct blocks b = {.u = u};
	pthread_t thread[THREADS_MAX - 1];
	unsigned nr_threads = 0;
	size_t end, room;

	if (!find_blocks(&b, u, &end) || u->out_limit - u->out_len < (size_t)b.nr * BLOCK_MAX ||
	    unpack_room(u, (size_t)b.nr * BLOCK_MAX, &room) || room < (size_t)b.nr * BLOCK_MAX)
		return false;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	while (nr_threads < THREADS_MAX - 1 && (long)nr_threads + 1 < cpus &&
	       nr_threads + 1 < b.nr && !pthread_create(&thread[nr_threads], NULL, unpack_some, &b))
		nr_threads++;
	unpack_some(&b);
	while (nr_threads)
		pthread_join(thread[--nr_threads], NULL);
	for (unsigned i = 0; i < b.nr; i++)
		if (b.got[i] <= 0 || (i + 1 < b.nr && b.got[i] != (int)BLOCK_MAX))
			return false;
	u->out_len += (size_t)(b.nr - 1) * BLOCK_MAX + (size_t)b.got[b.nr - 1];
	u->in_pos = end;
	return true;
}

int unpack_lz4(struct unpack *u)
{
	int rc = 0;

	if (unpack_blocks(u))
		return 0;
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
