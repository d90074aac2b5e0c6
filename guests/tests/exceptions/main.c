/*
 * Exceptions that a guest's kernel and user mode cause, with their error codes as Xen
 * hands them on, and which `int n` its trap table lets them execute.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Exceptions and software interrupts";

#define FN(name, insn)                                                    \
	static void name(void *arg)                                       \
	{                                                                 \
		(void)arg;                                                \
		__asm__ volatile(insn ::: "rax", "rcx", "rdx", "memory"); \
	}

FN(divide, "xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx; div %%ecx")
FN(int3, "int3")
FN(ud2, "ud2")
FN(load_bad_ds, "mov $0x1234, %%eax; mov %%ax, %%ds")
FN(non_canonical, "mov $0x8000000000000000, %%rax; mov (%%rax), %%al")
FN(jump_hole, "mov $0x7f0000000000, %%rax; jmp *%%rax")
FN(in_port, "mov $0x80, %%dx; in %%dx, %%al")
FN(cli, "cli")
FN(sti, "sti")
FN(write_text, "mov $0xffff800000000000, %%rax; movb $0, (%%rax)")

static void step(void *arg)
{
	(void)arg;
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop" ::: "memory", "cc");
}

__asm__(".pushsection .text\n"
	"user_code:\n"
	"u_divide: xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; div %ecx\n"
	"u_int3: int3\n"
	"u_ud2: ud2\n"
	"u_cli: cli\n"
	"u_in: in $0x80, %al\n"
	"u_rdmsr: rdmsr\n"
	"u_hole: mov 0x10000000, %al\n"
	"u_write: movb $1, 0x400000\n"
	"u_jump: mov $0x10000000, %eax; jmp *%rax\n"
	"u_stack: jmp 0x402000 - 0x400000 + user_code\n"
	"u_noncan: mov $0x8000000000000000, %rax; mov (%rax), %al\n"
	"user_code_end:\n"
	".popsection\n");
extern const char user_code[], user_code_end[], u_divide[], u_int3[], u_ud2[], u_cli[], u_in[],
	u_rdmsr[], u_hole[], u_write[], u_jump[], u_noncan[];

static void from_user(const char *what, const char *at)
{
	struct cpu *c = this_cpu();
	static bool ran;

	if (!ran) {
		ran = true;
		user_run(user_code, user_code_end, 0, false);
	}
	c->user_frame.rip = USER_CODE + (at - user_code);
	user_resume(false);
	say_trap(what, c->trap);
	say("  rip + %ld, cr2 0x%lx", (long)(c->trap.rip - USER_CODE - (at - user_code)),
	    c->trap.vector == 14 ? c->trap.cr2 : 0);
}

void guest_main(void)
{
	struct trap t;

	say_trap("divide by zero", trap_of(divide, NULL));
	t = trap_of(int3, NULL);
	say_trap("int3", t);
	say_trap("ud2", trap_of(ud2, NULL));
	say_trap("mov to ds of 0x1234", trap_of(load_bad_ds, NULL));
	say_trap("a non-canonical address", trap_of(non_canonical, NULL));
	say_trap("jump into a hole", trap_of(jump_hole, NULL));
	say_trap("write to the machphys table", trap_of(write_text, NULL));
	say_trap("in", trap_of(in_port, NULL));
	say_trap("cli", trap_of(cli, NULL));
	say_trap("sti", trap_of(sti, NULL));
	t = trap_of(step, NULL);
	say_trap("single step", t);
	say("TF in the frame: %d", !!(t.rflags & 0x100));
	from_user("user: divide by zero", u_divide);
	from_user("user: int3", u_int3);
	from_user("user: ud2", u_ud2);
	from_user("user: cli", u_cli);
	from_user("user: in", u_in);
	from_user("user: rdmsr", u_rdmsr);
	from_user("user: a hole", u_hole);
	from_user("user: write to code", u_write);
	from_user("user: jump into a hole", u_jump);
	from_user("user: a non-canonical address", u_noncan);
}
