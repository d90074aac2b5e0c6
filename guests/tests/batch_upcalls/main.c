/*
 * Hypercalls that work on a list are interrupted between two of its entries when an
 * event can be delivered, and continue with the rest, alone as in a multicall. So
 * an event never waits for more than one entry; and the callback may find a list half
 * done, with the arguments of the call changed to what is left.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Upcalls in the middle of hypercalls on lists";

#define NR    4
#define AVAIL (1ul << 9) /* of a page-table entry: the guest's own */

static uint8_t *pages[NR];
static uint32_t pdone;
static struct frame seen;
static unsigned done_in, pdone_in;
static unsigned (*how_many)(void);

static void upcall(struct frame *f)
{
	if (!seen.cs) {
		seen = *f;
		done_in = how_many();
		pdone_in = pdone;
	}
	event_upcall_default(f);
}

/* Makes a call that an event is waiting for; what the callback saw is in seen. */
static void run(const char *what, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		void (*prepare)(void))
{
	volatile struct vcpu_info *i = this_cpu()->info;
	unsigned before;
	long rc;

	for (unsigned n = 0; n < 100; n++) {
		done_in = 0;
		pdone_in = 77;
		prepare();
		memset(&seen, 0, sizeof(seen));
		pdone = 77;
		before = this_cpu()->upcalls;
		i->evtchn_upcall_pending = 1;
		i->evtchn_upcall_mask = 0;
		rc = hypercall6(nr, a, b, c, d, 0, 0);
		events_off();
		/* Else an interrupt of Xen's delivered it before the call. */
		if (done_in || pdone_in != 77)
			break;
	}
	say("%s: %e, upcalls %u, done in the end: %u", what, rc, this_cpu()->upcalls - before,
	    how_many());
	say("  inside: done %u, pdone %u, rax %e, rip at the call: %d", done_in, pdone_in, seen.rax,
	    *(uint16_t *)seen.rip == 0x050f);
	say("  arguments moved by %ld, %ld, %ld", (long)(seen.rdi - a), (long)(seen.rsi - b),
	    (long)(seen.rdx - c));
}

static struct mmu_update updates[NR];

static void prepare_updates(void)
{
	for (unsigned i = 0; i < NR; i++) {
		uint64_t *pte = pte_of(pages[i], 1);

		map_page(pages[i], *pte & ~AVAIL, UVMF_INVLPG);
		updates[i].ptr = pte_maddr(pages[i], 1);
		updates[i].val = *pte | AVAIL;
	}
}

static unsigned updated(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR; i++)
		n += !!(*pte_of(pages[i], 1) & AVAIL);
	return n;
}

static struct mmuext_op ops[NR];

static void prepare_ops(void)
{
	memset(ops, 0, sizeof(ops));
	for (unsigned i = 0; i < NR; i++)
		ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
}

static unsigned nothing(void)
{
	return 0;
}

static struct gnttab_unmap_grant_ref unmaps[NR];

static void prepare_unmaps(void)
{
	memset(unmaps, 0, sizeof(unmaps));
	for (unsigned i = 0; i < NR; i++) {
		unmaps[i].handle = ~0u;
		unmaps[i].status = 1;
	}
}

static unsigned unmapped(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR; i++)
		n += unmaps[i].status != 1;
	return n;
}

static struct gnttab_map_grant_ref maps[NR];

static void prepare_maps(void)
{
	memset(maps, 0, sizeof(maps));
	for (unsigned i = 0; i < NR; i++) {
		maps[i].dom = DOMID_SELF;
		maps[i].ref = 0xfffff;
		maps[i].status = 1;
	}
}

static unsigned mapped(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR; i++)
		n += maps[i].status != 1;
	return n;
}

static xen_pfn_t extents[NR];
static struct xen_memory_reservation reservation;

/* Frames that the guest gives back and takes again, one after the other. */
static void prepare_extents(void)
{
	reservation.nr_extents = NR;
	reservation.domid = DOMID_SELF;
	set_xen_guest_handle(reservation.extent_start, extents);
	HCALL(memory_op, XENMEM_decrease_reservation, &reservation);
	memset(extents, 0xff, sizeof(extents));
}

static unsigned changed(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NR; i++)
		n += extents[i] != ~0ul;
	return n;
}

static struct multicall_entry calls[2];

static void prepare_multicall(void)
{
	prepare_updates();
	memset(calls, 0, sizeof(calls));
	calls[0].op = __HYPERVISOR_mmu_update;
	calls[0].args[0] = (uint64_t)updates;
	calls[0].args[1] = NR;
	calls[0].args[2] = (uint64_t)&pdone;
	calls[0].args[3] = DOMID_SELF;
	calls[1].op = __HYPERVISOR_xen_version;
	calls[1].args[0] = XENVER_version;
	calls[0].result = calls[1].result = 0x5555;
}

void guest_main(void)
{
	event_upcall = upcall;
	for (unsigned i = 0; i < NR; i++)
		pages[i] = page_alloc();
	how_many = updated;
	run("mmu_update", __HYPERVISOR_mmu_update, (uint64_t)updates, NR, (uint64_t)&pdone,
	    DOMID_SELF, prepare_updates);
	say("  pdone in the end: %u", pdone);
	how_many = nothing;
	run("mmuext_op", __HYPERVISOR_mmuext_op, (uint64_t)ops, NR, (uint64_t)&pdone, DOMID_SELF,
	    prepare_ops);
	say("  pdone in the end: %u", pdone);
	how_many = unmapped;
	run("unmap, in groups of 32", __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
	    (uint64_t)unmaps, NR, 0, prepare_unmaps);
	how_many = mapped;
	run("map", __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (uint64_t)maps, NR, 0,
	    prepare_maps);
	how_many = updated;
	run("in a multicall", __HYPERVISOR_multicall, (uint64_t)calls, 2, 0, 0, prepare_multicall);
	say("  results: %e, %e, pdone %u", calls[0].result, calls[1].result, pdone);
	say("  its entry: list moved by %lu, count 0x%lx",
	    (calls[0].args[0] - (uint64_t)updates) / sizeof(updates[0]), calls[0].args[1]);
	how_many = changed;
	for (unsigned i = 0; i < NR; i++) {
		extents[i] = mfn_of(pages[i]);
		map_page(pages[i], 0, UVMF_INVLPG);
	}
	run("increase_reservation", __HYPERVISOR_memory_op, XENMEM_increase_reservation,
	    (uint64_t)&reservation, 0, 0, prepare_extents);
}
