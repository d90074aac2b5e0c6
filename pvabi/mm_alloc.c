/*
 * Frames of RAM that are nobody's: what the guest gave back, in a bitmap that is made
 * when the first one comes (most guests never give any), and from domain.ram_used on
 * what it never had. The host has the memory of both.
 */
#include <errno.h>
#include <stdlib.h>

#include "pvabi/m2p.h"
#include "pvabi/mm.h"

static bool is_free(const struct domain *d, uint64_t mfn)
{
	return shared(d->free_frames)[mfn / 64] >> (mfn % 64) & 1;
}

/* Nobody's now, but not to be had yet. */
static void frame_take(struct domain *d, uint64_t mfn)
{
	shared(d->pages)[mfn].flags = PG_FREE;
	if (mfn < d->nr_m2p)
		m2p_set(d, mfn, INVALID_MFN);
}

static void frame_offer(struct domain *d, uint64_t mfn)
{
	shared(d->free_frames)[mfn / 64] |= 1UL << mfn % 64;
	if (mfn < d->free_hint)
		d->free_hint = mfn;
}

static void frame_free(struct domain *d, uint64_t mfn)
{
	frame_take(d, mfn);
	frame_offer(d, mfn);
}

/* The guest's again, as it was. */
static void frame_restore(struct domain *d, uint64_t mfn, uint64_t pfn)
{
	shared(d->free_frames)[mfn / 64] &= ~(1UL << mfn % 64);
	shared(d->pages)[mfn].flags = 0;
	if (mfn < d->nr_m2p)
		m2p_set(d, mfn, pfn);
	d->tot_pages++;
}

void mm_frame_unused(struct domain *d, uint64_t mfn)
{
	if (mfn >= d->nr_ram) {
		shared(d->pages)[mfn].flags = 0;
		return;
	}
	/* None was ever given back: the flag is the guest's doing (mm.h). */
	if (!shared(d->free_frames))
		return;
	frame_free(d, mfn);
	d->tot_pages--;
	host_of(d)->frames_released(d, mfn, 1);
}

static int compare_mfns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Neighbours go together: for the host each range is a change of its mappings. */
static void release_runs(struct domain *d, uint64_t *mfn, unsigned nr)
{
	unsigned first = 0;

	qsort(mfn, nr, sizeof(*mfn), compare_mfns);
	for (unsigned i = 1; i <= nr; i++) {
		if (i < nr && mfn[i] == mfn[i - 1] + 1)
			continue;
		host_of(d)->frames_released(d, mfn[first], i - first);
		first = i;
	}
}

void mm_release_flush(struct domain *d, struct mm_release *r)
{
	if (!r->nr)
		return;
	release_runs(d, r->mfn, r->nr);
	for (unsigned i = 0; i < r->nr; i++)
		frame_offer(d, r->mfn[i]);
	r->nr = 0;
}

int mm_free_frame(struct domain *d, uint64_t mfn)
{
	return mm_free_frame_into(d, mfn, NULL);
}

int mm_free_frame_into(struct domain *d, uint64_t mfn, struct mm_release *r)
{
	struct page_info *p = mm_page_of_guest(d, mfn);

	if (!p)
		return -EINVAL;
	/* A shared frame of the heap stays what it is to Xen, but once nothing maps it the
	 * guest can map it no more (Xen: common/memory.c, guest_remove_page). */
	if (mfn >= d->nr_ram) {
		p->flags |= PG_GIVEN_BACK;
		if (!p->refs)
			mm_frame_unused(d, mfn);
		return 0;
	}
	if (mm_free_frames_init(d))
		return -ENOMEM;
	if (p->refs) {
		p->flags |= PG_GIVEN_BACK;
	} else if (!r) {
		mm_frame_unused(d, mfn);
	} else {
		frame_take(d, mfn);
		d->tot_pages--;
		r->mfn[r->nr++] = mfn;
		if (r->nr == MM_RELEASE_MAX)
			mm_release_flush(d, r);
	}
	return 0;
}

static bool run_is_free(const struct domain *d, uint64_t mfn, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		if (!is_free(d, mfn + i))
			return false;
	return true;
}

int mm_spare_init(struct domain *d, uint64_t first, uint64_t end)
{
	if (first < end && mm_free_frames_init(d))
		return -ENOMEM;
	d->free_hint = first;
	for (uint64_t mfn = first; mfn < end; mfn++)
		frame_free(d, mfn);
	return 0;
}

/* The first aligned run at or above `from`, and below `limit`. */
static uint64_t run_find(struct domain *d, uint64_t nr, uint64_t from, uint64_t limit)
{
	if (!shared(d->free_frames))
		return INVALID_MFN;
	if (limit > d->ram_used)
		limit = d->ram_used;
	for (uint64_t mfn = from & ~(nr - 1); mfn + nr <= limit; mfn += nr) {
		if (nr <= 64 && mfn % 64 == 0 && !shared(d->free_frames)[mfn / 64]) {
			mfn += 64 - nr; /* a word without any */
			continue;
		}
		if (run_is_free(d, mfn, nr))
			return mfn;
	}
	return INVALID_MFN;
}

