/*
 * Using a grant: from the guest's entry to a pinned active entry and back, and
 * what backends do with it. Xen: common/grant_table.c, _set_status_v1/_v2,
 * acquire_grant_for_copy, map_grant_ref, reduce_status_for_pin.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/fault.h"
#include "pvabi/grant_table.h"
#include "pvabi/mm.h"

/* The guest may change its entry as we set flags in it; it gets as many chances as
 * with Xen. */
#define MAX_TRIES 5

#define KEEP_NS 100000000 /* what a fault makes a backend hold */

enum grant_peer grant_peer(const struct domain *d, domid_t domid, bool self_alias)
{
	if (domid == d->domid || (self_alias && domid == DOMID_SELF))
		return PEER_SELF;
	return domid == 0 ? PEER_DOM0 : PEER_NONE;
}

int grant_dom0_status(grant_ref_t ref)
{
	return ref < GRANT_INITIAL_FRAMES * GRANT_V1_PER_FRAME ? GNTST_general_error
							       : GNTST_bad_gntref;
}

union grant_header_word grant_header_read(const struct grant_entry_header *h)
{
	union grant_header_word w;

	w.raw = __atomic_load_n((const uint32_t *)(const void *)h, __ATOMIC_SEQ_CST);
	return w;
}

bool grant_header_cmpxchg(struct grant_entry_header *h, union grant_header_word *old,
			  union grant_header_word new)
{
	return __atomic_compare_exchange_n((uint32_t *)(void *)h, &old->raw, new.raw, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static bool is_readonly(enum grant_pin pin)
{
	return pin == PIN_HOST_RO || pin == PIN_DEV_RO;
}

static bool pinned_writable(const struct active_grant *act)
{
	return act->pins[PIN_HOST_RW] || act->pins[PIN_DEV_RW];
}

/* Beside the guest, which changes other bits of the same word. */
static void clear_flags(uint16_t *word, uint16_t flags)
{
	__atomic_fetch_and(word, (uint16_t)~flags, __ATOMIC_SEQ_CST);
}

/* Does the entry grant this at all? Only asked while nobody holds it. */
static bool entry_permits(union grant_header_word w, domid_t user, bool copy, unsigned version)
{
	uint16_t mask = GTF_type_mask | (copy ? 0 : GTF_sub_page);
	uint16_t type = w.flags & mask;

	if (w.domid != user)
		return false;
	return type == GTF_permit_access || (version == 2 && copy && type == GTF_transitive);
}

/* Version 1: "in use" goes into the entry's own flags, in one step with the check. */
static int set_status_1(struct grant_entry_header *h, bool pinned, domid_t user, bool readonly,
			bool copy)
{
	union grant_header_word old = grant_header_read(h), new;

	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (!pinned && !entry_permits(old, user, copy, 1))
			return GNTST_general_error;
		if (!readonly && old.flags & GTF_readonly)
			return GNTST_general_error;
		new = old;
		new.flags |= GTF_reading | (readonly ? 0 : GTF_writing);
		if (grant_header_cmpxchg(h, &old, new))
			return GNTST_okay;
	}
	return GNTST_general_error;
}

/* Version 2: status first, then the entry must still be what it was. */
static int set_status_2(struct grant_entry_header *h, uint16_t *status, bool pinned, domid_t user,
			bool readonly, bool copy)
{
	union grant_header_word w = grant_header_read(h);

	if (!pinned && !entry_permits(w, user, copy, 2))
		return GNTST_general_error;
	if (!readonly && w.flags & GTF_readonly)
		return GNTST_general_error;
	__atomic_fetch_or(status, GTF_reading | (readonly ? 0 : GTF_writing), __ATOMIC_SEQ_CST);
	w = grant_header_read(h);
	if (!pinned) {
		if (!entry_permits(w, user, copy, 2) || (!readonly && w.flags & GTF_readonly)) {
			clear_flags(status, GTF_reading | GTF_writing);
			return GNTST_general_error;
		}
	} else if (w.flags & GTF_readonly) {
		clear_flags(status, GTF_writing);
		return GNTST_general_error;
	}
	return GNTST_okay;
}

static void reduce_status(struct domain *d, grant_ref_t ref, bool readonly)
{
	const struct active_grant *act = &d->grant_table->active[ref];
	uint16_t clear = 0;

	if (!grant_is_pinned(act))
		clear |= GTF_reading;
	if (!readonly && !pinned_writable(act))
		clear |= GTF_writing;
	if (clear)
		clear_flags(grant_status(d, ref), clear);
}

/* Frame and part of it that the guest's entry names, read once. */
static int fill_active(struct domain *d, grant_ref_t ref, domid_t user, bool copy,
		       struct active_grant *act)
{
	struct active_grant new = {.domid = user, .length = PAGE_SIZE};

