/* Numbers that the assembly, the linker script and the C code share. */
#ifndef GUESTS_LIB_LAYOUT_H
#define GUESTS_LIB_LAYOUT_H

#ifdef __ASSEMBLER__
#define VIRT_BASE 0xffffffff80000000
#else
#define VIRT_BASE 0xffffffff80000000UL
#endif

#define GUEST_VCPUS   4
#define STACK_SIZE    16384 /* one a vcpu, aligned; struct cpu lies at its bottom */
#define STACK_TOP_GAP 64
#define STUB_SIZE     16

/* frame.vector beyond the exceptions. */
#define ENTRY_EVENT    256
#define ENTRY_FAILSAFE 257
#define ENTRY_SYSCALL  258
#define ENTRY_NMI      259
#define ENTRY_INT80    260

#endif
