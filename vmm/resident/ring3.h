/*
 * Our process's side of the resident monitor at CPL 3 (ring3_area.h).
 */
#ifndef VMM_RESIDENT_RING3_H
#define VMM_RESIDENT_RING3_H

#include "vmm/cpu.h"
#include "vmm/error.h"
#include "vmm/resident/area.h"

struct ring3;

/* NULL when this KVM can have it, else why not. */
const char *ring3_refusal(const struct host_features *h);
/* Frames of Xen heap that it takes. */
uint64_t ring3_heap_frames(uint64_t nr_frames, unsigned nr_vcpus);
/* For a domain whose monitor is in place and whose vcpus do not run yet; mon->ring3 is set. 0 or
 * a negative errno with a sentence. */
int ring3_create(struct machine *m, struct monitor *mon, struct error *err);
void ring3_destroy(struct monitor *mon);

/* Of a cpu of a domain that has it. By its thread. */
static inline bool ring3_is_on(const struct cpu *c)
{
	return c->monitor && c->monitor->ring3;
}
/* Where `syscall` is to land. */
uint64_t ring3_lstar(const struct cpu *c);
/* Before an entry: may the guest's exits be handled there? */
void ring3_prepare(struct cpu *c, bool on);
/* The handlers may have changed v since the last entry. */
void ring3_take_over(struct cpu *c);
/* When the segment registers of KVM's are in v. */
void ring3_take_selectors(struct cpu *c);
/* A store to this machine address was an exit of ours: 0, and `x` and v's registers are set; 1:
 * run again. -1: it was none. */
int ring3_exit(struct cpu *c, struct cpu_exit *x, uint64_t addr);
/* KVM_RUN was interrupted in the monitor's code at CPL 3 or in its gates. True: on its way out,
 * and v has the guest's registers. False: it must go on, and comes out soon. */
bool ring3_interrupted(struct cpu *c);
/* As resident_leave_soon(). */
void ring3_leave_soon(struct cpu *c);
/* Is it there that the vcpu was interrupted? */
bool ring3_is_inside(const struct cpu *c);

/* It was interrupted where it must go on. True: too often, it does not mean to come out. */
bool ring3_is_stuck(struct cpu *c);

void ring3_count(const struct monitor *mon, struct resident_counts *n);

/* host_ops.event_fd() */
bool ring3_event_fd(struct domain *d, evtchn_port_t port, int fd, bool on);
/* host_ops.inner_lock() and inner_unlock(). */
void ring3_lock(struct domain *d);
void ring3_unlock(struct domain *d);
/* As mm_tlb_flushed() with MM_TLB_NONE, and with what is now. */
void ring3_tlb_rest(struct cpu *c, bool rests);

#endif
