/*
 * A domain that maps what it granted to itself: every step of a grant's life without a second
 * domain, so a driver's grant code can be tried alone.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Mapping one's own grants";

static grant_entry_v1_t *table;
static uint8_t *granted, *at, *at2;
static domid_t me;

static void grant(grant_ref_t ref, const void *page, uint16_t flags)
{
	table[ref].frame = mfn_of(page);
	table[ref].domid = me;
	barrier();
	table[ref].flags = flags;
}

static struct gnttab_map_grant_ref map(const char *what, grant_ref_t ref, uint32_t flags, void *va)
{
	struct gnttab_map_grant_ref m = {
		.host_addr = (uint64_t)va, .flags = flags, .ref = ref, .dom = me, .status = 77};
	long rc = gnttab(GNTTABOP_map_grant_ref, &m, 1);

	say("map, %s: %e, status %d, grant flags 0x%x", what, rc, m.status, table[ref].flags);
	return m;
}

static void unmap(const char *what, uint64_t addr, uint64_t bus, grant_handle_t handle,
		  grant_ref_t ref)
{
	struct gnttab_unmap_grant_ref u = {
		.host_addr = addr, .dev_bus_addr = bus, .handle = handle, .status = 77};
	long rc = gnttab(GNTTABOP_unmap_grant_ref, &u, 1);

	say("unmap, %s: %e, status %d, grant flags 0x%x", what, rc, u.status, table[ref].flags);
}

static void copy(const char *what, grant_ref_t src, uint16_t len)
{
	struct gnttab_copy c = {.len = len, .flags = GNTCOPY_source_gref, .status = 77};

	c.source.u.ref = src;
	c.source.domid = me;
	c.source.offset = 8;
	c.dest.u.gmfn = mfn_of(at2);
	c.dest.domid = DOMID_SELF;
	long rc = gnttab(GNTTABOP_copy, &c, 1);
	say("copy, %s: %e, status %d, first byte 0x%x", what, rc, c.status, at2[0]);
	at2[0] = 0;
}

static void copy_to(const char *what, grant_ref_t dst)
{
	struct gnttab_copy c = {.len = 4, .flags = GNTCOPY_dest_gref, .status = 77};

	c.dest.u.ref = dst;
	c.dest.domid = me;
	c.source.u.gmfn = mfn_of(at2);
	c.source.domid = DOMID_SELF;
	long rc = gnttab(GNTTABOP_copy, &c, 1);
	say("copy into it, %s: %e, status %d, grant flags 0x%x", what, rc, c.status,
	    table[dst].flags);
}

void guest_main(void)
{
	static uint8_t table_va[PAGE_SIZE] __attribute__((aligned(4096)));
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
	struct gnttab_map_grant_ref m, m2;
	struct gnttab_swap_grant_ref swap = {.ref_a = 20, .ref_b = 21};
	xen_pfn_t frames[1];
	uint64_t *l1 = page_alloc();

	me = own_domid();
	set_xen_guest_handle(s.frame_list, frames);
	gnttab(GNTTABOP_setup_table, &s, 1);
	map_page(table_va, frames[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	table = (void *)table_va;
	granted = page_alloc();
	at = page_alloc();
	at2 = page_alloc();
	memset(granted, 0xaa, PAGE_SIZE);

	grant(20, granted, GTF_permit_access);
	m = map("read-write", 20, GNTMAP_host_map, at);
	say_trap("read", trap_of_read(at));
	at[1] = 0x55;
	say("written through it: %d", granted[1] == 0x55);
	say("its entry: RW %d, the granted frame: %d", !!(*pte_of(at, 1) & PTE_RW),
	    (*pte_of(at, 1) << 12 >> 24) == mfn_of(granted));
	m2 = map("a second time, read-only", 20, GNTMAP_host_map | GNTMAP_readonly, at2);
	say_trap("write there", trap_of_write(at2));
	table[20].flags &= ~GTF_permit_access;
	say("the owner ends the access: flags 0x%x", table[20].flags);
	unmap("another address", (uint64_t)at2, 0, m.handle, 20);
	unmap("a bad handle", (uint64_t)at, 0, 0x12345, 20);
	unmap("the first", (uint64_t)at, 0, m.handle, 20);
	unmap("again", (uint64_t)at, 0, m.handle, 20);
	say_trap("read", trap_of_read(at));
	unmap("the second", (uint64_t)at2, 0, m2.handle, 20);
	map("the access has ended", 20, GNTMAP_host_map, at);
	page_writable(at);
	page_writable(at2);

	grant(21, granted, GTF_permit_access | GTF_readonly);
	map("read-write of a read-only grant", 21, GNTMAP_host_map, at);
	m = map("read-only", 21, GNTMAP_host_map | GNTMAP_readonly, at);
	swap.status = 77;
	gnttab(GNTTABOP_swap_grant_ref, &swap, 1);
	say("swap with one in use: status %d", swap.status);
	unmap("it", (uint64_t)at, 0, m.handle, 21);
	gnttab(GNTTABOP_swap_grant_ref, &swap, 1);
	say("swap: status %d, flags 0x%x 0x%x", swap.status, table[20].flags, table[21].flags);
	gnttab(GNTTABOP_swap_grant_ref, &swap, 1);
	copy("a read-only grant", 21, 16);
	copy_to("read-only", 21);
	copy("to the page's end", 21, PAGE_SIZE - 8);
	copy("beyond it", 21, PAGE_SIZE - 7);

	grant(22, granted, GTF_permit_access);
	m = map("by a page-table entry", 22, GNTMAP_host_map | GNTMAP_contains_pte,
		(void *)pte_maddr(at, 1));
	say_trap("read", trap_of_read(at));
	unmap("by its address", (uint64_t)at, 0, m.handle, 22);
	unmap("by the entry", pte_maddr(at, 1), 0, m.handle, 22);
	map("an entry that is none", 22, GNTMAP_host_map | GNTMAP_contains_pte,
	    (void *)(mfn_of(granted) << 12));
	map("an entry not aligned", 22, GNTMAP_host_map | GNTMAP_contains_pte,
	    (void *)(pte_maddr(at, 1) + 4));
	map("an address without an L1", 22, GNTMAP_host_map, VA_UNMAPPED);
	map("an address in Xen", 22, GNTMAP_host_map, VA_XEN);
	map("an address not canonical", 22, GNTMAP_host_map, (void *)(1ul << 63));
	map("no kind of mapping", 22, 0, at);
	map("application only", 22, GNTMAP_application_map, at);
	m = map("for the kernel only", 22, GNTMAP_host_map, at);
	say("US in its entry: %d", !!(*pte_of(at, 1) & PTE_US));
	unmap("it", (uint64_t)at, 0, m.handle, 22);
	m = map("for user mode, too", 22, GNTMAP_host_map | GNTMAP_application_map, at);
	unmap("it", (uint64_t)at, 0, m.handle, 22);
	m = map("for a device", 22, GNTMAP_device_map, at);
	if (!m.status) {
		say("the bus address: the frame's: %d", m.dev_bus_addr == mfn_of(granted) << 12);
		unmap("a wrong bus address", 0, m.dev_bus_addr + PAGE_SIZE, m.handle, 22);
		unmap("it", 0, m.dev_bus_addr, m.handle, 22);
	}
	grant(23, granted, GTF_accept_transfer);
	map("one for a transfer", 23, GNTMAP_host_map, at);
	copy("one for a transfer", 23, 4);
	grant(24, pte_of(at, 1), GTF_permit_access);
	map("a page table", 24, GNTMAP_host_map, at);
	m = map("a page table, read-only", 24, GNTMAP_host_map | GNTMAP_readonly, at);
	if (!m.status)
		unmap("it", (uint64_t)at, 0, m.handle, 24);
	copy("a page table", 24, 0);
	copy_to("a page table", 24);
	table[25].frame = 0xffffff;
	table[25].domid = me;
	table[25].flags = GTF_permit_access;
	map("a frame beyond memory", 25, GNTMAP_host_map, at);
	copy("a frame beyond memory", 25, 4);

	/* A mapping keeps its frame from being anything else. */
	l1[0] = 0;
	map_page(l1, 0, UVMF_INVLPG);
	grant(26, l1, GTF_permit_access);
	m = map("read-write", 26, GNTMAP_host_map, at);
	say_rc("pin it as a table", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(l1), 0));
	unmap("it", (uint64_t)at, 0, m.handle, 26);
	say_rc("pin it as a table", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(l1), 0));
	map("read-write", 26, GNTMAP_host_map, at);
	m = map("read-only", 26, GNTMAP_host_map | GNTMAP_readonly, at);
	if (!m.status)
		unmap("it", (uint64_t)at, 0, m.handle, 26);
	say_rc("unpin", mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l1), 0));
}
