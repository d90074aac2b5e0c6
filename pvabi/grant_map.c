/*
 * Mapping grants into the guest's own page tables. Xen: common/grant_table.c,
 * map_grant_ref, unmap_common; arch/x86/pv/grant_table.c.
 *
 * A lone domain can map what it granted to itself; the mapping machinery is
 * written for any granting domain all the same.
 */
#include <stdlib.h>

#include "pvabi/grant_table.h"
#include "pvabi/mm.h"

#define NO_HANDLE UINT32_MAX

/* ---- handles ---- */

static uint32_t handle_get(struct grant_table *gt)
{
	uint32_t h = gt->free_handle;

	if (h != NO_HANDLE) {
		gt->free_handle = gt->maptrack[h].next_free;
		return h;
	}
	if (gt->nr_handles == gt->handles_allocated) {
		uint32_t more =
			gt->handles_allocated ? 2 * gt->handles_allocated : MAPTRACK_PER_FRAME;
		struct grant_mapping *m;

		if (more > gt->max_handles)
			more = gt->max_handles;
		if (more == gt->handles_allocated)
			return NO_HANDLE;
		m = realloc(gt->maptrack, more * sizeof(*m));
		if (!m)
			return NO_HANDLE;
		gt->maptrack = m;
		gt->handles_allocated = more;
	}
	h = gt->nr_handles++;
	gt->maptrack[h] = (struct grant_mapping){0};
	return h;
}

static void handle_put(struct grant_table *gt, uint32_t h)
{
	gt->maptrack[h].flags = 0;
	gt->maptrack[h].next_free = gt->free_handle;
	gt->free_handle = h;
}

/* ---- the L1 entry that is to hold a mapping ---- */

struct l1_slot {
	uint64_t mfn;
	unsigned slot;
};

/* `addr` is the entry's machine address with GNTMAP_contains_pte, else the linear
 * address that the entry maps. The frame must be in use as an L1 table. */
static bool l1_slot_find(struct vcpu *v, uint64_t addr, bool is_pte, struct l1_slot *s)
{
	struct domain *d = v->domain;
	uint64_t maddr = addr;

	if (!is_pte) {
		struct guest_walk w;

		if (!guest_addr_ok(addr) || !guest_walk_l1(d, vcpu_l4(v), addr, &w))
			return false;
		maddr = w.pte_maddr;
	}
	if (maddr & 7)
		return false;
	s->mfn = maddr >> PAGE_SHIFT;
	s->slot = (maddr & ~PAGE_MASK) / 8;
	return mm_page_of_guest(d, s->mfn) && d->pages[s->mfn].type_count &&
	       d->pages[s->mfn].type == PGT_L1;
}

static uint64_t l1_slot_read(struct domain *d, const struct l1_slot *s)
{
	return ((uint64_t *)frame_ptr(d, s->mfn))[s->slot];
}

static uint64_t grant_pte(uint64_t mfn, uint32_t flags)
{
	uint64_t pte = mfn * PAGE_SIZE | PTE_P | PTE_A | PTE_D | PTE_NX;

	if (flags & GNTMAP_application_map)
		pte |= PTE_US;
	if (!(flags & GNTMAP_readonly))
		pte |= PTE_RW;
	/* The guest's own three bits of the entry: XENFEAT_gnttab_map_avail_bits. */
	return pte | ((uint64_t)(flags >> _GNTMAP_guest_avail0) << 9 & PTE_AVAIL);
}

static int pte_install(struct vcpu *v, uint64_t addr, uint64_t mfn, uint32_t flags)
{
	struct l1_slot s;

	if (!l1_slot_find(v, addr, flags & GNTMAP_contains_pte, &s) ||
	    mm_entry_update(v, s.mfn, s.slot, 1, grant_pte(mfn, flags), PTE_SET))
		return GNTST_general_error;
	return GNTST_okay;
}

/* Takes the entry that maps `linear` out of its table; what it refers to stays
 * referenced for the caller. */
static bool pte_steal(struct vcpu *v, uint64_t linear, uint64_t *pte)
{
	struct l1_slot s;

	if (!l1_slot_find(v, linear, false, &s))
		return false;
	*pte = l1_slot_read(v->domain, &s);
	if (*pte & PTE_P && mm_l1e_get(v->domain, *pte) < 0)
		return false;
	if (mm_entry_update(v, s.mfn, s.slot, 1, 0, PTE_SET)) {
		mm_l1e_put(v->domain, *pte);
		return false;
	}
	return true;
}

/* Ends the mapping at addr, or puts the one at new_addr (not 0) in its place. */
static int pte_replace(struct vcpu *v, uint64_t addr, uint64_t mfn, uint64_t new_addr,
		       uint32_t flags)
{
	const uint64_t must_match = PTE_ADDR | PTE_P | PTE_RW;
	struct domain *d = v->domain;
	int rc = GNTST_general_error;
	struct l1_slot s;
	uint64_t new = 0;

	if (new_addr && (flags & GNTMAP_contains_pte || !pte_steal(v, new_addr, &new)))
		return rc;
	if (l1_slot_find(v, addr, flags & GNTMAP_contains_pte, &s) &&
	    !((l1_slot_read(d, &s) ^ grant_pte(mfn, flags)) & must_match) &&
	    !mm_entry_update(v, s.mfn, s.slot, 1, new, PTE_SET))
		rc = GNTST_okay;
	mm_l1e_put(d, new);
	return rc;
}

/* ---- map ---- */

struct map_pins {
	enum grant_pin host, dev;
};

