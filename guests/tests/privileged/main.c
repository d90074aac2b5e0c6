/*
 * Privileged instructions that a guest's kernel executes: Xen carries some of them out
 * and makes the others fault.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Privileged instructions of the kernel";

static uint64_t result;

#define FN(name, insn)                                                       \
	static void name(void *arg)                                          \
	{                                                                    \
		uint64_t a = (uint64_t)arg;                                  \
		__asm__ volatile(insn : "+a"(a) : : "rcx", "rdx", "memory"); \
		result = a;                                                  \
	}

FN(read_cr0, "mov %%cr0, %%rax")
FN(read_cr2, "mov %%cr2, %%rax")
FN(read_cr3, "mov %%cr3, %%rax")
FN(read_cr4, "mov %%cr4, %%rax")
FN(read_cr8, "mov %%cr8, %%rax")
FN(write_cr0, "mov %%rax, %%cr0")
FN(write_cr2, "mov %%rax, %%cr2")
FN(write_cr4, "mov %%rax, %%cr4")
FN(write_cr8, "mov %%rax, %%cr8")
FN(read_dr0, "mov %%dr0, %%rax")
FN(read_dr7, "mov %%dr7, %%rax")
FN(write_dr0, "mov %%rax, %%dr0")
FN(clts, "clts")
FN(lmsw, "lmsw %%ax")
FN(invlpg, "invlpg (%%rax)")
FN(wbinvd, "wbinvd")
FN(invd, "invd")
FN(lgdt, "lgdt (%%rax)")
FN(lidt, "lidt (%%rax)")
FN(lldt, "lldt %%ax")
FN(ltr, "ltr %%ax")
FN(rdmsr, "mov %%eax, %%ecx; rdmsr; shl $32, %%rdx; or %%rdx, %%rax")
FN(wrmsr, "mov %%eax, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")
FN(rdpmc, "mov %%eax, %%ecx; rdpmc")
FN(in8, "mov %%eax, %%edx; in %%dx, %%al; movzx %%al, %%eax")
FN(in16, "mov %%eax, %%edx; in %%dx, %%ax; movzx %%ax, %%eax")
FN(in32, "mov %%eax, %%edx; in %%dx, %%eax")
FN(out8, "mov %%eax, %%edx; xor %%eax, %%eax; out %%al, %%dx")
FN(hlt, "hlt")
FN(write_cr5, "xor %%eax, %%eax; mov %%rax, %%cr5")
FN(swapgs, "swapgs")
FN(sysret, "sysretq")
FN(xsetbv, "xor %%ecx, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; xsetbv")

static void run(const char *what, void (*fn)(void *), uint64_t arg)
{
	say_trap(what, trap_of(fn, (void *)arg));
}

void guest_main(void)
{
	run("mov cr0", read_cr0, 0);
	say("  PE %d, PG %d, WP %d, TS %d", !!(result & 1), !!(result >> 31 & 1),
	    !!(result >> 16 & 1), !!(result >> 3 & 1));
	run("mov to cr0, unchanged", write_cr0, result);
	run("mov to cr0, TS", write_cr0, result | 8);
	run("mov cr0", read_cr0, 0);
	say("  TS %d", !!(result >> 3 & 1));
	run("clts", clts, 0);
	run("mov cr0", read_cr0, 0);
	say("  TS %d", !!(result >> 3 & 1));
	run("mov to cr0, PG off", write_cr0, result & ~(1ul << 31));
	run("mov to cr2", write_cr2, 0x1234);
	run("mov cr2", read_cr2, 0);
	say("  0x%lx", result);
	run("mov cr3", read_cr3, 0);
	say("  the boot tables: %d", result >> 12 == mfn_of((void *)start_info->pt_base));
	run("mov cr4", read_cr4, 0);
	say("  PAE %d, PGE %d, PSE %d, TSD %d", !!(result & 0x20), !!(result & 0x80),
	    !!(result & 0x10), !!(result & 4));
	run("mov to cr4, unchanged", write_cr4, result);
	run("mov to cr4, VMXE", write_cr4, result | 1ul << 13);
	run("mov cr8", read_cr8, 0);
	run("mov to cr8", write_cr8, 0);
	run("mov to cr5", write_cr5, 0);
	run("mov dr0", read_dr0, 0);
	run("mov to dr0", write_dr0, 0x1000);
	run("mov dr0", read_dr0, 0);
	say("  0x%lx", result);
	run("mov to dr0, in Xen", write_dr0, (uint64_t)VA_XEN);
	run("mov dr7", read_dr7, 0);
	say("  0x%lx", result);
	run("lmsw", lmsw, 1);
	run("invlpg", invlpg, 0);
	if (!is_dom0()) {
		run("wbinvd", wbinvd, 0);
		run("in 0x80, 8 bits", in8, 0x80);
		run("in 0x60, 8 bits", in8, 0x60);
		run("in 0xcf8, 32 bits", in32, 0xcf8);
		run("in 0x1234, 16 bits", in16, 0x1234);
		run("out 0x80", out8, 0x80);
	}
	run("invd", invd, 0);
	run("lgdt", lgdt, (uint64_t)&result);
	run("lidt", lidt, (uint64_t)&result);
	run("lldt", lldt, 0);
	run("ltr", ltr, 0);
	run("hlt", hlt, 0);
	run("swapgs", swapgs, 0);
	run("sysret", sysret, 0);
	run("rdmsr EFER", rdmsr, 0xc0000080);
	say("  SCE %d, LME %d, LMA %d", !!(result & 1), !!(result & 0x100), !!(result & 0x400));
	run("rdmsr LSTAR", rdmsr, 0xc0000082);
	run("rdmsr 0x12345", rdmsr, 0x12345);
	run("rdmsr APIC_BASE", rdmsr, 0x1b);
	run("rdmsr PAT", rdmsr, 0x277);
	run("wrmsr 0x12345", wrmsr, 0x12345);
	run("wrmsr LSTAR", wrmsr, 0xc0000082);
	run("wrmsr FS_BASE", wrmsr, 0xc0000100);
	run("rdmsr FS_BASE", rdmsr, 0xc0000100);
	say("  0x%lx", result);
	run("wrmsr KERNEL_GS_BASE", wrmsr, 0xc0000102);
	run("rdpmc 1000", rdpmc, 1000);
	run("xsetbv without OSXSAVE", xsetbv, 0);
	run("mov cr4", read_cr4, 0);
	run("mov to cr4, OSXSAVE", write_cr4, result | 1ul << 18);
	run("xsetbv 0", xsetbv, 0);
}
