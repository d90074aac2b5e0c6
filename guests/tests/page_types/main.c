/*
 * A frame has one type at a time: what it can become from what, what keeps it, and that giving
 * it up sets it free for the next.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Frames that change their type";

static uint64_t *frame, *other;
static uint8_t *second;

static long pin(unsigned level)
{
	return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, mfn_of(frame), 0);
}

static long unpin(void)
{
	return mmuext(MMUEXT_UNPIN_TABLE, mfn_of(frame), 0);
}

static long gdt(unsigned entries)
{
	xen_ulong_t list[1] = {mfn_of(frame)};

	return HCALL(set_gdt, list, entries);
}

/* At another address. */
static long map2(uint64_t flags)
{
	return map_page(second, flags ? mfn_of(frame) << PAGE_SHIFT | flags : 0, UVMF_INVLPG);
}

static void say_all(const char *what)
{
	long l1 = pin(1), u1 = unpin(), l2 = pin(2), u2 = unpin(), l4 = pin(4), u4 = unpin();
	long g = gdt(8);

	if (!g)
		gdt(0);
	say("%s: L1 %e/%e, L2 %e/%e, L4 %e/%e, GDT %e", what, l1, u1, l2, u2, l4, u4, g);
}

void guest_main(void)
{
	uint64_t entry;

	frame = page_alloc();
	other = page_alloc();
	second = page_alloc();
	say_all("mapped writable");
	page_readonly(frame);
	say_all("mapped read-only");
	say_rc("a writable mapping beside it", map2(PTE_LEAF | PTE_RW));
	say_all("then");
	say_rc("read-only", map2(PTE_LEAF));
	say_all("then");
	say_rc("unmapped", map2(0));
	map_page(frame, 0, UVMF_INVLPG);
	say_all("without any mapping");
	page_readonly(frame);
	for (unsigned l = 1; l <= 4; l++) {
		say("L%u: %e, as others: %e %e %e %e, GDT %e", l, pin(l), pin(1), pin(2), pin(3),
		    pin(4), gdt(8));
		say("  writable: %e, clear: %e, copy onto it: %e", page_writable(frame),
		    mmuext(MMUEXT_CLEAR_PAGE, mfn_of(frame), 0),
		    mmuext(MMUEXT_COPY_PAGE, mfn_of(frame), mfn_of(other)));
		say("  update_descriptor: %e, linear descriptor page: %e",
		    HCALL(update_descriptor, mfn_of(frame) << 12, 0),
		    mmuext(MMUEXT_SET_LDT, (uint64_t)frame, 8));
		mmuext(MMUEXT_SET_LDT, 0, 0);
		say("  unpin: %e, writable: %e, read-only: %e", unpin(), page_writable(frame),
		    page_readonly(frame));
	}
	say_rc("GDT", gdt(8));
	say("  pinned: %e %e, writable: %e, clear: %e", pin(1), pin(4), page_writable(frame),
	    mmuext(MMUEXT_CLEAR_PAGE, mfn_of(frame), 0));
	/* An mmu_update of a descriptor page: refused, it is no table. */
	say("  mmu_update: %e", mmu_update_one(mfn_of(frame) << 12, 0, DOMID_SELF));
	say("  an L2 entry for it: %e",
	    mmu_update_one(pte_maddr(VA_UNMAPPED, 4), mfn_of(frame) << 12 | PTE_TABLE, DOMID_SELF));
	gdt(0);
	/* Referred to by a table: its type stays while that refers to it. */
	entry = mfn_of(frame) << PAGE_SHIFT | PTE_TABLE;
	page_readonly(other);
	mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(other), 0);
	say_rc("an L1 of an L2", mmu_update_one(mfn_of(other) << 12, entry, DOMID_SELF));
	say_rc("twice", mmu_update_one((mfn_of(other) << 12) + 8, entry, DOMID_SELF));
	say("  pinned as L1: %e, as L2: %e", pin(1), pin(2));
	say_rc("not any more", mmu_update_one(mfn_of(other) << 12, 0, DOMID_SELF));
	say("  unpin: %e, writable: %e", unpin(), page_writable(frame));
	say_rc("the second neither", mmu_update_one((mfn_of(other) << 12) + 8, 0, DOMID_SELF));
	say("  writable: %e", page_writable(frame));
	say_rc("an L2 entry for a writable page",
	       mmu_update_one(mfn_of(other) << 12, entry, DOMID_SELF));
	say_rc("an L2 entry for itself as L1",
	       mmu_update_one(mfn_of(other) << 12, mfn_of(other) << 12 | PTE_TABLE, DOMID_SELF));
	say_rc("an L2 entry, PSE",
	       mmu_update_one(mfn_of(other) << 12, entry | PTE_PSE, DOMID_SELF));
	say_rc("an L2 entry, beyond memory",
	       mmu_update_one(mfn_of(other) << 12, 0xffffffful << 12 | PTE_TABLE, DOMID_SELF));
	say_rc("an L2 entry, absent", mmu_update_one(mfn_of(other) << 12, 0x80, DOMID_SELF));
}
