/*
 * A multicall is interrupted between its entries when an event can be delivered: the
 * callback runs, with rip at the `syscall` and the registers set to go on with what is
 * left, and the list continues afterwards. With upcalls off it runs through.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Upcalls in the middle of a multicall";

#define NR 6

static struct multicall_entry calls[NR];
static evtchn_port_t recv, send;
static struct evtchn_send op;
static unsigned done;
static uint64_t rax, list, left;
static uint8_t code[2];

static void upcall(struct frame *f)
{
	if (event_pending(recv)) {
		done = 0;
		while (done < NR && calls[done].result != 0x5555)
			done++;
		rax = f->rax;
		list = f->rdi;
		left = f->rsi;
		memcpy(code, (void *)f->rip, 2);
	}
	event_upcall_default(f);
}

static void entry(unsigned i, unsigned nr, uint64_t a, uint64_t b)
{
	memset(&calls[i], 0, sizeof(calls[i]));
	calls[i].op = nr;
	calls[i].args[0] = a;
	calls[i].args[1] = b;
	calls[i].result = 0x5555;
}

static void run(const char *what, unsigned sender, bool on)
{
	struct cpu *c = this_cpu();
	long rc;

	for (unsigned i = 0; i < NR; i++)
		entry(i, __HYPERVISOR_xen_version, XENVER_version, 0);
	entry(sender, __HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint64_t)&op);
	done = ~0u;
	c->upcalls = 0;
	event_count[recv] = 0;
	if (on)
		events_on();
	rc = HCALL(multicall, calls, NR);
	say("%s: %e, taken %u during it", what, rc, event_count[recv]);
	if (done != ~0u) {
		say("  entries done: %u, rax: %lu, list moved by %lu, left: %lu", done, rax,
		    (list - (uint64_t)calls) / sizeof(calls[0]), left);
		say("  rip is at a syscall: %d", code[0] == 0x0f && code[1] == 0x05);
	}
	for (unsigned i = 0; i < NR; i++)
		if (calls[i].result != (i == sender ? 0 : 0x40011))
			say("  entry %u: %e", i, calls[i].result);
	events_off();
	events_on();
	events_off();
	say("  taken %u after it", event_count[recv]);
}

void guest_main(void)
{
	event_upcall = upcall;
	recv = evtchn_loop(&send);
	event_handler(recv, NULL);
	op.port = send;
	run("upcalls off", 2, false);
	run("sent by the first", 0, true);
	run("by the third", 2, true);
	run("by the last but one", NR - 2, true);
	event_mask(recv);
	run("masked port", 2, true);
	event_clear(recv);
	evtchn_unmask(recv);
}
