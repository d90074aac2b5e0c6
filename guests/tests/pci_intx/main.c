/*
 * Interrupts of a function as PIRQs: the line that its configuration space names, level-
 * triggered with its EOI, by PHYSDEVOP_eoi and by the old IRQ_UNMASK_NOTIFY; MSI, which
 * needs none; which vcpu is told. The card is the test card (devices/pci/testcard.h).
 * Rules: Xen, common/event_channel.c (evtchn_bind_pirq), arch/x86/irq.c (pirq_guest_eoi,
 * set_pirq_eoi); how a frontend uses them: Linux, drivers/xen/events.
 */
#include "guests/lib/pci_wait.h"

const char guest_title[] = "interrupts of a PCI function";

#define CAUSE  0x10
#define ENABLE 0x14
#define RAISE  0x18
#define STORM  0x48
#define LINE   0x3c

static struct pcifront front;
static uint8_t card[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));
static uint64_t *eoi_map;

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(card + offset);
}

static long bind(uint32_t pirq, uint32_t flags)
{
	struct evtchn_bind_pirq a = {.pirq = pirq, .flags = flags};
	long rc = HCALL(event_channel_op, EVTCHNOP_bind_pirq, &a);

	return rc ? rc : a.port;
}

static long eoi(uint32_t pirq)
{
	struct physdev_eoi a = {.irq = pirq};

	return HCALL(physdev_op, PHYSDEVOP_eoi, &a);
}

static bool needs_eoi(uint32_t pirq)
{
	return eoi_map[pirq / 64] >> pirq % 64 & 1;
}

/* An event of the device's comes at once: nothing but our process is between. */
static bool comes(evtchn_port_t port)
{
	for (unsigned i = 0; i < 500 && !event_pending(port); i++)
		sleep_ms(1);
	return event_pending(port);
}

static bool stays_away(evtchn_port_t port)
{
	sleep_ms(30);
	return !event_pending(port);
}

static void intx(uint32_t line)
{
	struct physdev_irq_status_query q = {.irq = line};
	struct evtchn_status s = {.dom = DOMID_SELF};
	long port = bind(line, BIND_PIRQ__WILL_SHARE);

	say("bind: %d", port > 0);
	say_rc("again", bind(line, BIND_PIRQ__WILL_SHARE));
	s.port = (evtchn_port_t)port;
	HCALL(event_channel_op, EVTCHNOP_status, &s);
	say("status %u, the line: %d", s.status, s.u.pirq == line);
	HCALL(physdev_op, PHYSDEVOP_irq_status_query, &q);
	say("query: %x, bit in the page: %d", q.flags, needs_eoi(line));
	say("send on it: %e", evtchn_send(s.port));
	event_unmask_raw(s.port);
	*reg(ENABLE) = 1;
	say("nothing yet: %d", stays_away(s.port));
	*reg(RAISE) = 1;
	say("raised: %d", comes(s.port));
	event_clear(s.port);
	say("before the EOI nothing more: %d", stays_away(s.port));
	/* The cause is still there: the line is up. */
	say_rc("eoi", eoi(line));
	say("it comes again: %d", comes(s.port));
	event_clear(s.port);
	*reg(CAUSE) = 1;
	say_rc("eoi", eoi(line));
	say("it is down: %d", stays_away(s.port));

	/* How guests of before PHYSDEVOP_eoi did it. */
	*reg(RAISE) = 1;
	comes(s.port);
	event_mask(s.port);
	event_clear(s.port);
	say_rc("IRQ_UNMASK_NOTIFY, masked", HCALL(physdev_op, PHYSDEVOP_IRQ_UNMASK_NOTIFY, 0));
	say("nothing: %d", stays_away(s.port));
	event_unmask_raw(s.port);
	say_rc("unmasked", HCALL(physdev_op, PHYSDEVOP_IRQ_UNMASK_NOTIFY, 0));
	say("it comes again: %d", comes(s.port));
	*reg(CAUSE) = 1;
	event_clear(s.port);
	eoi(line);

	/* A port that closes is as an EOI. */
	*reg(RAISE) = 1;
	comes(s.port);
	say("close: %e", evtchn_close(s.port));
	port = bind(line, BIND_PIRQ__WILL_SHARE);
	event_unmask_raw((evtchn_port_t)port);
	say("bound again, the line is up: %d", comes((evtchn_port_t)port));
	*reg(CAUSE) = 1;
	eoi(line);
	say("close: %e", evtchn_close((evtchn_port_t)port));
	*reg(ENABLE) = 0;
}

static void msi(void)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi};
	evtchn_port_t port;
	int rc = pcifront_op(&front, &op);
	uint32_t pirq = op.value;
	long bound;

	say("enable_msi: %d, above the lines: %d", rc, pirq >= 24);
	bound = bind(pirq, 0);
	port = (evtchn_port_t)bound;
	say("bind: %d, bit in the page: %d", bound > 0, needs_eoi(pirq));
	event_unmask_raw(port);
	*reg(ENABLE) = 1;
	for (unsigned i = 0; i < 3; i++) {
		*reg(RAISE) = 1;
		say("raised: %d", comes(port));
		event_clear(port);
		*reg(CAUSE) = 1;
	}
	say("to vcpu 1: %e", evtchn_bind_vcpu(port, 1));
	this_cpu()->info->evtchn_upcall_pending = 0;
	*reg(RAISE) = 1;
	comes(port);
	say("raised: %d, vcpu 0 is told: %u, vcpu 1: %u", event_pending(port),
	    this_cpu()->info->evtchn_upcall_pending,
	    shared_info->vcpu_info[1].evtchn_upcall_pending);
	*reg(ENABLE) = 0;
	say("close: %e", evtchn_close(port));
	op = (struct xen_pci_op){.cmd = XEN_PCI_OP_disable_msi};
	say("disable_msi: %d", pcifront_op(&front, &op));
	say("bind afterwards: %e", bind(pirq, 0));
}

void guest_main(void)
{
	struct physdev_pirq_eoi_gmfn a;
	uint32_t line = 0;

	events_off();
	pcifront_connect(&front);
	pcifront_enable(&front, 2);
	if (map_page(card, pcifront_bar(&front, 0) | PTE_LEAF | PTE_RW | PTE_PCD, UVMF_INVLPG))
		fail("the card cannot be mapped");
	eoi_map = page_alloc();
	a.gmfn = mfn_of(eoi_map);
	say("eoi page: %e", HCALL(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &a));
	pcifront_read(&front, LINE, 1, &line);
	say("the line is one of the machine's: %d", line >= 16 && line < 24);
	intx(line);
	msi();
}
