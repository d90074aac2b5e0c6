/*
 * update_va_mapping: by address instead of by entry, with its flush flags.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "update_va_mapping";

static uint8_t page[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));

void guest_main(void)
{
	uint64_t good = mfn_of(page) << 12 | PTE_LEAF | PTE_RW | PTE_D;
	unsigned long all = ~0ul, one = 1;

	say_rc("no flush", map_page(page, good, UVMF_NONE));
	say_rc("invlpg", map_page(page, good, UVMF_INVLPG));
	say_rc("flush", map_page(page, good, UVMF_TLB_FLUSH));
	say_rc("both", map_page(page, good, UVMF_TLB_FLUSH | UVMF_INVLPG));
	say_rc("invlpg everywhere", map_page(page, good, UVMF_INVLPG | UVMF_ALL));
	say_rc("flush everywhere", map_page(page, good, UVMF_TLB_FLUSH | UVMF_ALL));
	say_rc("flush on a list of vcpus", map_page(page, good, UVMF_TLB_FLUSH | (uint64_t)&all));
	say_rc("invlpg on a list of vcpus", map_page(page, good, UVMF_INVLPG | (uint64_t)&one));
	say_rc("the list at a bad address",
	       map_page(page, good, UVMF_TLB_FLUSH | (uint64_t)VA_UNMAPPED));
	say_rc("a bad entry", map_page(page, good | PTE_PSE, UVMF_INVLPG));
	say_rc("a frame beyond memory", map_page(page, 0xffffffful << 12 | PTE_LEAF, UVMF_INVLPG));
	say_rc("an address without an L1", map_page(VA_UNMAPPED, good, UVMF_INVLPG));
	say_rc("an address without an L1, not present", map_page(VA_UNMAPPED, 0, UVMF_INVLPG));
	say_rc("an address in Xen", map_page(VA_XEN, good, UVMF_INVLPG));
	say_rc("not canonical", map_page((void *)0x8000000000000000ul, good, UVMF_INVLPG));
	say_rc("not aligned", map_page(page + 123, good, UVMF_INVLPG));
	say_rc("not present", map_page(page, 0, UVMF_INVLPG));
	say_trap("reading it", trap_of_read(page));
	say_rc("read-only", map_page(page, good & ~PTE_RW, UVMF_INVLPG));
	say_trap("reading it", trap_of_read(page));
	say_trap("writing it", trap_of_write(page));
	say_rc("back", map_page(page, good, UVMF_INVLPG));
	say_trap("writing it", trap_of_write(page));
	say_rc("otherdomain: self",
	       HCALL(update_va_mapping_otherdomain, page, good, UVMF_INVLPG, DOMID_SELF));
	say_rc("otherdomain: 1234",
	       HCALL(update_va_mapping_otherdomain, page, good, UVMF_INVLPG, 1234));
	say_rc("otherdomain: DOMID_XEN",
	       HCALL(update_va_mapping_otherdomain, page, good, UVMF_INVLPG, DOMID_XEN));
	say_rc("otherdomain: DOMID_IO",
	       HCALL(update_va_mapping_otherdomain, page, good, UVMF_INVLPG, DOMID_IO));
	if (!is_dom0())
		say_rc("otherdomain: 0",
		       HCALL(update_va_mapping_otherdomain, page, good, UVMF_INVLPG, 0));
}
