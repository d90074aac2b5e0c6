/*
 * Ballooning: giving pages back, taking them again, exchanging them; what comes back
 * when the arguments are wrong, and how many were done.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "memory_op: decrease, increase, populate, exchange";

static unsigned long list[512];
static uint8_t *pages[8];

static long op(int cmd, unsigned long *extents, unsigned long nr, unsigned order, domid_t dom)
{
	struct xen_memory_reservation r = {.nr_extents = nr, .extent_order = order, .domid = dom};

	set_xen_guest_handle(r.extent_start, extents);
	return HCALL(memory_op, cmd, &r);
}

static long count(int cmd)
{
	domid_t self = DOMID_SELF;

	return HCALL(memory_op, cmd, &self);
}

static uint64_t unmap(uint8_t *p)
{
	uint64_t mfn = mfn_of(p);

	if (map_page(p, 0, UVMF_INVLPG))
		fail("unmap");
	return mfn;
}

void guest_main(void)
{
	long before = count(XENMEM_current_reservation);
	domid_t dom = 1234;

	for (unsigned i = 0; i < 8; i++)
		pages[i] = page_alloc();
	say("maximum is not below current: %d", count(XENMEM_maximum_reservation) >= before);
	say_rc("current of domain 1234", HCALL(memory_op, XENMEM_current_reservation, &dom));
	say_rc("current at a bad address",
	       HCALL(memory_op, XENMEM_current_reservation, VA_UNMAPPED));
	for (unsigned i = 0; i < 4; i++)
		list[i] = unmap(pages[i]);
	say_rc("decrease: 4", op(XENMEM_decrease_reservation, list, 4, 0, DOMID_SELF));
	say("current: %ld less", before - count(XENMEM_current_reservation));
	say_rc("decrease: the same 4", op(XENMEM_decrease_reservation, list, 4, 0, DOMID_SELF));
	say_rc("decrease: a mapped page",
	       (list[8] = mfn_of(pages[4]),
		op(XENMEM_decrease_reservation, list + 8, 1, 0, DOMID_SELF)));
	say("it is readable: %d", trap_of_read(pages[4]).vector < 0);
	list[9] = mfn_of((void *)start_info->pt_base);
	say_rc("decrease: a pinned table",
	       op(XENMEM_decrease_reservation, list + 9, 1, 0, DOMID_SELF));
	list[10] = start_info->shared_info >> 12;
	say_rc("decrease: shared_info",
	       op(XENMEM_decrease_reservation, list + 10, 1, 0, DOMID_SELF));
	list[10] = 0xffffffful;
	say_rc("decrease: beyond memory",
	       op(XENMEM_decrease_reservation, list + 10, 1, 0, DOMID_SELF));
	say_rc("decrease: none", op(XENMEM_decrease_reservation, list, 0, 0, DOMID_SELF));
	say_rc("decrease: none at a bad address",
	       op(XENMEM_decrease_reservation, VA_UNMAPPED, 0, 0, DOMID_SELF));
	say_rc("decrease: one at a bad address",
	       op(XENMEM_decrease_reservation, VA_UNMAPPED, 1, 0, DOMID_SELF));
	say_rc("decrease: in Xen", op(XENMEM_decrease_reservation, VA_XEN, 1, 0, DOMID_SELF));
	say_rc("decrease: order 20", op(XENMEM_decrease_reservation, list, 1, 20, DOMID_SELF));
	say_rc("decrease: order 64", op(XENMEM_decrease_reservation, list, 1, 64, DOMID_SELF));
	say_rc("decrease: domain 1234", op(XENMEM_decrease_reservation, list, 1, 0, 1234));
	if (!is_dom0())
		say_rc("decrease: domain 0", op(XENMEM_decrease_reservation, list, 1, 0, 0));

	list[0] = pfn_of(pages[0]);
	list[1] = pfn_of(pages[1]);
	say_rc("populate: 2", op(XENMEM_populate_physmap, list, 2, 0, DOMID_SELF));
	say("named in the machphys table: %d",
	    va_of_mfn(list[0]) == pages[0] && va_of_mfn(list[1]) == pages[1]);
	say_rc("mapped", map_page(pages[0], list[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG));
	say_rc("populate: order 9 (not a domain 0's)",
	       is_dom0() ? 0 : op(XENMEM_populate_physmap, list, 1, 20, DOMID_SELF));
	say_rc("populate: one at a bad address",
	       op(XENMEM_populate_physmap, VA_UNMAPPED, 1, 0, DOMID_SELF));
	say_rc("increase: 1", op(XENMEM_increase_reservation, list, 1, 0, DOMID_SELF));
	say_rc("increase: 1, nowhere to say which",
	       op(XENMEM_increase_reservation, NULL, 1, 0, DOMID_SELF));
	say("current: %ld less", before - count(XENMEM_current_reservation));
	if (!is_dom0())
		say("increase beyond the maximum is cut short: %d",
		    op(XENMEM_increase_reservation, list, 512, 0, DOMID_SELF) < 512);
	say_rc("maximum_ram_page is not 0", count(XENMEM_maximum_ram_page) > 0);
	say_rc("number 100", HCALL(memory_op, 100, list));
	say_rc("decrease at a bad address",
	       HCALL(memory_op, XENMEM_decrease_reservation, VA_UNMAPPED));
	say_rc("populate in Xen", HCALL(memory_op, XENMEM_populate_physmap, VA_XEN));
}
