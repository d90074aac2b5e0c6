/*
 * System time goes forward on every vcpu and between them, agrees with the wall clock's
 * base, and does not stand still in a sleep.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Clocks that go forward";

static volatile uint64_t latest;
static volatile unsigned backwards;
static volatile unsigned done;

static void watch(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t before = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), now = system_time();

		/* Less than a microsecond is how well the vcpus' clocks agree. */
		if (now + 1000 < before)
			__atomic_fetch_add(&backwards, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&latest, now, __ATOMIC_SEQ_CST);
		if (i % 100 == 0)
			yield();
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

void guest_main(void)
{
	/* Nobody sends to it. A poll without ports would be woken by any event, masked or not
	 * (Xen: evtchn_check_pollers), and the console's answer to what we print is one. */
	evtchn_port_t quiet = evtchn_alloc_unbound(DOMID_SELF, DOMID_SELF);
	uint64_t t = system_time(), then;
	unsigned early = 0;

	/* An unmasked one wakes every poll. */
	if (!is_dom0()) {
		event_mask(start_info->console.domU.evtchn);
		event_mask(start_info->store_evtchn);
	}

	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		vcpu_start(v, watch, NULL);
	watch(NULL);
	while (done < GUEST_VCPUS)
		yield();
	say("backwards: %u", backwards);
	for (unsigned i = 0; i < 20; i++) {
		then = system_time() + 2 * MS;
		poll_ports(&quiet, 1, then);
		if (system_time() < then)
			early++;
	}
	say("early wake-ups: %u", early);
	say("40 ms at least: %d", system_time() - t >= 40 * MS);
	say("wall clock version even: %d, nanoseconds below a second: %d",
	    !(shared_info->wc_version & 1), shared_info->wc_nsec < 1000000000);
	say("after 2020: %d", shared_info->wc_sec > 1577836800);
	say("tsc_shift is small: %d",
	    this_cpu()->info->time.tsc_shift > -32 && this_cpu()->info->time.tsc_shift < 32);
}
