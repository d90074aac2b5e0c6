/*
 * Setting up FIFO event channels: control blocks, event arrays, priorities, what is
 * refused, and that EVTCHNOP_reset goes back to two levels.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "FIFO event channels: setting up";

static long init(unsigned vcpu, uint64_t mfn, uint32_t offset)
{
	struct evtchn_init_control c = {.control_gfn = mfn, .offset = offset, .vcpu = vcpu};
	long rc = HCALL(event_channel_op, EVTCHNOP_init_control, &c);

	if (!rc)
		say("link bits: %u", c.link_bits);
	return rc;
}

static long expand(uint64_t mfn)
{
	struct evtchn_expand_array e = {.array_gfn = mfn};

	return HCALL(event_channel_op, EVTCHNOP_expand_array, &e);
}

static long priority(evtchn_port_t port, unsigned p)
{
	struct evtchn_set_priority s = {.port = port, .priority = p};

	return HCALL(event_channel_op, EVTCHNOP_set_priority, &s);
}

void guest_main(void)
{
	uint32_t *control = page_alloc(), *array = page_alloc(), *data = page_alloc();
	evtchn_port_t send, recv = evtchn_loop(&send);
	void *table = pte_of(data, 1);

	say_rc("expand before init", expand(mfn_of(array)));
	say_rc("priority before init", priority(recv, 0));
	say_rc("init, vcpu 4", init(4, mfn_of(control), 0));
	say_rc("init, not aligned", init(0, mfn_of(control), 4));
	say_rc("init, beyond the page", init(0, mfn_of(control), PAGE_SIZE - 64));
	say_rc("init, offset 2^32 - 8", init(0, mfn_of(control), ~7u));
	say_rc("init, a frame beyond memory", init(0, 0xffffffful, 0));
	say_rc("init, a page table", init(0, mfn_of(table), 0));
	say_rc("priority after failed inits", priority(recv, 0));
	evtchn_send(send);
	say("pending in two levels: %d", event_pending(recv));
	/* Nothing of the console's may be lost: it does without events here. */
	say_rc("init, at the page's end", init(0, mfn_of(control), PAGE_SIZE - 72));
	say_rc("init again", init(0, mfn_of(control), 0));
	say_rc("its page as a table",
	       (page_readonly(control), mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(control), 0)));
	page_writable(control);
	say_rc("expand, a frame beyond memory", expand(0xffffffful));
	say_rc("expand, a page table", expand(mfn_of(table)));
	say_rc("poll a port without a word", poll_ports(&recv, 1, system_time() + MS));
	say("its word: 0x%x", array[recv]);
	say_rc("expand", expand(mfn_of(array)));
	say("its word: 0x%x", array[recv]);
	say_rc("poll", poll_ports(&recv, 1, 0));
	say_rc("priority 15", priority(recv, 15));
	say_rc("priority 16", priority(recv, 16));
	say_rc("priority of port 0", priority(0, 1));
	say_rc("priority of a free port", priority(60, 1));
	say_rc("priority of port 100000", priority(100000, 1));
	say_rc("the array's page a second time", expand(mfn_of(array)));
	for (unsigned i = 2; i < 128; i++)
		if (expand(mfn_of(data)))
			say("expand failed at %u", i);
	say_rc("expand beyond the last", expand(mfn_of(data)));
	say_rc("init of vcpu 1", init(1, mfn_of(control), 0));
	say_rc("port 5000", evtchn_send(5000));
}
