/*
 * --stats: how often the guest left, why, and how long it took to start.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/error.h"
#include "vmm/start_profile.h"
#include "vmm/vcpu.h"

/* CLOCK_MONOTONIC, ns. */
uint64_t stats_now(void);
/* As text to stderr, or as JSON to `path`. Threads have ended. */
int stats_print(const struct guest *g, const struct start_profile *p, const char *path,
		struct error *err);
/* The process's memory now, into the profile. */
void stats_sample(const struct guest *g, struct start_profile *p);

/* Those of the vcpus, as text. Threads have ended, or are at rest. */
void stats_counters_print(FILE *f, const struct guest *g);

#endif
