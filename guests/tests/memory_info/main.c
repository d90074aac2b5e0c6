/*
 * memory_op's questions: the memory map, the limits, the machphys table; and the calls that are
 * for domains of another kind, with the errors that a PV domain meets.
 */
#define __XEN_TOOLS__ 1
#include "guests/lib/guest.h"

/* Not public: the upper bits of the call's number, where Xen goes on after a preemption. */
#define MEMOP_EXTENT_SHIFT 6

const char guest_title[] = "memory_op: questions and answers";

struct e820 {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

static struct e820 map[8];

static long get_map(uint32_t *nr, void *buffer)
{
	struct xen_memory_map m = {.nr_entries = *nr};
	long rc;

	set_xen_guest_handle(m.buffer, buffer);
	rc = HCALL(memory_op, XENMEM_memory_map, &m);
	*nr = m.nr_entries;
	return rc;
}

static long set_map(uint32_t nr, void *buffer, domid_t dom)
{
	struct xen_foreign_memory_map f = {.domid = dom, .map.nr_entries = nr};

	set_xen_guest_handle(f.map.buffer, buffer);
	return HCALL(memory_op, XENMEM_set_memory_map, &f);
}

static void say_map(const char *what, uint32_t nr, void *buffer)
{
	uint32_t n = nr;
	long rc = get_map(&n, buffer);

	say("%s: %e, entries %u", what, rc, n);
}

static void say_numbers(const char *what, unsigned cmd)
{
	domid_t self = DOMID_SELF, none = 1234, zero = 0;

	say("%s: self %s, domain 1234 %e, bad address %e, in Xen %e, start 1 %e", what,
	    HCALL(memory_op, cmd, &self) > 0 ? "> 0" : "<= 0", HCALL(memory_op, cmd, &none),
	    HCALL(memory_op, cmd, VA_UNMAPPED), HCALL(memory_op, cmd, VA_XEN),
	    HCALL(memory_op, cmd | 1 << MEMOP_EXTENT_SHIFT, &self));
	if (!is_dom0())
		say("  domain 0: %e", HCALL(memory_op, cmd, &zero));
}

static void say_errors(const char *what, unsigned cmd)
{
	static uint8_t zeros[128];

	memset(zeros, 0, sizeof(zeros));
	say("%s: zeros %e, bad address %e, start 1 %e", what, HCALL(memory_op, cmd, zeros),
	    HCALL(memory_op, cmd, VA_UNMAPPED),
	    HCALL(memory_op, cmd | 1 << MEMOP_EXTENT_SHIFT, zeros));
}

static void say_physmap(const char *what, unsigned space, domid_t dom)
{
	struct xen_add_to_physmap a = {.domid = dom, .space = space};

	say("add_to_physmap, %s: %e", what, HCALL(memory_op, XENMEM_add_to_physmap, &a));
}

static void say_mfn_list(const char *what, unsigned max, void *list)
{
	struct xen_machphys_mfn_list l = {.max_extents = max, .nr_extents = 77};
	long rc;

	set_xen_guest_handle(l.extent_start, list);
	rc = HCALL(memory_op, XENMEM_machphys_mfn_list, &l);
	say("machphys_mfn_list, %s: %e, extents %u", what, rc, l.nr_extents);
}

void guest_main(void)
{
	struct xen_machphys_mapping m;
	xen_pfn_t extent = 0;
	domid_t self = DOMID_SELF;
	long rc;

	say_map("the memory map", ARRAY_SIZE(map), map);
	if (!is_dom0())
		say("first entry: at 0x%lx, type %u, all pages in it: %d", map[0].addr, map[0].type,
		    map[0].size >= start_info->nr_pages * PAGE_SIZE);
	say_map("no room", 0, map);
	say_map("no room at a bad address", 0, VA_UNMAPPED);
	say_map("at a bad address", 1, VA_UNMAPPED);
	say_map("in Xen", 1, VA_XEN);
	say_rc("the structure at a bad address", HCALL(memory_op, XENMEM_memory_map, VA_UNMAPPED));
	for (unsigned i = 0; i < 3; i++)
		map[i] = (struct e820){i << 24, 1 << 24, i + 1};
	say_rc("set a map of 3", set_map(3, map, DOMID_SELF));
	memset(map, 0, sizeof(map));
	say_map("get it", ARRAY_SIZE(map), map);
	say("last: 0x%lx 0x%lx %u", map[2].addr, map[2].size, map[2].type);
	say_map("room for 2", 2, map);
	say_rc("set one of domain 1234", set_map(3, map, 1234));
	say_rc("set one of 1024", set_map(1024, VA_UNMAPPED, DOMID_SELF));
	say_rc("set one of 1025", set_map(1025, map, DOMID_SELF));
	say_map("still", ARRAY_SIZE(map), map);
	say_rc("set an empty one", set_map(0, map, DOMID_SELF));
	say_map("get it", ARRAY_SIZE(map), map);
	if (!is_dom0())
		say_rc("the machine's map", HCALL(memory_op, XENMEM_machine_memory_map, map));

	say_numbers("current_reservation", XENMEM_current_reservation);
	say_numbers("maximum_reservation", XENMEM_maximum_reservation);
	say("maximum_ram_page: %d", HCALL(memory_op, XENMEM_maximum_ram_page, 0) > 0);
	say_rc("maximum_gpfn", HCALL(memory_op, XENMEM_maximum_gpfn, &self));
	shared_info->arch.max_pfn = 1000;
	rc = HCALL(memory_op, XENMEM_maximum_gpfn, &self);
	say("maximum_gpfn after max_pfn = 1000: %ld", rc);
	say_rc("maximum_gpfn at a bad address", HCALL(memory_op, XENMEM_maximum_gpfn, VA_UNMAPPED));

	say_rc("machphys_mapping", HCALL(memory_op, XENMEM_machphys_mapping, &m));
	say("v_end - v_start: 0x%lx, max_mfn covers ours: %d", m.v_end - m.v_start,
	    m.max_mfn >= mfn_of(map));
	say_rc("at a bad address", HCALL(memory_op, XENMEM_machphys_mapping, VA_UNMAPPED));
	say_mfn_list("room for 1", 1, &extent);
	say("one came: %d", extent != 0);
	say_mfn_list("no room", 0, VA_UNMAPPED);
	say_mfn_list("at a bad address", 1, VA_UNMAPPED);
	say_rc("the structure at a bad address",
	       HCALL(memory_op, XENMEM_machphys_mfn_list, VA_UNMAPPED));
	say_rc("machphys_compat_mfn_list",
	       HCALL(memory_op, XENMEM_machphys_compat_mfn_list, VA_UNMAPPED));

	say_physmap("shared_info", XENMAPSPACE_shared_info, DOMID_SELF);
	say_physmap("the grant table", XENMAPSPACE_grant_table, DOMID_SELF);
	say_physmap("a frame", XENMAPSPACE_gmfn, DOMID_SELF);
	say_physmap("frames", XENMAPSPACE_gmfn_range, DOMID_SELF);
	say_physmap("foreign", XENMAPSPACE_gmfn_foreign, DOMID_SELF);
	say_physmap("MMIO", XENMAPSPACE_dev_mmio, DOMID_SELF);
	say_physmap("space 99", 99, DOMID_SELF);
	say_physmap("domain 1234", XENMAPSPACE_shared_info, 1234);
	say_rc("remove_from_physmap",
	       HCALL(memory_op, XENMEM_remove_from_physmap,
		     &(struct xen_remove_from_physmap){.domid = DOMID_SELF}));
	if (!is_dom0()) {
		say_errors("set_pod_target", XENMEM_set_pod_target);
		say_errors("get_pod_target", XENMEM_get_pod_target);
		say_errors("access_op", XENMEM_access_op);
		say_errors("claim_pages", XENMEM_claim_pages);
		say_errors("acquire_resource", XENMEM_acquire_resource);
		say_errors("add_to_physmap", XENMEM_add_to_physmap);
		say_errors("add_to_physmap_batch", XENMEM_add_to_physmap_batch);
		say_errors("remove_from_physmap", XENMEM_remove_from_physmap);
	}
	say_errors("get_vnumainfo", XENMEM_get_vnumainfo);
	say_errors("paging_op", XENMEM_paging_op);
	say_errors("sharing_op", XENMEM_sharing_op);
	say_errors("number 0x3f", 0x3f);
	say("shared pages: %ld, freed by sharing: %ld",
	    HCALL(memory_op, XENMEM_get_sharing_shared_pages, 0),
	    HCALL(memory_op, XENMEM_get_sharing_freed_pages, 0));
}
