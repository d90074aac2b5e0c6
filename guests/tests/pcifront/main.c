/*
 * SCHEDOP_poll in the role that it was made for: pcifront waits for pciback's answer with
 * upcalls masked. Answers come at once, late, after pcifront has lost its patience, and
 * never; none of them is taken for the answer to another request. The card is the test
 * card, whose register says how long answers take. Run by pcifront_3_0_2 as well, on the
 * Xen that the call came with. Expectations are written: Linux's pcifront (drivers/pci/
 * xen-pcifront.c, do_pci_op()) behaves so, with a patience of its own.
 */
#include "guests/lib/pci_wait.h"

const char guest_title[] = "pcifront waits with SCHEDOP_poll";

#define VENDOR_DEVICE 0xf0c15853u
#define DELAY	      0x4c
#define NEVER	      0xffffffffu

static struct pcifront front;
static uint8_t card[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));

static void delay(uint32_t ms)
{
	*(volatile uint32_t *)(card + DELAY) = ms;
}

/* Reads are told apart by what they read: each a register of its own. */
static void ask(const char *what, unsigned offset, unsigned bytes, uint32_t want)
{
	uint64_t start = system_time(), took;
	uint32_t val = 0;
	int rc = pcifront_read(&front, offset, bytes, &val);

	took = (system_time() - start) / MS;
	note("%s: %lu ms, %u polls", what, took, front.polls);
	if (rc == PCIFRONT_GAVE_UP)
		say("%s: gave up, not before the patience ended: %d", what,
		    took >= front.patience / MS);
	else
		say("%s: err %d, right: %d%s", what, rc, val == want,
		    took >= 250 && front.polls ? ", slept in poll" : "");
}

/* An answer that nobody waits for any more: it is told, and harms nothing. */
static void await_event(const char *what, unsigned ms)
{
	uint64_t end = system_time() + ms * MS;
	bool came;

	while (!(came = event_pending(pci_port)) && system_time() < end)
		poll_ports(&pci_port, 1, end);
	say("%s: an event: %d", what, came);
	event_clear(pci_port);
}

void guest_main(void)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_conf_read, .devfn = 0xf8, .size = 4};
	struct sched_poll p = {.nr_ports = 1};
	uint32_t command = 0;

	events_off();
	pcifront_connect(&front);
	ask("at once", 0, 4, VENDOR_DEVICE);
	pcifront_enable(&front, 2); /* memory */
	say_rc("mapping the card",
	       map_page(card, pcifront_bar(&front, 0) | PTE_LEAF | PTE_RW | PTE_PCD, UVMF_INVLPG));
	say("reading a slot without a device: %d", pcifront_op(&front, &op));

	/* Upcalls are masked all the time: an answer wakes the poll, nothing else. */
	say("upcalls masked: %d, port masked: %d", this_cpu()->info->evtchn_upcall_mask,
	    event_masked(pci_port));
	delay(300);
	ask("late", 0, 4, VENDOR_DEVICE);
	ask("late again", 2, 2, VENDOR_DEVICE >> 16);
	delay(0);
	pcifront_read(&front, 4, 2, &command); /* the one that was still slow, or not */
	ask("at once again", 0, 2, VENDOR_DEVICE & 0xffff);

	delay(5500);
	ask("after the patience", 0, 4, VENDOR_DEVICE);
	delay(0);
	await_event("its answer", 20000);
	ask("the next request", 2, 2, VENDOR_DEVICE >> 16);

	front.patience = 1000 * MS; /* the same, sooner */
	delay(NEVER);
	ask("never", 0, 4, VENDOR_DEVICE);
	delay(0);
	ask("after never", 0, 2, VENDOR_DEVICE & 0xffff);

	/* What the first version of the call refused. */
	set_xen_guest_handle(p.ports, &pci_port);
	p.timeout = system_time() + MS;
	this_cpu()->info->evtchn_upcall_mask = 0;
	say_rc("poll with upcalls not masked", HCALL(sched_op, SCHEDOP_poll, &p));
	events_off();
	say("upcalls taken: %u", this_cpu()->upcalls);
}
