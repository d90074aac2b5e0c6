/*
 * Faults and their error codes: page faults of every kind with the exact cr2, control transfers
 * to selectors that do not exist, and instructions that there are not.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Faults of the kernel";

static uint8_t pages[2][PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));

#define FN(name, insn)                                                                    \
	static void name(void *arg)                                                       \
	{                                                                                 \
		uint64_t a = (uint64_t)arg;                                               \
		__asm__ volatile(insn : "+a"(a) : : "rcx", "rdx", "rbx", "memory", "cc"); \
	}

FN(read8, "mov (%%rax), %%rcx")
FN(write8, "mov %%rcx, (%%rax)")
FN(add8, "addq $0, (%%rax)")
FN(call, "call *%%rax")
FN(far_jump, "push %%rax; lea 1f(%%rip), %%rcx; push %%rcx; rex64 lret; 1: nop")
FN(native_iret, "mov %%rsp, %%rcx; push %%rax; push %%rcx; pushfq; push $0xe033; lea 1f(%%rip), "
		"%%rcx; push %%rcx; iretq; 1: nop")
FN(native_iret_cs, "mov %%rsp, %%rcx; push $0xe02b; push %%rcx; pushfq; push %%rax; lea "
		   "1f(%%rip), %%rcx; push %%rcx; iretq; 1: nop")
FN(load_ss, "mov %%ss, %%ecx; mov %%eax, %%ss; mov $0xe02b, %%ecx; mov %%ecx, %%ss")
FN(load_es, "mov %%eax, %%es; xor %%ecx, %%ecx; mov %%ecx, %%es")
FN(divide_min, "mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idivl %%ecx")
FN(long_insn, ".rept 15; .byte 0x66; .endr; nop")
FN(ud1, "ud1 %%eax, %%eax")
FN(ud0, ".byte 0x0f, 0xff, 0xc0")
FN(pusha, ".byte 0x60")
FN(into, ".byte 0xce")
FN(salc, ".byte 0xd6")
FN(bad_lock_group, ".byte 0xf0, 0x90")
FN(mov_cs, ".byte 0x8e, 0xc8")
FN(rsm, "rsm")
FN(clac, ".byte 0x0f, 0x01, 0xca")

static void say_fault(const char *what, void (*fn)(void *), const void *arg)
{
	struct trap t = trap_of(fn, (void *)arg);

	if (t.vector == 14)
		say("%s: #PF 0x%x, cr2 at +%ld", what, t.error, (long)(t.cr2 - (uint64_t)pages));
	else
		say_trap(what, t);
}

static void map0(uint64_t flags)
{
	map_page(pages[0], flags ? mfn_of(pages[0]) << 12 | flags : 0, UVMF_INVLPG);
}

#define SEL(n) ((const void *)(uint64_t)(n))

void guest_main(void)
{
	memset(pages, 0xc3, sizeof(pages)); /* ret */
	say_fault("call", call, pages[0]);
	map0(PTE_LEAF | PTE_RW | PTE_NX);
	say_fault("NX: read", read8, pages[0]);
	say_fault("NX: call", call, pages[0] + 5);
	map0(PTE_LEAF | PTE_NX);
	say_fault("NX, read-only: call", call, pages[0]);
	say_fault("NX, read-only: write", write8, pages[0] + 16);
	map0(PTE_LEAF);
	say_fault("read-only: read-modify-write", add8, pages[0] + 24);
	say_fault("read-only: write across the end", write8, pages[0] + 0xffc);
	say_fault("read-only: call", call, pages[0] + 100);
	map_page(pages[1], 0, UVMF_INVLPG);
	say_fault("the next page is absent: read across", read8, pages[0] + 0xffc);
	say_fault("the next page is absent: read before", read8, pages[0] + 0xff8);
	map_page(pages[1], mfn_of(pages[1]) << 12 | PTE_LEAF | PTE_RW, UVMF_INVLPG);
	map0(0);
	say_fault("absent: read", read8, pages[0] + 8);
	say_fault("absent: write", write8, pages[0] + 8);
	say_fault("absent: call", call, pages[0] + 8);
	say_fault("absent: read across the end", read8, pages[0] + 0xffc);
	map0(PTE_P | PTE_US | PTE_RW);
	say_fault("there again", read8, pages[0]);
	say_fault("not canonical: read", read8, SEL(1ul << 63));
	say_fault("not canonical: write", write8, SEL(0x800000000000ul));
	say_fault("not canonical: call", call, SEL(1ul << 63));

	say_fault("lret to 0xe033", far_jump, SEL(0xe033));
	say_fault("lret to 0", far_jump, SEL(0));
	say_fault("lret to 0x38, not in the GDT", far_jump, SEL(0x3b));
	say_fault("lret to 0xc, no LDT", far_jump, SEL(0xf));
	say_fault("lret to 0xe02b, data", far_jump, SEL(0xe02b));
	say_fault("lret to 0xe008, Xen's", far_jump, SEL(0xe00b));
	say_fault("lret to 0xe030, RPL 0", far_jump, SEL(0xe030));
	say_fault("iretq to 0xe033, ss 0xe02b", native_iret, SEL(0xe02b));
	say_fault("iretq, ss 0", native_iret, SEL(0));
	say_fault("iretq, ss 0x38", native_iret, SEL(0x3b));
	say_fault("iretq to 0", native_iret_cs, SEL(0));
	say_fault("iretq to 0x38", native_iret_cs, SEL(0x3b));
	say_fault("iretq to 0xe030", native_iret_cs, SEL(0xe030));
	say_fault("ss = 0xe02b", load_ss, SEL(0xe02b));
	say_fault("ss = 0", load_ss, SEL(0));
	say_fault("ss = 0xe028, RPL 0", load_ss, SEL(0xe028));
	say_fault("ss = 0xe033, code", load_ss, SEL(0xe033));
	say_fault("ss = 0x3b", load_ss, SEL(0x3b));
	say_fault("es = 0xe028, RPL 0", load_es, SEL(0xe028));
	say_fault("es = 0x3b", load_es, SEL(0x3b));
	say_fault("mov to cs", mov_cs, SEL(0xe033));

	say_fault("idiv overflow", divide_min, NULL);
	say_fault("16 bytes long", long_insn, NULL);
	say_fault("lock nop", bad_lock_group, NULL);
	say_fault("ud0", ud0, NULL);
	say_fault("ud1", ud1, NULL);
	say_fault("pusha", pusha, NULL);
	say_fault("into", into, NULL);
	say_fault("salc", salc, NULL);
	say_fault("rsm", rsm, NULL);
	say_fault("clac", clac, NULL);
}
