/*
 * What this host's KVM does: measured (probe.c), or as it was measured for an earlier domain
 * (probe_cache.c).
 */
#ifndef VMM_PROBE_H
#define VMM_PROBE_H

#include "vmm/machine.h"

/* Fills m->host by running a probe guest on a VM of its own. */
int host_probe(struct machine *m, struct error *err);
/* The same, without a guest where that was done before. */
int host_know(struct machine *m, struct error *err);

/* m->host, when it is known. */
bool probe_cache_read(struct machine *m);
void probe_cache_write(const struct machine *m);

#endif
