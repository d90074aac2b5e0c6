/*
 * A vcpu's timers: set_timer_op, the single shot with and without
 * VCPU_SSHOTTMR_future, the periodic one with its limits; when they are refused, that
 * they are not early, and that one in the past fires at once.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "set_timer_op and the timers of vcpu_op";

static evtchn_port_t timer;

static long single(unsigned vcpu, uint64_t t, uint32_t flags)
{
	struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = t, .flags = flags};

	return HCALL(vcpu_op, VCPUOP_set_singleshot_timer, vcpu, &s);
}

static long periodic(unsigned vcpu, uint64_t ns)
{
	struct vcpu_set_periodic_timer p = {.period_ns = ns};

	return HCALL(vcpu_op, VCPUOP_set_periodic_timer, vcpu, &p);
}

/* Waits up to 100 ms for an event. */
static bool fires(void)
{
	evtchn_port_t port = timer;
	bool was;

	poll_ports(&port, 1, system_time() + 100 * MS);
	was = event_pending(timer);
	event_clear(timer);
	return was;
}

static void say_single(const char *what, uint64_t delta_ms, uint32_t flags)
{
	uint64_t t = system_time() + delta_ms * MS;
	long rc = single(0, t, flags);
	bool fired = fires();

	say("%s: %e, fires %d, not early %d", what, rc, fired, !fired || system_time() >= t);
}

void guest_main(void)
{
	uint64_t t;
	unsigned n = 0;

	timer = evtchn_bind_virq(VIRQ_TIMER, 0);
	event_clear(timer);
	/* Every vcpu starts with a periodic timer, which would hide the others. */
	say("nothing set: fires %d", fires());
	say_rc("stop periodic", HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0));
	fires();
	say("nothing set: fires %d", fires());
	t = system_time() + 10 * MS;
	say_rc("set_timer_op in 10 ms", set_timer(t));
	say("fires %d", fires());
	say("not early %d", system_time() >= t);
	say_rc("set_timer_op in the past", set_timer(1));
	say("fires %d", fires());
	say_rc("set_timer_op in 2 s", set_timer(system_time() + 2000 * MS));
	say_rc("set_timer_op 0", set_timer(0));
	say("fires %d", fires());
	say_rc("set_timer_op 2^63", set_timer(1ull << 63));
	say("fires %d", fires());
	say_rc("set_timer_op 2^63 - 1", set_timer((1ull << 63) - 1));
	say("fires %d", fires());
	say_rc("set_timer_op 2^64 - 1", set_timer(~0ull));
	say("fires %d", fires());
	set_timer(0);
	say_single("single shot in 10 ms", 10, 0);
	say_single("single shot in the future", 10, VCPU_SSHOTTMR_future);
	say_single("single shot in the past", -10ull, 0);
	say_single("single shot in the past, future only", -10ull, VCPU_SSHOTTMR_future);
	say_single("single shot, unknown flags", 10, ~1u);
	say_rc("in 2 s", single(0, system_time() + 2000 * MS, 0));
	say_rc("stop", HCALL(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0));
	say("fires %d", fires());
	say_rc("stop once more", HCALL(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0));
	say_rc("another vcpu's", single(1, system_time() + 10 * MS, 0));
	say_rc("of vcpu 4", single(4, 0, 0));
	say_rc("at a bad address", HCALL(vcpu_op, VCPUOP_set_singleshot_timer, 0, VA_UNMAPPED));
	say_rc("stop another's", HCALL(vcpu_op, VCPUOP_stop_singleshot_timer, 1, 0));
	say_rc("periodic 0", periodic(0, 0));
	say_rc("periodic 1 ns", periodic(0, 1));
	say_rc("periodic 999,999 ns", periodic(0, MS - 1));
	say_rc("periodic 2^63", periodic(0, 1ull << 63));
	say_rc("periodic 2^64 - 1", periodic(0, ~0ull));
	say_rc("another vcpu's periodic", periodic(1, 10 * MS));
	say_rc("stop another's periodic", HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 1, 0));
	say_rc("periodic at a bad address",
	       HCALL(vcpu_op, VCPUOP_set_periodic_timer, 0, VA_UNMAPPED));
	t = system_time();
	say_rc("periodic 10 ms", periodic(0, 10 * MS));
	for (int i = 0; i < 5; i++)
		n += fires();
	say("five: %u, not early %d", n, system_time() >= t + 40 * MS);
	say_rc("stop periodic", HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0));
	fires();
	say("fires %d", fires());
	say_rc("periodic 1 ms", periodic(0, MS));
	say("fires %d", fires());
	say_rc("stop periodic", HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0));
}
