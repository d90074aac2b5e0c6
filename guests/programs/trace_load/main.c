/*
 * A load for traces: each of two vcpus makes hypercalls that do nothing and sends events to
 * itself, as fast as it can. "load NAME NANOSECONDS": for one of them.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Hypercalls and events for a trace";

#define CALLS  20000
#define EVENTS 20000

static evtchn_port_t port[2];
static volatile uint64_t ns[2][2];

static void load(void *arg)
{
	unsigned me = this_cpu()->id;
	uint64_t t = system_time();

	(void)arg;
	for (unsigned i = 0; i < CALLS; i++)
		HCALL(xen_version, XENVER_version, 0);
	ns[0][me] = (system_time() - t) / CALLS;
	t = system_time();
	for (unsigned i = 0; i < EVENTS; i++)
		evtchn_send(port[me]);
	ns[1][me] = (system_time() - t) / EVENTS;
}

void guest_main(void)
{
	for (unsigned v = 0; v < 2; v++) {
		port[v] = evtchn_bind_ipi(v);
		event_handler(port[v], NULL);
	}
	vcpu_start(1, load, NULL);
	load(NULL);
	vcpu_wait(1);
	say("load hypercall %lu", (ns[0][0] + ns[0][1]) / 2);
	say("load event %lu", (ns[1][0] + ns[1][1]) / 2);
}
