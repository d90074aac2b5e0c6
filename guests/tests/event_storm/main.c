/*
 * Events from each of three vcpus to a fourth, each on a port of its own, with
 * a handshake per event in shared memory only: every send happens after the event
 * before was taken, so none may merge and none may be lost.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "A storm of events";

#define EVENTS 1000

static evtchn_port_t ports[GUEST_VCPUS];
static volatile unsigned taken[4096];
static volatile unsigned lost;

static void take(evtchn_port_t port)
{
	taken[port]++;
}

static void storm(void *arg)
{
	unsigned id = this_cpu()->id;
	evtchn_port_t send = (evtchn_port_t)(uint64_t)arg;

	for (unsigned i = 1; i <= EVENTS; i++) {
		uint64_t limit;

		evtchn_send(send);
		limit = system_time() + 20000 * MS;
		while (taken[ports[id]] < i) {
			if (system_time() > limit) {
				__atomic_fetch_add(&lost, 1, __ATOMIC_SEQ_CST);
				return;
			}
			yield();
		}
	}
}

void guest_main(void)
{
	event_handler(evtchn_bind_virq(VIRQ_TIMER, 0), NULL);
	for (unsigned v = 1; v < GUEST_VCPUS; v++) {
		evtchn_port_t send;

		ports[v] = evtchn_loop(&send);
		event_handler(ports[v], take);
		if (vcpu_start(v, storm, (void *)(uint64_t)send))
			fail("vcpu %u", v);
	}
	while (HCALL(vcpu_op, VCPUOP_is_up, 1, 0) == 1 || HCALL(vcpu_op, VCPUOP_is_up, 2, 0) == 1 ||
	       HCALL(vcpu_op, VCPUOP_is_up, 3, 0) == 1) {
		set_timer(system_time() + 50 * MS);
		block();
	}
	events_off();
	say("lost: %u", lost);
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		say("vcpu %u: %u taken", v, taken[ports[v]]);
}
