/* Faults of a ring (pvabi/faults.def, blk_*), injected in its thread. */
#ifndef DEVICES_BLOCK_BLK_FAULT_H
#define DEVICES_BLOCK_BLK_FAULT_H

#include "devices/block/blkback.h"

/* q->request was taken: true when it goes no further. */
bool blk_fault_request(struct blk_queue *q);
/* An answer: true when it is not to be put on the ring now; else it may have been changed. */
bool blk_fault_response(struct blk_queue *q, uint64_t *id, uint8_t *op, int16_t *status);
/* Is the guest not to be told? */
bool blk_fault_notify(struct blk_queue *q);
/* Puts answers on the ring whose time has come; all: whatever their time. */
void blk_fault_release(struct blk_queue *q, bool all);
/* ms until blk_fault_release() has something to do; -1: nothing waits. */
int blk_fault_timeout(const struct blk_queue *q);

#endif
