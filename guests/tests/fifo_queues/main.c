/*
 * FIFO events on their queues: words and heads after each step, the order of events of
 * one priority and between priorities, masked events, events that are taken off while
 * others come, and a moved vcpu.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "FIFO event channels: queues";

#define NR 6

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED	(1u << EVTCHN_FIFO_MASKED)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)
#define LINK(w) ((w)&EVTCHN_FIFO_LINK_MASK)

static struct evtchn_fifo_control_block *control;
static uint32_t *array;
static evtchn_port_t recv[NR], send[NR];

/* Ports by their place in the list: the numbers are not the same everywhere. */
static int name_of(evtchn_port_t port)
{
	for (int i = 0; i < NR; i++)
		if (recv[i] == port)
			return i;
	return -1;
}

static void say_state(const char *what)
{
	char line[200];
	unsigned n = 0;
	struct vcpu_info *info = this_cpu()->info;

	for (int i = 0; i < NR; i++) {
		uint32_t w = array[recv[i]];

		line[n++] = w & PENDING ? 'P' : '-';
		line[n++] = w & MASKED ? 'M' : '-';
		line[n++] = w & LINKED ? 'L' : '-';
		line[n++] = w & 1u << EVTCHN_FIFO_BUSY ? 'B' : '-';
		line[n++] = LINK(w) ? (name_of(LINK(w)) < 0 ? '?' : '0' + name_of(LINK(w))) : '.';
		line[n++] = ' ';
	}
	line[n] = 0;
	say("%s: %sready 0x%x upcall %u", what, line, control->ready, info->evtchn_upcall_pending);
}

/* Takes the head of a queue off, as a guest does it. Returns its name, -1: none. */
static int take(unsigned q)
{
	evtchn_port_t head = control->head[q];
	uint32_t w, link;

	if (!head)
		return -1;
	do
		w = __atomic_load_n(&array[head], __ATOMIC_SEQ_CST);
	while (!__atomic_compare_exchange_n(&array[head], &w, w & ~(LINKED | EVTCHN_FIFO_LINK_MASK),
					    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	link = LINK(w);
	control->head[q] = link;
	if (!link)
		__atomic_fetch_and(&control->ready, ~(1u << q), __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&array[head], ~PENDING, __ATOMIC_SEQ_CST);
	return name_of(head);
}

static void take_all(const char *what)
{
	this_cpu()->info->evtchn_upcall_pending = 0;
	for (unsigned q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++) {
		int n;

		while ((n = take(q)) >= 0)
			say("%s: queue %u: %d", what, q, n);
	}
}

static void priority(unsigned i, unsigned p)
{
	struct evtchn_set_priority s = {.port = recv[i], .priority = p};

	HCALL(event_channel_op, EVTCHNOP_set_priority, &s);
}

static void mask(unsigned i)
{
	__atomic_fetch_or(&array[recv[i]], MASKED, __ATOMIC_SEQ_CST);
}

void guest_main(void)
{
	struct evtchn_init_control c = {0};
	struct evtchn_expand_array e;

	control = page_alloc();
	array = page_alloc();
	c.control_gfn = mfn_of(control);
	if (HCALL(event_channel_op, EVTCHNOP_init_control, &c))
		fail("init_control");
	for (unsigned i = 0; i < 1024; i++)
		array[i] = MASKED;
	e.array_gfn = mfn_of(array);
	if (HCALL(event_channel_op, EVTCHNOP_expand_array, &e))
		fail("expand_array");
	for (unsigned i = 0; i < NR; i++) {
		recv[i] = evtchn_loop(&send[i]);
		evtchn_unmask(recv[i]);
	}
	say_state("at first");
	for (unsigned i = 0; i < 3; i++)
		evtchn_send(send[i]);
	say_state("0 1 2 sent");
	evtchn_send(send[1]);
	say_state("1 once more");
	take_all("in order");
	say_state("taken");
	priority(3, 0);
	priority(4, 15);
	evtchn_send(send[4]);
	evtchn_send(send[0]);
	evtchn_send(send[3]);
	say_state("4 low, 0, 3 high");
	take_all("by priority");
	mask(2);
	evtchn_send(send[2]);
	say_state("2 sent, masked");
	say_rc("unmask", evtchn_unmask(recv[2]));
	say_state("unmasked");
	priority(2, 3);
	evtchn_send(send[2]);
	say_state("another priority while it is queued");
	take_all("on the old queue");
	evtchn_send(send[2]);
	take_all("on the new queue");
	/* Masked after it was linked: it stays on the queue. */
	evtchn_send(send[0]);
	mask(0);
	say_state("0 masked while it is queued");
	evtchn_close(recv[0]);
	say_state("0 closed while it is queued");
	say("a new port is another one: %d", evtchn_bind_ipi(0) != recv[0]);
	take_all("off the queue");
	say("a new port is that one: %d", evtchn_bind_ipi(0) == recv[0]);
	/* For a vcpu without a control block. */
	evtchn_bind_vcpu(recv[5], 1);
	evtchn_send(send[5]);
	say_state("5 sent to a vcpu without a control block");
	evtchn_bind_vcpu(recv[5], 0);
	evtchn_send(send[5]);
	evtchn_send(send[1]);
	say_state("5 sent to vcpu 0, then 1");
	/* A guest that does not keep to the rules: the queue's end is unlinked. */
	array[recv[1]] &= ~LINKED;
	evtchn_send(send[2]);
	priority(2, 7);
	evtchn_send(send[3]);
	priority(3, 7);
	take_all("what is left");
	say_state("at last");
}
