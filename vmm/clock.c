/*
 * System time from the TSC (xen.h: struct vcpu_time_info).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/clock.h"

#define NS 1000000000UL

static bool host_tsc_stable(void)
{
	char name[32] = "";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	if (!f)
		return false;
	bool ok = fgets(name, sizeof(name), f) && !strncmp(name, "tsc", 3);
	fclose(f);
	return ok;
}

void clock_start(struct clock *c, uint32_t tsc_khz, uint64_t tsc_offset)
{
	/* ns = ((tsc << shift) * mul) >> 32 with mul as large as 32 bits hold. */
	uint64_t hz = tsc_khz * 1000UL;
	int shift = 0;

	while (hz > 2 * NS) {
		hz >>= 1;
		shift--;
	}
	while (hz <= NS) {
		hz <<= 1;
		shift++;
	}
	/* Take the bits that the shifts above lost from the exact value. */
	unsigned __int128 num = (unsigned __int128)NS << 32;
	unsigned __int128 den = tsc_khz * 1000UL;
	c->mul = (uint32_t)(shift < 0 ? (num << -shift) / den : num / (den << shift));
	c->shift = (int8_t)shift;
	c->tsc_khz = tsc_khz;
	c->tsc_offset = tsc_offset;
	c->stable = host_tsc_stable();
	c->tsc_start = clock_tsc(c);
}

uint64_t clock_tsc(const struct clock *c)
{
	return __builtin_ia32_rdtsc() + c->tsc_offset;
}

uint64_t clock_now(const struct clock *c)
{
	return c->is_virtual ? atomic_load(&c->virtual_ns) : clock_at(c, clock_tsc(c));
}

void clock_info(const struct clock *c, struct vcpu_time_info *t)
{
	memset(t, 0, sizeof(*t));
	t->tsc_timestamp = c->tsc_start;
	t->system_time = 0;
	t->tsc_to_system_mul = c->mul;
	t->tsc_shift = c->shift;
	t->flags = c->stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
	if (!c->is_virtual)
		return;
	/* Kernels take the TSC's frequency from the multiplier, before they use timers. */
	t->tsc_timestamp = clock_tsc(c);
	t->system_time = atomic_load(&c->virtual_ns);
	if (c->stands)
		t->tsc_to_system_mul = 0;
	t->flags = 0;
}

void clock_advance(struct clock *c, uint64_t ns)
{
	atomic_fetch_add(&c->virtual_ns, ns);
}

void clock_advance_to(struct clock *c, uint64_t ns)
{
	if (ns > atomic_load(&c->virtual_ns))
		atomic_store(&c->virtual_ns, ns);
}

uint64_t clock_wall(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}
