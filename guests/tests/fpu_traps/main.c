/*
 * fpu_taskswitch and the exceptions of the FPU: #NM once after TS was set, with TS clear again
 * when the handler runs; in user mode as in the kernel.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "FPU: TS, #NM, #MF";

static void fnop(void *arg)
{
	(void)arg;
	__asm__ volatile("fnop");
}

static void sse(void *arg)
{
	(void)arg;
	__asm__ volatile("pxor %%xmm0, %%xmm0" : : : "memory");
}

static void fwait(void *arg)
{
	(void)arg;
	__asm__ volatile("fwait");
}

static void divide(void *arg)
{
	static const uint16_t cw = 0x37b; /* divide by zero is not masked */

	(void)arg;
	__asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" : : "m"(cw));
}

static bool ts(void)
{
	uint64_t cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	return cr0 & 8;
}

static void clts(void *arg)
{
	(void)arg;
	__asm__ volatile("clts");
}

static void set_ts(const char *what, uint64_t val)
{
	say_rc(what, HCALL(fpu_taskswitch, val));
	say("  TS: %d", ts());
}

__asm__(".pushsection .text\n"
	"fp_begin:\n"
	"	fnop\n"
	"	syscall\n"
	"fp_end:\n"
	".popsection\n");
extern const char fp_begin[], fp_end[];

void guest_main(void)
{
	say("TS at the start: %d", ts());
	say_trap("fnop", trap_of(fnop, NULL));
	set_ts("set", 1);
	say_trap("fnop", trap_of(fnop, NULL));
	say("  TS: %d", ts());
	say_trap("fnop", trap_of(fnop, NULL));
	set_ts("set", 5);
	say_trap("sse", trap_of(sse, NULL));
	say("  TS: %d", ts());
	set_ts("set", 1);
	say_trap("clts", trap_of(clts, NULL));
	say("  TS: %d", ts());
	say_trap("sse", trap_of(sse, NULL));
	set_ts("set", 1);
	set_ts("clear", 0);
	say_trap("sse", trap_of(sse, NULL));
	set_ts("2^32", 1ul << 32);
	set_ts("set", 1);
	say_trap("fwait, which TS alone does not stop", trap_of(fwait, NULL));
	set_ts("set", 1);
	user_run(fp_begin, fp_end, 0, true);
	say_trap("user mode", this_cpu()->trap);
	say("  TS: %d", ts());
	user_run(fp_begin, fp_end, 0, true);
	say_trap("user mode", this_cpu()->trap);
	say_trap("x87, divide by zero", trap_of(divide, NULL));
	__asm__ volatile("fninit");
	say_trap("fwait", trap_of(fwait, NULL));
}
