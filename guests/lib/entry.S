/*
 * Where the guest starts, and its ways in from Xen: exceptions, events, failsafe,
 * system calls of user mode. Frames are as Xen builds them for 64-bit guests
 * (arch-x86/xen-x86_64.h, and pv/traps.c create_bounce_frame): rcx and r11 on top,
 * which come off first; then the error code, if any, and what iret wants.
 */
#include <xen/elfnote.h>
#include "guests/lib/layout.h"

#define HYPERVISOR_iret 23
#define FRAME_WORDS 22 /* struct frame */

#define NOTE(type, ...) \
	.pushsection .note.Xen, "a", @note; \
	.balign 4; \
	.long 4, 2f - 1f, type; \
	.asciz "Xen"; \
1:	__VA_ARGS__; \
2:	.balign 4; \
	.popsection

	NOTE(XEN_ELFNOTE_GUEST_OS, .asciz "Xenolith guest")
	NOTE(XEN_ELFNOTE_GUEST_VERSION, .asciz "1")
	NOTE(XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0")
	NOTE(XEN_ELFNOTE_LOADER, .asciz "generic")
	NOTE(XEN_ELFNOTE_VIRT_BASE, .quad VIRT_BASE)
	NOTE(XEN_ELFNOTE_PADDR_OFFSET, .quad 0)
	NOTE(XEN_ELFNOTE_ENTRY, .quad _start)
	NOTE(XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page)
	NOTE(XEN_ELFNOTE_FEATURES, .asciz "!writable_page_tables|pae_pgdir_above_4gb")

	.section .text.start, "ax", @progbits
	.globl _start
_start:
	cld
	mov $cpu_stacks + STACK_SIZE - STACK_TOP_GAP, %rsp
	xor %ebp, %ebp
	mov %rsi, %rdi
	call guest_start
	ud2

/* A vcpu that was started: rdi and rsi are its function and argument. */
	.globl vcpu_entry
vcpu_entry:
	cld
	xor %ebp, %ebp
	call vcpu_main
	ud2

	.section .hypercall_page, "ax", @progbits
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096

	.text
/* One stub a vector; those with an error code: 8, 10-14, 17, 21. */
	.globl trap_stubs
	.balign STUB_SIZE
trap_stubs:
.set vector, 0
.rept 32
	.balign STUB_SIZE
	pop %rcx
	pop %r11
.if !((0x227d00 >> vector) & 1)
	push $0
.endif
	push $vector
	jmp common
.set vector, vector + 1
.endr
	.balign STUB_SIZE

/* `int n` that the guest lets its kernel or user mode execute. */
	.globl entry_int80
entry_int80:
	pop %rcx
	pop %r11
	push $0
	push $ENTRY_INT80
	jmp common

	.globl entry_event
entry_event:
	pop %rcx
	pop %r11
	push $0
	push $ENTRY_EVENT
	jmp common

	.globl entry_nmi
entry_nmi:
	pop %rcx
	pop %r11
	push $0
	push $ENTRY_NMI
	jmp common

	.globl entry_syscall
entry_syscall:
	pop %rcx
	pop %r11
	push $0
	push $ENTRY_SYSCALL
	jmp common

/* ds, es, fs and gs follow r11. */
	.globl entry_failsafe
entry_failsafe:
	pop %rcx
	pop %r11
	add $32, %rsp
	push $0
	push $ENTRY_FAILSAFE

common:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %rbp
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	call entry_dispatch
frame_return:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rbp
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	/* The places of vector and error code take iret's flags and rcx. */
	mov %rcx, (%rsp)
	movq $0, 8(%rsp)
	push %r11
	push %rax
	mov $HYPERVISOR_iret, %eax
	syscall
	ud2

/* long catch_call(void (*fn)(void *), void *arg, uint64_t *sp): fn(arg); 0, or 1 when
 * a trap cut it short by going on at catch_out with rsp = *sp. */
	.globl catch_call
catch_call:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdx
	mov %rsp, (%rdx)
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	xor %eax, %eax
	.globl catch_out
catch_out:
	pop %rdx
	movq $0, (%rdx)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* void user_enter(struct frame *f, uint64_t *sp): leaves for f; comes back when
 * something goes on at user_out with rsp = *sp. */
	.globl user_enter
user_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	mov %rsp, (%rsi)
	/* An upcall on the way out must not write over what was saved. */
	sub $FRAME_WORDS * 8, %rsp
	mov %rdi, %rsi
	mov %rsp, %rdi
	mov $FRAME_WORDS, %ecx
	rep movsq
	jmp frame_return
	.globl user_out
user_out:
	pop %rsi
	movq $0, (%rsi)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
