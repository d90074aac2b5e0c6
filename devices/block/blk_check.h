/*
 * Looks over a frontend's shoulder (a disk's option `check`): what a driver with a bug does that
 * a backend need not notice. In the queue's thread.
 */
#ifndef DEVICES_BLOCK_BLK_CHECK_H
#define DEVICES_BLOCK_BLK_CHECK_H

#include "devices/block/blkback.h"

/* For q->nr_slots requests; NULL: no memory. */
struct blk_check *blk_check_create(struct blk_queue *q);
void blk_check_destroy(struct blk_check *c);
/* q->request was taken from the ring as number `index`; `slot` is what was in it. */
void blk_check_taken(struct blk_queue *q, uint32_t index, const uint8_t *slot);
/* `slot` was read from the ring as number `index`, whatever it is. */
void blk_check_seen(struct blk_queue *q, uint32_t index, const uint8_t *slot);
/* An answer was written to the slot of number `index`. */
void blk_check_wrote(struct blk_queue *q, uint32_t index);
/* The request with this id is about to be answered. */
void blk_check_answered(struct blk_queue *q, uint64_t id);

#endif
