/*
 * Four vcpus pass a token round by IPIs, each asleep in SCHEDOP_block until it is its
 * turn: one lost wake-up and the ring stops.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "A token in a ring of IPIs";

#define ROUNDS 500

static evtchn_port_t ipi[GUEST_VCPUS];
static volatile unsigned passed;
static volatile unsigned ready;
static volatile unsigned mine[GUEST_VCPUS];

static void turn(evtchn_port_t port)
{
	(void)port;
	mine[this_cpu()->id]++;
}

static void ring(void *arg)
{
	unsigned id = this_cpu()->id;

	(void)arg;
	event_handler(ipi[id], turn);
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		while (mine[id] < i) {
			events_off();
			if (mine[id] < i)
				block();
		}
		passed++;
		evtchn_send(ipi[(id + 1) % GUEST_VCPUS]);
	}
	events_off();
}

void guest_main(void)
{
	for (unsigned v = 0; v < GUEST_VCPUS; v++)
		ipi[v] = evtchn_bind_ipi(v);
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		if (vcpu_start(v, ring, NULL))
			fail("vcpu %u", v);
	while (ready < GUEST_VCPUS - 1)
		yield();
	events_off();
	evtchn_unmask(ipi[0]);
	evtchn_send(ipi[0]);
	ring(NULL);
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		vcpu_wait(v);
	say("passed: %u", passed);
}
