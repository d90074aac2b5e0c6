/* The frame that enters the guest's kernel. Internal to pvabi. */
#ifndef PVABI_BOUNCE_H
#define PVABI_BOUNCE_H

#include "pvabi/pvabi.h"

#define EFLAGS_TF 0x100UL
#define EFLAGS_IF 0x200UL
#define EFLAGS_DF 0x400UL
#define EFLAGS_IOPL 0x3000UL
#define EFLAGS_NT 0x4000UL
#define EFLAGS_RF 0x10000UL
#define EFLAGS_VM 0x20000UL
#define EFLAGS_AC 0x40000UL

struct bounce {
	uint64_t eip;
	uint32_t error_code;
	bool has_error;
	bool mask_events; /* TBF_INTERRUPT */
};

/* Puts a frame on the kernel's stack and turns v to the handler (Xen:
 * x86_64/entry.S, create_bounce_frame). False when the domain was crashed. */
bool bounce_frame(struct vcpu *v, const struct bounce *b);

/* A 48-bit address whose upper bits repeat bit 47. */
static inline bool is_canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

#endif
