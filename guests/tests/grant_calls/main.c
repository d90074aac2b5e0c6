/*
 * Calls of grant tables that drivers seldom make: unmapping by putting another mapping in
 * the place, giving frames away, cache maintenance, versions while grants are in use, lists
 * of several requests.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Grant tables: replace, transfer, cache, versions in use, lists";

static grant_entry_v1_t *table;
static uint8_t *page, *at, *spare, *lost;
static domid_t me;

static void grant(grant_ref_t ref, uint64_t frame, uint16_t flags, domid_t dom)
{
	table[ref].flags = 0;
	table[ref].frame = (uint32_t)frame;
	table[ref].domid = dom;
	barrier();
	table[ref].flags = flags;
}

static grant_handle_t map_at(const char *what, grant_ref_t ref, uint32_t flags, void *va)
{
	struct gnttab_map_grant_ref m = {
		.host_addr = (uint64_t)va, .flags = flags, .ref = ref, .dom = me, .status = 77};
	long rc = gnttab(GNTTABOP_map_grant_ref, &m, 1);

	say("map, %s: %e, status %d", what, rc, m.status);
	return m.handle;
}

static void unmap(void *va, grant_handle_t handle)
{
	struct gnttab_unmap_grant_ref u = {
		.host_addr = (uint64_t)va, .handle = handle, .status = 77};
	long rc = gnttab(GNTTABOP_unmap_grant_ref, &u, 1);

	say("  unmap: %e, status %d", rc, u.status);
}

static void replace(const char *what, void *va, void *with, grant_handle_t handle)
{
	struct gnttab_unmap_and_replace r = {.host_addr = (uint64_t)va,
					     .new_addr = (uint64_t)with,
					     .handle = handle,
					     .status = 77};
	long rc = gnttab(GNTTABOP_unmap_and_replace, &r, 1);

	say("replace, %s: %e, status %d, grant flags 0x%x", what, rc, r.status, table[20].flags);
}

static void replacing(void)
{
	uint64_t other = mfn_of(spare);
	grant_handle_t h;

	memset(page, 0x11, PAGE_SIZE);
	memset(spare, 0x22, PAGE_SIZE);
	grant(20, mfn_of(page), GTF_permit_access, me);
	h = map_at("to be replaced", 20, GNTMAP_host_map, at);
	replace("a bad handle", at, spare, 0x12345);
	replace("nothing there", spare, lost, h);
	say_trap("what was to be in its place", trap_of_read(lost));
	replace("by an address without an L1", at, VA_UNMAPPED, h);
	replace("by an address in Xen", at, VA_XEN, h);
	replace("by another page", at, spare, h);
	say("now the other page is there: %d", at[0] == 0x22 && mfn_of(at) == other);
	say_trap("where it was", trap_of_read(spare));
	replace("again", at, spare, h);
	map_page(spare, other << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	h = map_at("once more", 20, GNTMAP_host_map, at);
	map_page(spare, 0, UVMF_INVLPG);
	replace("by an entry that is not present", at, spare, h);
	say_trap("there", trap_of_read(at));
	map_page(spare, other << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	h = map_at("by its entry", 20, GNTMAP_host_map | GNTMAP_contains_pte,
		   (void *)pte_maddr(at, 1));
	replace("of an entry", (void *)pte_maddr(at, 1), spare, h);
	unmap((void *)pte_maddr(at, 1), h);
	h = map_at("not to be replaced", 20, GNTMAP_host_map, at);
	replace("by no address", at, NULL, h);
	say("flags 0x%x", table[20].flags);
}

static void transfer(const char *what, uint64_t mfn, domid_t dom, grant_ref_t ref)
{
	struct gnttab_transfer t = {.mfn = mfn, .domid = dom, .ref = ref, .status = 77};
	long rc = gnttab(GNTTABOP_transfer, &t, 1);

	say("transfer, %s: %e, status %d", what, rc, t.status);
}

static uint64_t lonely_frame(void)
{
	uint8_t *p = page_alloc();
	uint64_t mfn = mfn_of(p);

	if (map_page(p, 0, UVMF_INVLPG))
		fail("unmap");
	return mfn;
}

static void transferring(void)
{
	uint64_t mfn = lonely_frame();

	transfer("a mapped frame", mfn_of(page), me, 30);
	transfer("a page table", mfn_of((void *)start_info->pt_base), me, 30);
	transfer("a frame beyond memory", 0xffffffffull, me, 30);
	transfer("to domain 1234", lonely_frame(), 1234, 30);
	transfer("to DOMID_SELF", lonely_frame(), DOMID_SELF, 30);
	transfer("to an entry that is free", lonely_frame(), me, 30);
	grant(31, 0x1234, GTF_permit_access, me);
	transfer("to an entry that grants", lonely_frame(), me, 31);
	grant(32, 0x1234, GTF_accept_transfer, 1234);
	transfer("to an entry for another domain", lonely_frame(), me, 32);
	transfer("to an entry beyond the table", lonely_frame(), me, 100000);
	grant(33, 0x1234, GTF_accept_transfer, me);
	transfer("to oneself", mfn, me, 33);
	say("the entry: flags 0x%x, the frame: %d", table[33].flags, table[33].frame == mfn);
	transfer("to an entry that has one", lonely_frame(), me, 33);
	say_rc("at a bad address", gnttab(GNTTABOP_transfer, VA_UNMAPPED, 1));
}

static void flush(const char *what, uint64_t addr, uint16_t off, uint16_t len, uint32_t op)
{
	struct gnttab_cache_flush f = {.offset = off, .length = len, .op = op};

	f.a.dev_bus_addr = addr;
	say("cache_flush, %s: %e", what, gnttab(GNTTABOP_cache_flush, &f, 1));
}

static void flushing(void)
{
	uint64_t own = mfn_of(page) << 12;

	flush("clean", own, 0, 64, GNTTAB_CACHE_CLEAN);
	flush("invalidate", own, 0, 64, GNTTAB_CACHE_INVAL);
	flush("both", own, 0, 64, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL);
	flush("nothing", own, 0, 64, 0);
	flush("no bytes", own, 0, 0, GNTTAB_CACHE_CLEAN);
	flush("the whole page", own, 0, 4096, GNTTAB_CACHE_CLEAN);
	flush("beyond the page", own, 1, 4096, GNTTAB_CACHE_CLEAN);
	flush("from the page's end", own, 4096, 0, GNTTAB_CACHE_CLEAN);
	flush("an unknown operation", own, 0, 64, 4);
	flush("a frame beyond memory", 1ull << 50, 0, 64, GNTTAB_CACHE_CLEAN);
	flush("a grant", 20, 0, 64, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_SOURCE_GREF);
	say_rc("cache_flush at a bad address", gnttab(GNTTABOP_cache_flush, VA_UNMAPPED, 1));
	say_rc("cache_flush of none", gnttab(GNTTABOP_cache_flush, VA_UNMAPPED, 0));
}

static void version(const char *what, uint32_t n)
{
	struct gnttab_set_version v = {.version = n};
	long rc = gnttab(GNTTABOP_set_version, &v, 1);

	say("set_version %u, %s: %e, version %u", n, what, rc, v.version);
}

static void versions(void)
{
	struct gnttab_get_version g = {.dom = DOMID_SELF};
	grant_handle_t h;

	grant(20, mfn_of(page), GTF_permit_access, me);
	h = map_at("across a change of version", 20, GNTMAP_host_map, at);
	version("with a mapping", 2);
	version("with a mapping", 1);
	unmap(at, h);
	version("0", 0);
	version("3", 3);
	say("get_version: %e, %u", gnttab(GNTTABOP_get_version, &g, 1), g.version);
	g.dom = me;
	say("get_version by number: %e, %u", gnttab(GNTTABOP_get_version, &g, 1), g.version);
	g.dom = 1234;
	say_rc("get_version of domain 1234", gnttab(GNTTABOP_get_version, &g, 1));
	say_rc("get_version, two at once", gnttab(GNTTABOP_get_version, &g, 2));
	say_rc("get_version at a bad address", gnttab(GNTTABOP_get_version, VA_UNMAPPED, 1));
	say_rc("set_version at a bad address", gnttab(GNTTABOP_set_version, VA_UNMAPPED, 1));
}

/* Each request of a list has its own status; a bad one does not end it. */
static void lists(void)
{
	struct gnttab_map_grant_ref m[4];
	struct gnttab_unmap_grant_ref u[4];
	struct gnttab_swap_grant_ref s[3] = {{.ref_a = 20, .ref_b = 20},
					     {.ref_a = 20, .ref_b = 100000},
					     {.ref_a = 100000, .ref_b = 20}};
	long rc;

	memset(m, 0, sizeof(m));
	for (unsigned i = 0; i < 4; i++) {
		m[i].host_addr = (uint64_t)at;
		m[i].flags = GNTMAP_host_map;
		m[i].dom = me;
		m[i].ref = i == 1 ? 100000 : 20;
		m[i].status = 77;
	}
	m[2].flags = 0;
	rc = gnttab(GNTTABOP_map_grant_ref, m, 3);
	say("map 3: %e, status %d %d %d, the next %d", rc, m[0].status, m[1].status, m[2].status,
	    m[3].status);
	memset(u, 0, sizeof(u));
	u[0].host_addr = u[1].host_addr = u[2].host_addr = (uint64_t)at;
	u[0].handle = 0x12345;
	u[1].handle = m[0].handle;
	u[2].handle = m[0].handle;
	rc = gnttab(GNTTABOP_unmap_grant_ref, u, 3);
	say("unmap 3: %e, status %d %d %d", rc, u[0].status, u[1].status, u[2].status);
	rc = gnttab(GNTTABOP_swap_grant_ref, s, 3);
	say("swap 3: %e, status %d %d %d", rc, s[0].status, s[1].status, s[2].status);
	say_rc("swap at a bad address", gnttab(GNTTABOP_swap_grant_ref, VA_UNMAPPED, 1));
	say_rc("replace at a bad address", gnttab(GNTTABOP_unmap_and_replace, VA_UNMAPPED, 1));
	say_rc("map 0", gnttab(GNTTABOP_map_grant_ref, m, 0));
	say_rc("map in Xen's memory", gnttab(GNTTABOP_map_grant_ref, VA_XEN, 1));
}

void guest_main(void)
{
	static uint8_t table_va[PAGE_SIZE] __attribute__((aligned(4096)));
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
	xen_pfn_t frames[1];

	me = own_domid();
	set_xen_guest_handle(s.frame_list, frames);
	gnttab(GNTTABOP_setup_table, &s, 1);
	map_page(table_va, frames[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	table = (void *)table_va;
	page = page_alloc();
	at = page_alloc();
	spare = page_alloc();
	lost = page_alloc();
	map_page(at, 0, UVMF_INVLPG);
	replacing();
	transferring();
	flushing();
	versions();
	lists();
}
