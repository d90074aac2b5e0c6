/*
 * Where the time from our start to the guest's first instruction goes: a span for each phase.
 * Phases of different threads overlap.
 */
#ifndef VMM_START_PROFILE_H
#define VMM_START_PROFILE_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define START_SPANS 32

struct start_profile {
	uint64_t begin; /* of domain_run(); CLOCK_MONOTONIC, ns, as all here */
	_Atomic unsigned nr;
	struct start_span {
		const char *phase; /* static */
		uint64_t from, to;
	} span[START_SPANS];
	/* Of the process, when the vcpus were let run: KiB, of it the guest's RAM; and minor
	 * faults. */
	uint64_t resident_kib, resident_guest_kib, minor_faults;
};

/* The phase that began at `from` ends now. Any thread; `p` may be NULL. */
void start_profile_add(struct start_profile *p, const char *phase, uint64_t from);
void start_profile_text(FILE *f, const struct start_profile *p);
/* A member of an object, without a comma behind it. */
void start_profile_json(FILE *f, const struct start_profile *p);

#endif
