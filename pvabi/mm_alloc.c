/*
 * Frames of guest RAM that the guest gave back: a bitmap, made when the first
 * one comes (most guests never give any).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/mm.h"

static bool is_free(const struct domain *d, uint64_t mfn)
{
	const struct page_info *p = &d->pages[mfn];

	/* Somebody may still map a frame that was given back. */
	return (d->free_frames[mfn / 64] >> (mfn % 64) & 1) && !p->refs && !p->type_count;
}

int mm_free_frame(struct domain *d, uint64_t mfn)
{
	struct page_info *p = mm_page_of_guest(d, mfn);

	/* Heap frames are Xen's; a pinned table, or one in use, is not a reservation. */
	if (!p || mfn >= d->nr_ram || (p->flags & PG_PINNED))
		return -EINVAL;
	if (!d->free_frames) {
		d->free_frames = calloc(d->nr_ram / 64 + 1, sizeof(*d->free_frames));
		if (!d->free_frames)
			return -ENOMEM;
	}
	d->free_frames[mfn / 64] |= 1UL << mfn % 64;
	p->flags |= PG_FREE;
	d->tot_pages--;
	if (mfn < d->nr_m2p)
		d->m2p[mfn] = INVALID_MFN;
	if (mfn < d->free_hint)
		d->free_hint = mfn;
	if (!p->refs)
		d->ops->frames_released(d, mfn, 1);
	else
		p->flags |= PG_UNCLEAN;
	return 0;
}

static bool run_is_free(const struct domain *d, uint64_t mfn, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		if (!is_free(d, mfn + i))
			return false;
	return true;
}

uint64_t mm_alloc_frames(struct domain *d, unsigned order)
{
	uint64_t nr = 1UL << order;

	if (!d->free_frames || d->tot_pages + nr > d->max_pages)
		return INVALID_MFN;
	for (uint64_t mfn = d->free_hint & ~(nr - 1); mfn + nr <= d->nr_ram; mfn += nr) {
		if (nr == 1 && mfn % 64 == 0 && !d->free_frames[mfn / 64]) {
			mfn += 63; /* a word without any */
			continue;
		}
		if (!run_is_free(d, mfn, nr))
			continue;
		for (uint64_t i = mfn; i < mfn + nr; i++) {
			d->free_frames[i / 64] &= ~(1UL << i % 64);
			if (d->pages[i].flags & PG_UNCLEAN)
				memset(frame_ptr(d, i), 0, PAGE_SIZE);
			d->pages[i].flags = 0;
		}
		if (nr == 1)
			d->free_hint = mfn + 1;
		d->tot_pages += nr;
		return mfn;
	}
	return INVALID_MFN;
}
