/*
 * The rest of sched_op: errors of shutdown, remote_shutdown, shutdown_code, watchdog,
 * pin_override, and numbers that do not exist. Nothing here ends the domain.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "sched_op: what is refused";

static long watchdog(uint32_t id, uint32_t timeout)
{
	struct sched_watchdog w = {.id = id, .timeout = timeout};

	return HCALL(sched_op, SCHEDOP_watchdog, &w);
}

static long remote(domid_t dom, unsigned reason)
{
	struct sched_remote_shutdown r = {.domain_id = dom, .reason = reason};

	return HCALL(sched_op, SCHEDOP_remote_shutdown, &r);
}

static long pin(int32_t pcpu)
{
	struct sched_pin_override p = {.pcpu = pcpu};

	return HCALL(sched_op, SCHEDOP_pin_override, &p);
}

void guest_main(void)
{
	struct sched_shutdown code = {.reason = SHUTDOWN_reboot};

	say_rc("shutdown, bad address", HCALL(sched_op, SCHEDOP_shutdown, VA_UNMAPPED));
	say_rc("shutdown, in Xen", HCALL(sched_op, SCHEDOP_shutdown, VA_XEN));
	say_rc("shutdown_code, bad address", HCALL(sched_op, SCHEDOP_shutdown_code, VA_UNMAPPED));
	say_rc("remote_shutdown, bad address",
	       HCALL(sched_op, SCHEDOP_remote_shutdown, VA_UNMAPPED));
	say_rc("remote_shutdown of a domain that is not", remote(1234, SHUTDOWN_poweroff));
	say_rc("remote_shutdown of DOMID_SELF", remote(DOMID_SELF, SHUTDOWN_poweroff));
	say_rc("remote_shutdown of DOMID_IO", remote(DOMID_IO, SHUTDOWN_poweroff));
	say_rc("remote_shutdown of DOMID_XEN", remote(DOMID_XEN, SHUTDOWN_poweroff));
	if (!is_dom0())
		say_rc("remote_shutdown of domain 0", remote(0, SHUTDOWN_poweroff));
	say_rc("pin_override, bad address", HCALL(sched_op, SCHEDOP_pin_override, VA_UNMAPPED));
	say_rc("pin_override to 0", pin(0));
	say_rc("pin_override to -1", pin(-1));
	say_rc("pin_override to 1000", pin(1000));
	say_rc("watchdog, bad address", HCALL(sched_op, SCHEDOP_watchdog, VA_UNMAPPED));
	say_rc("watchdog 3", watchdog(3, 100));
	say_rc("watchdog 1, not in use", watchdog(1, 100));
	say_rc("watchdog, a first", watchdog(0, 1000));
	say_rc("watchdog, a second", watchdog(0, 1000));
	say_rc("watchdog, a third", watchdog(0, 1000));
	say_rc("watchdog 1 again", watchdog(1, 1000));
	say_rc("watchdog 2 again", watchdog(2, 1000));
	say_rc("watchdog 1 off", watchdog(1, 0));
	say_rc("watchdog 1 off once more", watchdog(1, 0));
	say_rc("watchdog 1 on", watchdog(1, 1000));
	say_rc("watchdog, a new one", watchdog(0, 1000));
	say_rc("watchdog 2 off", watchdog(2, 0));
	say_rc("watchdog 1 off", watchdog(1, 0));
	say_rc("watchdog, 2^32 - 1 s", watchdog(0, ~0u));
	say_rc("watchdog 1 off", watchdog(1, 0));
	say_rc("watchdog -1", watchdog(~0u, 1));
	say_rc("number 8", HCALL(sched_op, 8, &code));
	say_rc("number 100", HCALL(sched_op, 100, &code));
	say_rc("number -1", HCALL(sched_op, -1, &code));
	say_rc("number 2^32 (yield?)", HCALL(sched_op, 1ul << 32, &code));
	say_rc("shutdown_code", HCALL(sched_op, SCHEDOP_shutdown_code, &code));
	code.reason = SHUTDOWN_MAX + 1;
	say_rc("shutdown_code 6", HCALL(sched_op, SCHEDOP_shutdown_code, &code));
	code.reason = 255;
	say_rc("shutdown_code 255", HCALL(sched_op, SCHEDOP_shutdown_code, &code));
	code.reason = is_dom0() ? SHUTDOWN_reboot : SHUTDOWN_poweroff;
	say_rc("shutdown_code poweroff or reboot", HCALL(sched_op, SCHEDOP_shutdown_code, &code));
}
