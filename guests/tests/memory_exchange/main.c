/*
 * XENMEM_exchange: frames for others. Each chunk is exchanged wholly or not at all, and
 * nr_exchanged says how far it came.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Exchanging frames";

static uint8_t *pages[8];
static xen_pfn_t in[8], out[8];

/* Out of every table, as an exchange wants it. */
static void unmap(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		in[i] = mfn_of(pages[i]);
		out[i] = pfn_of(pages[i]);
		map_page(pages[i], 0, UVMF_INVLPG);
	}
}

static long exchange(uint64_t nr_in, unsigned in_order, uint64_t nr_out, unsigned out_order,
		     domid_t dom, uint64_t *done)
{
	struct xen_memory_exchange x = {
		.in = {.nr_extents = nr_in, .extent_order = in_order, .domid = dom},
		.out = {.nr_extents = nr_out, .extent_order = out_order, .domid = dom},
		.nr_exchanged = *done,
	};
	long rc;

	set_xen_guest_handle(x.in.extent_start, in);
	set_xen_guest_handle(x.out.extent_start, out);
	rc = HCALL(memory_op, XENMEM_exchange, &x);
	*done = x.nr_exchanged;
	return rc;
}

static void say_exchange(const char *what, uint64_t nr_in, unsigned in_order, uint64_t nr_out,
			 unsigned out_order)
{
	uint64_t done = 0;
	long rc = exchange(nr_in, in_order, nr_out, out_order, DOMID_SELF, &done);

	say("%s: %e, exchanged %lu", what, rc, done);
}

/* Takes what came into the guest's tables again. */
static bool map_new(unsigned i, uint64_t mfn)
{
	((uint64_t *)start_info->mfn_list)[pfn_of(pages[i])] = mfn;
	return !page_writable(pages[i]) && va_of_mfn(mfn) == pages[i];
}

static long count(void)
{
	domid_t self = DOMID_SELF;

	return HCALL(memory_op, XENMEM_current_reservation, &self);
}

void guest_main(void)
{
	long before = count();
	xen_pfn_t old;
	unsigned skip;
	uint64_t done;
	long rc;

	for (unsigned i = 0; i < 8; i++)
		pages[i] = page_alloc();
	say_rc("at a bad address", HCALL(memory_op, XENMEM_exchange, VA_UNMAPPED));
	say_exchange("none", 0, 0, 0, 0);
	say_exchange("1 for 2", 1, 0, 2, 0);
	say_exchange("1 of order 1 for 1", 1, 1, 1, 0);
	say_exchange("order 10", 1, 10, 1024, 0);
	say_exchange("order 64", 1, 64, 1, 64);
	say_exchange("2^63 of order 2", 1ul << 63, 2, 1ul << 63, 2);
	done = 2;
	rc = exchange(1, 0, 1, 0, DOMID_SELF, &done);
	say("more done than asked for: %e, exchanged %lu", rc, done);
	done = 0;
	rc = exchange(1, 0, 1, 0, 1234, &done);
	say("of domain 1234: %e, exchanged %lu", rc, done);

	in[0] = mfn_of(pages[0]);
	out[0] = pfn_of(pages[0]);
	say_exchange("a mapped page", 1, 0, 1, 0);
	say("it is still there: %d", va_of_mfn(mfn_of(pages[0])) == pages[0]);
	in[0] = 0xffffffful;
	say_exchange("beyond memory", 1, 0, 1, 0);
	in[0] = mfn_of((void *)start_info->pt_base);
	say_exchange("a page table", 1, 0, 1, 0);
	unmap(2);
	old = in[0];
	say_exchange("2 for 2", 2, 0, 2, 0);
	say("mapped: %d %d", map_new(0, out[0]), map_new(1, out[1]));
	say("zeroed: %d", pages[0][0] == 0 && pages[1][4095] == 0);
	say("reservation: %ld more", count() - before);
	unmap(3);
	in[1] = mfn_of(pages[4]);
	say_exchange("3, the second is mapped", 3, 0, 3, 0);
	say("mapped: %d", map_new(0, out[0]));
	page_writable(pages[1]);
	page_writable(pages[2]);
	unmap(2);
	in[1] = in[0];
	say_exchange("the same twice", 2, 0, 2, 0);
	say("mapped: %d %d", map_new(0, out[0]), !page_writable(pages[1]));
	unmap(1);
	out[0] = pfn_of(pages[0]);
	{
		struct xen_memory_exchange x = {
			.in = {.nr_extents = 1, .domid = DOMID_SELF},
			.out = {.nr_extents = 1, .domid = DOMID_SELF},
		};

		set_xen_guest_handle(x.in.extent_start, VA_UNMAPPED);
		set_xen_guest_handle(x.out.extent_start, out);
		rc = HCALL(memory_op, XENMEM_exchange, &x);
		say("the input list at a bad address: %e, exchanged %lu", rc, x.nr_exchanged);
		set_xen_guest_handle(x.in.extent_start, VA_XEN);
		rc = HCALL(memory_op, XENMEM_exchange, &x);
		say("the input list in Xen: %e, exchanged %lu", rc, x.nr_exchanged);
		x.out.domid = 1234;
		set_xen_guest_handle(x.in.extent_start, in);
		rc = HCALL(memory_op, XENMEM_exchange, &x);
		say("two domains: %e, exchanged %lu", rc, x.nr_exchanged);
	}
	say("kept: %d", !page_writable(pages[0]));
	/* What a driver wants: pages that are contiguous for a device. */
	/* Four that are aligned where frames are what their names say. */
	skip = -pfn_of(pages[0]) & 3;
	for (unsigned i = 0; i < 4; i++)
		pages[i] = pages[i + skip];
	unmap(4);
	say_exchange("4 for 1 of order 2", 4, 0, 1, 2);
	say("aligned: %d", !(out[0] & 3));
	for (unsigned i = 0; i < 4; i++)
		if (!map_new(i, out[0] + i))
			say("page %u is not there", i);
	unmap(4);
	in[0] = mfn_of(pages[0]);
	say_exchange("1 of order 2 for 4", 1, 2, 4, 0);
	say("mapped: %d %d", map_new(0, out[0]), map_new(3, out[3]));
	say("reservation: %ld more, a frame that went: %d", count() - before,
	    map_page(pages[7], old << 12 | PTE_LEAF, UVMF_INVLPG) < 0);
}
