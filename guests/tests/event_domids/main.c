/*
 * The domains that an event-channel operation may name: itself by DOMID_SELF or by
 * its number, domain 0, the numbers that are no domains. And what is there when a
 * domain starts: the ports of xenstore and the console.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Whose event channels: domain ids";

#ifndef DOMID_COW
#define DOMID_COW 0x7ff2u
#endif

static const struct {
	const char *name;
	domid_t id;
} ids[] = {
	{"SELF", DOMID_SELF},  {"domain 0", 0},
	{"domain 1234", 1234}, {"the last domain", DOMID_FIRST_RESERVED - 1},
	{"IO", DOMID_IO},      {"XEN", DOMID_XEN},
	{"COW", DOMID_COW},    {"INVALID", DOMID_INVALID},
	{"IDLE", DOMID_IDLE},  {"7ff3", 0x7ff3},
	{"8000", 0x8000},      {"ffff", 0xffff},
};

static long status(domid_t dom, evtchn_port_t port, struct evtchn_status *s)
{
	memset(s, 0, sizeof(*s));
	s->dom = dom;
	s->port = port;
	return HCALL(event_channel_op, EVTCHNOP_status, s);
}

static void say_port(const char *what, evtchn_port_t port)
{
	struct evtchn_status s;
	long rc = status(DOMID_SELF, port, &s);

	say("%s: port %u, %e, status %u, domain %u, vcpu %u, masked %d", what, port, rc, s.status,
	    s.u.interdomain.dom, s.vcpu, event_masked(port));
}

void guest_main(void)
{
	struct evtchn_status s;
	long first = evtchn_bind_ipi(0), own = 0;

	if (!is_dom0()) {
		say("the first free port: %ld", first);
		say_port("xenstore", start_info->store_evtchn);
		say_port("console", start_info->console.domU.evtchn);
	}
	evtchn_close(first);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		struct evtchn_reset reset = {.dom = ids[i].id};
		domid_t id = ids[i].id;
		long own_port = evtchn_alloc_unbound(id, DOMID_SELF);
		long for_it = evtchn_alloc_unbound(DOMID_SELF, id);
		long bind = evtchn_bind_interdomain(id, 60), bind0 = evtchn_bind_interdomain(id, 0);
		long bind_far = evtchn_bind_interdomain(id, 5000);

		say("%s: alloc_unbound there %e, for it %e", ids[i].name,
		    own_port > 0 ? 0 : own_port, for_it > 0 ? 0 : for_it);
		if (for_it > 0 && !status(DOMID_SELF, for_it, &s))
			say("%s: the port is for %s", ids[i].name,
			    s.u.unbound.dom == id ? "it" : "another");
		say("%s: status %e, port 5000 %e", ids[i].name, status(id, 60, &s),
		    status(id, 5000, &s));
		say("%s: bind to port 60 %e, 0 %e, 5000 %e", ids[i].name, bind, bind0, bind_far);
		/* Resetting oneself is another test's matter. */
		if (id != DOMID_SELF && !(is_dom0() && !id))
			say("%s: reset %e, reset_cont %e", ids[i].name,
			    HCALL(event_channel_op, EVTCHNOP_reset, &reset),
			    HCALL(event_channel_op, 14, &reset));
		if (own_port > 0)
			evtchn_close(own_port);
		if (for_it > 0)
			evtchn_close(for_it);
	}
	/* A port for another domain is not for its owner; one for the owner by number is. */
	own = evtchn_alloc_unbound(DOMID_SELF, 1234);
	say_rc("bind to what is for domain 1234", evtchn_bind_interdomain(DOMID_SELF, own));
	evtchn_close(own);
	own = evtchn_alloc_unbound(DOMID_SELF, DOMID_SELF);
	status(DOMID_SELF, own, &s);
	own = evtchn_alloc_unbound(s.u.unbound.dom, s.u.unbound.dom);
	say("alloc_unbound by number: %d, bind by number: %d", own > 0,
	    evtchn_bind_interdomain(s.u.unbound.dom, own) > 0);
	say("status by number: %e, %u", status(s.u.unbound.dom, own, &s), s.status);
}
