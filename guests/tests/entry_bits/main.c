/*
 * What the guest's entries look like after Xen has taken them: bits that it adds and
 * keeps, at each level, and accessed and dirty bits that the processor sets.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Bits in page-table entries";

#define FLAGS(e) ((e) & ~0x000ffffffffff000ul)

static void try(const char *what, uint64_t flags)
{
	static uint8_t *page;
	long rc;

	if (!page)
		page = page_alloc();
	rc = map_page(page, mfn_of(page) << 12 | flags, UVMF_INVLPG);
	if (rc)
		say("L1 %s: %e", what, rc);
	else
		say("L1 %s: 0x%lx becomes 0x%lx", what, flags, FLAGS(*pte_of(page, 1)));
}

void guest_main(void)
{
	uint8_t *page = page_alloc();
	uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *l3 = page_alloc(), *l4 = page_alloc();

	try("P", PTE_P);
	try("P RW", PTE_P | PTE_RW);
	try("P US", PTE_P | PTE_US);
	try("P US RW A D", PTE_P | PTE_US | PTE_RW | PTE_A | PTE_D);
	try("P G", PTE_P | PTE_G);
	try("P US G", PTE_P | PTE_US | PTE_G);
	try("P US NX", PTE_P | PTE_US | PTE_NX);
	try("P US AVL", PTE_P | PTE_US | 0xe00);
	try("P US bit 52", PTE_P | PTE_US | 1ul << 52);
	try("P US bit 53", PTE_P | PTE_US | 1ul << 53);
	try("P US bits 54 to 58", PTE_P | PTE_US | 0x1ful << 54);
	try("P US bits 59 to 62", PTE_P | PTE_US | 0xful << 59);
	l1[0] = mfn_of(page) << 12 | PTE_P;
	l2[0] = mfn_of(l1) << 12 | PTE_P | PTE_RW;
	l3[0] = mfn_of(l2) << 12 | PTE_P | PTE_RW;
	l4[0] = mfn_of(l3) << 12 | PTE_P | PTE_RW;
	page_readonly(l1);
	page_readonly(l2);
	page_readonly(l3);
	page_readonly(l4);
	say_rc("pin", mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0));
	say("P: L1 0x%lx", FLAGS(l1[0]));
	say("P RW: L2 0x%lx, L3 0x%lx, L4 0x%lx", FLAGS(l2[0]), FLAGS(l3[0]), FLAGS(l4[0]));
	map_page(page, mfn_of(page) << 12 | PTE_P | PTE_US | PTE_RW, UVMF_INVLPG);
	say("before: 0x%lx", *pte_of(page, 1) & (PTE_A | PTE_D));
	(void)*(volatile uint8_t *)page;
	say("read: 0x%lx", *pte_of(page, 1) & PTE_A);
	*(volatile uint8_t *)page = 1;
	say("written: 0x%lx", *pte_of(page, 1) & (PTE_A | PTE_D));
}
