/*
 * Page references and page types: see mm.h.
 */
#include <errno.h>

#include "pvabi/mm.h"

void mm_share_heap(struct domain *d, uint64_t mfn, uint64_t nr)
{
	for (uint64_t i = mfn; i < mfn + nr && i < d->nr_frames; i++)
		if (i >= d->heap_start)
			shared(d->pages)[i].flags |= PG_SHARED;
}

struct page_info *mm_page_of_guest(const struct domain *d, uint64_t mfn)
{
	if (mfn < d->ram_used)
		return shared(d->pages)[mfn].flags & PG_FREE || mfn - d->hole_start < d->hole_frames
			       ? NULL
			       : &shared(d->pages)[mfn];
	if (mfn >= d->heap_start && mfn < d->nr_frames && shared(d->pages)[mfn].flags & PG_SHARED)
		return &shared(d->pages)[mfn];
	return NULL;
}

struct page_info *mm_page_get(struct domain *d, uint64_t mfn)
{
	struct page_info *p = mm_page_of_guest(d, mfn);

	if (!p || p->refs == UINT32_MAX)
		return NULL;
	p->refs++;
	return p;
}

void mm_page_put(struct domain *d, uint64_t mfn)
{
	struct page_info *p = &shared(d->pages)[mfn];

	if (p->refs && !--p->refs && p->flags & PG_GIVEN_BACK)
		mm_frame_unused(d, mfn);
}

static bool is_table(enum page_type type)
{
	return type >= PGT_L1 && type <= PGT_L4;
}

/* Every descriptor of the page must be one that a guest may have
 * (Xen: validate_segdesc_page). */
static int validate_segdesc(struct domain *d, uint64_t mfn)
{
	uint64_t *desc = frame_ptr(d, mfn);

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		if (mm_check_descriptor(&desc[i]))
			return -EINVAL;
	return 0;
}

/* The first reference of a type. */
static int become(struct domain *d, uint64_t mfn, enum page_type type)
{
	struct page_info *p = &shared(d->pages)[mfn];
	uint32_t stamp = p->tlb_stamp;
	int rc = 0;

	/* A frame of Xen's can be mapped, never be a table. */
	if (mfn >= d->heap_start && type != PGT_WRITABLE)
		return -EINVAL;
	if (p->type != type)
		mm_tlb_flush_since(d, stamp);
	p->type = type;
	p->type_count = 1;
	p->linear_in = p->linear_out = 0;
	if (is_table(type)) {
		p->flags |= PG_VALIDATING;
		rc = mm_table_validate(d, mfn, type);
		p->flags &= ~PG_VALIDATING;
	} else if (type == PGT_SEGDESC) {
		rc = validate_segdesc(d, mfn);
	}
	if (rc) {
		p->type = PGT_NONE;
		p->type_count = 0;
		p->tlb_stamp = stamp;
	}
	return rc;
}

int mm_type_get(struct domain *d, uint64_t mfn, enum page_type type)
{
	struct page_info *p = &shared(d->pages)[mfn];

	if (!p->type_count)
		return become(d, mfn, type);
	/* Xen: _get_page_type refuses another type, and a table that is still being
	 * validated (a cycle among its own entries). */
	if (p->type != type || p->flags & PG_VALIDATING || p->type_count == UINT32_MAX)
		return -EINVAL;
	p->type_count++;
	return 0;
}

void mm_type_put(struct domain *d, uint64_t mfn)
{
	struct page_info *p = &shared(d->pages)[mfn];

	if (!p->type_count || --p->type_count)
		return;
	if (is_table(p->type))
		mm_table_invalidate(d, mfn, p->type);
	p->tlb_stamp = mm_tlb_stamp(d);
}

int mm_get_page_and_type(struct domain *d, uint64_t mfn, enum page_type type)
{
	struct page_info *p = mm_page_get(d, mfn);

	if (!p)
		return -EINVAL;
	int rc = mm_type_get(d, mfn, type);
	if (rc)
		mm_page_put(d, mfn);
	return rc;
}

void mm_put_page_and_type(struct domain *d, uint64_t mfn)
{
	mm_type_put(d, mfn);
	mm_page_put(d, mfn);
}

int mm_get_l4(struct domain *d, uint64_t mfn)
{
	return mm_get_page_and_type(d, mfn, PGT_L4);
}

void mm_put_l4(struct domain *d, uint64_t mfn)
{
	mm_put_page_and_type(d, mfn);
}

int mm_get_descriptor_page(struct domain *d, uint64_t mfn)
{
	return mm_get_page_and_type(d, mfn, PGT_SEGDESC);
}

void mm_put_descriptor_page(struct domain *d, uint64_t mfn)
{
	mm_put_page_and_type(d, mfn);
}

int mm_boot_tables(struct vcpu *v, uint64_t mfn)
{
	struct domain *d = shared(v->domain);
	int rc = mm_get_page_and_type(d, mfn, PGT_L4);

	if (rc)
		return rc;
	/* As libxc does (xg_dom_x86.c: pin_table). */
	shared(d->pages)[mfn].flags |= PG_PINNED;
	return 0;
}

int mm_foreign_domain(const struct domain *d, uint32_t domid)
{
	if (domid == DOMID_SELF)
		return 0;
	/* Those of which Xen knows that they exist; there is no other domain here, and
	 * this one has no rights to them (xsm/dummy.h: XSM_TARGET). */
	return domid == DOMID_IO || domid == DOMID_XEN || (domid == 0 && d->domid) ? -EPERM
										   : -ESRCH;
}

int mm_any_domain(const struct domain *d, domid_t domid)
{
	if (domid == DOMID_SELF || domid == d->domid)
		return 0;
	return domid == 0 ? -EPERM : -ESRCH;
}
