/*
 * Our process's side of the resident monitor (area.h): the memory that the handlers in the
 * guest see, and what they ask of us.
 */
#ifndef VMM_RESIDENT_RESIDENT_H
#define VMM_RESIDENT_RESIDENT_H

#include <stdio.h>

#include "vmm/cpu.h"
#include "vmm/error.h"
#include "vmm/resident/area.h"

struct resident;

/* Frames of Xen heap that it takes. */
uint64_t resident_heap_frames(uint64_t nr_frames);
/* For a domain whose monitor is in place and whose vcpus do not run yet; mon->resident is
 * set. 0 or a negative errno with a sentence. */
int resident_create(struct machine *m, struct monitor *mon, struct error *err);
void resident_destroy(struct monitor *mon);
/* NULL when this KVM can have it, else why not. */
const char *resident_refusal(const struct host_features *h);

/* Of a cpu of a domain that has it. By its thread. */
static inline bool resident_is_on(const struct cpu *c)
{
	return c->monitor && c->monitor->resident;
}
struct resident_area *resident_cpu_area(const struct cpu *c);
/* Before an entry: may the guest's exits be handled there? */
void resident_prepare(struct cpu *c, bool on);
/* The handlers look at the vcpu's timers then, or earlier. False: they never do. */
bool resident_arm(struct cpu *c, uint64_t deadline);
/* MON_PORT_CALL: does what is asked. */
void resident_serve(struct cpu *c);
/* MON_PORT_FILL: a handler touched this address. False: there is nothing. */
bool resident_fill(struct cpu *c, uint64_t addr);
/* KVM_RUN was interrupted at CPL 0: the vcpu comes out soon. True: it is at its entry of the
 * guest, struct vcpu has its registers. */
bool resident_interrupted(struct cpu *c);
/* It goes on inside, and is to come out at the end of what is being handled, or of the next. */
void resident_leave_soon(struct cpu *c);

/* Any thread: has what is pending delivered inside the guest. False: it must leave that. */
bool resident_ring(struct cpu *c);

void resident_counts_add(struct resident_counts *to, const struct resident_counts *n);
/* By all vcpus of the domain. */
void resident_count(const struct monitor *mon, struct resident_counts *n);

#endif
