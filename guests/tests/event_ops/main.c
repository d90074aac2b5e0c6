/*
 * Every operation on event channels with what it refuses, and what
 * EVTCHNOP_status tells of each kind of port. Frontends meet these errors when a
 * backend goes away or a port number in xenstore is stale.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "event_channel_op: results and errors";

#define OTHER 1234 /* no such domain */

static void say_status(const char *what, domid_t dom, evtchn_port_t port)
{
	struct evtchn_status s = {.dom = dom, .port = port};
	long rc = HCALL(event_channel_op, EVTCHNOP_status, &s);

	if (rc)
		say("%s: %e", what, rc);
	else if (s.status == EVTCHNSTAT_unbound)
		say("%s: unbound for %u, vcpu %u", what,
		    s.u.unbound.dom == DOMID_SELF ? DOMID_SELF : s.u.unbound.dom != 0, s.vcpu);
	else if (s.status == EVTCHNSTAT_interdomain)
		say("%s: interdomain, vcpu %u", what, s.vcpu);
	else if (s.status == EVTCHNSTAT_virq)
		say("%s: virq %u, vcpu %u", what, s.u.virq, s.vcpu);
	else
		say("%s: status %u, vcpu %u", what, s.status, s.vcpu);
}

static void bad_pointers(void)
{
	static const struct {
		int op;
		const char *name;
	} ops[] = {
		{EVTCHNOP_alloc_unbound, "alloc_unbound"},
		{EVTCHNOP_bind_interdomain, "bind_interdomain"},
		{EVTCHNOP_bind_virq, "bind_virq"},
		{EVTCHNOP_bind_ipi, "bind_ipi"},
		{EVTCHNOP_bind_pirq, "bind_pirq"},
		{EVTCHNOP_close, "close"},
		{EVTCHNOP_send, "send"},
		{EVTCHNOP_status, "status"},
		{EVTCHNOP_bind_vcpu, "bind_vcpu"},
		{EVTCHNOP_unmask, "unmask"},
		{EVTCHNOP_reset, "reset"},
		{EVTCHNOP_set_priority, "set_priority"},
		{EVTCHNOP_init_control, "init_control"},
		{EVTCHNOP_expand_array, "expand_array"},
		{15, "15"},
		{-1, "-1"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		say("%s at a bad address: %e, in Xen: %e", ops[i].name,
		    HCALL(event_channel_op, ops[i].op, VA_UNMAPPED),
		    HCALL(event_channel_op, ops[i].op, VA_XEN));
}

static void interdomain(void)
{
	evtchn_port_t a, b;

	a = evtchn_loop(&b);
	say_status("the allocated end", DOMID_SELF, a);
	say_status("the binding end", DOMID_SELF, b);
	say("the binder's port is pending at once: %d", event_pending(b));
	event_clear(b);
	say_rc("bind to a bound port", evtchn_bind_interdomain(DOMID_SELF, a));
	say_rc("bind to a free port", evtchn_bind_interdomain(DOMID_SELF, 50));
	say_rc("bind to port 0", evtchn_bind_interdomain(DOMID_SELF, 0));
	say_rc("bind to port 5000", evtchn_bind_interdomain(DOMID_SELF, 5000));
	say_rc("bind to a domain that is not", evtchn_bind_interdomain(OTHER, 1));
	say_rc("bind to DOMID_IO", evtchn_bind_interdomain(DOMID_IO, 1));
	say_rc("send on one end", evtchn_send(a));
	say("pending there: %d, here: %d", event_pending(b), event_pending(a));
	say_rc("close the binder's end", evtchn_close(b));
	say("pending after the close: %d", event_pending(b));
	say_status("the other end", DOMID_SELF, a);
	say_rc("send to nobody", evtchn_send(a));
	say_rc("close it once more", evtchn_close(b));
	say_rc("status of a free port", evtchn_unmask(b));
	say_status("a free port", DOMID_SELF, b);
	say_rc("close the other", evtchn_close(a));
}

static void kinds(void)
{
	evtchn_port_t ipi = evtchn_bind_ipi(0), virq = evtchn_bind_virq(VIRQ_DEBUG, 0);
	long unbound = evtchn_alloc_unbound(DOMID_SELF, DOMID_SELF);
	long for_other = evtchn_alloc_unbound(DOMID_SELF, 0);

	say_status("ipi", DOMID_SELF, ipi);
	say_status("virq", DOMID_SELF, virq);
	say_status("unbound", DOMID_SELF, unbound);
	say_status("port 0", DOMID_SELF, 0);
	say_status("port 63", DOMID_SELF, 63);
	say_status("port 64", DOMID_SELF, 64);
	say_status("port 4095", DOMID_SELF, 4095);
	say_status("port 4096", DOMID_SELF, 4096);
	say_status("another domain's", OTHER, 1);
	say_rc("send on ipi", evtchn_send(ipi));
	say("pending: %d", event_pending(ipi));
	say_rc("send on virq", evtchn_send(virq));
	say_rc("send on unbound", evtchn_send(unbound));
	say_rc("send on port 0", evtchn_send(0));
	say_rc("send on a free port", evtchn_send(60));
	say_rc("send on port 4096", evtchn_send(4096));
	say_rc("bind_vcpu ipi", evtchn_bind_vcpu(ipi, 0));
	say_rc("bind_vcpu per-vcpu virq", evtchn_bind_vcpu(virq, 0));
	say_rc("bind_vcpu unbound to 1", evtchn_bind_vcpu(unbound, 1));
	say_status("unbound", DOMID_SELF, unbound);
	say_rc("bind_vcpu unbound to 4", evtchn_bind_vcpu(unbound, 4));
	say_rc("bind_vcpu unbound to 2^32 - 1", evtchn_bind_vcpu(unbound, ~0u));
	say_rc("bind_vcpu port 0", evtchn_bind_vcpu(0, 0));
	say_rc("bind_vcpu free", evtchn_bind_vcpu(60, 0));
	say_rc("bind_vcpu port 4096", evtchn_bind_vcpu(4096, 0));
	say_rc("unmask port 0", evtchn_unmask(0));
	say_rc("unmask a free port", evtchn_unmask(60));
	say_rc("unmask port 4096", evtchn_unmask(4096));
	say_rc("unmask unbound", evtchn_unmask(unbound));
	say_rc("close port 0", evtchn_close(0));
	say_rc("close port 4096", evtchn_close(4096));
	say_rc("close ipi", evtchn_close(ipi));
	say("still pending: %d", event_pending(ipi));
	say_rc("close virq", evtchn_close(virq));
	say_rc("close unbound", evtchn_close(unbound));
	say_rc("close the one for domain 0", evtchn_close(for_other));
}

static void numbers(void)
{
	long first = evtchn_bind_ipi(0), second = evtchn_bind_ipi(0), third;

	say("ports follow each other: %ld", second - first);
	evtchn_close(first);
	third = evtchn_bind_ipi(0);
	say("the lowest is used again: %d", third == first);
	say_rc("bind_ipi vcpu 4", evtchn_bind_ipi(4));
	say_rc("bind_ipi vcpu -1", evtchn_bind_ipi(~0u));
	say_rc("alloc_unbound for another", evtchn_alloc_unbound(OTHER, DOMID_SELF));
	say_rc("alloc_unbound by nobody", evtchn_alloc_unbound(DOMID_SELF, OTHER) > 0 ? 0 : -1);
	evtchn_close(second);
	evtchn_close(third);
}

static void exhaust(void)
{
	long rc, last = 0, n = 0;

	while ((rc = evtchn_bind_ipi(0)) > 0) {
		last = rc;
		n++;
	}
	say("after the last port: %e", rc);
	if (!is_dom0())
		say("the last port: %ld", last);
	say_rc("alloc_unbound then", evtchn_alloc_unbound(DOMID_SELF, 0));
	say_rc("bind_virq then", evtchn_bind_virq(VIRQ_XENOPROF, 0));
}

void guest_main(void)
{
	struct evtchn_set_priority prio = {.port = 1, .priority = 1};
	struct evtchn_bind_pirq pirq = {.pirq = 20};

	bad_pointers();
	interdomain();
	kinds();
	numbers();
	say_rc("set_priority with two-level events",
	       HCALL(event_channel_op, EVTCHNOP_set_priority, &prio));
	if (!is_dom0()) {
		say_rc("bind_pirq 20", HCALL(event_channel_op, EVTCHNOP_bind_pirq, &pirq));
		pirq.pirq = 100000;
		say_rc("bind_pirq 100000", HCALL(event_channel_op, EVTCHNOP_bind_pirq, &pirq));
	}
	exhaust();
}
