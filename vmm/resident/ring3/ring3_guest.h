/*
 * Inside the guest at CPL 3: compiled with PVABI_RESIDENT and PVABI_RING3.
 */
#ifndef VMM_RESIDENT_RING3_GUEST_H
#define VMM_RESIDENT_RING3_GUEST_H

#include "vmm/resident/guest/resident_guest.h"
#include "vmm/resident/ring3_area.h"

/* The running vcpu's block, which has the stack. */
static inline uint64_t ring3_block(void)
{
	uint64_t sp;

	__asm__("movq %%rsp, %0" : "=r"(sp));
	return sp & ~(RING3_STRIDE - 1UL);
}

static inline struct ring3_area *ring3_area(void)
{
	return (struct ring3_area *)(ring3_block() + RING3_AREA_OFFSET);
}

static inline struct ring3_gate *ring3_gate(void)
{
	return (struct ring3_gate *)(ring3_block() + RING3_GATE_OFFSET + GATE_FRAME_OFFSET);
}

static inline struct vcpu *ring3_vcpu(void)
{
	return (struct vcpu *)(ring3_block() + RING3_VCPU_OFFSET);
}

/* The stub calls this with the frame of an entry. Answers R3_FORWARD with nothing changed, or
 * the frame to go on with. */
unsigned ring3_entry(struct cpu_user_regs *frame, struct ring3_area *a);

/* EVTCHNOP_send on a port of ring3_domain.rings. */
void ring3_send(evtchn_port_t port);

/* The kernel's tables that v uses now are loaded, when they are not. */
void ring3_load_tables(struct vcpu *v);

#endif
