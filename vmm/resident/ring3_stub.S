/*
 * The resident monitor at CPL 3 (ring3_area.h): a vcpu's page of code, and the image of the
 * handlers. What belongs to the vcpu is at fixed distances from the page.
 */
#include "vmm/resident/ring3_area.h"

#include "vmm/resident/registers.inc.S"

	.set area, ring3_stub + RING3_AREA_OFFSET
	.set exits, ring3_stub + RING3_EXIT_OFFSET
	.set gate, ring3_stub + RING3_GATE_OFFSET + GATE_FRAME_OFFSET
	.set stack_end, ring3_stub + RING3_STACK_END
	.set frame, ring3_stub + R3_FRAME_OFFSET
	.set frame_rip, frame + 128

	.section .rodata.ring3_stub, "a"
	.balign 4096
	.globl ring3_stub
ring3_stub:

/* A hypercall of the kernel's. User mode's `syscall` faults here. */
	.globl ring3_syscall
ring3_syscall:
	movq %rsp, area + R3_RSP(%rip)
	leaq stack_end(%rip), %rsp
	pushq $0xe02b
	pushq area + R3_RSP(%rip)
	pushq %r11
	pushq $0xe033
	pushq %rcx
	pushq $0
	movl $RES_VECTOR_SYSCALL, 4(%rsp)
	jmp handle

/* From the gates. The stack is ours, the frame on the monitor's. */
	.macro from_gate vector
	pushq gate - 8(%rip)
	pushq gate - 16(%rip)
	pushq gate - 24(%rip)
	pushq gate - 32(%rip)
	pushq gate - 40(%rip)
	pushq gate - 48(%rip)
	movl $\vector, 4(%rsp)
	.endm

	.balign 64
	.globl ring3_protection
ring3_protection:
	from_gate RES_VECTOR_GP
	jmp handle

	.balign 64
	.globl ring3_page_fault
ring3_page_fault:
	from_gate RES_VECTOR_PF

handle:
	push_registers
	cld
	movl $0, area + R3_LEAVING(%rip)
	cmpl $0, area + R3_OFF(%rip)
	jne forward
	movq %rsp, %rdi
	leaq area(%rip), %rsi
	andq $-16, %rsp
	call *area + R3_ENTRY(%rip)
	leaq frame(%rip), %rsp
	cmpl $R3_RESUME, %eax
	je ring3_leave
	jb forward
	cmpl $R3_USER, %eax
	je leave_user
done:
	movl %eax, exits + R3_EXIT_DONE(%rip)
	ud2
forward:
	movl %eax, exits + R3_EXIT_FORWARD(%rip)
	ud2

/* From here on whoever stops the vcpu takes the guest's registers from the frame. */
	.globl ring3_leave
ring3_leave:
	movl $1, area + R3_LEAVING(%rip)
	cmpl $0, area + R3_KICK(%rip)
	jne done
	pop_registers
	leaq 24(%rsp), %rsp
	popfq
	popq %rsp
	jmp *frame_rip(%rip)

leave_user:
	movl $1, area + R3_LEAVING(%rip)
	cmpl $0, area + R3_KICK(%rip)
	jne done
	pop_registers
	divl area + R3_ZERO(%rip)
	.globl ring3_leave_end
ring3_leave_end:
	ud2

/* void ring3_cr3(uint64_t cr3) */
	.balign 16
	.globl ring3_cr3
ring3_cr3:
	movq %rdi, gate + GATE_CR3(%rip)
	leaq 1f(%rip), %rax
	movq %rax, gate + GATE_OUT(%rip)
	movq $0xe033, gate + GATE_OUT + 8(%rip)
	pushfq
	popq gate + GATE_OUT + 16(%rip)
	movq %rsp, gate + GATE_OUT + 24(%rip)
	movq $0xe02b, gate + GATE_OUT + 32(%rip)
	divl area + R3_ZERO(%rip)
1:	ret

	.globl ring3_stub_end
ring3_stub_end:

	.section .rodata.ring3_image, "a"
	.balign 4096
	.globl ring3_image, ring3_image_end
ring3_image:
	.incbin RING3_IMAGE
ring3_image_end:

	.section .note.GNU-stack, "", @progbits
