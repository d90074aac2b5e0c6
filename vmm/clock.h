/*
 * A domain's clock: system time is the guest-visible TSC since the domain began,
 * scaled with constants that never change, so it is the same on all vcpus and
 * cannot jump. Or it is driven by what the guest does: virtual time.
 */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "pvabi/xen_abi.h"

struct clock {
	uint64_t tsc_start;  /* guest-visible TSC at system time 0 */
	uint64_t tsc_offset; /* guest TSC = host TSC + this */
	uint32_t mul;	     /* xen.h: tsc_to_system_mul */
	int8_t shift;
	bool stable; /* the host itself keeps time by the TSC */
	uint32_t tsc_khz;

	/* Virtual time (--time virtual): system time does not pass by itself. It goes on by
	 * `quantum` with every exit that the guest's own work caused, and to the next
	 * deadline when the vcpu sleeps. Then what follows is the vcpu's thread's. */
	bool is_virtual;
	uint32_t quantum; /* ns */
	_Atomic uint64_t virtual_ns;
	bool stands;	  /* what is published does not go on with the TSC either */
	uint64_t period;  /* of telling the guest what the devices have to tell */
	uint64_t steps;	  /* of a debugger's since the guest's last exit */
	uint64_t told_ns; /* to the guest, the last time */
	uint64_t forced;  /* times that it had to go on without an exit */
};

/* Of a TSC as the guest reads it. */
static inline uint64_t clock_at(const struct clock *c, uint64_t tsc)
{
	uint64_t delta = tsc - c->tsc_start;

	/* Another processor's TSC may be a few cycles behind the one that started us. */
	if ((int64_t)delta < 0)
		return 0;
	delta = c->shift < 0 ? delta >> -c->shift : delta << c->shift;
	return (uint64_t)((unsigned __int128)delta * c->mul >> 32);
}

/* Ticks of the TSC in so many ns; of more than a quarter of an hour only in that. */
static inline uint64_t clock_ticks(const struct clock *c, uint64_t ns)
{
	const uint64_t most = 1000000000000;

	return (ns < most ? ns : most) * c->tsc_khz / 1000000 + 1;
}

void clock_start(struct clock *c, uint32_t tsc_khz, uint64_t tsc_offset);
uint64_t clock_tsc(const struct clock *c);
uint64_t clock_now(const struct clock *c); /* ns */
void clock_info(const struct clock *c, struct vcpu_time_info *t);
/* Virtual time goes on. */
void clock_advance(struct clock *c, uint64_t ns);
void clock_advance_to(struct clock *c, uint64_t ns);
uint64_t clock_wall(void); /* ns since 1970 */

#endif
