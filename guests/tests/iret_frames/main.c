/*
 * The iret hypercall with odd frames: flags that a guest may not have, selectors that
 * cannot be loaded, addresses that are not canonical. What does not fit is met in the
 * guest's own handlers, never in Xen.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "iret with odd frames";

__asm__(".pushsection .text\n"
	"user_code:\n"
	"	syscall\n"
	"	pushf; pop %rax\n"
	"	syscall\n"
	"user_code_end:\n"
	".popsection\n");
extern const char user_code[], user_code_end[];

static struct frame *go(void)
{
	this_cpu()->user_frame.rip = USER_CODE + 2;
	this_cpu()->user_frame.rsp = USER_STACK + PAGE_SIZE;
	return user_resume(false);
}

void guest_main(void)
{
	struct cpu *c = this_cpu();
	struct frame *f = user_run(user_code, user_code_end, 0, false);

	say_trap("first", c->trap);
	f = go();
	say("flags: 0x%lx", f->rax & 0x3f7fd5);
	f->rflags = 0x202 | 1 << 12;
	f = go();
	say("IOPL 1: 0x%lx", f->rax & 0x3f7000);
	f->rflags = 0x202 | 3 << 12;
	f = go();
	say("IOPL 3: 0x%lx", f->rax & 0x3f7000);
	f->rflags = 0x202 | 1 << 18;
	f = go();
	say("AC: 0x%lx", f->rax & 0x3f7000 & ~(1ul << 18) ? 1ul : 0ul);
	f->rflags = 0x202 | 1 << 21;
	f = go();
	say("ID: 0x%lx", f->rax & 0x3f7000);
	f->rflags = 0x202 | 0xcd5;
	f = go();
	say("arithmetic: 0x%lx", f->rax & 0xcd5);
	f->rflags = 0;
	f = go();
	say("without IF: 0x%lx, mask %u", f->rax & 0x202, c->info->evtchn_upcall_mask);
	f->rflags = 0x202;
}
