/*
 * Asks the PCI backend about all functions that the guest was given: probe.h. Run on real
 * Xen by test/oracle/pci.sh, and here with --pci. Command line: "keys": those only;
 * "hotplug": stays, and tells what happens while functions come and go.
 */
#include "guests/lib/guest.h"

#include <xen/io/xenbus.h>

static long probe_bind(unsigned pirq)
{
	struct evtchn_bind_pirq b = {.pirq = pirq};
	long rc = HCALL(event_channel_op, EVTCHNOP_bind_pirq, &b);

	if (!rc)
		evtchn_close(b.port);
	return rc;
}

#include "guests/programs/pci_probe/probe.h"

const char guest_title[] = "What pciback answers";

static bool asked_for(const char *what)
{
	const char *s = (const char *)start_info->cmd_line;
	size_t len = strlen(what);

	for (; *s; s++)
		if (!memcmp(s, what, len))
			return true;
	return false;
}

/* Until the tool that adds or removes is through: it renumbers keys at the end. */
#define SETTLE_MS 3000

/* Does what a frontend does, for as many changes. */
static void hotplug(unsigned changes)
{
	unsigned devfn[PROBE_MAX];

	for (unsigned i = 0; i < changes; i++) {
		if (!pci_wait_state(XenbusStateReconfiguring, 120000)) {
			say("change %u does not come", i);
			return;
		}
		say("change %u", i);
		probe_keys(devfn);
		pci_state(XenbusStateReconfiguring);
		if (!pci_wait_state(XenbusStateReconfigured, 20000))
			say("never Reconfigured");
		probe_keys(devfn);
		pci_state(XenbusStateConnected);
		if (!pci_wait_state(XenbusStateConnected, 20000))
			say("never Connected");
		sleep_ms(SETTLE_MS);
		say("after change %u", i);
		probe_keys(devfn);
	}
}

void guest_main(void)
{
	unsigned devfn[PROBE_MAX], nr;

	if (!pci_connect()) {
		say("no PCI backend");
		return;
	}
	nr = probe_keys(devfn);
	if (asked_for("hotplug"))
		hotplug(3);
	else if (!asked_for("keys"))
		for (unsigned i = 0; i < nr; i++)
			probe_function(devfn[i]);
	pci_state(XenbusStateClosing);
	pci_wait_state(XenbusStateClosing, 5000);
	pci_state(XenbusStateClosed);
	say("closed: %d", pci_wait_state(XenbusStateClosed, 5000));
}
