/*
 * The machine-to-physical table at its fixed place: the kernel may read it with any instruction,
 * nobody may write, and user mode sees it or not as m2p_strict says.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Reading the machine-to-physical table";

#define M2P ((volatile uint64_t *)0xffff800000000000ul)

static volatile uint8_t *at;
static uint64_t result;

#define FN(name, insn)                                                                            \
	static void name(void *arg)                                                               \
	{                                                                                         \
		uint64_t a = -1ul;                                                                \
		(void)arg;                                                                        \
		__asm__ volatile(insn : "+a"(a) : "S"(at) : "rcx", "rdx", "rdi", "memory", "cc"); \
		result = a;                                                                       \
	}

FN(r8, "mov (%%rsi), %%rax")
FN(r4, "mov (%%rsi), %%eax")
FN(r2, "mov (%%rsi), %%ax")
FN(r1, "mov (%%rsi), %%al")
FN(r2z, "movzwl (%%rsi), %%eax")
FN(r4s, "movslq (%%rsi), %%rax")
FN(radd, "mov $1, %%eax; add (%%rsi), %%rax")
FN(rcmp, "mov (%%rsi), %%rcx; cmp %%rcx, (%%rsi); sete %%al; movzbl %%al, %%eax")
FN(rtest, "xor %%eax, %%eax; testl $0, (%%rsi); setz %%al")
FN(rlods, "lodsq")
FN(rpush, "push (%%rsi); pop %%rax")
FN(rmovs, "lea -64(%%rsp), %%rdi; movsq; mov -64(%%rsp), %%rax")
FN(rmovs2,
   "push %%rsi; mov $2, %%ecx; lea -64(%%rsp), %%rdi; rep movsl; mov -64(%%rsp), %%rax; pop %%rsi")
FN(rcmov, "xor %%eax, %%eax; cmovz (%%rsi), %%rax")
FN(rxchg, "xchg %%rax, (%%rsi)")
FN(radd_to, "addl $0, (%%rsi)")

static uint64_t expected;

static void say_read(const char *what, void (*fn)(void *))
{
	struct trap t = trap_of(fn, NULL);

	if (t.vector < 0)
		say("%s: 0x%lx", what, result - expected);
	else
		say_trap(what, t);
}

__asm__(".pushsection .text\n"
	"um_begin:\n"
	"	mov (%rdi), %rax\n"
	"	syscall\n"
	"um_end:\n"
	".popsection\n");
extern const char um_begin[], um_end[];

void guest_main(void)
{
	uint8_t *page = page_alloc();
	struct xen_machphys_mapping m;
	uint64_t mfn = mfn_of(page);

	HCALL(memory_op, XENMEM_machphys_mapping, &m);
	at = (volatile uint8_t *)&M2P[mfn];
	expected = pfn_of(page);
	say_read("8 bytes", r8);
	/* A number of its own, to tell the bytes apart. */
	mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE, 0x8899aabbccddeeff, DOMID_SELF);
	expected = 0;
	say_read("8 bytes", r8);
	say_read("4 bytes", r4);
	say_read("2 bytes", r2);
	say_read("1 byte", r1);
	say_read("2 bytes, zero-extended", r2z);
	say_read("4 bytes, sign-extended", r4s);
	say_read("add", radd);
	say_read("cmp", rcmp);
	say_read("test", rtest);
	say_read("lods", rlods);
	say_read("push", rpush);
	say_read("movs", rmovs);
	say_read("rep movs", rmovs2);
	say_read("cmov", rcmov);
	at += 3;
	say_read("4 bytes, not aligned", r4);
	at -= 3;
	say_read("xchg", rxchg);
	say_read("add to it", radd_to);
	mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE, pfn_of(page), DOMID_SELF);
	at = (volatile uint8_t *)0xffff804000000000ul;
	say_read("behind the table's 256 GiB", r8);
	at = (volatile uint8_t *)0xffff8080000000f8ul;
	say_trap("a slot on", trap_of_read(at));
	at = (volatile uint8_t *)0xffff87ffffffffffull;
	say_read("the last of Xen's", r1);
	user_run(um_begin, um_end, (uint64_t)&M2P[mfn], false);
	say_trap("user mode", this_cpu()->trap);
	say_rc("m2p_strict", HCALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict));
	user_run(um_begin, um_end, (uint64_t)&M2P[mfn], false);
	say_trap("user mode", this_cpu()->trap);
	at = (volatile uint8_t *)&M2P[mfn];
	expected = pfn_of(page);
	say_read("the kernel", r8);
}
