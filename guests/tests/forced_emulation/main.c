/*
 * The forced-emulation prefix: ud2, "xen", and then an instruction. Xen carries out
 * cpuid after it, so that a guest's kernel gets Xen's answer and not the processor's;
 * anything else is an invalid opcode.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Forced emulation";

static uint32_t eax, ebx, ecx, edx;

static void cpuid(uint32_t leaf, uint32_t sub)
{
	__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2"
			 : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx)
			 : "a"(leaf), "c"(sub));
}

static void prefix_nop(void *arg)
{
	(void)arg;
	__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; nop");
}

static void prefix_rdtsc(void *arg)
{
	(void)arg;
	__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; rdtsc" ::: "rax", "rdx");
}

static void half_prefix(void *arg)
{
	(void)arg;
	__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65; nop");
}

void guest_main(void)
{
	char name[13] = {0};
	uint64_t at;
	struct trap t;

	cpuid(0x40000000, 0);
	memcpy(name, &ebx, 4);
	memcpy(name + 4, &ecx, 4);
	memcpy(name + 8, &edx, 4);
	say("0x40000000: %s, at least 2 more: %d", name, eax >= 0x40000002);
	cpuid(0x40000001, 0);
	say("0x40000001: %u.%u", eax >> 16, eax & 0xffff);
	cpuid(0x40000002, 0);
	say("0x40000002: pages %u, MSR 0x%x, MMU_PT_UPDATE_PRESERVE_AD %u", eax, ebx, ecx & 1);
	cpuid(1, 0);
	say("1: hypervisor %u, APIC %u, PSE %u, PGE %u, MTRR %u, VME %u, SEP %u", ecx >> 31,
	    edx >> 9 & 1, edx >> 3 & 1, edx >> 13 & 1, edx >> 12 & 1, edx >> 1 & 1, edx >> 11 & 1);
	say("1: x2APIC %u, VMX %u, TSC deadline %u, MONITOR %u, PCID %u", ecx >> 21 & 1,
	    ecx >> 5 & 1, ecx >> 24 & 1, ecx >> 3 & 1, ecx >> 17 & 1);
	cpuid(7, 0);
	say("7: SMEP %u, SMAP %u, INVPCID %u", ebx >> 7 & 1, ebx >> 20 & 1, ebx >> 10 & 1);
	cpuid(0x80000001, 0);
	say("0x80000001: SYSCALL %u, NX %u, LM %u, SVM %u, 1G pages %u, RDTSCP %u", edx >> 11 & 1,
	    edx >> 20 & 1, edx >> 29 & 1, ecx >> 2 & 1, edx >> 26 & 1, edx >> 27 & 1);
	__asm__ volatile("lea 1f(%%rip), %0\n1:" : "=r"(at));
	t = trap_of(prefix_nop, NULL);
	say_trap("before a nop", t);
	say_trap("before rdtsc", trap_of(prefix_rdtsc, NULL));
	say_trap("half of the prefix", trap_of(half_prefix, NULL));
}
