/*
 * The grant table itself: its frames, its two formats, and the change between
 * them. Xen: common/grant_table.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pvabi/grant_table.h"
#include "pvabi/mm.h"

_Static_assert(sizeof(grant_entry_v1_t) == 8, "grant_table.h");
_Static_assert(sizeof(union grant_entry_v2) == 16, "grant_table.h");

unsigned grant_nr_entries(const struct grant_table *gt)
{
	return gt->nr_frames * (gt->version == 1 ? GRANT_V1_PER_FRAME : GRANT_V2_PER_FRAME);
}

grant_entry_v1_t *grant_entry_1(const struct domain *d, grant_ref_t ref)
{
	const struct grant_table *gt = d->grant_table;
	grant_entry_v1_t *frame = frame_ptr(d, gt->frames[ref / GRANT_V1_PER_FRAME]);

	return &frame[ref % GRANT_V1_PER_FRAME];
}

union grant_entry_v2 *grant_entry_2(const struct domain *d, grant_ref_t ref)
{
	const struct grant_table *gt = d->grant_table;
	union grant_entry_v2 *frame = frame_ptr(d, gt->frames[ref / GRANT_V2_PER_FRAME]);

	return &frame[ref % GRANT_V2_PER_FRAME];
}

struct grant_entry_header *grant_entry(const struct domain *d, grant_ref_t ref)
{
	if (d->grant_table->version == 1)
		return (struct grant_entry_header *)grant_entry_1(d, ref);
	return &grant_entry_2(d, ref)->hdr;
}

static size_t active_size(const struct grant_table *gt)
{
	return gt->max_frames * GRANT_V1_PER_FRAME * sizeof(struct active_grant);
}

static grant_status_t *status_2(const struct domain *d, grant_ref_t ref)
{
	const struct grant_table *gt = d->grant_table;
	grant_status_t *frame = frame_ptr(d, gt->status_frames[ref / GRANT_STATUS_PER_FRAME]);

	return &frame[ref % GRANT_STATUS_PER_FRAME];
}

uint16_t *grant_status(const struct domain *d, grant_ref_t ref)
{
	if (d->grant_table->version == 1)
		return &grant_entry_1(d, ref)->flags;
	return status_2(d, ref);
}

bool grant_is_pinned(const struct active_grant *act)
{
	uint32_t all;

	_Static_assert(sizeof(all) == sizeof(act->pins), "four counters");
	memcpy(&all, act->pins, sizeof(all));
	return all != 0;
}

const struct active_grant *grant_next_in_use(const struct domain *d, grant_ref_t *ref)
{
	const struct grant_table *gt = d->grant_table;

	for (; *ref < grant_nr_entries(gt); ++*ref)
		if (grant_is_pinned(&gt->active[*ref]))
			return &gt->active[*ref];
	return NULL;
}

static int status_grow(struct domain *d, unsigned nr)
{
	struct grant_table *gt = d->grant_table;

	for (; gt->nr_status_allocated < nr; gt->nr_status_allocated++) {
		uint64_t mfn = heap_alloc(d, 1, 1);

		if (mfn == INVALID_MFN)
			return -ENOMEM;
		gt->status_frames[gt->nr_status_allocated] = mfn;
	}
	for (; gt->nr_status_frames < nr; gt->nr_status_frames++) {
		uint64_t mfn = gt->status_frames[gt->nr_status_frames];

		memset(frame_ptr(d, mfn), 0, PAGE_SIZE);
		mm_share_heap(d, mfn, 1);
	}
	return 0;
}

/* The guest must have unmapped them all (Xen: gnttab_unpopulate_status_frames). */
static int status_drop(struct domain *d)
{
	struct grant_table *gt = d->grant_table;

	for (unsigned i = 0; i < gt->nr_status_frames; i++)
		if (d->pages[gt->status_frames[i]].refs)
			return -EBUSY;
	for (unsigned i = 0; i < gt->nr_status_frames; i++)
		d->pages[gt->status_frames[i]].flags &= ~PG_SHARED;
	gt->nr_status_frames = 0;
	return 0;
}

int grant_table_grow(struct domain *d, unsigned nr)
{
	struct grant_table *gt = d->grant_table;

	if (nr < gt->nr_frames)
		nr = gt->nr_frames;
	if (gt->version > 1) {
		int rc = status_grow(d, GRANT_STATUS_FRAMES(nr));

		if (rc)
			return rc;
	}
	for (; gt->nr_frames < nr; gt->nr_frames++) {
		uint64_t mfn = heap_alloc(d, 1, 1);

		if (mfn == INVALID_MFN)
			return -ENOMEM;
		mm_share_heap(d, mfn, 1);
		gt->frames[gt->nr_frames] = mfn;
	}
	return 0;
}

