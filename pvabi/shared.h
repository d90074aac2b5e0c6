/*
 * Pointers in structures of pvabi that code of ours inside the guest follows, too (vmm/resident,
 * which compiles pvabi's handlers once more with PVABI_RESIDENT).
 *
 * That code runs on the guest's page tables, whose lower half is the guest's. Our process's
 * memory is in Xen's part of them, at the same address modulo the size of the window. A pointer
 * that a structure holds is always the process's; who follows it writes shared(d->pages), and
 * inside the guest the compiler refuses whoever forgets it. Addresses of one's own (locals, static
 * data, what shared() gave) are right as they are.
 *
 * The placement at CPL 3 (PVABI_RING3, vmm/resident/ring3_area.h) has structures of its own, whose
 * pointers are right where it runs.
 */
#ifndef PVABI_SHARED_H
#define PVABI_SHARED_H

/* L4 slots 264 to 271: the upper half of what Xen maps machine memory with. */
#define RESIDENT_WINDOW	     0xffff840000000000UL
#define RESIDENT_WINDOW_SIZE (1UL << 42)

#if defined(PVABI_RESIDENT) && !defined(PVABI_RING3)
#define PVABI_WINDOW
#endif

#ifdef PVABI_WINDOW
#define SHARED_PTR(type)    \
	struct {            \
		type *host; \
	}
#define shared(p) ((__typeof__((p).host))shared_address((uintptr_t)(p).host))
static inline uintptr_t shared_address(uintptr_t host)
{
	return host ? RESIDENT_WINDOW | (host & (RESIDENT_WINDOW_SIZE - 1)) : 0;
}
#else
#define SHARED_PTR(type) type *
#define shared(p)	 (p)
#endif

#endif