	if (d->grant_table->version == 1) {
		new.mfn = *(volatile uint32_t *)&grant_entry_1(d, ref)->frame;
	} else {
		union grant_entry_v2 e;

		memcpy(&e, grant_entry_2(d, ref), sizeof(e));
		if ((e.hdr.flags & GTF_type_mask) == GTF_transitive) {
			/* Granted on from another domain's grant: of its own it may not,
			 * and nobody else grants it anything. */
			if (grant_peer(d, e.transitive.trans_domid, false) == PEER_DOM0)
				return grant_dom0_status(e.transitive.gref);
			return GNTST_general_error;
		}
		new.mfn = e.full_page.frame;
		if (copy && e.hdr.flags & GTF_sub_page) {
			new.mfn = e.sub_page.frame;
			new.is_sub_page = true;
			new.start = e.sub_page.page_off;
			new.length = e.sub_page.length;
		}
	}
	if (!mm_page_of_guest(d, new.mfn))
		return GNTST_bad_page;
	*act = new;
	return GNTST_okay;
}

int grant_acquire(struct domain *d, grant_ref_t ref, domid_t user, enum grant_pin pin, bool copy,
		  struct active_grant **out)
{
	struct grant_table *gt = d->grant_table;
	bool readonly = is_readonly(pin);
	struct active_grant *act;
	bool pinned;
	int rc;

