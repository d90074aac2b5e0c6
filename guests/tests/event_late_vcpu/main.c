/*
 * Events for vcpus that are not there yet: ports may be bound to a vcpu that was
 * never initialised, and sent on; the vcpu finds everything when it comes up, and
 * one that starts with upcalls enabled is in its callback before its first
 * instruction. Kernels bind a vcpu's IPIs before they start it.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Events for vcpus that are not up yet";

static evtchn_port_t ipi[GUEST_VCPUS], recv, send;
static volatile unsigned at_start[GUEST_VCPUS], go;

static void say_vcpu(const char *what, unsigned id)
{
	struct vcpu_info *i = &shared_info->vcpu_info[id];

	say("%s: upcall pending %u, mask %u, selector: %d, ipi pending %d", what,
	    i->evtchn_upcall_pending, i->evtchn_upcall_mask, i->evtchn_pending_sel != 0,
	    event_pending(ipi[id]));
}

static void with_upcalls_off(void *arg)
{
	struct cpu *c = this_cpu();

	(void)arg;
	at_start[c->id] = c->upcalls;
	events_on();
	events_off();
}

static void records(void *arg)
{
	(void)arg;
	at_start[this_cpu()->id] = this_cpu()->upcalls;
	events_off();
}

static void start_with_upcalls_on(unsigned id)
{
	static struct vcpu_guest_context context;
	struct cpu *c = cpu_of(id);

	c->id = id;
	c->info = &shared_info->vcpu_info[id];
	vcpu_context(&context, id, records, NULL);
	say_rc("initialise", HCALL(vcpu_op, VCPUOP_initialise, id, &context));
	say_vcpu("initialised", id);
	c->info->evtchn_upcall_mask = 0;
	say_rc("up", HCALL(vcpu_op, VCPUOP_up, id, 0));
	vcpu_wait(id);
	say("vcpu %u: upcalls before its first instruction %u, taken %u", id, at_start[id],
	    event_count[ipi[id]]);
}

void guest_main(void)
{
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		ipi[v] = evtchn_bind_ipi(v);
	recv = evtchn_loop(&send);
	say_vcpu("vcpu 1 at first", 1);
	say_rc("send to it, masked", evtchn_send(ipi[1]));
	say_vcpu("then", 1);
	say_rc("unmask", evtchn_unmask(ipi[1]));
	say_vcpu("then", 1);
	say_rc("another's port moved there", evtchn_bind_vcpu(recv, 1));
	evtchn_unmask(recv);
	evtchn_send(send);
	say("start: %ld", vcpu_start(1, with_upcalls_off, NULL));
	vcpu_wait(1);
	say("vcpu 1: upcalls at its start %u, later %u, taken %u and %u", at_start[1],
	    cpu_of(1)->upcalls, event_count[ipi[1]], event_count[recv]);
	/* It is down now: its bits are set all the same, and nothing else happens. */
	evtchn_send(ipi[1]);
	say_vcpu("sent to it when it is down", 1);
	say("up: %ld", HCALL(vcpu_op, VCPUOP_is_up, 1, 0));

	evtchn_unmask(ipi[2]);
	evtchn_send(ipi[2]);
	say_vcpu("vcpu 2", 2);
	start_with_upcalls_on(2);
	/* Sent between initialise and up is what most kernels would do. */
	evtchn_unmask(ipi[3]);
	start_with_upcalls_on(3);
	evtchn_send(ipi[3]);
	say_vcpu("vcpu 3, down", 3);
	shared_info->vcpu_info[3].evtchn_upcall_mask = 0;
	say_rc("up once more", HCALL(vcpu_op, VCPUOP_up, 3, 0));
	vcpu_wait(3);
	say("taken: %u", event_count[ipi[3]]);
}
