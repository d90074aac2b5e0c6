/*
 * Instructions that write to a page table: for a guest with writable page tables Xen emulates
 * any that stores up to eight aligned bytes, with its flags and registers as the processor
 * would leave them.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Writable page tables: the instructions";

static uint64_t *l1, good;
static volatile uint64_t *slot;
static uint64_t in, out, flags;

/* The instruction sees rdi = the slot, rax = in, rbx = 0x100, and leaves rax. */
#define FN(name, insn)                                                                            \
	static void name(void *arg)                                                               \
	{                                                                                         \
		uint64_t a = in, f;                                                               \
		(void)arg;                                                                        \
		__asm__ volatile("mov $0x100, %%ebx; test %%ebx, %%ebx;" insn "; pushfq; popq %1" \
				 : "+a"(a), "=r"(f)                                               \
				 : "D"(slot)                                                      \
				 : "rbx", "rcx", "rdx", "rsi", "memory", "cc");                   \
		out = a;                                                                          \
		flags = f & 0x8c5;                                                                \
	}

FN(i_or, "orq %%rbx, (%%rdi)")
FN(i_lock_or, "lock orq $0x200, (%%rdi)")
FN(i_and, "andq $-3, (%%rdi)")
FN(i_xor, "xorq $0x400, (%%rdi)")
FN(i_add, "addq $0x200, (%%rdi)")
FN(i_sub, "lock subq $0x100, (%%rdi)")
FN(i_adc, "stc; adcl $0x1ff, (%%rdi)")
FN(i_inc, "incb 7(%%rdi)")
FN(i_dec, "lock decb 7(%%rdi)")
FN(i_not, "notb 7(%%rdi)")
FN(i_neg, "negb 7(%%rdi)")
FN(i_cmp, "cmpq %%rax, (%%rdi)")
FN(i_xadd, "lock xaddq %%rax, (%%rdi)")
FN(i_xchg4, "xchgl %%eax, (%%rdi)")
FN(i_bts, "btsq $9, (%%rdi)")
FN(i_btc_reg, "mov $10, %%ecx; btcq %%rcx, (%%rdi)")
FN(i_btr_far, "mov $74, %%ecx; btrq %%rcx, -8(%%rdi)")
FN(i_cmpxchg4,
   "mov %%eax, %%ecx; mov (%%rdi), %%eax; xor $0x600, %%ecx; lock cmpxchgl %%ecx, (%%rdi)")
FN(i_cmpxchg8b, "mov (%%rdi), %%eax; mov 4(%%rdi), %%edx; mov %%edx, %%ecx; mov %%eax, %%ebx; "
		"or $0x200, %%ebx; lock cmpxchg8b (%%rdi)")
FN(i_stosq, "push %%rdi; stosq; pop %%rdi")
FN(i_rep_stosq, "push %%rdi; mov $3, %%ecx; rep stosq; mov %%rcx, %%rax; pop %%rdi")
FN(i_movsq, "push %%rdi; push %%rax; mov %%rsp, %%rsi; movsq; pop %%rax; pop %%rdi")
FN(i_movnti, "movnti %%rax, (%%rdi)")
FN(i_mov_imm4, "movl $0, 4(%%rdi)")
FN(i_mov2, "movw %%ax, (%%rdi)")
FN(i_push, "mov %%rsp, %%rcx; lea 8(%%rdi), %%rsp; push %%rax; mov %%rcx, %%rsp")
FN(i_pop, "push %%rax; popq (%%rdi)")
FN(i_setcc, "setne 7(%%rdi)")
FN(i_shl, "shlb $1, 7(%%rdi)")
FN(i_sar, "sarb $1, 7(%%rdi)")
FN(i_rol, "rolb $4, 7(%%rdi)")
FN(i_unaligned, "mov %%rax, 4(%%rdi)")
FN(i_unaligned2, "movw %%ax, 1(%%rdi)")
FN(i_mov_ds, "movw %%ds, (%%rdi)")

static void say_insn(const char *what, void (*fn)(void *), uint64_t a)
{
	struct trap t;

	*(volatile uint64_t *)slot = good;
	in = a;
	flags = 0;
	t = trap_of(fn, NULL);
	if (t.vector == 14)
		say("%s: #PF 0x%x at +%ld, entry kept: %d", what, t.error,
		    (long)(t.cr2 - (uint64_t)slot), *slot == good);
	else if (t.vector >= 0)
		say_trap(what, t);
	else
		say("%s: low 0x%x, high 0x%x, same frame: %d, rax %s, flags 0x%lx", what,
		    (unsigned)(*slot & 0xfff), (unsigned)(*slot >> 52),
		    (*slot & 0xffffffffff000ul) == (good & 0xffffffffff000ul),
		    out == a		 ? "kept"
		    : (out ^ good) >> 12 ? "other"
					 : "the old entry",
		    flags);
}

void guest_main(void)
{
	void *leaf = page_alloc();

	l1 = page_alloc();
	slot = &l1[5];
	/* With bits in the uppermost byte, for instructions of one byte. */
	good = mfn_of(leaf) << 12 | PTE_LEAF | PTE_RW | PTE_G | 0x250ul << 52;
	page_readonly(l1);
	mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(l1), 0);
	HCALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
	say_insn("or", i_or, 0);
	say_insn("lock or", i_lock_or, 0);
	say_insn("and", i_and, 0);
	say_insn("xor", i_xor, 0);
	say_insn("add", i_add, 0);
	say_insn("lock sub", i_sub, 0);
	say_insn("adc, 4 bytes", i_adc, 0);
	say_insn("inc, 1 byte", i_inc, 0);
	say_insn("lock dec, 1 byte", i_dec, 0);
	say_insn("not, 1 byte", i_not, 0);
	say_insn("neg, 1 byte", i_neg, 0);
	say_insn("cmp, which does not write", i_cmp, good);
	say_insn("lock xadd", i_xadd, 0x200);
	say_insn("xchg, 4 bytes", i_xchg4, (uint32_t)good | 0x200);
	say_insn("bts", i_bts, 0);
	say_insn("btc with a register", i_btc_reg, 0);
	say_insn("btr from the entry before", i_btr_far, 0);
	say_insn("cmpxchg, 4 bytes", i_cmpxchg4, (uint32_t)good);
	say_insn("cmpxchg8b", i_cmpxchg8b, 0);
	say_insn("stosq", i_stosq, good | 0x800);
	say_insn("rep stosq", i_rep_stosq, good | 0x800);
	say("  behind it: 0x%lx 0x%lx", l1[7] & 0xfff, l1[8] & 0xfff);
	say_insn("movsq", i_movsq, good | 0x600);
	say_insn("movnti", i_movnti, good | 0x600);
	say_insn("mov, 4 upper bytes", i_mov_imm4, 0);
	say_insn("mov, 2 bytes", i_mov2, (good & 0xf000) | 0x125);
	say_insn("push", i_push, good | 0x200);
	say_insn("pop", i_pop, good | 0x200);
	say_insn("setne, 1 byte", i_setcc, 0);
	say_insn("shl, 1 byte", i_shl, 0);
	say_insn("sar, 1 byte", i_sar, 0);
	say_insn("rol, 1 byte", i_rol, 0);
	say_insn("mov of ds: 2 bytes", i_mov_ds, 0);
	say_insn("mov, 8 bytes, not aligned", i_unaligned, good);
	say_insn("mov, 2 bytes, not aligned", i_unaligned2, good);
}