static struct map_pins pins_of(uint32_t flags)
{
	if (flags & GNTMAP_readonly)
		return (struct map_pins){PIN_HOST_RO, PIN_DEV_RO};
	return (struct map_pins){PIN_HOST_RW, PIN_DEV_RW};
}

static int frame_hold(struct domain *d, uint64_t mfn, uint32_t flags)
{
	if (flags & GNTMAP_readonly)
		return mm_page_get(d, mfn) ? GNTST_okay : GNTST_general_error;
	return mm_get_page_and_type(d, mfn, PGT_WRITABLE) ? GNTST_general_error : GNTST_okay;
}

static void frame_drop(struct domain *d, uint64_t mfn, uint32_t flags)
{
	if (flags & GNTMAP_readonly)
		mm_page_put(d, mfn);
	else
		mm_put_page_and_type(d, mfn);
}

/* One way of using the grant: pinned, and the frame held. */
static int use_begin(struct vcpu *v, const struct gnttab_map_grant_ref *op, enum grant_pin pin,
		     uint64_t *mfn)
{
	struct domain *d = v->domain;
	struct active_grant *act;
	int rc = grant_acquire(d, op->ref, d->domid, pin, false, &act);

	if (rc)
		return rc;
	*mfn = act->mfn;
	rc = frame_hold(d, *mfn, op->flags);
	if (rc)
		grant_release(d, op->ref, pin);
	return rc;
}

static void use_end(struct vcpu *v, grant_ref_t ref, uint64_t mfn, enum grant_pin pin,
		    uint32_t flags)
{
	frame_drop(v->domain, mfn, flags);
	grant_release(v->domain, ref, pin);
}

static int map_self(struct vcpu *v, const struct gnttab_map_grant_ref *op, uint64_t *mfn)
{
	struct map_pins pins = pins_of(op->flags);
	int rc = GNTST_okay;

	if (op->flags & GNTMAP_device_map) {
		rc = use_begin(v, op, pins.dev, mfn);
		if (rc)
			return rc;
	}
	if (op->flags & GNTMAP_host_map) {
		rc = use_begin(v, op, pins.host, mfn);
		if (!rc) {
			rc = pte_install(v, op->host_addr, *mfn, op->flags);
			if (rc)
				use_end(v, op->ref, *mfn, pins.host, op->flags);
		}
		if (rc && op->flags & GNTMAP_device_map)
			use_end(v, op->ref, *mfn, pins.dev, op->flags);
	}
	return rc;
}

void grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op)
{
	struct grant_table *gt = v->domain->grant_table;
	uint32_t handle;
	uint64_t mfn;

	if (!(op->flags & (GNTMAP_device_map | GNTMAP_host_map))) {
		op->status = GNTST_bad_gntref;
		return;
	}
	/* By number, DOMID_SELF is nobody here. */
	switch (grant_peer(v->domain, op->dom, false)) {
	case PEER_NONE:
		op->status = GNTST_bad_domain;
		return;
	case PEER_DOM0:
		op->status = grant_dom0_status(op->ref);
		return;
	case PEER_SELF:
		break;
	}
	handle = handle_get(gt);
	if (handle == NO_HANDLE) {
		op->status = GNTST_no_space;
		return;
	}
	op->status = map_self(v, op, &mfn);
	if (op->status != GNTST_okay) {
		handle_put(gt, handle);
		return;
	}
	gt->maptrack[handle] = (struct grant_mapping){
		.domid = op->dom,
		.ref = op->ref,
		.flags = op->flags,
	};
	op->dev_bus_addr = mfn * PAGE_SIZE;
	op->handle = handle;
}

/* ---- unmap ---- */

static int unmap_common(struct vcpu *v, grant_handle_t handle, uint64_t host_addr,
			uint64_t new_addr, uint64_t dev_bus_addr)
{
	struct domain *d = v->domain;
	struct grant_table *gt = d->grant_table;
	struct grant_mapping *map;
	uint64_t mfn;
	int rc;

	if (handle >= gt->nr_handles || !gt->maptrack[handle].flags)
		return GNTST_bad_handle;
	map = &gt->maptrack[handle];
	if (map->ref >= grant_nr_entries(gt))
		return GNTST_bad_handle;
	mfn = gt->active[map->ref].mfn;
	if (dev_bus_addr && map->flags & GNTMAP_device_map && dev_bus_addr != mfn * PAGE_SIZE)
		return GNTST_bad_dev_addr;
	if (host_addr && map->flags & GNTMAP_host_map) {
		rc = pte_replace(v, host_addr, mfn, new_addr, map->flags);
		if (rc)
			return rc;
		mm_tlb_flush(d, ~0u, ~0ull);
		use_end(v, map->ref, mfn, pins_of(map->flags).host, map->flags);
		map->flags &= ~GNTMAP_host_map;
	}
	if (dev_bus_addr && map->flags & GNTMAP_device_map) {
		use_end(v, map->ref, mfn, pins_of(map->flags).dev, map->flags);
		map->flags &= ~GNTMAP_device_map;
	}
	if (!(map->flags & (GNTMAP_device_map | GNTMAP_host_map)))
		handle_put(gt, handle);
	return GNTST_okay;
}

void grant_unmap(struct vcpu *v, struct gnttab_unmap_grant_ref *op)
{
	op->status = unmap_common(v, op->handle, op->host_addr, 0, op->dev_bus_addr);
}

void grant_unmap_and_replace(struct vcpu *v, struct gnttab_unmap_and_replace *op)
{
	op->status = unmap_common(v, op->handle, op->host_addr, op->new_addr, 0);
}
