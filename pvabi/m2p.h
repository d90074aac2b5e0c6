/*
 * The M2P: which pfn each machine frame is, for the guest to read. Its memory is written in
 * chunks when something in them is looked at by the guest or is to change: until then what
 * they say is computed, so that a huge domain's does not cost memory and time at its start.
 * Changes under domain.lock.
 */
#ifndef PVABI_M2P_H
#define PVABI_M2P_H

#include "pvabi/pvabi.h"

/* Entries of a chunk: 16 pages, for 32 MiB of machine memory. */
#define M2P_CHUNK 8192u

static inline uint64_t m2p_chunks(const struct domain *d)
{
	return (d->nr_m2p + M2P_CHUNK - 1) / M2P_CHUNK;
}

static inline bool m2p_is_written(const struct domain *d, uint64_t chunk)
{
	return __atomic_load_n(&shared(d->m2p_written)[chunk / 64], __ATOMIC_ACQUIRE) >> chunk % 64 & 1;
}

/* What is in the M2P of frame mfn below nr_m2p. Any thread. */
uint64_t m2p_get(const struct domain *d, uint64_t mfn);
void m2p_set(struct domain *d, uint64_t mfn, uint64_t pfn);
/* The memory of the chunk is to be read directly. */
void m2p_write(struct domain *d, uint64_t chunk);
/* The domain, which does not run yet, has its pfns in this order. */
void m2p_order(struct domain *d, const struct ram_order *order);

/* mm_domain.c */
int m2p_create(struct domain *d);
void m2p_destroy(struct domain *d);
/* Frames of Xen heap that it takes for so many entries. */
uint64_t m2p_frames(uint64_t entries);

#endif
