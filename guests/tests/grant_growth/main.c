/*
 * A grant table that grows: as many frames as it may have, of both versions, their entries
 * in use, and the status frames that come with them.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Grant tables that grow";

#define MAX_FRAMES 64

static uint8_t window[PAGE_SIZE] __attribute__((aligned(4096)));
static xen_pfn_t frames[MAX_FRAMES + 1];
static uint64_t status_frames[MAX_FRAMES + 1];
static uint8_t *page, *to;
static domid_t me;

static void setup(unsigned nr)
{
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = nr, .status = 77};
	struct gnttab_query_size q = {.dom = DOMID_SELF, .status = 77};
	uint64_t first = frames[0];
	long rc;

	set_xen_guest_handle(s.frame_list, frames);
	rc = gnttab(GNTTABOP_setup_table, &s, 1);
	gnttab(GNTTABOP_query_size, &q, 1);
	say("setup_table of %u: %e, status %d; frames %u of %u, the first is the same: %d", nr, rc,
	    s.status, q.nr_frames, q.max_nr_frames, !first || first == frames[0]);
}

static void status(unsigned nr)
{
	struct gnttab_get_status_frames f = {.dom = DOMID_SELF, .nr_frames = nr, .status = 77};
	long rc;

	set_xen_guest_handle(f.frame_list, status_frames);
	rc = gnttab(GNTTABOP_get_status_frames, &f, 1);
	say("%u status frames: %e, status %d", nr, rc, f.status);
}

static void version(uint32_t n)
{
	struct gnttab_set_version v = {.version = n};

	say_rc(n == 1 ? "version 1" : "version 2", gnttab(GNTTABOP_set_version, &v, 1));
}

static void *look_at(uint64_t mfn)
{
	if (map_page(window, mfn << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG))
		fail("cannot map a frame of the table");
	return window;
}

static void copy(grant_ref_t ref)
{
	struct gnttab_copy c = {.len = 16, .flags = GNTCOPY_source_gref, .status = 77};
	long rc;

	c.source.u.ref = ref;
	c.source.domid = me;
	c.dest.u.gmfn = mfn_of(to);
	c.dest.domid = DOMID_SELF;
	to[0] = 0;
	rc = gnttab(GNTTABOP_copy, &c, 1);
	say("copy of %u: %e, status %d, right: %d", ref, rc, c.status, to[0] == page[0]);
}

static void grant_1(grant_ref_t ref)
{
	grant_entry_v1_t *e = look_at(frames[ref / 512]);

	e[ref % 512].frame = (uint32_t)mfn_of(page);
	e[ref % 512].domid = me;
	barrier();
	e[ref % 512].flags = GTF_permit_access;
}

static void grant_2(grant_ref_t ref)
{
	union grant_entry_v2 *e = look_at(frames[ref / 256]);

	e[ref % 256].full_page.frame = mfn_of(page);
	e[ref % 256].hdr.domid = me;
	barrier();
	e[ref % 256].hdr.flags = GTF_permit_access;
}

void guest_main(void)
{
	me = own_domid();
	page = page_alloc();
	to = page_alloc();
	memset(page, 0x5a, PAGE_SIZE);
	setup(1);
	copy(512);
	setup(2);
	setup(1);
	grant_1(511);
	copy(511);
	grant_1(1023);
	copy(1023);
	copy(1024);
	setup(5);
	grant_1(5 * 512 - 1);
	copy(5 * 512 - 1);
	version(2);
	say("its entries are gone: %d",
	    !((union grant_entry_v2 *)look_at(frames[4]))[255].hdr.flags);
	status(1);
	status(2);
	copy(5 * 256 - 1);
	grant_2(5 * 256 - 1);
	copy(5 * 256 - 1);
	copy(5 * 256);
	setup(9);
	status(1);
	status(2);
	setup(MAX_FRAMES);
	status(8);
	status(9);
	grant_2(MAX_FRAMES * 256 - 1);
	copy(MAX_FRAMES * 256 - 1);
	copy(MAX_FRAMES * 256);
	setup(MAX_FRAMES + 1);
	setup(0);
	look_at(status_frames[7]);
	version(1);
	map_page(window, 0, UVMF_INVLPG);
	version(1);
	status(1);
	grant_1(MAX_FRAMES * 512 - 1);
	copy(MAX_FRAMES * 512 - 1);
	copy(MAX_FRAMES * 512);
	map_page(window, 0, UVMF_INVLPG);
	version(2);
	status(8);
	say("a fresh status frame: %d", !*(uint64_t *)look_at(status_frames[7]));
}
