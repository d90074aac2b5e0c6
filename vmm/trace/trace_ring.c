/*
 * The ring's two ends. Its memory is only reserved at first: a thread with few records
 * costs few pages.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/trace/trace_ring.h"

struct trace_record *trace_ring_begin(struct trace_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&r->tail, memory_order_acquire) == TRACE_RING_RECORDS) {
		atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
		return NULL;
	}
	return &r->record[head % TRACE_RING_RECORDS];
}

uint64_t trace_ring_end(struct trace_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed) + 1;

	atomic_store_explicit(&r->head, head, memory_order_release);
	return head - atomic_load_explicit(&r->tail, memory_order_relaxed);
}

const struct trace_record *trace_ring_peek(const struct trace_ring *r, uint64_t i)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	return i < atomic_load_explicit(&r->head, memory_order_acquire) - tail
		       ? &r->record[(tail + i) % TRACE_RING_RECORDS]
		       : NULL;
}

void trace_ring_drop(struct trace_ring *r, uint64_t n)
{
	atomic_fetch_add_explicit(&r->tail, n, memory_order_release);
}

struct trace_ring *trace_ring_create(unsigned number)
{
	struct trace_ring *r = calloc(1, sizeof(*r));
	void *p = mmap(NULL, TRACE_RING_RECORDS * sizeof(struct trace_record),
		       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!r || p == MAP_FAILED) {
		free(r);
		if (p != MAP_FAILED)
			munmap(p, TRACE_RING_RECORDS * sizeof(struct trace_record));
		return NULL;
	}
	r->number = number;
	r->record = p;
	if (pthread_getname_np(pthread_self(), r->name, sizeof(r->name)))
		strcpy(r->name, "thread");
	return r;
}

void trace_ring_destroy(struct trace_ring *r)
{
	munmap(r->record, TRACE_RING_RECORDS * sizeof(struct trace_record));
	free(r);
}