static uint64_t given_back_get(struct domain *d, uint64_t nr, uint64_t from, uint64_t limit)
{
	uint64_t first = run_find(d, nr, from, limit);

	if (first == INVALID_MFN)
		return INVALID_MFN;
	for (uint64_t mfn = first; mfn < first + nr; mfn++) {
		shared(d->free_frames)[mfn / 64] &= ~(1UL << mfn % 64);
		shared(d->pages)[mfn].flags = 0;
	}
	if (nr == 1 && from == d->free_hint)
		d->free_hint = first + 1;
	return first;
}

/* Of what it never had. Those that are left out to align the rest become free ones. */
static uint64_t unused_get(struct domain *d, uint64_t nr, uint64_t limit)
{
	uint64_t first = (d->ram_used + nr - 1) & ~(nr - 1), mfn = d->ram_used;

	if (first < d->hole_start + d->hole_frames && first + nr > d->hole_start)
		first = (d->hole_start + d->hole_frames + nr - 1) & ~(nr - 1);
	if (first + nr > limit || (first != mfn && mm_free_frames_init(d)))
		return INVALID_MFN;
	for (; mfn < first; mfn++)
		if (domain_is_memory(d, mfn))
			frame_free(d, mfn);
	d->ram_used = first + nr;
	return first;
}

/* Asks the host, which may have used their memory for something else. */
static bool wanted(struct domain *d, uint64_t first, uint64_t nr)
{
	if (!host_of(d)->frames_wanted || host_of(d)->frames_wanted(d, first, nr))
		return true;
	if (!mm_free_frames_init(d))
		for (uint64_t mfn = first; mfn < first + nr; mfn++)
			frame_free(d, mfn);
	return false;
}

uint64_t mm_alloc_frames(struct domain *d, unsigned order, unsigned bits)
{
	uint64_t nr = 1UL << order, limit = d->nr_ram;

	if (d->tot_pages + nr > d->max_pages)
		return INVALID_MFN;
	if (bits && bits < 64 && limit > 1UL << bits >> PAGE_SHIFT)
		limit = 1UL << bits >> PAGE_SHIFT;
	/* What is below 4 GiB is for those who need it, as long as there is other. */
	uint64_t high = d->hole_start + d->hole_frames;
	uint64_t from = !bits && d->free_hint < high ? high : d->free_hint;
	uint64_t first = given_back_get(d, nr, from, limit);
	if (first == INVALID_MFN)
		first = unused_get(d, nr, limit);
	if (first == INVALID_MFN && from != d->free_hint)
		first = given_back_get(d, nr, d->free_hint, limit);
	if (first != INVALID_MFN && !wanted(d, first, nr))
		return INVALID_MFN;
	if (first != INVALID_MFN)
		d->tot_pages += nr;
	return first;
}

void mm_frames_name(struct domain *d, uint64_t mfn, uint64_t pfn, uint64_t nr)
{
	for (uint64_t i = 0; i < nr && mfn + i < d->nr_m2p; i++)
		m2p_set(d, mfn + i, pfn + i);
}

/* Frames that nobody may refer to (Xen: steal_page()). */
static int frames_take(struct domain *d, const uint64_t *in, uint64_t *m2p, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct page_info *p = in[i] < d->ram_used ? &shared(d->pages)[in[i]] : NULL;

		/* One that is named twice is not there the second time. */
		if (!p || p->flags & (PG_FREE | PG_GIVEN_BACK) || p->refs) {
			while (i-- > 0)
				frame_restore(d, in[i], m2p[i]);
			return -EINVAL;
		}
		m2p[i] = in[i] < d->nr_m2p ? m2p_get(d, in[i]) : INVALID_MFN;
		frame_free(d, in[i]);
		d->tot_pages--;
	}
	return 0;
}

int mm_exchange_frames(struct domain *d, const uint64_t *in, unsigned nr_in, uint64_t *out,
		       unsigned nr_out, unsigned out_order, unsigned bits)
{
	uint64_t m2p[MM_EXCHANGE_MAX];
	unsigned i;
	int rc;

	if (mm_free_frames_init(d))
		return -ENOMEM;
	rc = frames_take(d, in, m2p, nr_in);
	if (rc)
		return rc;
	for (i = 0; i < nr_out; i++) {
		out[i] = mm_alloc_frames(d, out_order, bits);
		if (out[i] == INVALID_MFN)
			break;
	}
	if (i < nr_out) {
		while (i-- > 0)
			for (uint64_t j = 0; j < 1UL << out_order; j++) {
				frame_free(d, out[i] + j);
				d->tot_pages--;
			}
		for (i = 0; i < nr_in; i++)
			frame_restore(d, in[i], m2p[i]);
		return -ENOMEM;
	}
	unsigned nr_free = 0;
	for (i = 0; i < nr_in; i++)
		if (is_free(d, in[i]))
			m2p[nr_free++] = in[i];
	release_runs(d, m2p, nr_free);
	return 0;
}
