/*
 * A ring of trace records with one writer, the thread that it belongs to, and one reader,
 * the tracer's thread.
 */
#ifndef VMM_TRACE_TRACE_RING_H
#define VMM_TRACE_TRACE_RING_H

#include <stdatomic.h>

#include "vmm/trace/trace.h"

#define TRACE_RING_RECORDS 16384u /* 3 MiB, touched as they are used */

struct trace_ring {
	struct trace_ring *next; /* of the tracer; never changes once it is in the list */
	unsigned number;
	char name[16];	       /* the thread's */
	_Atomic uint64_t head; /* written */
	_Atomic uint64_t tail; /* read */
	_Atomic uint64_t lost; /* for want of room */
	/* The reader's: so many of them it has reported; so many records it has in hand. */
	uint64_t lost_told, taken;
	struct trace_record *record;
};

/* The next record to fill in, or NULL: the ring is full, and that is counted. */
struct trace_record *trace_ring_begin(struct trace_ring *r);
/* What was begun is there. How many wait. */
uint64_t trace_ring_end(struct trace_ring *r);
/* The i-th oldest, or NULL. It stays until the reader has dropped it. */
const struct trace_record *trace_ring_peek(const struct trace_ring *r, uint64_t i);
void trace_ring_drop(struct trace_ring *r, uint64_t n);

struct trace_ring *trace_ring_create(unsigned number);
void trace_ring_destroy(struct trace_ring *r);

#endif
