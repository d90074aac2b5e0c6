/*
 * Runstate: what a vcpu did with its time, asked for and in a registered area; and the
 * copy of the time information for user mode.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Runstate and time areas";

static struct vcpu_runstate_info area;
static struct vcpu_time_info times __attribute__((aligned(64)));

static long get(unsigned vcpu, struct vcpu_runstate_info *info)
{
	return HCALL(vcpu_op, VCPUOP_get_runstate_info, vcpu, info);
}

static uint64_t sum(const struct vcpu_runstate_info *r)
{
	return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

static long area_at(unsigned vcpu, void *p)
{
	struct vcpu_register_runstate_memory_area a = {.addr.p = (uint64_t)p};

	return HCALL(vcpu_op, VCPUOP_register_runstate_memory_area, vcpu, &a);
}

static long times_at(unsigned vcpu, void *p)
{
	struct vcpu_register_time_memory_area a = {.addr.p = (uint64_t)p};

	return HCALL(vcpu_op, VCPUOP_register_vcpu_time_memory_area, vcpu, &a);
}

static void nothing(void *arg)
{
	(void)arg;
}

void guest_main(void)
{
	struct vcpu_runstate_info a, b;

	say_rc("get", get(0, &a));
	say("state %d", a.state);
	sleep_ms(20);
	say_rc("get", get(0, &b));
	/* A part of the 20 ms went by before it slept. */
	say("slept: %d", b.time[RUNSTATE_blocked] - a.time[RUNSTATE_blocked] >= 10 * MS);
	note("blocked %lu, sum %lu", b.time[RUNSTATE_blocked] - a.time[RUNSTATE_blocked],
	     sum(&b) - sum(&a));
	say("running grew: %d", b.time[RUNSTATE_running] > a.time[RUNSTATE_running]);
	say("the sum grows with the clock: %d", sum(&b) - sum(&a) >= 20 * MS);
	say("entered later: %d", b.state_entry_time > a.state_entry_time);
	say_rc("of a vcpu that is not initialised", get(2, &a));
	say_rc("of vcpu 4", get(4, &a));
	say_rc("to a bad address", HCALL(vcpu_op, VCPUOP_get_runstate_info, 0, VA_UNMAPPED));
	vcpu_start(1, nothing, NULL);
	vcpu_wait(1);
	say_rc("of a vcpu that is down", get(1, &a));
	say("state %d", a.state);
	say_rc("area", area_at(0, &area));
	say("filled at once: %d, state %d", sum(&area) != 0, area.state);
	b = area;
	sleep_ms(20);
	say("kept up: %d", area.time[RUNSTATE_blocked] - b.time[RUNSTATE_blocked] >= 10 * MS);
	say_rc("area at a bad address", area_at(0, VA_UNMAPPED));
	say_rc("area in Xen", area_at(0, VA_XEN));
	say_rc("area nowhere", area_at(0, NULL));
	say_rc("area of another", area_at(1, &area));
	say_rc("area of vcpu 4", area_at(4, &area));
	say_rc("area's block at a bad address",
	       HCALL(vcpu_op, VCPUOP_register_runstate_memory_area, 0, VA_UNMAPPED));
	say_rc("assist", HCALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag));
	say_rc("area", area_at(0, &area));
	poll_ports(NULL, 0, system_time() + MS);
	say("the update flag is clear: %d", !(area.state_entry_time >> 63));
	say_rc("time area", times_at(0, &times));
	say("the same as in vcpu_info: %d",
	    times.tsc_to_system_mul == this_cpu()->info->time.tsc_to_system_mul);
	say("version even: %d, not 0: %d", !(times.version & 1), times.version != 0);
	say_rc("time area at a bad address", times_at(0, VA_UNMAPPED));
	say_rc("time area in Xen", times_at(0, VA_XEN));
	say_rc("time area of another", times_at(1, &times));
	say_rc("time area nowhere", times_at(0, NULL));
}
