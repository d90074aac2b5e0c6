/*
 * Ports that change while an event is on its way: moved to another vcpu, masked,
 * closed and given out again. Which of the bits follow, and which are left behind for
 * a handler that must cope with them: spurious upcalls are normal, lost ones are not.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Ports that change with an event pending";

static evtchn_port_t recv, send;

static void clean(void)
{
	for (unsigned v = 0; v < GUEST_VCPUS; v++) {
		shared_info->vcpu_info[v].evtchn_pending_sel = 0;
		shared_info->vcpu_info[v].evtchn_upcall_pending = 0;
	}
	event_clear(recv);
	event_clear(send);
}

static void say_all(const char *what, evtchn_port_t port)
{
	const struct vcpu_info *i = shared_info->vcpu_info;

	say("%s: pending %d masked %d; upcalls %u %u %u %u; selectors %d %d %d %d", what,
	    event_pending(port), event_masked(port), i[0].evtchn_upcall_pending,
	    i[1].evtchn_upcall_pending, i[2].evtchn_upcall_pending, i[3].evtchn_upcall_pending,
	    i[0].evtchn_pending_sel != 0, i[1].evtchn_pending_sel != 0,
	    i[2].evtchn_pending_sel != 0, i[3].evtchn_pending_sel != 0);
}

static long status_vcpu(evtchn_port_t port)
{
	struct evtchn_status s = {.dom = DOMID_SELF, .port = port};
	long rc = HCALL(event_channel_op, EVTCHNOP_status, &s);

	return rc ? rc : s.vcpu;
}

static void moving(void)
{
	evtchn_send(send);
	say_all("masked, sent", recv);
	evtchn_bind_vcpu(recv, 1);
	say_all("moved to vcpu 1", recv);
	evtchn_unmask(recv);
	say_all("unmasked", recv);
	evtchn_bind_vcpu(recv, 2);
	say_all("moved to vcpu 2", recv);
	evtchn_send(send);
	say_all("sent again", recv);
	event_mask(recv);
	evtchn_unmask(recv);
	say_all("masked and unmasked", recv);
	clean();
	evtchn_send(send);
	say_all("clean, sent", recv);
	say("vcpu: %ld", status_vcpu(recv));
	/* Which end of the loop is bound where does not matter to the other. */
	evtchn_bind_vcpu(send, 3);
	clean();
	evtchn_unmask(send);
	evtchn_send(recv);
	say_all("sent the other way", send);
	say("vcpus: %ld %ld", status_vcpu(recv), status_vcpu(send));
	clean();
}

static void closing(void)
{
	evtchn_port_t again;
	long b;

	evtchn_send(send);
	say_all("sent", recv);
	say_rc("closed", evtchn_close(recv));
	say_all("what is left", recv);
	say("vcpu of the other end: %ld", status_vcpu(send));
	again = evtchn_bind_ipi(3);
	say("the number is used again: %d", again == recv);
	say_all("by an ipi", recv);
	say("vcpu: %ld", status_vcpu(again));
	evtchn_close(again);
	/* The end that was left can be bound to by its owner again. */
	b = evtchn_bind_interdomain(DOMID_SELF, send);
	say("bound to what was left: %d", b == (long)recv);
	say_all("the new end", recv);
	say("vcpus: %ld %ld", status_vcpu(recv), status_vcpu(send));
	clean();
	/* Close both, the sender first, with an event pending on the receiver. */
	evtchn_send(send);
	evtchn_close(send);
	say_all("the sender was closed", recv);
	say_rc("unmask", evtchn_unmask(recv));
	say_rc("send from the receiver", evtchn_send(recv));
	say_rc("close", evtchn_close(recv));
	say_all("at last", recv);
}

static void words(void)
{
	struct vcpu_info *i = this_cpu()->info;
	evtchn_port_t port = 0;
	uint64_t sel;

	clean();
	/* A port in each of the first words. */
	while (port < 320) {
		port = evtchn_bind_ipi(0);
		if (port % 64 == 5) {
			evtchn_unmask(port);
			evtchn_send(port);
		}
	}
	sel = i->evtchn_pending_sel;
	say("selector after one event in each word: 0x%lx, upcall pending %u", sel & ~1ul,
	    i->evtchn_upcall_pending);
	/* Any other bit in a selected word adds nothing. */
	i->evtchn_upcall_pending = 0;
	evtchn_unmask(70);
	evtchn_send(70);
	say("a second one in a word: 0x%lx, upcall pending %u", i->evtchn_pending_sel & ~1ul,
	    i->evtchn_upcall_pending);
	i->evtchn_pending_sel = 0;
	evtchn_unmask(71);
	evtchn_send(71);
	say("a third, after the selector was read: 0x%lx, upcall pending %u", i->evtchn_pending_sel,
	    i->evtchn_upcall_pending);
	/* Bits that the guest puts there itself are nobody's business. */
	i->evtchn_upcall_pending = 0xee;
	evtchn_unmask(72 + 64);
	evtchn_send(72 + 64);
	say("0x%lx, upcall pending 0x%x", i->evtchn_pending_sel, i->evtchn_upcall_pending);
}

void guest_main(void)
{
	recv = evtchn_loop(&send);
	clean();
	moving();
	closing();
	words();
}
