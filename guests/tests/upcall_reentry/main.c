/*
 * When the callback is entered again: at its iret while upcall_pending is still set, at
 * once when it enables events itself, never while the frame says that they were
 * off. The flag is a byte: any value but 0 is "pending", any value but 0 is "masked".
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Upcalls that come again";

static evtchn_port_t recv, send;
static unsigned left, inside_exception, order_n;
static char order[32];

static void tell(char ch)
{
	if (order_n < sizeof(order) - 1)
		order[order_n++] = ch;
	order[order_n] = 0;
}

static void leaves_pending(struct frame *f)
{
	struct vcpu_info *i = this_cpu()->info;

	(void)f;
	if (left) {
		left--;
		return;
	}
	i->evtchn_upcall_pending = 0;
}

static void off_and_pending(struct frame *f)
{
	f->rflags &= ~0x200ul;
}

static void in_order(struct frame *f)
{
	tell('(');
	event_upcall_default(f);
	if (left) {
		left--;
		/* With events off, on, off again: the new event comes at "on" only. */
		evtchn_send(send);
		tell('s');
		events_on();
		tell('o');
		events_off();
	}
	tell(')');
}

static void reads_hole(struct frame *f)
{
	struct cpu *c = this_cpu();

	event_upcall_default(f);
	if (left) {
		left--;
		if (trap_of_read(VA_UNMAPPED).vector == 14)
			inside_exception++;
		say("after a trap inside: mask %u", c->info->evtchn_upcall_mask);
	}
}

/* An exception handler that sends to itself: what it interrupted had events on. */
static bool sends(struct frame *f)
{
	(void)f;
	tell('t');
	evtchn_send(send);
	tell('T');
	return false;
}

static void values(void)
{
	static const uint8_t v[] = {0, 1, 2, 0x80, 0xff};
	volatile struct vcpu_info *i = this_cpu()->info;
	struct cpu *c = this_cpu();

	event_upcall = leaves_pending;
	for (unsigned p = 0; p < ARRAY_SIZE(v); p++)
		for (unsigned m = 0; m < ARRAY_SIZE(v); m++) {
			unsigned before = c->upcalls;

			i->evtchn_upcall_mask = 1;
			i->evtchn_upcall_pending = v[p];
			i->evtchn_upcall_mask = v[m];
			HCALL(xen_version, XENVER_version, 0);
			uint8_t pending = i->evtchn_upcall_pending, mask = i->evtchn_upcall_mask;
			i->evtchn_upcall_mask = 1;
			i->evtchn_upcall_pending = 0;
			say("pending 0x%x, mask 0x%x: upcalls %u, then 0x%x and 0x%x", v[p], v[m],
			    c->upcalls - before, pending, mask);
		}
}

void guest_main(void)
{
	struct cpu *c = this_cpu();

	recv = evtchn_loop(&send);
	event_clear(send);
	event_handler(recv, NULL);

	event_upcall = leaves_pending;
	left = 5;
	evtchn_send(send);
	c->upcalls = c->max_nesting = 0;
	events_on();
	events_off();
	say("left pending 5 times: upcalls %u, nested %u", c->upcalls, c->max_nesting);
	event_clear(recv);
	c->info->evtchn_pending_sel = 0;

	event_upcall = off_and_pending;
	evtchn_send(send);
	c->upcalls = 0;
	events_on();
	say("left pending, IF cleared: upcalls %u, mask %u, pending %u", c->upcalls,
	    c->info->evtchn_upcall_mask, c->info->evtchn_upcall_pending);
	event_clear(recv);
	c->info->evtchn_upcall_pending = 0;
	c->info->evtchn_pending_sel = 0;

	event_upcall = in_order;
	left = 3;
	c->max_nesting = 0;
	events_on();
	tell('-');
	evtchn_send(send);
	events_off();
	say("order: %s, nested %u, taken %u", order, c->max_nesting, event_count[recv]);

	event_upcall = reads_hole;
	left = 1;
	evtchn_send(send);
	events_on();
	events_off();
	say("exceptions inside: %u", inside_exception);

	order_n = 0;
	event_upcall = in_order;
	trap_hook = sends;
	events_on();
	trap_of_read(VA_UNMAPPED);
	events_off();
	trap_hook = NULL;
	say("sent by an exception handler, events on: %s", order);
	order_n = 0;
	trap_hook = sends;
	trap_of_read(VA_UNMAPPED);
	trap_hook = NULL;
	tell('|');
	events_on();
	events_off();
	say("events off: %s", order);
	values();
}
