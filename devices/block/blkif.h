/*
 * Requests of the block protocol (io/blkif.h), out of the ring and checked. Both
 * layouts: x86_64 guests and 32-bit ones differ in where `id` stands and in the size of a
 * slot.
 */
#ifndef DEVICES_BLOCK_BLKIF_H
#define DEVICES_BLOCK_BLKIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/backend.h"

#include <xen/io/blkif.h>

#define BLKIF_SECTOR	    512u
#define BLKIF_SEGS_PER_PAGE (PAGE_SIZE / BLKIF_SECTOR)
#define BLKIF_INDIRECT_SEGS 256u /* MAX_INDIRECT_SEGMENTS of Linux's blkback */
#define BLKIF_RING_HEADER   64u	 /* the indexes, padded (ring.h) */
#define BLKIF_SLOT_MAX	    112u
#define BLKIF_SEGS_IN_PAGE  (PAGE_SIZE / sizeof(struct blkif_request_segment))

enum blkif_abi { BLKIF_X86_64, BLKIF_X86_32 };

size_t blkif_slot_size(enum blkif_abi abi);
/* Slots of a ring of `pages` pages: a power of two. */
unsigned blkif_ring_slots(enum blkif_abi abi, unsigned pages);

/* A copy of what the guest wrote; only this is looked at. */
struct blk_request {
	uint8_t op; /* of an indirect request: what is to be done */
	bool indirect;
	uint64_t id, sector, nr_sectors;
	unsigned nr_segs, nr_indirect;
	grant_ref_t indirect_ref[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
	struct blkif_request_segment seg[BLKIF_INDIRECT_SEGS];
};

/* Takes a slot apart. 0, -EOPNOTSUPP (unknown operation), -EINVAL (numbers that cannot
 * be). `id` and `op` are set in any case. An indirect request has no segments yet. */
int blkif_parse(enum blkif_abi abi, const uint8_t *slot, struct blk_request *r);
/* Page `page` of an indirect request's segments. */
void blkif_indirect_page(struct blk_request *r, unsigned page, const void *bytes);
/* Segments within their pages; sums up nr_sectors. 0 or -EINVAL. */
int blkif_check_segments(struct blk_request *r);
void blkif_response(uint8_t slot[BLKIF_SLOT_MAX], uint64_t id, uint8_t op, int16_t status);
/* Bytes of a response that are written. */
#define BLKIF_RESPONSE_SIZE 12u

#endif
