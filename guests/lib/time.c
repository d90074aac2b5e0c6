/* System time as Xen publishes it (xen.h: struct vcpu_time_info), and waiting. */
#include "guests/lib/guest.h"

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

uint64_t system_time(void)
{
	volatile struct vcpu_time_info *t = &this_cpu()->info->time;
	uint32_t version;
	uint64_t time;

	do {
		version = t->version & ~1u;
		barrier();
		uint64_t delta = tsc() - t->tsc_timestamp;
		int8_t shift = t->tsc_shift;
		delta = shift < 0 ? delta >> -shift : delta << shift;
		time = t->system_time +
		       (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
		barrier();
	} while (version != t->version);
	return time;
}

void wait_until(uint64_t t)
{
	while (system_time() < t)
		pause();
}

void sleep_ms(unsigned ms)
{
	uint64_t end = system_time() + ms * MS;

	/* Any event wakes a poll without ports. */
	while (system_time() < end)
		poll_ports(NULL, 0, end);
}

long poll_ports(evtchn_port_t *ports, unsigned nr, uint64_t timeout)
{
	struct sched_poll p = {.nr_ports = nr, .timeout = timeout};

	set_xen_guest_handle(p.ports, ports);
	return HCALL(sched_op, SCHEDOP_poll, &p);
}

long block(void)
{
	return HCALL(sched_op, SCHEDOP_block, 0);
}

long set_timer(uint64_t t)
{
	return HCALL(set_timer_op, t);
}
