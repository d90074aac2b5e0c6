/*
 * --stats: how often the guest left, why, and how long it took to start.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/error.h"
#include "vmm/vcpu.h"

/* CLOCK_MONOTONIC, ns. */
struct run_times {
	uint64_t start;		       /* of domain_run */
	uint64_t load_start, load_end; /* reading and decompressing the kernel */
};

uint64_t stats_now(void);
/* As text to stderr, or as JSON to `path`. Threads have ended. */
int stats_print(const struct guest *g, const struct run_times *t, const char *path,
		struct error *err);

/* Those of the vcpus, as text. Threads have ended, or are at rest. */
void stats_counters_print(FILE *f, const struct guest *g);

#endif
