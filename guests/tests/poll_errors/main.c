/*
 * SCHEDOP_poll's arguments: how many ports it takes, what it says to bad pointers and
 * to ports that cannot be waited for, and that an answer comes at once when a port is
 * pending already, even a masked one. pcifront waits like this for pciback.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "SCHEDOP_poll: arguments and immediate answers";

static evtchn_port_t ports[200];

void guest_main(void)
{
	evtchn_port_t send, recv = evtchn_loop(&send);
	evtchn_port_t ipi = evtchn_bind_ipi(0);
	struct sched_poll p = {.nr_ports = 1};
	uint64_t past = system_time() - 1;
	long unbound = evtchn_alloc_unbound(DOMID_SELF, DOMID_SELF);

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = recv;
	say_rc("129 ports", poll_ports(ports, 129, past));
	say_rc("128 ports, timeout in the past", poll_ports(ports, 128, past));
	say_rc("200 ports", poll_ports(ports, 200, past));
	say_rc("2^32 - 1 ports", poll_ports(ports, ~0u, past));
	say_rc("the block at a bad address", HCALL(sched_op, SCHEDOP_poll, VA_UNMAPPED));
	say_rc("the block in Xen", HCALL(sched_op, SCHEDOP_poll, VA_XEN));
	say_rc("ports at a bad address", poll_ports(VA_UNMAPPED, 1, past));
	say_rc("ports in Xen", poll_ports(VA_XEN, 1, past));
	say_rc("two ports, the list ends in a hole",
	       poll_ports((evtchn_port_t *)((uint64_t)VA_UNMAPPED - 4), 2, past));
	set_xen_guest_handle(p.ports, VA_UNMAPPED);
	p.nr_ports = 0;
	p.timeout = past;
	say_rc("no ports, a bad list", HCALL(sched_op, SCHEDOP_poll, &p));
	set_xen_guest_handle(p.ports, VA_XEN);
	say_rc("no ports, a list in Xen", HCALL(sched_op, SCHEDOP_poll, &p));
	ports[0] = 0;
	say_rc("port 0", poll_ports(ports, 1, past));
	ports[0] = 3000;
	say_rc("a free port", poll_ports(ports, 1, past));
	ports[0] = 60;
	say_rc("a free port below 64", poll_ports(ports, 1, past));
	ports[0] = 4096;
	say_rc("port 4096", poll_ports(ports, 1, past));
	ports[0] = ~0u;
	say_rc("port 2^32 - 1", poll_ports(ports, 1, past));
	ports[0] = unbound;
	say_rc("an unbound port", poll_ports(ports, 1, past));
	ports[0] = recv;
	ports[1] = 4096;
	say_rc("a good and a bad one", poll_ports(ports, 2, past));
	evtchn_send(send);
	say_rc("the good one pending, then a bad one", poll_ports(ports, 2, past));
	say_rc("pending (masked), no timeout", poll_ports(ports, 1, 0));
	say("still pending: %d", event_pending(recv));
	ports[1] = recv;
	ports[0] = ipi;
	say_rc("the second of two is pending", poll_ports(ports, 2, 0));
	event_clear(recv);
	evtchn_send(ipi);
	say_rc("an IPI port", poll_ports(ports, 1, 0));
	event_clear(ipi);
	say_rc("1 ms", poll_ports(ports, 1, system_time() + MS));
	say_rc("no ports, 1 ms", poll_ports(ports, 0, system_time() + MS));
	evtchn_close(ipi);
	say_rc("closed meanwhile", poll_ports(ports, 1, system_time() + MS));
}
