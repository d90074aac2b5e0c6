/*
 * A hundred thousand events between two vcpus, as fast as they go and without a
 * handshake: events may merge, but the last may never be lost, and whoever was told sees
 * what was written before. Each sender counts up and sends; each callback reads
 * the other's count. In the end both have seen the last count.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "100,000 events between two vcpus";

#define EVENTS 50000 /* each way */

static evtchn_port_t recv[2], send[2]; /* send[i]: vcpu i sends, the other receives */
static volatile unsigned sent[2], seen[2];
static volatile bool backwards, ready;

/* Pending bits are the domain's, so a vcpu has to know which ports are its own. */
static void upcall(struct frame *f)
{
	struct vcpu_info *info = this_cpu()->info;
	unsigned from = !this_cpu()->id, n;

	(void)f;
	__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	if (!event_pending(recv[from]))
		return;
	event_clear(recv[from]);
	n = __atomic_load_n(&sent[from], __ATOMIC_SEQ_CST);
	if (n < seen[from])
		backwards = true;
	seen[from] = n;
}

static void storm(unsigned me)
{
	uint64_t limit;

	for (unsigned i = 1; i <= EVENTS; i++) {
		__atomic_store_n(&sent[me], i, __ATOMIC_SEQ_CST);
		evtchn_send(send[me]);
	}
	limit = system_time() + 10000 * MS;
	while (seen[!me] < EVENTS && system_time() < limit)
		yield();
	events_off();
}

static void other(void *arg)
{
	(void)arg;
	ready = true;
	events_on();
	storm(1);
}

void guest_main(void)
{
	for (unsigned i = 0; i < 2; i++) {
		recv[i] = evtchn_loop(&send[i]);
		evtchn_bind_vcpu(recv[i], !i);
		event_clear(send[i]);
		evtchn_unmask(recv[i]);
	}
	event_upcall = upcall;
	if (vcpu_start(1, other, NULL))
		fail("vcpu 1");
	while (!ready)
		yield();
	events_on();
	storm(0);
	vcpu_wait(1);
	for (unsigned i = 0; i < 2; i++)
		say("from vcpu %u: sent %u, last seen %u", i, sent[i], seen[i]);
	say("a count went backwards: %d", backwards);
}
