/*
 * An excursion to user mode: entered by iret, left by a system call, by exceptions and
 * by int 0x80. A 64-bit PV guest's user mode has page tables of its own, and its
 * frames tell it from the kernel by the RPL of cs.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "User mode: in by iret, out by system calls and traps";

__asm__(".pushsection .text\n"
	"user_begin:\n"
	"	lea 1(%rdi), %rax\n"
	"	syscall\n"
	"	mov %rax, 0x402000\n" /* what the kernel left in rax */
	"	mov $0x55, %eax\n"
	"	int $0x80\n"
	"	mov %cs, %rbx\n"
	"	ud2\n"
	"user_fault:\n"
	"	mov 0xffffffff80100000, %al\n"
	"user_hlt:\n"
	"	hlt\n"
	"user_end:\n"
	".popsection\n");
extern const char user_begin[], user_end[], user_fault[], user_hlt[];

void guest_main(void)
{
	struct cpu *c = this_cpu();
	struct frame *f;

	f = user_run(user_begin, user_end, 41, true);
	say_trap("left by", c->trap);
	say("rax: %lu, cs: 0x%lx, ss: 0x%lx, rip: 0x%lx", f->rax, f->cs & 0xffff, f->ss & 0xffff,
	    f->rip);
	say("rsp: 0x%lx, IF: %d", f->rsp, !!(f->rflags & 0x200));
	f->rax = 1234;
	f = user_resume(true);
	say_trap("left by", c->trap);
	say("rax: 0x%lx, the page: %lu, rip: 0x%lx", f->rax, *(uint64_t *)user_data, f->rip);
	f = user_resume(true);
	say_trap("left by", c->trap);
	say("rip: 0x%lx, cs: 0x%lx", f->rip, f->cs & 0xffff);
	/* The kernel is not mapped there. */
	f->rip = USER_CODE + (user_fault - user_begin);
	f = user_resume(true);
	say_trap("the kernel's page", c->trap);
	say("cr2: 0x%lx", c->trap.cr2);
	f->rip = USER_CODE + (user_hlt - user_begin);
	f = user_resume(true);
	say_trap("hlt", c->trap);
	say("upcall mask: %u", c->info->evtchn_upcall_mask);
}
