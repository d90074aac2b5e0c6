/*
 * How Xen enters the event callback: what the frame says, that upcalls are off
 * inside, that iret turns them on again as the frame's IF says, and that a handler
 * which enables them is entered again.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "The event callback's frame, and iret";

static evtchn_port_t recv, send;
static bool said;
static unsigned depth;

static void first(struct frame *f)
{
	struct vcpu_info *i = this_cpu()->info;

	if (!said)
		say("cs 0x%lx, ss 0x%lx, IF %d, saved mask %lu, mask now %u, pending %u",
		    f->cs & 0xffff, f->ss & 0xffff, !!(f->rflags & 0x200), f->cs >> 32 & 0xff,
		    i->evtchn_upcall_mask, i->evtchn_upcall_pending);
	said = true;
	event_upcall_default(f);
}

static void stays_off(struct frame *f)
{
	event_upcall_default(f);
	f->rflags &= ~0x200ul;
}

static void nested(struct frame *f)
{
	event_upcall_default(f);
	if (++depth < 5) {
		evtchn_send(send);
		events_on();
	}
}

void guest_main(void)
{
	struct cpu *c = this_cpu();
	uint64_t rsp;

	recv = evtchn_loop(&send);
	event_handler(recv, NULL);
	event_upcall = first;
	evtchn_send(send);
	say("off: upcalls %u", c->upcalls);
	events_on();
	say("on: upcalls %u, mask %u", c->upcalls, c->info->evtchn_upcall_mask);
	__asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
	say("the stack's lowest four bits: %lu", rsp & 7);
	said = false;
	evtchn_send(send);
	say("sent with upcalls on: upcalls %u", c->upcalls);
	event_upcall = stays_off;
	evtchn_send(send);
	say("the handler's frame has IF clear: mask %u", c->info->evtchn_upcall_mask);
	evtchn_send(send);
	say("then no upcall: %u, pending %u", c->upcalls, c->info->evtchn_upcall_pending);
	event_upcall = event_upcall_default;
	events_on();
	say("on again: upcalls %u, taken %u", c->upcalls, event_count[recv]);
	event_upcall = nested;
	c->max_nesting = 0;
	evtchn_send(send);
	say("nested: %u deep, taken %u, mask %u", c->max_nesting, event_count[recv],
	    c->info->evtchn_upcall_mask);
	events_off();
}
