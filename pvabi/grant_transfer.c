/*
 * GNTTABOP_transfer: giving a frame away. Xen: common/grant_table.c,
 * gnttab_transfer. Once the frame has been taken from its owner it is gone,
 * whether or not the receiver could be given it.
 */
#include "pvabi/grant_table.h"
#include "pvabi/m2p.h"
#include "pvabi/mm.h"

#define MAX_TRIES 5

/* Nobody maps or uses it, and it is RAM (Xen: steal_page). */
static bool frame_can_go(const struct domain *d, uint64_t mfn)
{
	const struct page_info *p = mfn < d->nr_ram ? mm_page_of_guest(d, mfn) : NULL;

	return p && !p->refs && !p->type_count && !(p->flags & PG_PINNED);
}

/* The receiver's entry is committed to taking the frame. */
static bool entry_commit(struct domain *d, grant_ref_t ref)
{
	struct grant_entry_header *h;
	union grant_header_word old, new;

	if (ref >= grant_nr_entries(d->grant_table))
		return false;
	h = grant_entry(d, ref);
	old = grant_header_read(h);
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (old.flags != GTF_accept_transfer || old.domid != d->domid)
			return false;
		new = old;
		new.flags |= GTF_transfer_committed;
		if (grant_header_cmpxchg(h, &old, new))
			return true;
	}
	return false;
}

/* To itself: the frame comes back under the frame number of the entry. */
static void entry_complete(struct domain *d, grant_ref_t ref, uint64_t mfn)
{
	struct grant_entry_header *h = grant_entry(d, ref);

	if (d->grant_table->version == 1) {
		grant_entry_v1_t *e = grant_entry_1(d, ref);

		m2p_set(d, mfn, e->frame);
		e->frame = mfn;
	} else {
		union grant_entry_v2 *e = grant_entry_2(d, ref);

		m2p_set(d, mfn, e->full_page.frame);
		e->full_page.frame = mfn;
	}
	__atomic_fetch_or(&h->flags, GTF_transfer_completed, __ATOMIC_SEQ_CST);
}

void grant_transfer(struct vcpu *v, struct gnttab_transfer *op)
{
	struct domain *d = v->domain;

	if (!frame_can_go(d, op->mfn)) {
		op->status = GNTST_bad_page;
		return;
	}
	mm_tlb_flush(d, ~0u, ~0ull);
	switch (grant_peer(d, op->domid, false)) {
	case PEER_SELF:
		if (entry_commit(d, op->ref)) {
			entry_complete(d, op->ref, op->mfn);
			op->status = GNTST_okay;
			return;
		}
		op->status = GNTST_general_error;
		break;
	case PEER_DOM0:
		/* It has no entry that accepts one. */
		op->status = GNTST_general_error;
		break;
	case PEER_NONE:
		op->status = GNTST_bad_domain;
		break;
	}
	mm_free_frame(d, op->mfn);
}