int grant_table_init(struct domain *d, const struct grant_limits *limits)
{
	bool old = d->profile->id < PROFILE_XEN_4_17;
	struct grant_table *gt = calloc(1, sizeof(*gt));
	struct grant_limits l = {GRANT_FRAMES_DEFAULT, MAPTRACK_FRAMES_DEFAULT, 2};

	if (!gt)
		return -ENOMEM;
	if (limits->frames)
		l = *limits;
	if (old)
		l = (struct grant_limits){GRANT_FRAMES_3_0, l.maptrack_frames, 1};
	gt->version = 1;
	gt->max_version = l.version;
	gt->max_frames = l.frames;
	/* One is always left. */
	gt->max_handles = l.maptrack_frames ? l.maptrack_frames * MAPTRACK_PER_FRAME - 1 : 0;
	gt->free_handle = UINT32_MAX;
	gt->frames = calloc(l.frames, sizeof(*gt->frames));
	gt->status_frames = calloc(GRANT_STATUS_FRAMES(l.frames), sizeof(*gt->status_frames));
	gt->active = mmap(NULL, active_size(gt), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	d->grant_table = gt;
	if (!gt->frames || !gt->status_frames || gt->active == MAP_FAILED)
		return -ENOMEM;
	return grant_table_grow(d, old ? GRANT_FRAMES_3_0 : GRANT_INITIAL_FRAMES);
}

void grant_table_destroy(struct domain *d)
{
	struct grant_table *gt = d->grant_table;

	if (!gt)
		return;
	if (gt->active != MAP_FAILED)
		munmap(gt->active, active_size(gt));
	free(gt->frames);
	free(gt->status_frames);
	free(gt->maptrack);
	free(gt);
	d->grant_table = NULL;
}

int grant_table_seed(struct domain *d, grant_ref_t ref, domid_t domid, uint64_t mfn)
{
	grant_entry_v1_t *e;

	if (ref >= GNTTAB_NR_RESERVED_ENTRIES || d->grant_table->version != 1)
		return -EINVAL;
	e = grant_entry_1(d, ref);
	e->frame = mfn;
	e->domid = domid;
	e->flags = GTF_permit_access;
	return 0;
}

/* The reserved entries survive a change of version; this is what they become. */
static void reserved_from_2(const struct domain *d, grant_entry_v1_t *save)
{
	memset(save, 0, GNTTAB_NR_RESERVED_ENTRIES * sizeof(*save));
	for (unsigned i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
		const union grant_entry_v2 *e = grant_entry_2(d, i);
		uint16_t flags = e->hdr.flags;

		if ((flags & GTF_type_mask) != GTF_permit_access)
			continue;
		save[i].flags = flags | *status_2(d, i);
		save[i].domid = e->hdr.domid;
		save[i].frame = e->full_page.frame;
	}
}

static void reserved_to_2(struct domain *d, const grant_entry_v1_t *save)
{
	const uint16_t in_use = GTF_reading | GTF_writing;

	for (unsigned i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
		union grant_entry_v2 *e = grant_entry_2(d, i);

		*status_2(d, i) = save[i].flags & in_use;
		e->hdr.flags = save[i].flags & ~in_use;
		e->hdr.domid = save[i].domid;
		e->full_page.frame = save[i].frame;
	}
}

/* Version 1 has no transitive grants and 32 bits for a frame. */
static bool reserved_fit_1(const struct domain *d)
{
	for (unsigned i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
		const union grant_entry_v2 *e = grant_entry_2(d, i);

		switch (e->hdr.flags & GTF_type_mask) {
		case GTF_permit_access:
			if (e->full_page.frame >> 32)
				return false;
			break;
		case GTF_transitive:
			return false;
		}
	}
	return true;
}

int grant_table_set_version(struct domain *d, unsigned version)
{
	struct grant_table *gt = d->grant_table;
	grant_entry_v1_t save[GNTTAB_NR_RESERVED_ENTRIES];
	int rc;

	if (version != 1 && version != 2)
		return -EINVAL;
	if (version > gt->max_version)
		return -ENOSYS;
	if (version == gt->version)
		return 0;
	for (unsigned i = GNTTAB_NR_RESERVED_ENTRIES; i < grant_nr_entries(gt); i++)
		if (grant_is_pinned(&gt->active[i]))
			return -EBUSY;
	if (version == 2) {
		rc = status_grow(d, GRANT_STATUS_FRAMES(gt->nr_frames));
		if (rc)
			return rc;
		memcpy(save, grant_entry_1(d, 0), sizeof(save));
	} else {
		if (!reserved_fit_1(d))
			return -ERANGE;
		reserved_from_2(d, save);
		rc = status_drop(d);
		if (rc)
			return rc;
	}
	for (unsigned i = 0; i < gt->nr_frames; i++)
		memset(frame_ptr(d, gt->frames[i]), 0, PAGE_SIZE);
	gt->version = version;
	if (version == 1)
		memcpy(grant_entry_1(d, 0), save, sizeof(save));
	else
		reserved_to_2(d, save);
	return 0;
}
