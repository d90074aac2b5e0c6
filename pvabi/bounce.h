/* Into the guest's kernel and back: frames, callbacks. Internal to pvabi. */
#ifndef PVABI_BOUNCE_H
#define PVABI_BOUNCE_H

#include "pvabi/pvabi.h"

#define EFLAGS_FIXED 0x2UL
#define EFLAGS_TF    0x100UL
#define EFLAGS_IF    0x200UL
#define EFLAGS_DF    0x400UL
#define EFLAGS_IOPL  0x3000UL
#define EFLAGS_NT    0x4000UL
#define EFLAGS_RF    0x10000UL
#define EFLAGS_VM    0x20000UL
#define EFLAGS_AC    0x40000UL

#define CR4_TSD	       0x4UL
#define CR4_DE	       0x8UL
#define CR4_PAE	       0x20UL
#define CR4_MCE	       0x40UL
#define CR4_OSFXSR     0x200UL
#define CR4_OSXMMEXCPT 0x400UL
#define CR4_FSGSBASE   0x10000UL
#define CR4_OSXSAVE    0x40000UL

#define CR0_TS 0x8UL

#define VEC_NMI	       2
#define VEC_BREAKPOINT 3
#define VEC_OVERFLOW   4
#define VEC_UNDEFINED  6
#define VEC_PROTECTION 13
#define VEC_PAGE_FAULT 14
#define VEC_INT80      0x80

struct bounce {
	uint64_t eip;
	uint32_t error_code;
	bool has_error;
	bool mask_events; /* TBF_INTERRUPT */
};

/* Puts a frame on the kernel's stack and turns v to the handler (Xen:
 * x86_64/entry.S, create_bounce_frame). False when the domain was crashed: no
 * handler, or no stack. */
bool bounce_frame(struct vcpu *v, const struct bounce *b);
/* The same for the failsafe callback, whose frame holds the data selectors (Xen:
 * arch/x86/domain.c, load_segments). */
bool bounce_failsafe(struct vcpu *v);
/* What Xen's way out to the guest does to registers when in_syscall is set. True
 * when it was. */
bool bounce_sysret(struct vcpu *v);

/* callback_op.c: CALLBACKTYPE_nmi, and XENNMI_register_callback. 0 or -EINVAL. */
int nmi_callback_register(struct vcpu *v, uint64_t address);
void nmi_callback_unregister(struct vcpu *v);

/* SDM vol. 2, SYSRET: RFLAGS := (R11 & 3C7FD7H) | 2 */
#define SYSRET_RFLAGS 0x3c7fd7UL

/* A 48-bit address whose upper bits repeat bit 47. */
static inline bool is_canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* A 64-bit guest's kernel is at ring 3, and so are the selectors that it gives us
 * (Xen: asm/desc.h, fixup_guest_code_selector, fixup_guest_stack_selector). */
static inline uint16_t fixup_selector(uint16_t sel)
{
	return sel | 3;
}

/* What a 64-bit PV guest may switch (Xen: PV64_VM_ASSIST_MASK). The 4gb ones mean
 * nothing to it, but have never been refused. */
#define VM_ASSISTS                                                                         \
	(1UL << VMASST_TYPE_4gb_segments | 1UL << VMASST_TYPE_4gb_segments_notify |        \
	 1UL << VMASST_TYPE_writable_pagetables | 1UL << VMASST_TYPE_pae_extended_cr3 |    \
	 1UL << VMASST_TYPE_architectural_iopl | 1UL << VMASST_TYPE_runstate_update_flag | \
	 1UL << VMASST_TYPE_m2p_strict)

#endif
