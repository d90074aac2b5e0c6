/*
 * A frontend of the PCI backend (io/pciif.h): its keys in xenstore, its page, and requests
 * that are waited for by SCHEDOP_poll with events off, as Linux's pcifront waits.
 */
#include "guests/lib/guest.h"

#include <xen/io/xenbus.h>

#define FRONTEND "device/pci/0"
#define REF	 8 /* the first that is not the toolstack's */

struct xen_pci_sharedinfo *pci_page;
evtchn_port_t pci_port;
char pci_backend[80];

static uint8_t table_va[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));

static long grant_page(void *page)
{
	grant_entry_v1_t *table = (void *)table_va;
	xen_pfn_t frame;
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};

	set_xen_guest_handle(s.frame_list, &frame);
	if (gnttab(GNTTABOP_setup_table, &s, 1) || s.status)
		return -1;
	map_page(table_va, frame << PAGE_SHIFT | PTE_LEAF | PTE_RW | PTE_D, UVMF_INVLPG);
	table[REF].frame = (uint32_t)mfn_of(page);
	table[REF].domid = 0;
	barrier();
	table[REF].flags = GTF_permit_access;
	return 0;
}

static void print(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(buf, size, fmt, ap);
	va_end(ap);
}

const char *pci_key(const char *key)
{
	char path[160];

	print(path, sizeof(path), "%s/%s", pci_backend, key);
	return store_read(path);
}

unsigned pci_backend_state(void)
{
	const char *s = pci_key("state");

	return s ? (unsigned)(s[0] - '0') : 0;
}

void pci_state(unsigned state)
{
	char text[4];

	print(text, sizeof(text), "%u", state);
	store_write(FRONTEND "/state", text);
}

bool pci_wait_state(unsigned state, unsigned ms)
{
	for (uint64_t end = system_time() + ms * MS; pci_backend_state() != state;) {
		if (system_time() > end)
			return false;
		sleep_ms(10);
	}
	return true;
}

bool pci_connect(void)
{
	const char *backend = store_read(FRONTEND "/backend");
	char text[16];

	if (!backend || strlen(backend) >= sizeof(pci_backend))
		return false;
	memcpy(pci_backend, backend, strlen(backend) + 1);
	pci_page = page_alloc();
	pci_page->flags = XEN_PCIB_AERHANDLER;
	if (grant_page(pci_page))
		fail("no grant");
	pci_port = (evtchn_port_t)evtchn_alloc_unbound(DOMID_SELF, 0);
	event_mask(pci_port);
	print(text, sizeof(text), "%u", REF);
	store_write(FRONTEND "/pci-op-ref", text);
	print(text, sizeof(text), "%u", pci_port);
	store_write(FRONTEND "/event-channel", text);
	store_write(FRONTEND "/magic", XEN_PCI_MAGIC);
	pci_state(XenbusStateInitialised);
	if (!pci_wait_state(XenbusStateConnected, 20000))
		return false;
	pci_state(XenbusStateConnected);
	return true;
}

bool pci_op_wait(struct xen_pci_op *op, unsigned ms)
{
	uint64_t end = system_time() + ms * MS;

	pci_page->op = *op;
	event_clear(pci_port);
	__atomic_fetch_or(&pci_page->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
	evtchn_send(pci_port);
	while (__atomic_load_n(&pci_page->flags, __ATOMIC_SEQ_CST) & XEN_PCIF_active) {
		poll_ports(&pci_port, 1, end);
		event_clear(pci_port);
		if (system_time() > end)
			return false;
	}
	*op = pci_page->op;
	return true;
}

int pci_op(struct xen_pci_op *op)
{
	if (!pci_op_wait(op, 20000))
		fail("pciback does not answer to operation %u", op->cmd);
	return op->err;
}
