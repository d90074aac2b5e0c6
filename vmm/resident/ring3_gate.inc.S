/*
 * The gates of the resident monitor at CPL 3 (ring3_area.h): a part of monitor_image.S, at CPL 0.
 * The hosts that need them interpret these instructions at 0.6 us each. A vcpu's words are above
 * the frame that the processor pushed.
 */
#include "vmm/resident/ring3_area.h"

/* Divide error. When it is the monitor's own (the address of the instruction says so): other
 * tables, and what it goes on with. */
	.balign 64
	.globl monitor_gate_out
monitor_gate_out:
	cmpb $RING3_BYTE, 5(%rsp)
	jne monitor_trap_stubs
	pushq %rax
	movq (48 + GATE_CR3)(%rsp), %rax
	movq %rax, %cr3
	popq %rax
	leaq (40 + GATE_OUT)(%rsp), %rsp
	iretq

/* The kernel's tables and into the monitor at CPL 3, or where it is off to CPL 0 again. */
	.macro gate name, frame, stub, cr2
	.balign 64
	.globl \name
\name:
	testb $3, 16(%rsp)
	jz monitor_trap_stubs + \stub * MON_TRAP_STUB_SIZE
	pushq %rax
	.if \cr2
	movq %cr2, %rax
	movq %rax, (56 + GATE_CR2)(%rsp)
	.endif
	movq (56 + GATE_KERNEL_CR3)(%rsp), %rax
	movq %rax, %cr3
	popq %rax
	leaq (48 + \frame)(%rsp), %rsp
	iretq
	.endm

	gate monitor_gate_page_fault, GATE_PAGE_FAULT, 14, 1
	gate monitor_gate_protection, GATE_PROTECTION, 13, 0
	.globl monitor_gates_end
monitor_gates_end:

	.globl monitor_gate_forward_pf
monitor_gate_forward_pf:
	jmp monitor_trap_stubs + 14 * MON_TRAP_STUB_SIZE
	.globl monitor_gate_forward_gp
monitor_gate_forward_gp:
	jmp monitor_trap_stubs + 13 * MON_TRAP_STUB_SIZE
