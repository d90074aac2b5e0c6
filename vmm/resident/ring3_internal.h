/* Shared by ring3*.c only. */
#ifndef VMM_RESIDENT_RING3_INTERNAL_H
#define VMM_RESIDENT_RING3_INTERNAL_H

#include <pthread.h>

#include "pvabi/mm.h"
#include "vmm/cpu_internal.h"
#include "vmm/resident/ring3.h"
#include "vmm/resident/ring3_area.h"
#include "vmm/vcpu.h"

struct ring3 {
	struct machine *machine;
	struct monitor *monitor;
	struct ring3_domain *domain;
	uint64_t exits;		      /* machine address of the page of exits */
	uint64_t next, end;	      /* frames */
	bool broken;		      /* somebody did not give its lock back */
	uint32_t tlb_time[MAX_VCPUS]; /* as read with the lock */
	pthread_mutex_t gates_lock;
	unsigned nr_on; /* vcpus: without any the gates are not used */
	struct {
		struct ring3_area *area;
		struct vcpu *vcpu;
		struct ring3_gate *gate;
		const uint8_t *stack;
		bool on;
		unsigned stuck; /* interruptions since it was last seen outside */
	} cpu[MAX_VCPUS];
};

static inline struct ring3 *ring3_of(const struct cpu *c)
{
	return c->monitor->ring3;
}

/* ring3_lock.c: sleeps while *word is val, but not for ever. */
void ring3_lock_wait(_Atomic uint32_t *word, uint32_t val);

#endif
