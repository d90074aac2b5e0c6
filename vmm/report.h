/*
 * What the user is told when a guest did not end well.
 */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include <stdio.h>

#include "vmm/vcpu.h"

/* Why the domain crashed, and the state of every vcpu. Threads have ended. */
void report_crash(FILE *f, const struct guest *g);
void report_vcpus(FILE *f, const struct guest *g);
/* "the guest powered off", ... for a SHUTDOWN_* reason. */
const char *report_shutdown_name(unsigned reason);

/* How many grants of the guest's somebody holds, but for its console and store; the
 * first of them on `out` unless that is NULL. Without the domain's lock. */
unsigned report_grants(FILE *out, struct domain *d);

#endif
