/*
 * Instructions with a memory operand that the VMM must execute for the guest:
 * stores to read-only page tables (Xen: arch/x86/pv/ro-page-fault.c), and loads
 * from the M2P where CPL 3 cannot reach its fixed place.
 */
#include <errno.h>

#include "pvabi/m2p.h"
#include "vmm/emulate/decode.h"
#include "vmm/emulate/emulate.h"

#define EFLAGS_DF 0x400UL

/* What one store does: from the old value of the operand to the new. */
struct store {
	uint64_t va;
	unsigned bytes;
	uint64_t old, new; /* operand-sized */
	uint64_t flags;
	bool write;	   /* false: the operand stays as it is (cmpxchg that failed) */
	ZydisRegister reg; /* gets reg_val, NONE: none */
	uint64_t reg_val;
	int string; /* +1, -1: rdi moves; 0 */
	bool movs;
	int stack; /* what rsp moves by */
};

static const ZydisDecodedOperand *written_operand(const struct insn *in)
{
	for (unsigned i = 0; i < in->i.operand_count; i++)
		if (in->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (in->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			return &in->op[i];
	return NULL;
}

static uint64_t bit_op(ZydisMnemonic m, uint64_t old, uint64_t bit)
{
	return m == ZYDIS_MNEMONIC_BTS	 ? old | bit
	       : m == ZYDIS_MNEMONIC_BTR ? old & ~bit
					 : old ^ bit;
}

/* Computes s->new and the rest from s->old. False: not an instruction for us. */
static bool compute(struct vcpu *v, const struct insn *in, struct store *s)
{
	uint64_t src = operand_read(v, &in->op[1]) & width_mask(s->bytes), junk;
	ZydisMnemonic m = in->i.mnemonic;

	s->flags = v->regs.rflags;
	s->write = true;
	s->reg = ZYDIS_REGISTER_NONE;
	if (in->i.meta.category == ZYDIS_CATEGORY_SETCC) {
		s->new = condition(s->flags, in->i.opcode);
		return true;
	}
	switch (m) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVNTI:
		s->new = src;
		/* Not of a segment register. */
		return in->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ||
		       ZydisRegisterGetClass(in->op[1].reg.value) != ZYDIS_REGCLASS_SEGMENT;
	case ZYDIS_MNEMONIC_PUSH:
		s->new = operand_read(v, &in->op[0]) & width_mask(s->bytes);
		s->stack = -(int)s->bytes;
		return in->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ||
		       (in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			ZydisRegisterGetClass(in->op[0].reg.value) != ZYDIS_REGCLASS_SEGMENT);
	case ZYDIS_MNEMONIC_POP:
		s->new = 0;
		s->stack = (int)s->bytes;
		return !guest_copy_from(v, &s->new, v->regs.rsp, s->bytes);
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
		s->new = v->regs.rax &width_mask(s->bytes);
		s->string = v->regs.rflags & EFLAGS_DF ? -1 : 1;
		return true;
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVSQ:
		s->new = 0;
		s->movs = true;
		s->string = v->regs.rflags & EFLAGS_DF ? -1 : 1;
		return !guest_copy_from(v, &s->new, v->regs.rsi, s->bytes);
	case ZYDIS_MNEMONIC_XCHG:
		/* The register may be either operand. */
		s->reg = in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? in->op[0].reg.value
								       : in->op[1].reg.value;
		s->new = reg_read(v, s->reg);
		s->reg_val = s->old;
		return true;
	case ZYDIS_MNEMONIC_XADD:
		s->reg = in->op[1].reg.value;
		s->reg_val = s->old;
		return alu(ZYDIS_MNEMONIC_ADD, s->old, src, s->bytes, &s->new, &s->flags);
	case ZYDIS_MNEMONIC_CMPXCHG: {
		uint64_t acc = v->regs.rax & width_mask(s->bytes);
		alu(ZYDIS_MNEMONIC_CMP, acc, s->old, s->bytes, &junk, &s->flags);
		s->write = acc == s->old;
		s->new = src;
		if (!s->write) {
			s->reg = s->bytes == 8	 ? ZYDIS_REGISTER_RAX
				 : s->bytes == 4 ? ZYDIS_REGISTER_EAX
				 : s->bytes == 2 ? ZYDIS_REGISTER_AX
						 : ZYDIS_REGISTER_AL;
			s->reg_val = s->old;
		}
		return true;
	}
	case ZYDIS_MNEMONIC_CMPXCHG8B: {
		uint64_t acc = v->regs.rdx << 32 | (uint32_t)v->regs.rax;
		s->write = acc == s->old;
		s->new = v->regs.rcx << 32 | (uint32_t)v->regs.rbx;
		s->flags = s->write ? s->flags | FLAG_ZF : s->flags & ~FLAG_ZF;
		return true;
	}
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC: {
		uint64_t carry = s->flags & FLAG_CF;
		alu(m == ZYDIS_MNEMONIC_INC ? ZYDIS_MNEMONIC_ADD : ZYDIS_MNEMONIC_SUB, s->old, 1,
		    s->bytes, &s->new, &s->flags);
		s->flags = (s->flags & ~FLAG_CF) | carry;
		return true;
	}
	case ZYDIS_MNEMONIC_NOT:
		s->new = ~s->old &width_mask(s->bytes);
		return true;
	case ZYDIS_MNEMONIC_NEG:
		return alu(ZYDIS_MNEMONIC_SUB, 0, s->old, s->bytes, &s->new, &s->flags);
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC: {
		uint64_t bit = 1UL << (src & (s->bytes * 8 - 1));
		s->flags = (s->flags & ~FLAG_CF) | (s->old & bit ? FLAG_CF : 0);
		s->new = bit_op(m, s->old, bit);
		return true;
	}
	default:
		return alu(m, s->old, src, s->bytes, &s->new, &s->flags) ||
		       shift(m, s->old, (uint8_t)src, s->bytes, &s->new, &s->flags);
	}
}

/* The operand's address; a bit number in a register reaches beyond the operand. */
static uint64_t store_address(struct vcpu *v, const struct insn *in, const ZydisDecodedOperand *op)
{
	uint64_t va = insn_address(v, in, op);
	unsigned bytes = op->size / 8;

	if (in->i.mnemonic == ZYDIS_MNEMONIC_PUSH)
		return v->regs.rsp - bytes;
	if ((in->i.mnemonic == ZYDIS_MNEMONIC_BTS || in->i.mnemonic == ZYDIS_MNEMONIC_BTR ||
	     in->i.mnemonic == ZYDIS_MNEMONIC_BTC) &&
	    in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		uint64_t raw = reg_read(v, in->op[1].reg.value);
		int64_t n = bytes == 8 ? (int64_t)raw : bytes == 4 ? (int32_t)raw : (int16_t)raw;
		va += (uint64_t)((n >> (bytes == 8 ? 6 : bytes == 4 ? 5 : 4)) * (int)bytes);
	}
	return va;
}

static void finish_store(struct vcpu *v, const struct insn *in, const struct store *s)
{
	if (s->reg != ZYDIS_REGISTER_NONE)
		reg_write(v, s->reg, s->reg_val);
	if (in->i.mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B && !s->write) {
		v->regs.rax = (uint32_t)s->old;
		v->regs.rdx = s->old >> 32;
	}
	v->regs.rflags = (v->regs.rflags & ~FLAGS_ARITH) | (s->flags & FLAGS_ARITH);
	v->regs.rsp += (uint64_t)s->stack;
	if (s->string) {
		v->regs.rdi += (uint64_t)(s->string * (int)s->bytes);
		if (s->movs)
			v->regs.rsi += (uint64_t)(s->string * (int)s->bytes);
		if (in->i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) {
			/* One element a fault; the instruction goes on by itself. */
			if (--v->regs.rcx)
				return;
		}
	}
	insn_done(v, in);
}

enum emulate_result emulate_pt_write(struct vcpu *v, uint64_t va)
{
	struct store s = {0};
	struct insn in;
	uint64_t entry, entry_va;

	if (insn_fetch(v, &in, 0))
		return EMUL_UNHANDLED;
	const ZydisDecodedOperand *op = written_operand(&in);
	if (!op)
		return EMUL_UNHANDLED;
	s.va = store_address(v, &in, op);
	s.bytes = op->size / 8;
	/* The fault must be this operand's, inside one entry. */
	if (!s.bytes || s.bytes > 8 || va < s.va || va >= s.va + s.bytes || s.va & (s.bytes - 1))
		return EMUL_UNHANDLED;
	entry_va = s.va & ~7UL;
	if (guest_copy_from(v, &entry, entry_va, sizeof(entry)))
		return EMUL_UNHANDLED;
	unsigned shift = (s.va & 7) * 8;
	for (;;) {
		s.old = entry >> shift & width_mask(s.bytes);
		if (!compute(v, &in, &s))
			return EMUL_UNHANDLED;
		uint64_t now = entry;
		uint64_t mask = width_mask(s.bytes) << shift;
		uint64_t put = s.write ? (entry & ~mask) | (s.new << shift &mask) : entry;
		int rc = mm_ptwr_write(v, entry_va, &now, put, true);
		if (!rc)
			break;
		if (rc != -EAGAIN)
			return EMUL_UNHANDLED;
		entry = now; /* somebody was faster: look again */
	}
	finish_store(v, &in, &s);
	return EMUL_DONE;
}

static bool read_m2p(const struct vcpu *v, uint64_t va, unsigned bytes, uint64_t *val)
{
	const struct domain *d = v->domain;
	uint64_t offset = va - XEN_VIRT_START, size = d->nr_m2p * 8;

	*val = 0;
	if (va < XEN_VIRT_START || offset >= size || bytes > 8 || bytes > size - offset)
		return false;
	uint64_t mfn = offset / 8, last = (offset + bytes - 1) / 8;
	uint64_t words[2] = {m2p_get(d, mfn), m2p_get(d, last)};
	__builtin_memcpy(val, (const uint8_t *)words + offset % 8, bytes);
	return true;
}

/* One element of a string instruction was read; false: it is not the last. */
static bool string_step(struct vcpu *v, const struct insn *in, unsigned bytes, bool movs)
{
	uint64_t step = v->regs.rflags & EFLAGS_DF ? -(uint64_t)bytes : bytes;

	v->regs.rsi += step;
	if (movs)
		v->regs.rdi += step;
	return !(in->i.attributes & ZYDIS_ATTRIB_HAS_REP) || !--v->regs.rcx;
}

/* What the instruction does with the value of its memory operand. */
static enum emulate_result use_value(struct vcpu *v, const struct insn *in,
				     const ZydisDecodedOperand *mem, uint64_t val)
{
	const ZydisDecodedOperand *op = mem == &in->op[0] ? &in->op[1] : &in->op[0];
	uint64_t other, result, flags = v->regs.rflags;
	unsigned bytes = mem->size / 8;

	if (in->i.meta.category == ZYDIS_CATEGORY_CMOV) {
		/* The upper half of a 32-bit register goes in any case. */
		reg_write(v, op->reg.value,
			  condition(flags, in->i.opcode) ? val : operand_read(v, op));
		return EMUL_DONE;
	}
	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
		reg_write(v, op->reg.value, val);
		return EMUL_DONE;
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD: {
		unsigned up = 64 - mem->size;
		reg_write(v, op->reg.value, (uint64_t)((int64_t)(val << up) >> up));
		return EMUL_DONE;
	}
	case ZYDIS_MNEMONIC_LODSD:
	case ZYDIS_MNEMONIC_LODSQ:
		reg_write(v, bytes == 8 ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX, val);
		return string_step(v, in, bytes, false) ? EMUL_DONE : EMUL_EXCEPTION;
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVSQ:
		if (guest_copy_to(v, v->regs.rdi, &val, bytes))
			return EMUL_UNHANDLED;
		return string_step(v, in, bytes, true) ? EMUL_DONE : EMUL_EXCEPTION;
	case ZYDIS_MNEMONIC_PUSH:
		if (guest_copy_to(v, v->regs.rsp - 8, &val, 8))
			return EMUL_UNHANDLED;
		v->regs.rsp -= 8;
		return EMUL_DONE;
	default:
		other = operand_read(v, op) & width_mask(bytes);
		if (!alu(in->i.mnemonic, mem == &in->op[0] ? val : other,
			 mem == &in->op[0] ? other : val, bytes, &result, &flags))
			return EMUL_UNHANDLED;
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			reg_write(v, op->reg.value, result);
		v->regs.rflags = (v->regs.rflags & ~FLAGS_ARITH) | (flags & FLAGS_ARITH);
		return EMUL_DONE;
	}
}

enum emulate_result emulate_m2p_read(struct vcpu *v, uint64_t va)
{
	const ZydisDecodedOperand *mem = NULL;
	struct insn in;
	uint64_t val;

	if (insn_fetch(v, &in, 0))
		return EMUL_UNHANDLED;
	for (unsigned i = 0; i < in.i.operand_count; i++)
		if (in.op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (in.op[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ)) {
			if (in.op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
				return EMUL_UNHANDLED;
			mem = &in.op[i];
		}
	if (!mem || !read_m2p(v, insn_address(v, &in, mem), mem->size / 8, &val))
		return EMUL_UNHANDLED;
	enum emulate_result r = use_value(v, &in, mem, val);
	if (r == EMUL_DONE)
		insn_done(v, &in);
	return r;
}
