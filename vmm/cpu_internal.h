/* Shared by cpu.c and cpu_enter.c only. */
#ifndef VMM_CPU_INTERNAL_H
#define VMM_CPU_INTERNAL_H

#include "vmm/cpu.h"

/* KVM's CS and SS are to be the monitor's at the next entry. */
void cpu_monitor_segments(struct cpu *c);
/* Appends one operation of the monitor; runs the list when it is full. */
void cpu_queue(struct cpu *c, const uint8_t *op, uint64_t operand);

/* Was it kicked? It is no more. */
bool cpu_take_kick(struct cpu *c);

#endif
