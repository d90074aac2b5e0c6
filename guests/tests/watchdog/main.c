/*
 * A watchdog that nobody feeds ends the domain, even while all its vcpus sleep; one
 * that is fed, or switched off, does not.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "SCHEDOP_watchdog ends the domain";

static long watchdog(uint32_t id, uint32_t timeout)
{
	struct sched_watchdog w = {.id = id, .timeout = timeout};

	return HCALL(sched_op, SCHEDOP_watchdog, &w);
}

void guest_main(void)
{
	say_rc("one of 1 s", watchdog(0, 1));
	say_rc("one of 2 s", watchdog(0, 2));
	sleep_ms(600);
	say_rc("the first is fed", watchdog(1, 1));
	sleep_ms(600);
	say_rc("the first is switched off", watchdog(1, 0));
	sleep_ms(600);
	say("still there");
	sleep_ms(3000);
	say("it did not bite");
}
