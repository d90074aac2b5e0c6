/*
 * Writes of the guest's kernel to its read-only page tables, of the forms that Linux has for
 * them: mov, xchg, lock cmpxchg and lock and, to one aligned entry. All others the host
 * decodes (vmm/emulate/emulate_memory.c).
 */
#include <errno.h>

#include "vmm/resident/guest/resident_guest.h"

#define EFLAGS_ARITH 0x8d5UL /* CF PF AF ZF SF OF */

enum store { STORE_MOV, STORE_XCHG, STORE_CMPXCHG, STORE_AND };

struct insn {
	enum store how;
	unsigned len, reg; /* reg: number of the register operand */
	uint8_t imm;
};

/* By number, as instructions have it (SDM vol. 2, 2.1.5); not rsp. */
static uint64_t *gpr(struct cpu_user_regs *r, unsigned nr)
{
	uint64_t *const regs[16] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, NULL,	 &r->rbp,
				    &r->rsi, &r->rdi, &r->r8,  &r->r9,	&r->r10, &r->r11,
				    &r->r12, &r->r13, &r->r14, &r->r15};

	return regs[nr];
}

/* Bytes of a memory operand behind its ModRM byte; -1: it is a register, or relative to rip. */
static int operand_length(uint8_t modrm, uint8_t sib)
{
	unsigned mod = modrm >> 6, rm = modrm & 7;
	int n = rm == 4;

	if (mod == 3 || (mod == 0 && rm == 5))
		return -1;
	if (mod == 0)
		return rm == 4 && (sib & 7) == 5 ? n + 4 : n;
	return n + (mod == 1 ? 1 : 4);
}

static bool decode(struct vcpu *v, uint64_t rip, struct insn *in)
{
	uint8_t b[15] = {0}, rex = 0;
	unsigned i = 0;
	bool lock;
	int n;

	/* It may end at the end of a page. */
	for (n = sizeof(b); n > 3 && guest_copy_from(v, b, rip, (size_t)n); n--)
		;
	if (n == 3)
		return false;
	/* With one processor Linux makes its lock prefixes into a DS override. */
	lock = b[i] == 0xf0 || b[i] == 0x3e;
	i += lock;
	if ((b[i] & 0xf0) == 0x40)
		rex = b[i++];
	*in = (struct insn){0};
	if (b[i] == 0x0f && b[i + 1] == 0xb1 && lock && rex & 8) {
		in->how = STORE_CMPXCHG;
		i += 2;
	} else if ((b[i] == 0x89 && !lock && rex & 8) || (b[i] == 0x87 && rex & 8)) {
		in->how = b[i] == 0x89 ? STORE_MOV : STORE_XCHG;
		i++;
	} else if (b[i] == 0x80 && lock && (b[i + 1] >> 3 & 7) == 4) {
		in->how = STORE_AND;
		i++;
	} else {
		return false;
	}
	int operand = operand_length(b[i], b[i + 1]);
	if (operand < 0)
		return false;
	in->reg = (b[i] >> 3 & 7) | (rex & 4) << 1;
	i += 1 + (unsigned)operand;
	if (in->how == STORE_AND)
		in->imm = b[i++];
	in->len = i;
	return (int)i <= n && (in->how == STORE_AND || gpr(&v->regs, in->reg));
}

/* The flags that `and` of a byte leaves, and cmp of two words. */
static uint64_t flags_of_and(uint8_t a, uint8_t b)
{
	uint64_t flags;

	__asm__("andb %2, %1\n\tpushfq\n\tpopq %0" : "=r"(flags), "+q"(a) : "q"(b) : "cc");
	return flags & EFLAGS_ARITH;
}

static uint64_t flags_of_cmp(uint64_t a, uint64_t b)
{
	uint64_t flags;

	__asm__("cmpq %2, %1\n\tpushfq\n\tpopq %0" : "=r"(flags) : "r"(a), "r"(b) : "cc");
	return flags & EFLAGS_ARITH;
}

/* v->regs.rip is at the instruction. False: nothing was done. */
bool resident_pt_write(struct vcpu *v, uint64_t va)
{
	struct cpu_user_regs *r = &v->regs;
	struct insn in;
	uint64_t entry, put;

	if (!decode(v, r->rip, &in) || (in.how != STORE_AND && va & 7) ||
	    guest_copy_from(v, &entry, va & ~7UL, sizeof(entry)))
		return false;
	uint64_t *reg = in.how == STORE_AND ? NULL : gpr(r, in.reg);
	unsigned shift = (va & 7) * 8;
	for (;;) {
		uint64_t now = entry;

		if (in.how == STORE_AND)
			put = entry & ~((uint64_t)(uint8_t)~in.imm << shift);
		else if (in.how == STORE_CMPXCHG && entry != r->rax)
			put = entry;
		else
			put = *reg;
		int rc = mm_ptwr_write(v, va, &now, put, true);
		if (!rc)
			break;
		if (rc != -EAGAIN)
			return false;
		entry = now; /* somebody was faster */
	}
	if (in.how == STORE_XCHG) {
		*reg = entry;
	} else if (in.how == STORE_CMPXCHG) {
		r->rflags = (r->rflags & ~EFLAGS_ARITH) | flags_of_cmp(r->rax, entry);
		r->rax = entry;
	} else if (in.how == STORE_AND) {
		r->rflags = (r->rflags & ~EFLAGS_ARITH) |
			    flags_of_and((uint8_t)(entry >> shift), in.imm);
	}
	r->rip += in.len;
	r->rflags &= ~EFLAGS_RF;
	return true;
}
