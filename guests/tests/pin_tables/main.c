/*
 * Page types: what may become a page table of which level, that a table is never
 * writable, and that pins count. The rules that keep a PV guest inside its memory, and
 * the errors that a kernel with a mistake in them meets.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Pinning page tables";

static long pin(unsigned level, const void *table)
{
	return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, mfn_of(table), 0);
}

static long unpin(const void *table)
{
	return mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table), 0);
}

static uint64_t entry(const void *page, uint64_t flags)
{
	return mfn_of(page) << PAGE_SHIFT | flags;
}

static void bad_entry(const char *what, uint64_t bits)
{
	uint64_t *l1 = page_alloc();

	l1[7] = bits;
	page_readonly(l1);
	say("an L1 with %s: %e", what, pin(1, l1));
	page_writable(l1);
}

void guest_main(void)
{
	uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc(), *l4 = page_alloc();
	void *leaf = page_alloc();

	say_rc("an empty page that is mapped writable", pin(1, l1));
	say_rc("read-only", page_readonly(l1));
	say_rc("pin L1", pin(1, l1));
	say_rc("pin it again", pin(1, l1));
	say_rc("pin it as L2", pin(2, l1));
	say_rc("map it writable", page_writable(l1));
	say_rc("map it read-only", page_readonly(l1));
	say_rc("unpin", unpin(l1));
	say_rc("unpin again", unpin(l1));
	say_rc("map it writable", page_writable(l1));

	l1[0] = entry(leaf, PTE_LEAF | PTE_RW);
	l2[0] = entry(l1, PTE_TABLE);
	l3[0] = entry(l2, PTE_TABLE);
	l4[0] = entry(l3, PTE_TABLE);
	page_readonly(l2);
	page_readonly(l3);
	page_readonly(l4);
	say_rc("L4 whose L1 is mapped writable", pin(4, l4));
	page_readonly(l1);
	say_rc("L4 with everything read-only", pin(4, l4));
	say_rc("the L1 below it as L2", pin(2, l1));
	say_rc("the L1 below it as L1", pin(1, l1));
	say_rc("unpin the L4", unpin(l4));
	say_rc("the L1 is still a table: writable", page_writable(l1));
	say_rc("unpin the L1", unpin(l1));
	say_rc("now writable", page_writable(l1));

	bad_entry("PSE", entry(leaf, PTE_LEAF | PTE_PSE));
	bad_entry("PWT", entry(leaf, PTE_LEAF | PTE_PWT));
	bad_entry("PCD", entry(leaf, PTE_LEAF | PTE_PCD));
	bad_entry("G", entry(leaf, PTE_LEAF | PTE_G));
	bad_entry("NX", entry(leaf, PTE_LEAF | PTE_NX));
	bad_entry("available bits", entry(leaf, PTE_LEAF | 0xe00));
	bad_entry("high available bits", entry(leaf, PTE_LEAF | 0x7ful << 52));
	bad_entry("bits beyond the address width", entry(leaf, PTE_LEAF | 1ul << 51));
	bad_entry("a frame beyond memory", 0xffffffful << PAGE_SHIFT | PTE_LEAF);
	bad_entry("not present, nonsense", 0x123456789abcdef0ul & ~1ul);
	bad_entry("a page table, read-only", entry(pte_of(leaf, 1), PTE_LEAF));
	bad_entry("a page table, writable", entry(pte_of(leaf, 1), PTE_LEAF | PTE_RW));
	bad_entry("shared_info, writable", start_info->shared_info | PTE_LEAF | PTE_RW);

	say_rc("pin a frame beyond memory", mmuext(MMUEXT_PIN_L1_TABLE, 0xffffffful, 0));
	say_rc("pin shared_info", mmuext(MMUEXT_PIN_L1_TABLE, start_info->shared_info >> 12, 0));
	say_rc("unpin a frame beyond memory", mmuext(MMUEXT_UNPIN_TABLE, 0xffffffful, 0));
	say_rc("unpin data", unpin(leaf));
	page_writable(l2);
	l2[1] = entry(leaf, PTE_TABLE | PTE_PSE);
	page_readonly(l2);
	say_rc("an L2 with a superpage", pin(2, l2));
	page_writable(l4);
	memset(l4, 0, PAGE_SIZE);
	l4[256] = entry(l3, PTE_TABLE);
	page_readonly(l4);
	say_rc("an L4 with an entry in Xen's slots", pin(4, l4));
	say("which is: %s", l4[256] == entry(l3, PTE_TABLE) ? "kept" : "replaced");
	unpin(l4);
}
