/*
 * EVTCHNOP_reset of the domain itself, as a kernel does it that is started by another
 * kernel (kexec) and wants none of its ports: all are closed, those of the console
 * and xenstore too; what was pending is not, masks stay, numbers begin anew.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "EVTCHNOP_reset";

static struct {
	long rc;
	unsigned status[8];
	bool pending, masked, other_masked;
	uint64_t selector;
	uint8_t upcall;
	long port[3], virq, send, again, cont;
} seen;

static unsigned status(evtchn_port_t port)
{
	struct evtchn_status s = {.dom = DOMID_SELF, .port = port};

	return HCALL(event_channel_op, EVTCHNOP_status, &s) ? ~0u : s.status;
}

void guest_main(void)
{
	struct evtchn_reset reset = {.dom = DOMID_SELF};
	struct cpu *c = this_cpu();
	evtchn_port_t a, b, ipi, virq, timer;

	a = evtchn_loop(&b);
	ipi = evtchn_bind_ipi(3);
	virq = evtchn_bind_virq(VIRQ_DEBUG, 1);
	timer = evtchn_bind_virq(VIRQ_TIMER, 0);
	say("%u %u %u %u %u", status(a), status(b), status(ipi), status(virq), status(timer));
	evtchn_unmask(a);
	c->info->evtchn_pending_sel = 0;
	c->info->evtchn_upcall_pending = 0;
	evtchn_send(b);
	say("before: pending %d, masked %d, upcall pending %u", event_pending(a), event_masked(a),
	    c->info->evtchn_upcall_pending);
	/* From here on a domU's console is not told of what is written. */
	seen.rc = HCALL(event_channel_op, EVTCHNOP_reset, &reset);
	seen.status[0] = status(1);
	seen.status[1] = status(2);
	seen.status[2] = status(a);
	seen.status[3] = status(b);
	seen.status[4] = status(ipi);
	seen.status[5] = status(virq);
	seen.status[6] = status(timer);
	seen.pending = event_pending(a);
	seen.masked = event_masked(a);
	seen.other_masked = event_masked(ipi);
	seen.selector = c->info->evtchn_pending_sel;
	seen.upcall = c->info->evtchn_upcall_pending;
	seen.send = evtchn_send(b);
	seen.port[0] = evtchn_bind_ipi(0);
	seen.port[1] = evtchn_bind_ipi(1);
	seen.port[2] = evtchn_alloc_unbound(DOMID_SELF, 0);
	seen.virq = evtchn_bind_virq(VIRQ_DEBUG, 1);
	seen.again = HCALL(event_channel_op, EVTCHNOP_reset, &reset);
	seen.cont = HCALL(event_channel_op, 14, &reset);

	say_rc("reset", seen.rc);
	for (unsigned i = 0; i < 7; i++)
		say("port %u of them: status %u", i, seen.status[i]);
	say("pending %d, masked %d, another masked %d", seen.pending, seen.masked,
	    seen.other_masked);
	say("selector 0x%lx, upcall pending %u", seen.selector, seen.upcall);
	say_rc("send", seen.send);
	say("new ports: %ld %ld %ld, a virq again: %ld", seen.port[0], seen.port[1], seen.port[2],
	    seen.virq);
	say("again: %e, reset_cont: %e", seen.again, seen.cont);
	say_rc("the console's port", evtchn_send(2));
	say_rc("at a bad address", HCALL(event_channel_op, EVTCHNOP_reset, VA_UNMAPPED));
}
