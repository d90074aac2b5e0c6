/*
 * A vcpu executes int3 again and again while another sends it events. A hypervisor that is
 * interrupted just then must not lose the breakpoint, nor report it at another place: Linux
 * patches its own text with int3 while it calls the other cpus.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "int3 under a storm of events";

#define ROUNDS 10000

extern const char after_int3[];
static volatile unsigned right, wrong;
static volatile bool ready, done;
static uint64_t wrong_rip;

static bool on_trap(struct frame *f)
{
	if (f->vector != 3)
		return false;
	if (f->rip == (uint64_t)after_int3) {
		right++;
	} else {
		wrong++;
		wrong_rip = f->rip;
	}
	return true;
}

static void breakpoints(void *arg)
{
	(void)arg;
	events_on();
	ready = true;
	for (unsigned i = 0; i < ROUNDS; i++)
		__asm__ volatile("int3\n"
				 ".globl after_int3\n"
				 "after_int3:" ::
					 : "memory");
	events_off();
	done = true;
}

void guest_main(void)
{
	evtchn_port_t ipi = (evtchn_port_t)evtchn_bind_ipi(1);

	event_handler(ipi, NULL);
	trap_hook = on_trap;
	if (vcpu_start(1, breakpoints, NULL))
		fail("vcpu 1");
	while (!ready)
		yield();
	while (!done)
		evtchn_send(ipi);
	vcpu_wait(1);
	trap_hook = NULL;
	say("breakpoints: %u right, %u wrong (0x%lx)", right, wrong, wrong_rip);
	note("%u events came", event_count[ipi]);
}
