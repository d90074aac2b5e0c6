/*
 * The resident monitor's way in and out (area.h). A part of monitor_image.S: position
 * independent. GS is the guest's, and its other base (swapgs) the vcpu's area.
 */
#include "vmm/resident/area.h"

#include "vmm/resident/registers.inc.S"

/* 64-bit `syscall`. The frame is one as of an exception. */
	.balign 64
	.globl monitor_res_syscall
monitor_res_syscall:
	swapgs
	movq %rsp, %gs:RES_SCRATCH
	movq %gs:RES_STACK_TOP, %rsp
	pushq $0xe02b
	pushq %gs:RES_SCRATCH
	pushq %r11
	pushq $0xe033
	pushq %rcx
	pushq $0
	movl $RES_VECTOR_SYSCALL, 4(%rsp)
	jmp handle

/* A page fault: the guest's, or a handler touched memory of ours that is not mapped yet. */
	.balign 64
	.globl monitor_res_page_fault
monitor_res_page_fault:
	testb $3, 16(%rsp)
	jz 1f
	swapgs
	movl $RES_VECTOR_PF, 4(%rsp)
	jmp handle
1:	pushq %rax
	leaq copy_words(%rip), %rax
	cmpq %rax, 16(%rsp)
	je 2f
	leaq copy_bytes(%rip), %rax
	cmpq %rax, 16(%rsp)
	je 2f
	popq %rax
	outb %al, $MON_PORT_FILL
	addq $8, %rsp
	iretq
2:	leaq copy_failed(%rip), %rax
	movq %rax, 16(%rsp)
	popq %rax
	addq $8, %rsp
	iretq

/* unsigned monitor_res_copy(void *to, const void *from, size_t n): to or from memory of the
 * guest's at its own address. 1: a page fault, wherever it was; some may have been copied. */
	.balign 16
	.globl monitor_res_copy
monitor_res_copy:
	movq %rdx, %rcx
	shrq $3, %rcx
copy_words:
	rep movsq
	movl %edx, %ecx
	andl $7, %ecx
copy_bytes:
	rep movsb
	xorl %eax, %eax
	ret
copy_failed:
	movl $1, %eax
	ret

/* General protection. At CPL 0 it is the iretq's below, which has taken the guest's GS. */
	.balign 64
	.globl monitor_res_protection
monitor_res_protection:
	testb $3, 16(%rsp)
	jz 1f
	swapgs
	movl $RES_VECTOR_GP, 4(%rsp)
	jmp handle
1:	outb %al, $(MON_PORT_TRAP + RES_VECTOR_GP)
	ud2

/* A bell, and the timer's. They come at CPL 3 only; but QEMU's emulation of SVM may deliver an
 * injected interrupt once more before the handler's next exit (svm_helper.c, helper_vmrun:
 * exception_index stays set). */
	.macro bell vector
	testb $3, 8(%rsp)
	jz 1f
	swapgs
	pushq $0
	movl $\vector, 4(%rsp)
	push_registers
	cld
	jmp enter
1:	iretq
	.endm

	.balign 64
	.globl monitor_res_bell
monitor_res_bell:
	bell RES_VECTOR_BELL

	.balign 64
	.globl monitor_res_timer
monitor_res_timer:
	bell RES_VECTOR_TIMER

handle:
	push_registers
	cld
	movq %cr2, %rax
	movq %rax, %gs:RES_CR2
	cmpl $0, %gs:RES_OFF
	jne forward
enter:
	movq %rsp, %gs:RES_FRAME
	movq %rsp, %rdi
	movq %gs:RES_SELF, %rsi
	andq $-16, %rsp
	call *%gs:RES_ENTRY
	movq %gs:RES_FRAME, %rsp
	cmpl $RES_RESUME, %eax
	jb forward
	je monitor_res_leave
	cmpl $RES_SYSRET, %eax
	jne done
	cmpl $RES_VECTOR_SYSCALL, RES_FRAME_VECTOR(%rsp)
	je monitor_res_leave_sysret
	/* An exception made SS null, and some processors' sysret leaves what is hidden of it as
	 * it is (AMD's manual, vol. 2, 6.1.1). */
	movl $MON_DS, %eax
	movl %eax, %ss
	jmp monitor_res_leave_sysret

/* From here to the iretq or the sysretq a kick must not go unnoticed: whoever stops the processor here
 * makes it go on at `done`. */
	.globl monitor_res_leave
monitor_res_leave:
	cmpl $0, %gs:RES_KICK
	jne done
	pop_registers
	addq $8, %rsp
	swapgs
	.globl monitor_res_iretq
monitor_res_iretq:
	iretq

	.globl monitor_res_leave_sysret
monitor_res_leave_sysret:
	cmpl $0, %gs:RES_KICK
	jne done
	pop_registers
	movq 32(%rsp), %rsp
	swapgs
	.globl monitor_res_sysretq
monitor_res_sysretq:
	sysretq

	.globl monitor_res_done
monitor_res_done:
done:
	swapgs
	outb %al, $MON_PORT_DONE
	ud2

forward:
	movq %gs:RES_CR2, %rax /* handlers' own faults were there since */
	movq %rax, %cr2
	cmpl $RES_VECTOR_SYSCALL, RES_FRAME_VECTOR(%rsp)
	je 1f
	cmpl $RES_VECTOR_GP, RES_FRAME_VECTOR(%rsp)
	je 2f
	pop_registers
	movl $0, 4(%rsp)
	swapgs
	outb %al, $(MON_PORT_TRAP + RES_VECTOR_PF)
	ud2
1:	pop_registers
	movq 32(%rsp), %rsp
	swapgs
	outb %al, $MON_PORT_SYSCALL
	ud2
2:	pop_registers
	movl $0, 4(%rsp)
	swapgs
	outb %al, $(MON_PORT_TRAP + RES_VECTOR_GP)
	ud2
	.globl monitor_res_end
monitor_res_end:
