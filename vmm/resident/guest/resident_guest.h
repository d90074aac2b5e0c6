/*
 * Inside the guest: compiled with PVABI_RESIDENT, without a C library, thread-local storage
 * or vector registers.
 */
#ifndef VMM_RESIDENT_GUEST_H
#define VMM_RESIDENT_GUEST_H

#include "pvabi/pvabi.h"
#include "vmm/resident/area.h"

/* SDM vol. 3, 2.3; vol. 4, 2.1. */
#define EFLAGS_TF	   0x100UL
#define EFLAGS_RF	   0x10000UL
#define MSR_KERNEL_GS_BASE 0xc0000102

#define STR(x)	#x
#define XSTR(x) STR(x)

static inline void wrmsr(uint32_t msr, uint64_t val)
{
	__asm__ volatile("wrmsr" ::"a"((uint32_t)val), "d"((uint32_t)(val >> 32)), "c"(msr)
			 : "memory");
}

/* The running vcpu's. */
static inline struct resident_area *resident_area(void)
{
	uint64_t self;

	__asm__("movq %%gs:%c1, %0" : "=r"(self) : "i"(RES_SELF));
	return (struct resident_area *)self;
}

/* entry.inc.S calls this with the frame of an entry. Answers
 * RES_FORWARD with nothing changed, or RES_RESUME or RES_DONE with the vcpu's registers in
 * struct vcpu and, for RES_RESUME, the frame. */
unsigned resident_entry(struct cpu_user_regs *frame, struct resident_area *r);

/* Is the call one of those that are handled here? Nothing of it was done. */
bool resident_has_call(struct vcpu *v, uint64_t nr, const struct cpu_user_regs *frame);

/* A privileged instruction that is handled here. Of the first function nothing is done; the
 * second does it, for v->regs. */
struct privileged_insn {
	uint8_t opcode, len, bytes;
};
bool resident_privileged(struct vcpu *v, const struct cpu_user_regs *f, struct privileged_insn *in);
void resident_privileged_do(struct vcpu *v, const struct privileged_insn *in);
/* What the guest last wrote to port 0xcf8. */
void resident_set_pci_address(uint32_t address);

/* A write to a page table of v's, whose registers are in struct vcpu: true when it was done. */
bool resident_pt_write(struct vcpu *v, uint64_t va);

/* Tells the vcpus in r->to_ring. */
void resident_ring_out(struct resident_area *r);
/* Another vcpu waits until this one has no translations of before. */
void resident_flush_wanted(void);

/* The page tables that v uses now are loaded, when they are not. */
void resident_load_tables(struct vcpu *v);

#endif
