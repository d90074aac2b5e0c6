/*
 * Bells: how a vcpu in guest mode is told of an event without leaving the virtual machine for us.
 *
 * Where CPL 0 is native KVM gets local APICs for the vcpus, of which the guest knows nothing. A
 * bell is an interrupt of theirs: another vcpu's resident monitor sends it with a store to an MSR,
 * a thread of ours with KVM_SIGNAL_MSI, and KVM serves both without our process. The APIC's timer
 * has one of its own, whose time the resident monitor sets itself.
 *
 * CPL 3 runs with interrupts on, CPL 0 with interrupts off, so they interrupt the guest's code
 * only, and the resident monitor (vmm/resident/entry.inc.S, guest/entry.c) does what there is to
 * do: delivers events, forgets translations that another vcpu waits for, fires the vcpu's timer. A
 * bell too many does nothing, as when its vcpu had left the guest for another reason.
 */
#ifndef VMM_BELL_H
#define VMM_BELL_H

#define BELL_VECTOR	  32
#define BELL_TIMER_VECTOR 33

/* SDM vol. 3, 10.12.1.2 and 10.5.4.1. */
#define MSR_X2APIC_EOI	 0x80b
#define MSR_X2APIC_ICR	 0x830
#define MSR_TSC_DEADLINE 0x6e0

#ifndef __ASSEMBLER__
#include "vmm/cpu.h"

/* Does this KVM have them, and do they come at set times, too? m->host is known. */
bool bells_offered(const struct machine *m, bool *timers);
/* For a VM without vcpus: sets m->bells and m->bell_timers. */
void bells_create(struct machine *m);
/* What KVM must know of the processor: its APIC is used by MSRs (x2APIC), and has a timer that
 * goes by the TSC. */
void bell_cpuid(const struct machine *m, struct kvm_cpuid2 *cpuid);
/* For a new vcpu, and its part of the first segment registers. 0 or a negative errno. */
int bell_create(struct cpu *c);
void bell_sregs(struct kvm_sregs *s);
/* Any thread. False: it could not be rung. */
bool bell_ring(struct cpu *c);
/* m->bell_timers: one comes when the guest's TSC is there. By c's thread. */
void bell_arm(struct cpu *c, uint64_t tsc);
#endif

#endif
