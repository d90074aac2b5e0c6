/*
 * Grant tables of one domain: setting them up, sizes and versions, copies to itself,
 * mapping what it granted to itself, and every error on the way.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Grant tables within a domain";

static grant_entry_v1_t *table;
static uint8_t table_va[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));
static uint8_t *from, *to;

static void grant(grant_ref_t ref, void *page, uint16_t flags, domid_t dom)
{
	table[ref].frame = mfn_of(page);
	table[ref].domid = dom;
	barrier();
	table[ref].flags = flags;
}

static void copy(const char *what, grant_ref_t src, uint16_t src_off, uint16_t dst_off,
		 uint16_t len, uint16_t flags)
{
	struct gnttab_copy c = {.len = len, .flags = flags, .status = 77};

	if (flags & GNTCOPY_source_gref)
		c.source.u.ref = src;
	else
		c.source.u.gmfn = mfn_of(from);
	c.source.domid = DOMID_SELF;
	c.source.offset = src_off;
	c.dest.u.gmfn = mfn_of(to);
	c.dest.domid = DOMID_SELF;
	c.dest.offset = dst_off;
	long rc = gnttab(GNTTABOP_copy, &c, 1);
	say("copy, %s: %e, status %d", what, rc, c.status);
}

static void setup(void)
{
	xen_pfn_t frames[64];
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1, .status = 77};
	struct gnttab_query_size q = {.dom = DOMID_SELF};

	set_xen_guest_handle(s.frame_list, frames);
	say("setup_table: %e, status %d", gnttab(GNTTABOP_setup_table, &s, 1), s.status);
	map_page(table_va, frames[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	table = (void *)table_va;
	if (!is_dom0())
		for (unsigned i = 0; i < 3; i++)
			say("entry %u: flags 0x%x, domain %u, the page: %d", i, table[i].flags,
			    table[i].domid,
			    table[i].frame ==
				    (i ? start_info->store_mfn : start_info->console.domU.mfn));
	say("query_size: %e, status %d", gnttab(GNTTABOP_query_size, &q, 1), q.status);
	if (!is_dom0())
		say("frames %u of %u", q.nr_frames, q.max_nr_frames);
	s.nr_frames = 1000;
	say("setup_table, 1000 frames: %e, status %d", gnttab(GNTTABOP_setup_table, &s, 1),
	    s.status);
	s.nr_frames = 1;
	s.dom = 1234;
	say("setup_table, domain 1234: %e, status %d", gnttab(GNTTABOP_setup_table, &s, 1),
	    s.status);
	s.dom = DOMID_SELF;
	say_rc("setup_table, two at once", gnttab(GNTTABOP_setup_table, &s, 2));
	say_rc("setup_table, none", gnttab(GNTTABOP_setup_table, &s, 0));
	say_rc("setup_table, at a bad address", gnttab(GNTTABOP_setup_table, VA_UNMAPPED, 1));
	say_rc("query_size, two at once", gnttab(GNTTABOP_query_size, &q, 2));
	q.dom = 1234;
	say("query_size, domain 1234: %e, status %d", gnttab(GNTTABOP_query_size, &q, 1), q.status);
}

static void map(const char *what, grant_ref_t ref, uint32_t flags, domid_t dom, void *at)
{
	struct gnttab_map_grant_ref m = {
		.host_addr = (uint64_t)at, .flags = flags, .ref = ref, .dom = dom, .status = 77};
	long rc = gnttab(GNTTABOP_map_grant_ref, &m, 1);

	say("map, %s: %e, status %d", what, rc, m.status);
	if (!rc && !m.status) {
		struct gnttab_unmap_grant_ref u = {.host_addr = m.host_addr, .handle = m.handle};

		say("  same contents: %d, in use: 0x%x", *(uint8_t *)at == *from, table[ref].flags);
		rc = gnttab(GNTTABOP_unmap_grant_ref, &u, 1);
		say("  unmap: %e, status %d, flags 0x%x", rc, u.status, table[ref].flags);
		u.status = 77;
		rc = gnttab(GNTTABOP_unmap_grant_ref, &u, 1);
		say("  again: %e, status %d", rc, u.status);
	}
}

void guest_main(void)
{
	struct gnttab_set_version v = {.version = 7};
	struct gnttab_get_version g = {.dom = DOMID_SELF};
	domid_t self = is_dom0() ? 0 : DOMID_SELF;
	uint8_t *at = page_alloc();

	from = page_alloc();
	to = page_alloc();
	setup();
	memset(from, 0xaa, PAGE_SIZE);
	copy("frame to frame", 0, 0, 16, 100, 0);
	say("copied: %d, not more: %d", to[16] == 0xaa && to[115] == 0xaa, !to[116] && !to[15]);
	copy("across the page", 0, 4000, 0, 97, 0);
	copy("to the page's end", 0, 4000, 0, 96, 0);
	copy("across the destination", 0, 0, 4000, 97, 0);
	copy("nothing", 0, 0, 0, 0, 0);
	copy("a free grant", 20, 0, 0, 8, GNTCOPY_source_gref);
	copy("a grant beyond the table", 100000, 0, 0, 8, GNTCOPY_source_gref);
	say_rc("copy at a bad address", gnttab(GNTTABOP_copy, VA_UNMAPPED, 1));
	say_rc("copy none", gnttab(GNTTABOP_copy, VA_UNMAPPED, 0));
	grant(20, from, GTF_permit_access, 1234);
	map("granted to another", 20, GNTMAP_host_map, self, at);
	map("of domain 1234", 20, GNTMAP_host_map, 1234, at);
	map("a free one", 21, GNTMAP_host_map, self, at);
	map("beyond the table", 100000, GNTMAP_host_map, self, at);
	map("no kind of mapping", 20, 0, self, at);
	say_rc("map at a bad address", gnttab(GNTTABOP_map_grant_ref, VA_UNMAPPED, 1));
	say_rc("unmap at a bad address", gnttab(GNTTABOP_unmap_grant_ref, VA_UNMAPPED, 1));
	say("get_version: %e, %u", gnttab(GNTTABOP_get_version, &g, 1), g.version);
	say("set_version 7: %e, %u", gnttab(GNTTABOP_set_version, &v, 1), v.version);
	v.version = 2;
	say("set_version 2 with a grant: %e, %u", gnttab(GNTTABOP_set_version, &v, 1), v.version);
	table[20].flags = 0;
	v.version = 1;
	say("set_version 1: %e, %u", gnttab(GNTTABOP_set_version, &v, 1), v.version);
	say_rc("number 100", gnttab(100, &v, 1));
	say_rc("number 2^32 - 1", gnttab(~0u, &v, 1));
	say_rc("a huge count", gnttab(GNTTABOP_copy, &v, 0x80000000u));
}
