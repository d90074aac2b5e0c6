/*
 * A domain with small limits: few frames of the table, one of mappings, version 1 only.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Limits of grant tables";

static grant_entry_v1_t *table;
static xen_pfn_t frames[8];
static grant_handle_t handles[600];

static void setup(unsigned nr)
{
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = nr, .status = 77};
	struct gnttab_query_size q = {.dom = DOMID_SELF, .status = 77};
	long rc;

	set_xen_guest_handle(s.frame_list, frames);
	rc = gnttab(GNTTABOP_setup_table, &s, 1);
	gnttab(GNTTABOP_query_size, &q, 1);
	say("setup_table of %u: %e, status %d; frames %u of %u", nr, rc, s.status, q.nr_frames,
	    q.max_nr_frames);
}

/* For a device, so that no page-table entries are needed; 128 times a grant at most. */
static int map(domid_t me, grant_ref_t ref, grant_handle_t *h)
{
	struct gnttab_map_grant_ref m = {
		.flags = GNTMAP_device_map | GNTMAP_readonly, .ref = ref, .dom = me, .status = 77};

	if (gnttab(GNTTABOP_map_grant_ref, &m, 1))
		fail("map");
	*h = m.handle;
	return m.status;
}

static void unmap(const void *page, grant_handle_t h)
{
	struct gnttab_unmap_grant_ref u = {
		.dev_bus_addr = mfn_of(page) << 12, .handle = h, .status = 77};

	if (gnttab(GNTTABOP_unmap_grant_ref, &u, 1) || u.status)
		fail("unmap: status %d", u.status);
}

void guest_main(void)
{
	static uint8_t table_va[PAGE_SIZE] __attribute__((aligned(4096)));
	struct gnttab_set_version v = {.version = 2};
	domid_t me = own_domid();
	uint8_t *page = page_alloc();
	unsigned nr = 0;
	int status = 0;
	long rc;

	setup(1);
	setup(4);
	setup(5);
	rc = gnttab(GNTTABOP_set_version, &v, 1);
	say("version 2: %e, version %u", rc, v.version);
	map_page(table_va, frames[0] << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	table = (void *)table_va;
	for (grant_ref_t ref = 20; ref < 30; ref++) {
		table[ref].frame = (uint32_t)mfn_of(page);
		table[ref].domid = me;
		barrier();
		table[ref].flags = GTF_permit_access | GTF_readonly;
	}
	while (nr < ARRAY_SIZE(handles) && !status) {
		status = map(me, 20 + nr / 100, &handles[nr]);
		nr += !status;
	}
	say("mappings: %u, then status %d", nr, status);
	unmap(page, handles[7]);
	say("one less, then: status %d", map(me, 29, &handles[7]));
	say("and another: status %d", map(me, 29, &handles[nr]));
	for (unsigned i = 0; i < nr; i++)
		unmap(page, handles[i]);
	say("flags 0x%x 0x%x", table[20].flags, table[29].flags);
	status = map(me, 20, &handles[0]);
	say("all unmapped: status %d", status);
}
