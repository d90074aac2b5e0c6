/*
 * FIFO event channels with upcalls, as Linux uses them: a callback that takes the
 * queues off by priority while new events come, also ones of a higher priority than
 * the one that it is working on.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "FIFO event channels: the callback";

#define NR 8

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED	(1u << EVTCHN_FIFO_MASKED)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)

static struct evtchn_fifo_control_block *control;
static uint32_t *array;
static evtchn_port_t recv[NR], send[NR];
static char order[128];
static unsigned order_n, again;
static unsigned queue_head[EVTCHN_FIFO_MAX_QUEUES];

static void tell(char ch)
{
	if (order_n < sizeof(order) - 1)
		order[order_n++] = ch;
	order[order_n] = 0;
}

static void said(const char *what)
{
	say("%s: %s, upcalls %u, ready 0x%x, pending %u", what, order, this_cpu()->upcalls,
	    control->ready, this_cpu()->info->evtchn_upcall_pending);
	order_n = 0;
	order[0] = 0;
	this_cpu()->upcalls = 0;
}

/* The guest's half of the protocol (Linux: drivers/xen/events/events_fifo.c). */
static uint32_t unlink(evtchn_port_t port)
{
	uint32_t w = __atomic_load_n(&array[port], __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(&array[port], &w, w & ~(LINKED | EVTCHN_FIFO_LINK_MASK),
					    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return w & EVTCHN_FIFO_LINK_MASK;
}

static void take(evtchn_port_t port)
{
	uint32_t w = __atomic_load_n(&array[port], __ATOMIC_SEQ_CST);

	if (!(w & PENDING) || w & MASKED)
		return;
	__atomic_fetch_and(&array[port], ~PENDING, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < NR; i++)
		if (recv[i] == port)
			tell('0' + i);
	if (again) {
		again--;
		evtchn_send(send[7]);
		evtchn_send(send[0]);
	}
}

static void consume(unsigned q, uint32_t *ready)
{
	evtchn_port_t head = queue_head[q];

	if (!head)
		head = __atomic_load_n(&control->head[q], __ATOMIC_SEQ_CST);
	queue_head[q] = unlink(head);
	if (!queue_head[q])
		*ready &= ~(1u << q);
	take(head);
}

static void upcall(struct frame *f)
{
	struct vcpu_info *info = this_cpu()->info;

	(void)f;
	while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
		uint32_t ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);

		while (ready) {
			consume(__builtin_ctz(ready), &ready);
			ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
		}
	}
}

static long priority(unsigned i, unsigned p)
{
	struct evtchn_set_priority s = {.port = recv[i], .priority = p};

	return HCALL(event_channel_op, EVTCHNOP_set_priority, &s);
}

void guest_main(void)
{
	struct evtchn_init_control c = {0};
	struct evtchn_expand_array e;
	static const uint8_t level[NR] = {0, 3, 3, 7, 7, 7, 12, 15};

	control = page_alloc();
	array = page_alloc();
	for (unsigned i = 0; i < 1024; i++)
		array[i] = MASKED;
	c.control_gfn = mfn_of(control);
	e.array_gfn = mfn_of(array);
	if (HCALL(event_channel_op, EVTCHNOP_init_control, &c) ||
	    HCALL(event_channel_op, EVTCHNOP_expand_array, &e))
		fail("no FIFO events");
	event_upcall = upcall;
	for (unsigned i = 0; i < NR; i++) {
		recv[i] = evtchn_loop(&send[i]);
		evtchn_unmask(recv[i]);
		priority(i, level[i]);
	}
	events_on();
	said("nothing");
	events_off();
	for (int i = NR - 1; i >= 0; i--)
		evtchn_send(send[i]);
	said("sent from low to high");
	events_on();
	said("taken");
	for (unsigned i = 0; i < NR; i++)
		evtchn_send(send[i]);
	said("sent with upcalls on");
	events_off();
	/* While the first of them is handled, one above and one below come. */
	again = 1;
	evtchn_send(send[3]);
	evtchn_send(send[4]);
	evtchn_send(send[1]);
	events_on();
	said("others come meanwhile");
	events_off();
	__atomic_fetch_or(&array[recv[2]], MASKED, __ATOMIC_SEQ_CST);
	evtchn_send(send[2]);
	evtchn_send(send[5]);
	events_on();
	said("2 is masked");
	say_rc("unmask", evtchn_unmask(recv[2]));
	said("unmasked");
	events_off();
	/* Masked when it is on its queue already: the callback leaves it. */
	evtchn_send(send[2]);
	__atomic_fetch_or(&array[recv[2]], MASKED, __ATOMIC_SEQ_CST);
	events_on();
	said("masked on its queue");
	say_rc("unmask", evtchn_unmask(recv[2]));
	said("unmasked");
	for (unsigned i = 0; i < 1000; i++) {
		evtchn_send(send[i % NR]);
		if (order[0] != (char)('0' + i % NR) || order[1])
			fail("event %u: %s", i, order);
		order_n = 0;
	}
	events_off();
	say("1000 one by one: upcalls %u", this_cpu()->upcalls);
}
