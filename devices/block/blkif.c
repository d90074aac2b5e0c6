/*
 * The layouts of block requests, by offset: io/blkif.h as x86-64 and i386 compilers
 * lay it out.
 */
#include <errno.h>
#include <string.h>

#include "devices/block/blkif.h"

size_t blkif_slot_size(enum blkif_abi abi)
{
	return abi == BLKIF_X86_64 ? 112 : 108;
}

unsigned blkif_ring_slots(enum blkif_abi abi, unsigned pages)
{
	size_t n = (pages * PAGE_SIZE - BLKIF_RING_HEADER) / blkif_slot_size(abi);
	unsigned slots = 1;

	while (2 * slots <= n)
		slots *= 2;
	return slots;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

/* operation, nr_segments, handle, id, sector_number, seg[11]. */
static int parse_plain(const uint8_t *slot, const uint8_t *tail, struct blk_request *r)
{
	r->nr_segs = slot[1];
	if (r->nr_segs > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return -EINVAL;
	/* A barrier may be empty, too (Linux's blkback: REQ_PREFLUSH). */
	if (!r->nr_segs && r->op != BLKIF_OP_FLUSH_DISKCACHE && r->op != BLKIF_OP_WRITE_BARRIER)
		return -EINVAL;
	memcpy(r->seg, tail + 16, r->nr_segs * sizeof(r->seg[0]));
	return 0;
}

/* operation, indirect_op, nr_segments, id, sector_number, handle, indirect_grefs[8]. */
static int parse_indirect(const uint8_t *slot, const uint8_t *tail, struct blk_request *r)
{
	r->op = slot[1];
	r->indirect = true;
	r->nr_segs = get16(slot + 2);
	if (r->op != BLKIF_OP_READ && r->op != BLKIF_OP_WRITE)
		return -EINVAL;
	if (!r->nr_segs || r->nr_segs > BLKIF_INDIRECT_SEGS)
		return -EINVAL;
	r->nr_indirect = (unsigned)((r->nr_segs + BLKIF_SEGS_IN_PAGE - 1) / BLKIF_SEGS_IN_PAGE);
	memcpy(r->indirect_ref, tail + 20, sizeof(r->indirect_ref));
	return 0;
}

int blkif_parse(enum blkif_abi abi, const uint8_t *slot, struct blk_request *r)
{
	const uint8_t *tail = slot + (abi == BLKIF_X86_64 ? 8 : 4);

	r->op = slot[0];
	r->indirect = false;
	r->nr_segs = r->nr_indirect = 0;
	r->nr_sectors = 0;
	r->id = get64(tail);
	r->sector = get64(tail + 8);
	switch (r->op) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
	case BLKIF_OP_WRITE_BARRIER:
	case BLKIF_OP_FLUSH_DISKCACHE:
		return parse_plain(slot, tail, r);
	case BLKIF_OP_DISCARD:
		r->nr_sectors = get64(tail + 16);
		return 0;
	case BLKIF_OP_INDIRECT:
		return parse_indirect(slot, tail, r);
	default:
		return -EOPNOTSUPP;
	}
}

void blkif_indirect_page(struct blk_request *r, unsigned page, const void *bytes)
{
	size_t first = page * BLKIF_SEGS_IN_PAGE, n = r->nr_segs - first;

	if (n > BLKIF_SEGS_IN_PAGE)
		n = BLKIF_SEGS_IN_PAGE;
	memcpy(r->seg + first, bytes, n * sizeof(r->seg[0]));
}

int blkif_check_segments(struct blk_request *r)
{
	for (unsigned i = 0; i < r->nr_segs; i++) {
		const struct blkif_request_segment *s = &r->seg[i];

		if (s->first_sect > s->last_sect || s->last_sect >= BLKIF_SEGS_PER_PAGE)
			return -EINVAL;
		r->nr_sectors += s->last_sect - s->first_sect + 1u;
	}
	return 0;
}

void blkif_response(uint8_t slot[BLKIF_SLOT_MAX], uint64_t id, uint8_t op, int16_t status)
{
	memcpy(slot, &id, sizeof(id));
	slot[8] = op;
	slot[9] = 0;
	memcpy(slot + 10, &status, sizeof(status));
}
