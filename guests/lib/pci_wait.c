/* Requests that are waited for with patience: see pci_wait.h. */
#include "guests/lib/pci_wait.h"

void pcifront_connect(struct pcifront *p)
{
	if (!pci_connect())
		fail("the backend of device/pci/0 does not connect");
	p->patience = 5000 * MS;
}

static bool active(void)
{
	return __atomic_load_n(&pci_page->flags, __ATOMIC_SEQ_CST) & XEN_PCIF_active;
}

int pcifront_op(struct pcifront *p, struct xen_pci_op *op)
{
	uint64_t end;

	pci_page->op = *op;
	event_clear(pci_port);
	__atomic_fetch_or(&pci_page->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
	evtchn_send(pci_port);
	p->polls = 0;
	end = system_time() + p->patience;
	while (active()) {
		if (system_time() >= end) {
			__atomic_fetch_and(&pci_page->flags, ~XEN_PCIF_active, __ATOMIC_SEQ_CST);
			return PCIFRONT_GAVE_UP;
		}
		long rc = poll_ports(&pci_port, 1, end);
		if (rc)
			fail("SCHEDOP_poll: %e", rc);
		p->polls++;
		event_clear(pci_port);
	}
	barrier();
	*op = pci_page->op;
	return op->err;
}

int pcifront_read(struct pcifront *p, unsigned offset, unsigned bytes, uint32_t *val)
{
	struct xen_pci_op op = {
		.cmd = XEN_PCI_OP_conf_read, .offset = (int)offset, .size = (int)bytes};
	int rc = pcifront_op(p, &op);

	*val = op.value;
	return rc;
}

int pcifront_write(struct pcifront *p, unsigned offset, unsigned bytes, uint32_t val)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_conf_write,
				.offset = (int)offset,
				.size = (int)bytes,
				.value = val};

	return pcifront_op(p, &op);
}

uint64_t pcifront_bar(struct pcifront *p, unsigned bar)
{
	uint32_t low = 0, high = 0;

	if (pcifront_read(p, 0x10 + 4 * bar, 4, &low))
		fail("no BAR %u", bar);
	if (low & 1)
		return low & ~3u;
	if ((low & 6) == 4 && pcifront_read(p, 0x14 + 4 * bar, 4, &high))
		fail("no BAR %u", bar + 1);
	return (uint64_t)high << 32 | (low & ~15u);
}

void pcifront_enable(struct pcifront *p, uint16_t command)
{
	if (pcifront_write(p, 4, 2, command))
		fail("the command register cannot be written");
}
