/*
 * What a domain has for its frames: made with it, or when it first gives one back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pvabi/m2p.h"
#include "pvabi/mm.h"

static size_t pages_size(const struct domain *d)
{
	return d->nr_frames * sizeof(struct page_info);
}

int mm_domain_init(struct domain *d)
{
	/* Mapped, not allocated: a huge domain's is touched as its frames are used. */
	d->pages = mmap(NULL, pages_size(d), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->pages == MAP_FAILED) {
		d->pages = NULL;
		return -ENOMEM;
	}
	for (uint64_t i = d->hole_start; i < d->hole_start + d->hole_frames; i++)
		d->pages[i].flags = PG_FREE; /* and never in the bitmap of those to be had */
	if (mm_spare_init(d, d->low_frames, d->hole_start))
		return -ENOMEM;
	mm_share_heap(d, d->shared_info_mfn, 1);
	mm_tlb_init(d);
	return 0;
}

void mm_domain_destroy(struct domain *d)
{
	if (d->pages)
		munmap(d->pages, pages_size(d));
	d->pages = NULL;
	free(d->free_frames);
	d->free_frames = NULL;
	free(d->memory_map);
	d->memory_map = NULL;
}

int mm_free_frames_init(struct domain *d)
{
	if (!d->free_frames)
		d->free_frames = calloc(d->nr_ram / 64 + 1, sizeof(*d->free_frames));
	return d->free_frames ? 0 : -ENOMEM;
}

int m2p_create(struct domain *d)
{
	d->m2p_mfn = heap_alloc(d, m2p_frames(d->nr_frames), 1);
	if (d->m2p_mfn == INVALID_MFN)
		return -ENOMEM;
	d->m2p = frame_ptr(d, d->m2p_mfn);
	d->nr_m2p = d->nr_frames;
	d->m2p_va = MACH2PHYS_VIRT_START;
	d->order.nr = d->tot_pages;
	d->m2p_written = calloc(m2p_chunks(d) / 64 + 1, sizeof(*d->m2p_written));
	return d->m2p_written ? 0 : -ENOMEM;
}

void m2p_destroy(struct domain *d)
{
	free(d->m2p_written);
	d->m2p_written = NULL;
}
