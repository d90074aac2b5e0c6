/*
 * Grant tables of version 2 within a domain: status apart from the entries, parts of pages,
 * grants that lead to other grants.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Grant tables, version 2";

static union grant_entry_v2 *table;
static grant_status_t *status;
static uint8_t *granted, *at;
static domid_t me;

static void full(grant_ref_t ref, const void *page, uint16_t flags)
{
	table[ref].full_page.frame = mfn_of(page);
	table[ref].hdr.domid = me;
	barrier();
	table[ref].hdr.flags = flags;
}

static void part(grant_ref_t ref, const void *page, uint16_t off, uint16_t len, uint16_t flags)
{
	table[ref].sub_page.frame = mfn_of(page);
	table[ref].sub_page.page_off = off;
	table[ref].sub_page.length = len;
	table[ref].hdr.domid = me;
	barrier();
	table[ref].hdr.flags = flags | GTF_sub_page;
}

static void transitive(grant_ref_t ref, domid_t dom, grant_ref_t to, uint16_t flags)
{
	table[ref].transitive.trans_domid = dom;
	table[ref].transitive.gref = to;
	table[ref].hdr.domid = me;
	barrier();
	table[ref].hdr.flags = flags;
}

static struct gnttab_map_grant_ref map(const char *what, grant_ref_t ref, uint32_t flags)
{
	struct gnttab_map_grant_ref m = {
		.host_addr = (uint64_t)at, .flags = flags, .ref = ref, .dom = me, .status = 77};
	long rc = gnttab(GNTTABOP_map_grant_ref, &m, 1);

	say("map, %s: %e, status %d; flags 0x%x, status word 0x%x", what, rc, m.status,
	    table[ref].hdr.flags, status[ref]);
	return m;
}

static void unmap(const struct gnttab_map_grant_ref *m, grant_ref_t ref)
{
	struct gnttab_unmap_grant_ref u = {.host_addr = m->host_addr, .handle = m->handle};
	long rc = gnttab(GNTTABOP_unmap_grant_ref, &u, 1);

	say("  unmap: %e, status %d; flags 0x%x, status word 0x%x", rc, u.status,
	    table[ref].hdr.flags, status[ref]);
}

static void copy(const char *what, grant_ref_t src, uint16_t off, uint16_t len)
{
	struct gnttab_copy c = {.len = len, .flags = GNTCOPY_source_gref, .status = 77};
	long rc;

	memset(at, 0, 16);
	c.source.u.ref = src;
	c.source.domid = me;
	c.source.offset = off;
	c.dest.u.gmfn = mfn_of(at);
	c.dest.domid = DOMID_SELF;
	rc = gnttab(GNTTABOP_copy, &c, 1);
	say("copy, %s: %e, status %d, got 0x%x; status word 0x%x", what, rc, c.status, at[0],
	    status[src]);
}

static void copy_to(const char *what, grant_ref_t dst, uint16_t off)
{
	struct gnttab_copy c = {.len = 4, .flags = GNTCOPY_dest_gref, .status = 77};
	long rc;

	c.dest.u.ref = dst;
	c.dest.domid = me;
	c.dest.offset = off;
	c.source.u.gmfn = mfn_of(at);
	c.source.domid = DOMID_SELF;
	rc = gnttab(GNTTABOP_copy, &c, 1);
	say("copy into it, %s: %e, status %d", what, rc, c.status);
}

static long version(uint32_t v)
{
	struct gnttab_set_version s = {.version = v};

	return gnttab(GNTTABOP_set_version, &s, 1);
}

void guest_main(void)
{
	static uint8_t table_va[PAGE_SIZE] __attribute__((aligned(4096)));
	static uint8_t status_va[PAGE_SIZE] __attribute__((aligned(4096)));
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
	struct gnttab_get_status_frames f = {.dom = DOMID_SELF, .nr_frames = 1, .status = 77};
	struct gnttab_map_grant_ref m;
	xen_pfn_t frames[1];
	uint64_t status_frames[1];
	long rc;

	me = own_domid();
	set_xen_guest_handle(f.frame_list, status_frames);
	rc = gnttab(GNTTABOP_get_status_frames, &f, 1);
	say("status frames of version 1: %e, status %d", rc, f.status);
	say_rc("version 2", version(2));
	say_rc("version 2 again", version(2));
	set_xen_guest_handle(s.frame_list, frames);
	rc = gnttab(GNTTABOP_setup_table, &s, 1);
	say("setup_table: %e, status %d", rc, s.status);
	rc = gnttab(GNTTABOP_get_status_frames, &f, 1);
	say("status frames: %e, status %d", rc, f.status);
	f.nr_frames = 2;
	f.status = 77;
	rc = gnttab(GNTTABOP_get_status_frames, &f, 1);
	say("2 status frames: %e, status %d", rc, f.status);
	f.dom = 1234;
	f.status = 77;
	rc = gnttab(GNTTABOP_get_status_frames, &f, 1);
	say("of domain 1234: %e, status %d", rc, f.status);
	say_rc("the table", map_page(table_va, frames[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG));
	say_rc("the status",
	       map_page(status_va, status_frames[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG));
	table = (void *)table_va;
	status = (void *)status_va;
	granted = page_alloc();
	at = page_alloc();
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		granted[i] = i / 16;

	full(20, granted, GTF_permit_access);
	m = map("a page", 20, GNTMAP_host_map);
	unmap(&m, 20);
	page_writable(at);
	copy("a page", 20, 32, 16);
	full(21, granted, GTF_permit_access | GTF_readonly);
	map("read-write of a read-only one", 21, GNTMAP_host_map);
	m = map("read-only", 21, GNTMAP_host_map | GNTMAP_readonly);
	unmap(&m, 21);
	page_writable(at);
	copy_to("read-only", 21, 0);
	part(22, granted, 64, 128, GTF_permit_access);
	map("a part", 22, GNTMAP_host_map);
	copy("a part, its beginning", 22, 0, 16);
	copy("a part, its end", 22, 112, 16);
	copy("a part, beyond", 22, 113, 16);
	copy("a part, all", 22, 0, 128);
	copy_to("a part", 22, 124);
	copy_to("a part, beyond", 22, 125);
	part(23, granted, 4000, 200, GTF_permit_access);
	copy("a part across the page", 23, 90, 16);
	transitive(24, me, 20, GTF_transitive);
	map("to a page", 24, GNTMAP_host_map);
	copy("to a page", 24, 48, 16);
	transitive(25, me, 22, GTF_transitive);
	copy("to a part", 25, 0, 16);
	transitive(26, me, 24, GTF_transitive);
	copy("to one that leads on", 26, 48, 16);
	transitive(27, me, 21, GTF_transitive);
	copy("to a read-only page", 27, 0, 16);
	copy_to("to a read-only page", 27, 0);
	transitive(28, me, 30, GTF_transitive);
	copy("to a free one", 28, 0, 16);
	transitive(29, 1234, 20, GTF_transitive);
	copy("to domain 1234", 29, 0, 16);
	part(31, granted, 1234, 64, GTF_transitive); /* the offset is where the domain would be */
	copy("a part that leads on", 31, 0, 16);
	say_rc("version 1 with grants", version(1));
	for (unsigned i = 20; i < 32; i++)
		table[i].hdr.flags = 0;
	say_rc("version 1", version(1));
}
