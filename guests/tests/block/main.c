/*
 * SCHEDOP_block: enables upcalls and sleeps in one step, so that an event that came
 * before is not slept through; and the old call 6 does the same with its argument by
 * value and knows no more than three commands.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "SCHEDOP_block and the old sched_op";

static evtchn_port_t recv, send;

static void arm(unsigned ms)
{
	set_timer(system_time() + ms * MS);
}

void guest_main(void)
{
	struct cpu *c = this_cpu();
	evtchn_port_t timer;
	uint64_t start;

	/* The timer that every vcpu starts with would add events of its own: also one that
	 * comes while there is a port for it already. */
	HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
	timer = evtchn_bind_virq(VIRQ_TIMER, 0);
	recv = evtchn_loop(&send);
	event_handler(recv, NULL);
	event_handler(timer, NULL);

	evtchn_send(send);
	say("upcall mask before: %u, pending: %u", c->info->evtchn_upcall_mask,
	    c->info->evtchn_upcall_pending);
	say_rc("block with an event pending", block());
	say("upcall mask after: %u, upcalls: %u, taken: %u", c->info->evtchn_upcall_mask,
	    c->upcalls, event_count[recv]);
	start = system_time();
	arm(5);
	say_rc("block until a timer", block());
	say("not too early: %d, taken: %u", system_time() >= start + 5 * MS, event_count[timer]);
	events_off();
	evtchn_send(send);
	say_rc("old block with an event pending", HCALL(sched_op_compat, SCHEDOP_block, 0));
	say("upcall mask after: %u, taken: %u", c->info->evtchn_upcall_mask, event_count[recv]);
	events_off();
	start = system_time();
	arm(5);
	say_rc("old block until a timer", HCALL(sched_op_compat, SCHEDOP_block, 12345));
	say("not too early: %d, taken: %u", system_time() >= start + 5 * MS, event_count[timer]);
	say_rc("old yield", HCALL(sched_op_compat, SCHEDOP_yield, 0));
	say_rc("old 3 (poll)", HCALL(sched_op_compat, SCHEDOP_poll, 0));
	say_rc("old 4", HCALL(sched_op_compat, 4, 0));
	say_rc("old -1", HCALL(sched_op_compat, -1, 0));
	say_rc("yield", HCALL(sched_op, SCHEDOP_yield, 0));
	say_rc("yield with a bad argument", HCALL(sched_op, SCHEDOP_yield, VA_UNMAPPED));
	/* Blocking while nobody else will ever send is a matter of the timer only. */
	events_off();
	event_mask(recv);
	evtchn_send(send);
	start = system_time();
	arm(5);
	say_rc("block with a masked event pending", block());
	say("slept: %d", system_time() >= start + 5 * MS);
}