	if (ref >= grant_nr_entries(gt))
		return GNTST_bad_gntref;
	act = &gt->active[ref];
	pinned = grant_is_pinned(act);
	if (pinned &&
	    (act->domid != user || act->pins[pin] >= GRANT_PIN_MAX || (!copy && act->is_sub_page)))
		return GNTST_general_error;
	if (!pinned || (!readonly && !pinned_writable(act))) {
		struct grant_entry_header *h = grant_entry(d, ref);

		rc = gt->version == 1
			     ? set_status_1(h, pinned, user, readonly, copy)
			     : set_status_2(h, grant_status(d, ref), pinned, user, readonly, copy);
		if (rc)
			return rc;
		if (!pinned)
			rc = fill_active(d, ref, user, copy, act);
		if (rc) {
			reduce_status(d, ref, readonly);
			return rc;
		}
		/* A copy is over before anybody could ask. */
		if (!pinned && !copy)
			act->since = host_of(d)->system_time(d);
	}
	act->pins[pin]++;
	*out = act;
	return GNTST_okay;
}

void grant_release(struct domain *d, grant_ref_t ref, enum grant_pin pin)
{
	struct active_grant *act = &d->grant_table->active[ref];

	if (act->pins[pin])
		act->pins[pin]--;
	reduce_status(d, ref, is_readonly(pin));
}

static void frame_put(struct domain *d, uint64_t mfn, bool readonly)
{
	if (readonly)
		mm_page_put(d, mfn);
	else
		mm_put_page_and_type(d, mfn);
}

/* Readers need the frame to stay the guest's; writers, that it is no page table. */
static int frame_get(struct domain *d, uint64_t mfn, bool readonly)
{
	if (readonly)
		return mm_page_get(d, mfn) ? GNTST_okay : GNTST_general_error;
	return mm_get_page_and_type(d, mfn, PGT_WRITABLE) ? GNTST_general_error : GNTST_okay;
}

static enum grant_pin host_pin(bool readonly)
{
	return readonly ? PIN_HOST_RO : PIN_HOST_RW;
}

/* What a guest does that ends an access which is still wanted, as after a double free. What is
 * mapped already stays so, as on Xen. */
static void revoke(struct domain *d, grant_ref_t ref)
{
	domain_lock(d);
	if (ref < grant_nr_entries(d->grant_table))
		__atomic_store_n(&grant_entry(d, ref)->flags, GTF_invalid, __ATOMIC_SEQ_CST);
	domain_unlock(d);
}

void *grant_backend_map(struct domain *d, grant_ref_t ref, bool readonly, int *status)
{
	struct active_grant *act;
	void *p = NULL;
	struct fault f;

	if (FAULT_AT(d, grant_map, &f, ref, readonly, 0)) {
		if (f.kind == FAULT_DELAY) {
			fault_wait(d, &f);
		} else if (f.kind == FAULT_REVOKE) {
			revoke(d, ref);
		} else {
			*status = (int)fault_value(&f, GNTST_general_error);
			return NULL;
		}
	}
	domain_lock(d);
	*status = grant_acquire(d, ref, 0, host_pin(readonly), false, &act);
	if (*status == GNTST_okay) {
		*status = frame_get(d, act->mfn, readonly);
		if (*status == GNTST_okay)
			p = frame_ptr(d, act->mfn);
		else
			grant_release(d, ref, host_pin(readonly));
	}
	domain_unlock(d);
	PROBE_HIT(d, grant_map, ref, readonly, (uint64_t)*status);
	return p;
}

void grant_backend_release(struct domain *d, grant_ref_t ref, bool readonly)
{
	struct grant_table *gt = d->grant_table;

	PROBE_HIT(d, grant_unmap, ref, readonly);
	domain_lock(d);
	if (ref < grant_nr_entries(gt) && gt->active[ref].pins[host_pin(readonly)]) {
		frame_put(d, gt->active[ref].mfn, readonly);
		grant_release(d, ref, host_pin(readonly));
	}
	domain_unlock(d);
}

static bool release_later(struct domain *d, grant_ref_t ref, bool readonly, const struct fault *f)
{
	return d->fault_host->release_later(d->fault_host, ref, readonly,
					    (uint64_t)fault_value(f, KEEP_NS));
}

void grant_backend_unmap(struct domain *d, grant_ref_t ref, bool readonly)
{
	struct fault f;

	if (!FAULT_AT(d, grant_unmap, &f, ref, readonly) || !release_later(d, ref, readonly, &f))
		grant_backend_release(d, ref, readonly);
}

static int backend_copy(struct domain *d, grant_ref_t ref, unsigned offset, void *buf, unsigned len,
			bool to_guest)
{
	enum grant_pin pin = host_pin(!to_guest);
	struct active_grant *act;
	struct fault f;
	bool keep = false, kept = false;
	int rc;

	if (offset > PAGE_SIZE || len > PAGE_SIZE - offset)
		return GNTST_bad_copy_arg;
	if (FAULT_AT(d, grant_copy, &f, ref, offset, len, to_guest, 0)) {
		if (f.kind == FAULT_FAIL)
			return (int)fault_value(&f, GNTST_general_error);
		if (f.kind == FAULT_REVOKE)
			revoke(d, ref);
		else if (f.kind == FAULT_DELAY)
			fault_wait(d, &f);
		keep = f.kind == FAULT_KEEP;
	}
	domain_lock(d);
	rc = grant_acquire(d, ref, 0, pin, true, &act);
	if (rc == GNTST_okay) {
		uint64_t mfn = act->mfn;

		rc = frame_get(d, mfn, !to_guest);
		if (rc == GNTST_okay) {
			uint8_t *p = (uint8_t *)frame_ptr(d, mfn) + offset;

			if (offset < act->start || offset + len > act->start + act->length)
				rc = GNTST_general_error;
			else if (to_guest)
				memcpy(p, buf, len);
			else
				memcpy(buf, p, len);
			kept = keep && rc == GNTST_okay;
			if (kept)
				act->since = host_of(d)->system_time(d);
			else
				frame_put(d, mfn, !to_guest);
		}
		if (!kept)
			grant_release(d, ref, pin);
	}
	domain_unlock(d);
	if (kept && !release_later(d, ref, !to_guest, &f))
		grant_backend_release(d, ref, !to_guest);
	PROBE_HIT(d, grant_copy, ref, offset, len, to_guest, (uint64_t)rc);
	return rc;
}

int grant_backend_copy_from(struct domain *d, void *dst, grant_ref_t ref, unsigned offset,
			    unsigned len)
{
	return backend_copy(d, ref, offset, dst, len, false);
}

int grant_backend_copy_to(struct domain *d, grant_ref_t ref, unsigned offset, const void *src,
			  unsigned len)
{
	return backend_copy(d, ref, offset, (void *)src, len, true);
}
