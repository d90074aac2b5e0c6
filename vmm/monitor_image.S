/*
 * The code that runs at CPL 0 in the guest's address space: the forwarding monitor, and the
 * resident monitor's ways in and out (vmm/resident).
 *
 * The forwarding monitor has no logic. Each way in leaves the virtual machine at once
 * with all registers as the guest had them; each way out is a list of operations that the
 * VMM put on the monitor's stack: the address of an operation below, its
 * operand, the address of the next, ... ending with op_iret or op_exit.
 * Instructions here may cost 0.6 us each (hosts that interpret CPL 0), so there
 * are as few as can be.
 *
 * The image is copied to MON_TEXT_VA and must not refer to absolute addresses.
 */
#include "vmm/monitor_layout.h"

	.section .rodata.monitor, "a"
	.balign 4096
	.globl monitor_image
monitor_image:

/* Exceptions 0..31. The frame that the processor pushed says the rest; the
 * port says which. */
	.globl monitor_trap_stubs
monitor_trap_stubs:
	.set vec, 0
	.rept 32
	.balign 4
	outb %al, $(MON_PORT_TRAP + vec)
	ud2
	.set vec, vec + 1
	.endr

/* `syscall` in 64-bit and in compatibility mode. rcx and r11 hold the guest's
 * rip and rflags; rsp is still the guest's, so nothing may touch the stack. */
	.balign 64
	.globl monitor_lstar
monitor_lstar:
	outb %al, $MON_PORT_SYSCALL
	ud2
	.balign 64
	.globl monitor_cstar
monitor_cstar:
	outb %al, $MON_PORT_SYSCALL32
	ud2

	.balign 64
	.globl monitor_ops
monitor_ops:

/* The VMM overwrote a present page-table entry; a locked store to it makes a
 * KVM with shadow paging look at it again. It stores what is there: two vcpus
 * may do this for one entry without undoing each other. */
	.globl monitor_op_touch
monitor_op_touch:
	popq %rax
	lock orq $0, (%rax)
	ret

	.globl monitor_op_invlpg
monitor_op_invlpg:
	popq %rax
	invlpg (%rax)
	ret

	.globl monitor_op_cr3
monitor_op_cr3:
	popq %rax
	movq %rax, %cr3
	ret

	.globl monitor_op_exit
monitor_op_exit:
	outb %al, $MON_PORT_DONE
	ud2

	.globl monitor_op_iret
monitor_op_iret:
	popq %rax
	.globl monitor_op_iretq
monitor_op_iretq:
	iretq

	.globl monitor_ops_end
monitor_ops_end:

#include "vmm/resident/entry.inc.S"
#include "vmm/resident/ring3_gate.inc.S"

	.globl monitor_image_end
monitor_image_end:

	.section .note.GNU-stack, "", @progbits
