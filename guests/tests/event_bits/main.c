/*
 * The two levels of event bits: what a send changes in the pending bits, the
 * selector and the upcall flag, for masked and unmasked ports, with upcalls on and
 * off, and what unmasking makes up for. A frontend that polls these bits itself
 * depends on every one.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Event bits: pending, mask, selector, upcall flag";

static void say_bits(const char *what, evtchn_port_t port)
{
	struct vcpu_info *i = this_cpu()->info;

	say("%s: pending %d, masked %d, selector 0x%lx, upcall pending %u, mask %u", what,
	    event_pending(port), event_masked(port), i->evtchn_pending_sel,
	    i->evtchn_upcall_pending, i->evtchn_upcall_mask);
}

static void quiet(evtchn_port_t port)
{
	struct vcpu_info *i = this_cpu()->info;

	event_clear(port);
	i->evtchn_pending_sel = 0;
	i->evtchn_upcall_pending = 0;
}

void guest_main(void)
{
	struct cpu *c = this_cpu();
	evtchn_port_t send, recv = evtchn_loop(&send), high = 0;

	quiet(recv);
	/* The binder's own port was made pending. */
	quiet(send);
	say_bits("before", recv);
	evtchn_send(send);
	say_bits("sent, masked", recv);
	say_rc("unmask", evtchn_unmask(recv));
	say_bits("unmasked", recv);
	quiet(recv);
	evtchn_send(send);
	say_bits("sent, unmasked, upcalls off", recv);
	c->info->evtchn_upcall_pending = 0;
	evtchn_send(send);
	say_bits("sent again while pending", recv);
	c->info->evtchn_pending_sel = 0;
	evtchn_send(send);
	say_bits("and again, selector cleared", recv);
	event_clear(recv);
	c->info->evtchn_pending_sel = 1;
	evtchn_send(send);
	say_bits("sent with the selector set already", recv);
	quiet(recv);
	say_rc("unmask an unmasked port", evtchn_unmask(recv));
	say_bits("unmasked once more", recv);
	event_mask(recv);
	evtchn_send(send);
	c->info->evtchn_upcall_mask = 0;
	c->upcalls = 0;
	say_rc("unmask with upcalls on", evtchn_unmask(recv));
	say("upcalls: %u, taken: %u", c->upcalls, event_count[recv]);
	say_bits("after", recv);
	evtchn_send(send);
	say("sent with upcalls on: upcalls %u, taken %u", c->upcalls, event_count[recv]);
	events_off();
	event_mask(recv);
	/* A port of the second word. */
	do
		high = evtchn_bind_ipi(0);
	while (high < 70);
	evtchn_unmask(high);
	evtchn_send(high);
	say_bits("a port of the second word", high);
	quiet(high);
	/* A port of another vcpu that never ran: its bits change, not ours. */
	evtchn_bind_vcpu(recv, 2);
	evtchn_unmask(recv);
	evtchn_send(send);
	say_bits("for vcpu 2", recv);
	say("there: selector 0x%lx, upcall pending %u, mask %u",
	    shared_info->vcpu_info[2].evtchn_pending_sel,
	    shared_info->vcpu_info[2].evtchn_upcall_pending,
	    shared_info->vcpu_info[2].evtchn_upcall_mask);
	evtchn_bind_vcpu(recv, 0);
	say_bits("moved back", recv);
	/* Pending bits that the guest sets itself are nobody's. */
	quiet(recv);
	__atomic_fetch_or(&shared_info->evtchn_pending[0], 1ull << recv, __ATOMIC_SEQ_CST);
	evtchn_send(send);
	say_bits("set by the guest, then sent", recv);
}
