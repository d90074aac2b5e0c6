/*
 * A processor for stress tests that needs no KVM: struct cpu, vcpu_thread() and the
 * services of host_ops.c are the program's own, and instead of cpu_enter.c a guest
 * runs whose instructions are C functions.
 *
 * The guest's rip says which step is next. Between two steps a kick or an upcall may
 * come, as between two instructions.
 */
#ifndef TEST_STRESS_STRESS_CPU_H
#define TEST_STRESS_STRESS_CPU_H

#include "test/unit/test_evtchn.h"
#include "vmm/vcpu.h"

#define CODE_VA	    0x1000ull
#define STEP(v)	    ((v)->regs.rip - CODE_VA)
#define UPCALL_STEP 0 /* where the event callback is */

struct stress_cpu {
	struct cpu cpu;
	struct kvm_run run;
	struct test_domain *t;
	pthread_t thread;
	uint64_t args_va; /* a page for argument blocks */
	void *args;
};

/* One step of the guest. True: it made a hypercall, which hypercall() prepared. */
bool guest_step(struct stress_cpu *s);

/* v goes on at `step`. */
static inline void go_to(struct stress_cpu *s, unsigned step)
{
	s->cpu.vcpu->regs.rip = CODE_VA + step;
}

/* Prepares a hypercall; afterwards v goes on at `step`. Returns true. */
bool hypercall(struct stress_cpu *s, unsigned step, unsigned nr, uint64_t arg0, uint64_t arg1);
/* The same with an argument block, as event_channel_op and sched_op have it. */
bool block_call(struct stress_cpu *s, unsigned step, unsigned nr, unsigned cmd, const void *block,
		size_t size);
/* Leaves the event callback: back to where the upcall came, events unmasked. */
bool guest_iret(struct stress_cpu *s);

/* A domain of `nr` such vcpus that start at `first_step`; its threads run until
 * guest_stop(). */
struct test_domain *stress_domain(unsigned nr, unsigned first_step);
struct stress_cpu *stress_cpu(struct test_domain *t, unsigned vcpu);
void stress_start(struct test_domain *t);
void stress_join(struct test_domain *t);
void stress_domain_free(struct test_domain *t);

#endif
