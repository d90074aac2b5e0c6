#include "pvabi/m2p.h"

/* The n that domain_ram_frame() has for this frame, or INVALID_MFN: no RAM that the domain
 * has from the start. */
static uint64_t nth_of_ram(const struct domain *d, uint64_t mfn)
{
	uint64_t behind = d->hole_start + d->hole_frames, n;

	if (mfn < d->low_frames)
		n = mfn;
	else if (mfn >= behind)
		n = mfn - behind + d->low_frames;
	else
		return INVALID_MFN;
	return n < d->order.nr ? n : INVALID_MFN;
}

static uint64_t at_first(const struct domain *d, uint64_t mfn)
{
	uint64_t n = nth_of_ram(d, mfn);

	return n == INVALID_MFN ? n : ram_order_of(&d->order, n);
}

uint64_t m2p_get(const struct domain *d, uint64_t mfn)
{
	return m2p_is_written(d, mfn / M2P_CHUNK)
		       ? __atomic_load_n(&shared(d->m2p)[mfn], __ATOMIC_RELAXED)
		       : at_first(d, mfn);
}

/* All of its memory, also behind the last entry. */
static void fill(struct domain *d, uint64_t chunk)
{
	uint64_t mfn = chunk * M2P_CHUNK, end = m2p_frames(d->nr_m2p) * (PAGE_SIZE / 8);

	if (end > mfn + M2P_CHUNK)
		end = mfn + M2P_CHUNK;
	for (; mfn < end; mfn++)
		shared(d->m2p)[mfn] = at_first(d, mfn);
}

void m2p_write(struct domain *d, uint64_t chunk)
{
	if (m2p_is_written(d, chunk))
		return;
	fill(d, chunk);
	__atomic_fetch_or(&shared(d->m2p_written)[chunk / 64], 1ull << chunk % 64,
			  __ATOMIC_RELEASE);
}

void m2p_set(struct domain *d, uint64_t mfn, uint64_t pfn)
{
	if (!m2p_is_written(d, mfn / M2P_CHUNK)) {
		if (at_first(d, mfn) == pfn)
			return;
		m2p_write(d, mfn / M2P_CHUNK);
	}
	__atomic_store_n(&shared(d->m2p)[mfn], pfn, __ATOMIC_SEQ_CST);
}

void m2p_order(struct domain *d, const struct ram_order *order)
{
	d->order = *order;
	for (uint64_t chunk = 0; chunk < m2p_chunks(d); chunk++)
		if (m2p_is_written(d, chunk))
			fill(d, chunk);
}

uint64_t m2p_frames(uint64_t entries)
{
	const uint64_t a_frame = PAGE_SIZE / sizeof(uint64_t);

	return (entries + a_frame - 1) / a_frame;
}
