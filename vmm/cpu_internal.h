/* Shared by cpu*.c only. */
#ifndef VMM_CPU_INTERNAL_H
#define VMM_CPU_INTERNAL_H

#include "vmm/cpu.h"

#define EFLAGS_IF 0x200UL

/* Of the monitor. */
#define STACK_TOP MON_STACK_TOP

/* KVM's CS and SS are to be the monitor's at the next entry. */
void cpu_monitor_segments(struct cpu *c);
/* They are to be the guest's: 64-bit code with these selectors. */
void cpu_guest_segments(struct cpu *c, uint16_t cs, uint16_t ss);
/* 0 or -EIO. By c's thread, or before there is one. */
int cpu_write_msr(struct cpu *c, uint32_t index, uint64_t value);
/* Appends one operation of the monitor; runs the list when it is full. */
void cpu_queue(struct cpu *c, const uint8_t *op, uint64_t operand);

/* cpu_mmio.c: KVM_EXIT_MMIO. Same results as cpu_decode_io(). */
int cpu_mmio(struct cpu *c, struct cpu_exit *x);
/* KVM_EXIT_INTERNAL_ERROR: true when it is the guest's, and x an exception of it. */
bool cpu_unknown_to_kvm(struct cpu *c, struct cpu_exit *x);
/* cpu_collect.c: the guest's registers when KVM stopped at CPL 3. */
void cpu_collect_direct(struct cpu *c);
/* KVM_EXIT_IO. 0: go on with `x`; 1: run again, nothing to report. */
int cpu_decode_io(struct cpu *c, struct cpu_exit *x);
/* KVM_RUN failed (err), or ended with what nobody here can handle (0). */
void cpu_fatal_exit(struct cpu *c, struct cpu_exit *x, int err);

/* Was it kicked? It is no more. */
bool cpu_take_kick(struct cpu *c);

#endif
