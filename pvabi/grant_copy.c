/*
 * GNTTABOP_copy: between frames and grants. Xen: common/grant_table.c,
 * gnttab_copy_one and what it calls; the checks come in its order.
 */
#include <string.h>

#include "pvabi/grant_table.h"
#include "pvabi/mm.h"

/* One end of a copy, held while it lasts. */
struct copy_end {
	bool is_grant, writable;
	grant_ref_t ref;
	uint64_t mfn;
	unsigned start, length; /* the part of the frame that may be used */
};

/* Frames by number are for the caller's own only. */
static int end_domain(const struct domain *d, const struct gnttab_copy_ptr *p, bool is_grant,
		      enum grant_peer *peer)
{
	if (p->domid != DOMID_SELF && !is_grant)
		return GNTST_permission_denied;
	*peer = grant_peer(d, p->domid, true);
	return *peer == PEER_NONE ? GNTST_bad_domain : GNTST_okay;
}

static void end_release(struct domain *d, const struct copy_end *e)
{
	if (e->writable)
		mm_put_page_and_type(d, e->mfn);
	else
		mm_page_put(d, e->mfn);
	if (e->is_grant)
		grant_release(d, e->ref, e->writable ? PIN_HOST_RW : PIN_HOST_RO);
}

static int end_claim(struct domain *d, const struct gnttab_copy_ptr *p, enum grant_peer peer,
		     struct copy_end *e)
{
	enum grant_pin pin = e->writable ? PIN_HOST_RW : PIN_HOST_RO;
	struct active_grant *act;
	int rc;

	if (e->is_grant) {
		if (peer == PEER_DOM0)
			return grant_dom0_status(p->u.ref);
		e->ref = p->u.ref;
		rc = grant_acquire(d, e->ref, d->domid, pin, true, &act);
		if (rc)
			return rc;
		e->mfn = act->mfn;
		e->start = act->start;
		e->length = act->length;
	} else {
		e->mfn = p->u.gmfn;
		e->length = PAGE_SIZE;
		if (!mm_page_of_guest(d, e->mfn))
			return GNTST_bad_page;
	}
	if (e->writable ? mm_get_page_and_type(d, e->mfn, PGT_WRITABLE) == 0
			: mm_page_get(d, e->mfn) != NULL)
		return GNTST_okay;
	if (e->is_grant)
		grant_release(d, e->ref, pin);
	return GNTST_general_error;
}

static bool end_in_bounds(const struct copy_end *e, unsigned offset, unsigned len)
{
	return offset >= e->start && offset + len <= e->start + e->length;
}

static int copy_between(struct domain *d, const struct gnttab_copy *op, const struct copy_end *src,
			const struct copy_end *dst)
{
	if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	if (!end_in_bounds(src, op->source.offset, op->len) ||
	    !end_in_bounds(dst, op->dest.offset, op->len))
		return GNTST_general_error;
	memmove((uint8_t *)frame_ptr(d, dst->mfn) + op->dest.offset,
		(uint8_t *)frame_ptr(d, src->mfn) + op->source.offset, op->len);
	return GNTST_okay;
}

static int copy_one(struct domain *d, const struct gnttab_copy *op)
{
	struct copy_end src = {.is_grant = op->flags & GNTCOPY_source_gref};
	struct copy_end dst = {.is_grant = op->flags & GNTCOPY_dest_gref, .writable = true};
	enum grant_peer src_peer, dst_peer;
	int rc;

	rc = end_domain(d, &op->source, src.is_grant, &src_peer);
	if (!rc)
		rc = end_domain(d, &op->dest, dst.is_grant, &dst_peer);
	if (!rc)
		rc = end_claim(d, &op->source, src_peer, &src);
	if (rc)
		return rc;
	rc = end_claim(d, &op->dest, dst_peer, &dst);
	if (!rc) {
		rc = copy_between(d, op, &src, &dst);
		end_release(d, &dst);
	}
	end_release(d, &src);
	return rc;
}

void grant_copy(struct vcpu *v, struct gnttab_copy *op)
{
	op->status = copy_one(v->domain, op);
}
