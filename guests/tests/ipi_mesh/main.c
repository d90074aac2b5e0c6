/*
 * Every vcpu to every vcpu, itself included: sixteen IPI channels, each used a number of
 * times with an answer awaited in memory, as smp_call_function does it.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "IPIs from every vcpu to every vcpu";

#define CALLS 200

static evtchn_port_t ipi[GUEST_VCPUS][GUEST_VCPUS]; /* from, to */
static volatile unsigned asked[GUEST_VCPUS][GUEST_VCPUS], answered[GUEST_VCPUS][GUEST_VCPUS];
static volatile unsigned events[GUEST_VCPUS][GUEST_VCPUS];
static volatile unsigned lost, ready, over;

/* Pending bits are the domain's, so a vcpu has to know which ports are its own. */
static void upcall(struct frame *f)
{
	struct vcpu_info *info = this_cpu()->info;
	unsigned me = this_cpu()->id;

	(void)f;
	__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	for (unsigned from = 0; from < GUEST_VCPUS; from++) {
		if (!event_pending(ipi[from][me]))
			continue;
		event_clear(ipi[from][me]);
		events[from][me]++;
		answered[from][me] = asked[from][me];
	}
}

static void caller(void *arg)
{
	unsigned me = this_cpu()->id;

	(void)arg;
	events_on();
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (ready < GUEST_VCPUS)
		yield();
	for (unsigned i = 1; i <= CALLS; i++)
		for (unsigned to = 0; to < GUEST_VCPUS; to++) {
			uint64_t limit = system_time() + 10000 * MS;

			__atomic_store_n(&asked[me][to], i, __ATOMIC_SEQ_CST);
			evtchn_send(ipi[me][to]);
			while (answered[me][to] != i) {
				if (system_time() > limit) {
					__atomic_fetch_add(&lost, 1, __ATOMIC_SEQ_CST);
					break;
				}
				yield();
			}
		}
	/* Others still call. */
	__atomic_fetch_add(&over, 1, __ATOMIC_SEQ_CST);
	while (over < GUEST_VCPUS)
		yield();
	events_off();
}

void guest_main(void)
{
	for (unsigned from = 0; from < GUEST_VCPUS; from++)
		for (unsigned to = 0; to < GUEST_VCPUS; to++) {
			ipi[from][to] = evtchn_bind_ipi(to);
			evtchn_unmask(ipi[from][to]);
		}
	event_upcall = upcall;
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		if (vcpu_start(v, caller, NULL))
			fail("vcpu %u", v);
	caller(NULL);
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		vcpu_wait(v);
	say("lost: %u", lost);
	for (unsigned from = 0; from < GUEST_VCPUS; from++)
		for (unsigned to = 0; to < GUEST_VCPUS; to++)
			say("%u to %u: %u calls answered, %u events", from, to, answered[from][to],
			    events[from][to]);
}
