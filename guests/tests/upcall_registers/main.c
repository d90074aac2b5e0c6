/*
 * An upcall can come after any instruction; so every register and flag must be
 * as it was when the callback has returned by iret. Here from the kernel at a
 * hypercall, and from user mode, where the frame lies on the kernel's stack
 * (stack_switch) and is aligned to 16 bytes.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Registers across upcalls";

__asm__(".pushsection .text\n"
	/* uint64_t regs_across(uint64_t saved[16]): loads registers with known values, makes
	 * a hypercall that an upcall follows, stores them. */
	".globl regs_across\n"
	"regs_across:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	push %rdi\n"
	"	mov $0x1111, %ebx; mov $0x2222, %ebp; mov $0x3333, %r12d; mov $0x4444, %r13d\n"
	"	mov $0x5555, %r14d; mov $0x6666, %r15d; mov $0x7777, %r8d; mov $0x8888, %r9d\n"
	"	mov $0x9999, %r10d; mov $0xaaaa, %edx; mov $99, %edi; mov $0xbbbb, %esi\n"
	"	mov $17, %eax\n"
	"	std; stc\n"
	"	syscall\n"
	"	pushf\n"
	"	cld\n"
	"	xchg %rdi, 8(%rsp)\n" /* the array in rdi, what rdi was on the stack */
	"	mov %rax, (%rdi); mov %rbx, 8(%rdi); mov %rcx, 16(%rdi); mov %rdx, 24(%rdi)\n"
	"	mov %rsi, 32(%rdi); mov %rbp, 48(%rdi); mov %r8, 56(%rdi); mov %r9, 64(%rdi)\n"
	"	mov %r10, 72(%rdi); mov %r11, 80(%rdi); mov %r12, 88(%rdi); mov %r13, 96(%rdi)\n"
	"	mov %r14, 104(%rdi); mov %r15, 112(%rdi)\n"
	"	pop %rax; mov %rax, 120(%rdi)\n"
	"	pop %rax; mov %rax, 40(%rdi)\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	"user_code:\n"
	"	mov $0x1111, %ebx; mov $0x2222, %ebp; mov $0x3333, %r12d; mov $0x4444, %r13d\n"
	"	mov $0x5555, %r14d; mov $0x6666, %r15d; mov $0x7777, %r8d; mov $0x8888, %r9d\n"
	"	mov $0x9999, %r10d; mov $0xaaaa, %edx; mov $0xbbbb, %esi; mov $0xcccc, %ecx\n"
	"	mov $0xdddd, %r11d; mov $0xeeee, %edi\n"
	"	std; stc\n"
	"user_wait: cmpq $0, 0x402008\n"
	"	je user_wait\n"
	"user_waited:\n"
	"	stc\n"
	"	pushf; pop %rax\n"
	"	cld\n"
	"	int $0x80\n"
	"user_code_end:\n"
	".popsection\n");
void regs_across(uint64_t *saved);
extern const char user_code[], user_code_end[], user_wait[], user_waited[];

static evtchn_port_t timer;
static struct frame seen;
static uint64_t frame_at;

static void upcall(struct frame *f)
{
	if (!seen.cs) {
		seen = *f;
		frame_at = (uint64_t)(f + 1);
	}
	if (f->cs & 3)
		((volatile uint64_t *)user_data)[1] = 1;
	event_upcall_default(f);
}

static void say_frame(const char *what)
{
	say("%s: cs 0x%lx, ss 0x%lx, IF %d, CF %d, DF %d, TF %d", what, seen.cs & 0xffff,
	    seen.ss & 0xffff, !!(seen.rflags & 0x200), !!(seen.rflags & 1), !!(seen.rflags & 0x400),
	    !!(seen.rflags & 0x100));
	say("  IOPL %lu, upper half of rflags 0x%lx, of ss 0x%lx, cs above the mask 0x%lx",
	    seen.rflags >> 12 & 3, seen.rflags >> 32, seen.ss >> 32, seen.cs >> 40);
	say("  the frame ends at a multiple of 16: %d", !(frame_at & 15));
}

static void from_kernel(void)
{
	static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
					    "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
	static uint64_t with[16], without[16];
	volatile struct vcpu_info *i = this_cpu()->info;
	unsigned before;

	regs_across(without);
	for (unsigned n = 0; n < 100; n++) {
		memset(&seen, 0, sizeof(seen));
		before = this_cpu()->upcalls;
		i->evtchn_upcall_pending = 1;
		i->evtchn_upcall_mask = 0;
		regs_across(with);
		events_off();
		/* Else an interrupt of Xen's delivered it earlier. */
		if (seen.rbx == 0x1111 && seen.rax != 17)
			break;
	}
	say("upcalls: %u", this_cpu()->upcalls - before);
	for (unsigned r = 0; r < ARRAY_SIZE(names); r++)
		say("%s the same as without: %d", names[r], with[r] == without[r]);
	say("rflags without 0x%lx, with 0x%lx", without[15], with[15]);
	say("rcx is the return address: %d, r11 the flags: %d", with[2] == seen.rip,
	    with[10] == with[15]);
	say_frame("the kernel's frame");
	say("  its rcx is rip: %d, its r11 0x%lx", seen.rcx == seen.rip, seen.r11);
}

static void from_user(void)
{
	struct frame *f;
	uint64_t stack = (uint64_t)this_cpu() + STACK_SIZE / 2;

	timer = evtchn_bind_virq(VIRQ_TIMER, 0);
	event_handler(timer, NULL);
	/* Until the timer found it waiting, not on its way there. */
	for (unsigned n = 0; n < 100; n++) {
		memset(&seen, 0, sizeof(seen));
		event_count[timer] = 0;
		set_timer(system_time() + 10 * MS);
		f = user_run(user_code, user_code_end, 0, true);
		events_off();
		((volatile uint64_t *)user_data)[1] = 0;
		if (seen.rip >= USER_CODE + (user_wait - user_code) &&
		    seen.rip < USER_CODE + (user_waited - user_code))
			break;
	}
	say("taken: %d", event_count[timer] > 0);
	say_frame("user mode's frame");
	say("  on the kernel's stack: %d, rsp 0x%lx", frame_at == stack, seen.rsp);
	say("  rbx 0x%lx rcx 0x%lx r11 0x%lx rdi 0x%lx r15 0x%lx", seen.rbx, seen.rcx, seen.r11,
	    seen.rdi, seen.r15);
	say("afterwards: rax 0x%lx rbx 0x%lx rcx 0x%lx rdx 0x%lx", f->rax, f->rbx, f->rcx, f->rdx);
	say("  rsi 0x%lx rdi 0x%lx rbp 0x%lx r8 0x%lx r9 0x%lx", f->rsi, f->rdi, f->rbp, f->r8,
	    f->r9);
	say("  r10 0x%lx r11 0x%lx r12 0x%lx r13 0x%lx r14 0x%lx r15 0x%lx", f->r10, f->r11, f->r12,
	    f->r13, f->r14, f->r15);
}

void guest_main(void)
{
	event_upcall = upcall;
	from_kernel();
	from_user();
}
