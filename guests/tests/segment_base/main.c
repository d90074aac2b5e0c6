/*
 * set_segment_base and stack_switch: the bases of FS and GS without privileges, and where the
 * kernel's stack is when user mode is left.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Segment bases and the kernel's stack";

#define MSR_FS	   0xc0000100u
#define MSR_GS	   0xc0000101u
#define MSR_USERGS 0xc0000102u

static uint64_t words[4];

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

struct write {
	uint32_t msr;
	uint64_t val;
};

static void wrmsr(void *arg)
{
	const struct write *w = arg;

	__asm__ volatile("wrmsr" : : "c"(w->msr), "a"((uint32_t)w->val), "d"(w->val >> 32));
}

static void say_wrmsr(const char *what, uint32_t msr, uint64_t val)
{
	struct write w = {msr, val};

	say_trap(what, trap_of(wrmsr, &w));
}

static uint64_t read_fs(void)
{
	uint64_t v;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(v));
	return v;
}

static uint64_t read_gs(void)
{
	uint64_t v;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(v));
	return v;
}

static long set(unsigned which, uint64_t base)
{
	return HCALL(set_segment_base, which, base);
}

__asm__(".pushsection .text\n"
	"gs_begin:\n"
	"	mov %gs:0, %rbx\n"
	"	syscall\n"
	"gs_end:\n"
	".popsection\n");
extern const char gs_begin[], gs_end[];

void guest_main(void)
{
	const uint64_t bad = 0x8000000000000000ul;
	struct frame *f;

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = 100 + i;
	say_rc("FS", set(SEGBASE_FS, (uint64_t)&words[0]));
	say("fs:0: %lu", read_fs());
	say_rc("GS", set(SEGBASE_GS_KERNEL, (uint64_t)&words[1]));
	say("gs:0: %lu", read_gs());
	say_rc("GS of user mode", set(SEGBASE_GS_USER, (uint64_t)&words[2]));
	say("gs:0: %lu, fs:0: %lu", read_gs(), read_fs());
	say("by rdmsr: %d %d %d", rdmsr(MSR_FS) == (uint64_t)&words[0],
	    rdmsr(MSR_GS) == (uint64_t)&words[1], rdmsr(MSR_USERGS) == (uint64_t)&words[2]);
	say_rc("FS, not canonical", set(SEGBASE_FS, bad));
	say_rc("GS, not canonical", set(SEGBASE_GS_KERNEL, bad));
	say_rc("GS of user mode, not canonical", set(SEGBASE_GS_USER, bad));
	say_rc("FS in Xen", set(SEGBASE_FS, (uint64_t)VA_XEN));
	say_rc("number 4", set(4, 0));
	say_rc("number -1", set(~0u, 0));
	say("as before: %d", rdmsr(MSR_GS) == (uint64_t)&words[1]);
	say_wrmsr("wrmsr of FS", MSR_FS, (uint64_t)&words[3]);
	say("fs:0: %lu", read_fs());
	say_wrmsr("wrmsr of GS", MSR_GS, (uint64_t)&words[3]);
	say("gs:0: %lu", read_gs());
	say_wrmsr("wrmsr of user GS", MSR_USERGS, (uint64_t)&words[3]);
	say("by rdmsr: %d", rdmsr(MSR_USERGS) == (uint64_t)&words[3]);
	say_wrmsr("wrmsr of FS, not canonical", MSR_FS, bad);
	say_wrmsr("wrmsr of GS, not canonical", MSR_GS, bad);
	say_wrmsr("wrmsr of user GS, not canonical", MSR_USERGS, bad);
	say_rc("user selector 0", set(SEGBASE_GS_USER_SEL, 0));
	say("user base: 0x%lx", rdmsr(MSR_USERGS));
	say("kernel base kept: %d", rdmsr(MSR_GS) == (uint64_t)&words[3]);
	set(SEGBASE_GS_USER, 0x1234);
	say_rc("user selector 0xe02b", set(SEGBASE_GS_USER_SEL, 0xe02b));
	say("user base: 0x%lx", rdmsr(MSR_USERGS));
	set(SEGBASE_GS_USER, 0x1234);
	say_rc("user selector 0x8, which is bad", set(SEGBASE_GS_USER_SEL, 0x8));
	say("user base: 0x%lx", rdmsr(MSR_USERGS));
	say("kernel base kept: %d", rdmsr(MSR_GS) == (uint64_t)&words[3]);

	/* User mode has its own base, the kernel's is back after it. */
	set(SEGBASE_GS_USER, USER_DATA);
	set(SEGBASE_GS_KERNEL, (uint64_t)&words[1]);
	f = user_run(gs_begin, gs_end, 0, false);
	say_trap("user mode", this_cpu()->trap);
	say("its gs:0: %lu", f->rbx);
	*(uint64_t *)user_data = 4711;
	f = user_run(gs_begin, gs_end, 0, false);
	say("its gs:0: %lu, the kernel's: %lu", f->rbx, read_gs());

	say_rc("stack_switch", HCALL(stack_switch, FLAT_KERNEL_SS, (uint64_t)words));
	say_rc("stack_switch, selector 0", HCALL(stack_switch, 0, 0));
	say_rc("stack_switch, Xen's selector", HCALL(stack_switch, 0xe010, 0));
	say_rc("stack_switch, a bad selector", HCALL(stack_switch, 0xfff8, 0));
	say_rc("stack_switch, not canonical", HCALL(stack_switch, FLAT_KERNEL_SS, bad));
	say_rc("stack_switch into Xen", HCALL(stack_switch, FLAT_KERNEL_SS, VA_XEN));
}
