/*
 * What ends a SCHEDOP_poll: a pending port of its list, masked or not; the timeout,
 * not before its time; an upcall that is due; not an event on another, masked port.
 * All with a second vcpu that sends while the first sleeps.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "SCHEDOP_poll: what wakes it";

static evtchn_port_t recv, send, other_recv, other_send;
static volatile int order;
static volatile bool stop;

static void wait_order(int n)
{
	while (order != n && !stop)
		yield();
}

static void sender(void *arg)
{
	(void)arg;
	wait_order(1);
	sleep_ms(20);
	evtchn_send(send);
	wait_order(2);
	sleep_ms(20);
	evtchn_send(other_send);
	wait_order(3);
	sleep_ms(20);
	evtchn_send(other_send);
	wait_order(4);
	sleep_ms(20);
	evtchn_send(other_send);
	wait_order(5);
	sleep_ms(20);
	evtchn_send(send);
}

/* Polls for `recv` and says how it was. */
static void poll_and_say(const char *what, uint64_t timeout_ms)
{
	uint64_t start = system_time(), end = start + timeout_ms * MS;
	evtchn_port_t port = recv;
	long rc = poll_ports(&port, 1, timeout_ms ? end : 0);
	bool in_time = !timeout_ms || system_time() < end;

	say("%s: %e, %s the timeout, pending %d, the other %d", what, rc,
	    in_time ? "before" : "after", event_pending(recv), event_pending(other_recv));
	event_clear(recv);
	event_clear(other_recv);
}

void guest_main(void)
{
	struct cpu *c = this_cpu();

	recv = evtchn_loop(&send);
	other_recv = evtchn_loop(&other_send);
	poll_and_say("nothing happens", 20);
	say_rc("second vcpu", vcpu_start(1, sender, NULL));
	order = 1;
	poll_and_say("its masked port", 0);
	order = 2;
	poll_and_say("another masked port", 100);
	/* Unmasked, upcalls masked: nothing that is due. */
	evtchn_unmask(other_recv);
	order = 3;
	poll_and_say("another port, upcalls masked", 100);
	c->info->evtchn_upcall_pending = 0;
	c->info->evtchn_pending_sel = 0;
	event_clear(other_recv);
	/* With upcalls the event is taken at once. */
	c->upcalls = 0;
	c->info->evtchn_upcall_mask = 0;
	order = 4;
	poll_and_say("another port, upcalls enabled", 2000);
	say("upcalls: %u, taken: %u", c->upcalls, event_count[other_recv]);
	c->upcalls = 0;
	evtchn_unmask(recv);
	order = 5;
	poll_and_say("its port, upcalls enabled", 2000);
	say("upcalls: %u, taken: %u", c->upcalls, event_count[recv]);
	events_off();
	vcpu_wait(1);
	for (int i = 0; i < 5; i++) {
		uint64_t end = system_time() + 3 * MS;
		long rc = poll_ports(&recv, 1, end);

		if (rc || system_time() < end)
			say("a timeout came early: %e", rc);
	}
}
