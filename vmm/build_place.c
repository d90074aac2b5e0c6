/*
 * A kernel's segments and a ramdisk come into the guest's memory. Whole pages of a file that
 * nobody writes to, and those that something was unpacked to, become the guest's as they
 * are, where its frames lie as they do; the rest is copied.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/build_internal.h"

static uint64_t page_up(uint64_t n)
{
	return (n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static uint64_t page_down(uint64_t n)
{
	return n & ~(PAGE_SIZE - 1);
}

/* Are the frames of these bytes of the pfns one behind the other? */
static bool in_a_row(const struct build_p2m *m, uint64_t offset, uint64_t len)
{
	uint64_t first = offset >> PAGE_SHIFT, last = (offset + len - 1) >> PAGE_SHIFT;
	const struct ram_order *o = &m->domain->order;

	return !o->shuffled &&
	       build_pfn_to_mfn(m, last) - build_pfn_to_mfn(m, first) == last - first;
}

static bool place_pages(struct build_placement *p, uint64_t offset, const struct build_source *s,
			uint64_t at, uint64_t len)
{
	uint64_t machine = build_pfn_to_mfn(p->p2m, offset >> PAGE_SHIFT) << PAGE_SHIFT;

	if (s->fd >= 0)
		return s->kept &&
		       p->placer->file(p->placer_arg, machine, len, s->fd, s->fd_offset + at);
	return s->movable &&
	       p->placer->pages(p->placer_arg, machine, len, (void *)(uintptr_t)(s->data + at));
}

/* Read, where that is one call: it needs no mapping of the file. */
static int copy(struct build_placement *p, uint64_t offset, const struct build_source *s,
		uint64_t at, uint64_t len)
{
	if (!len)
		return 0;
	if (s->fd < 0 || s->kept || !in_a_row(p->p2m, offset, len)) {
		build_copy(p->d, p->p2m, offset, s->data + at, len);
		return 0;
	}
	uint8_t *to = (uint8_t *)build_pfn_ptr(p->d, p->p2m, offset >> PAGE_SHIFT) +
		      (offset & (PAGE_SIZE - 1));
	while (len) {
		ssize_t n = pread(s->fd, to, len, (off_t)(s->fd_offset + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		to += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int build_place(struct build_placement *p, uint64_t offset, const struct build_source *s)
{
	uint64_t from = page_up(offset), to = page_down(offset + s->size);

	if (p->placer && from < to && s->size &&
	    !(((uintptr_t)s->data - offset) & (PAGE_SIZE - 1)) &&
	    in_a_row(p->p2m, from, to - from) &&
	    place_pages(p, from, s, from - offset, to - from)) {
		build_copy(p->d, p->p2m, offset, s->data, from - offset);
		build_copy(p->d, p->p2m, to, s->data + (to - offset), offset + s->size - to);
		return 0;
	}
	return copy(p, offset, s, 0, s->size);
}
