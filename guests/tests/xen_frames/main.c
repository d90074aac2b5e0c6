/*
 * Frames that Xen shares with a guest: what they can be mapped as, and that they can never
 * be tables, descriptors, given back or exchanged. The machphys table's are not the guest's.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Frames of Xen's in the guest's tables";

static uint8_t *page;

static void map(const char *what, uint64_t mfn, uint64_t flags)
{
	struct trap r, w;
	long rc = map_page(page, mfn << PAGE_SHIFT | flags, UVMF_INVLPG);

	if (rc) {
		say("  %s: %e", what, rc);
		return;
	}
	r = trap_of_read(page);
	w = flags & PTE_RW ? (struct trap){.vector = -1} : trap_of_write(page + 0xfff);
	say("  %s: 0, read #%d, written #%d", what, r.vector, w.vector);
	map_page(page, 0, UVMF_INVLPG);
}

static long reservation(int cmd, xen_pfn_t mfn)
{
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

	set_xen_guest_handle(r.extent_start, &mfn);
	return HCALL(memory_op, cmd, &r);
}

static long exchange(xen_pfn_t mfn)
{
	xen_pfn_t out = pfn_of(page);
	struct xen_memory_exchange x = {
		.in = {.nr_extents = 1, .domid = DOMID_SELF},
		.out = {.nr_extents = 1, .domid = DOMID_SELF},
	};

	set_xen_guest_handle(x.in.extent_start, &mfn);
	set_xen_guest_handle(x.out.extent_start, &out);
	return HCALL(memory_op, XENMEM_exchange, &x);
}

static void say_frame(const char *what, uint64_t mfn)
{
	uint64_t *l1 = page_alloc(), *l2 = page_alloc();
	xen_ulong_t list[1] = {mfn};

	say("%s", what);
	map("read-only", mfn, PTE_LEAF);
	map("writable", mfn, PTE_LEAF | PTE_RW);
	map("not executable", mfn, PTE_LEAF | PTE_NX);
	say("  pin: %e %e", mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0),
	    mmuext(MMUEXT_PIN_L4_TABLE, mfn, 0));
	l1[0] = mfn << PAGE_SHIFT | PTE_LEAF | PTE_RW;
	l2[0] = mfn << PAGE_SHIFT | PTE_TABLE;
	page_readonly(l1);
	page_readonly(l2);
	say("  in an L1: %e", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(l1), 0));
	say("  in an L2: %e", mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(l2), 0));
	mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l1), 0);
	say("  as a GDT: %e", HCALL(set_gdt, list, 8));
	say("  new baseptr: %e, user %e", mmuext(MMUEXT_NEW_BASEPTR, mfn, 0),
	    mmuext(MMUEXT_NEW_USER_BASEPTR, mfn, 0));
	say("  copy from it: %e", mmuext(MMUEXT_COPY_PAGE, mfn_of(page_alloc()), mfn));
	say("  mmu_update of it: %e", mmu_update_one(mfn * PAGE_SIZE + 0xff8, 0, DOMID_SELF));
	say("  update_descriptor: %e", HCALL(update_descriptor, mfn * PAGE_SIZE + 0xff8, 0));
	say("  exchange: %e", exchange(mfn));
	say("  unpin: %e", mmuext(MMUEXT_UNPIN_TABLE, mfn, 0));
}

void guest_main(void)
{
	xen_pfn_t frames[2];
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
	struct xen_machphys_mfn_list l = {.max_extents = 1};
	xen_pfn_t m2p = 0;

	page = page_alloc();
	set_xen_guest_handle(s.frame_list, frames);
	if (HCALL(grant_table_op, GNTTABOP_setup_table, &s, 1))
		fail("setup_table");
	set_xen_guest_handle(l.extent_start, &m2p);
	say_rc("machphys_mfn_list", HCALL(memory_op, XENMEM_machphys_mfn_list, &l));
	say_frame("shared_info", start_info->shared_info >> PAGE_SHIFT);
	say_frame("the grant table", frames[0]);
	if (!is_dom0()) {
		/* A page of the guest's RAM, but one that others use, too. */
		uint64_t ring = start_info->store_mfn;

		say("the store's ring: in RAM: %d", pfn_of(va_of_mfn(ring)) < start_info->nr_pages);
		say_frame("the machphys table", m2p);
	}
	say("decrease by the grant table: %ld",
	    reservation(XENMEM_decrease_reservation, frames[0]));
	map("the grant table is still there", frames[0], PTE_LEAF | PTE_RW);
}
