/*
 * Decoding with Zydis, registers, addresses, flags.
 */
#include <errno.h>
#include <string.h>

#include "vmm/emulate/decode.h"

#define MODE ZYDIS_MACHINE_MODE_LONG_64

unsigned insn_bytes(struct vcpu *v, uint8_t *buf, unsigned max)
{
	uint64_t rip = v->regs.rip;
	unsigned first = (unsigned)(PAGE_SIZE - (rip & (PAGE_SIZE - 1)));

	if (!guest_copy_from(v, buf, rip, max))
		return max;
	/* The next page may be missing although the instruction ends before it. */
	if (first < max && !guest_copy_from(v, buf, rip, first))
		return first;
	return 0;
}

int insn_fetch(struct vcpu *v, struct insn *in, unsigned skip)
{
	uint8_t buf[ZYDIS_MAX_INSTRUCTION_LENGTH + 8];
	ZydisDecoder dec;
	unsigned n = insn_bytes(v, buf, (unsigned)sizeof(in->bytes) + skip);

	if (n <= skip)
		return -EFAULT;
	memset(in->bytes, 0, sizeof(in->bytes));
	memcpy(in->bytes, buf + skip, n - skip);
	ZydisDecoderInit(&dec, MODE, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, in->bytes, n - skip, &in->i, in->op))
		       ? 0
		       : -EINVAL;
}

void insn_done(struct vcpu *v, const struct insn *in)
{
	v->regs.rip += in->i.length;
	v->regs.rflags &= ~0x10000UL; /* RF */
}

/* Xen's structure has the registers in its own order. */
static uint64_t *gpr(const struct vcpu *v, ZydisRegister reg)
{
	struct cpu_user_regs *r = (struct cpu_user_regs *)&v->regs;
	uint64_t *const all[] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
				 &r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
				 &r->r12, &r->r13, &r->r14, &r->r15};
	ZydisRegister full = ZydisRegisterGetLargestEnclosing(MODE, reg);

	if (full < ZYDIS_REGISTER_RAX || full > ZYDIS_REGISTER_R15)
		return NULL;
	return all[full - ZYDIS_REGISTER_RAX];
}

static bool is_high_byte(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

uint64_t reg_read(const struct vcpu *v, ZydisRegister reg)
{
	const uint64_t *p = gpr(v, reg);

	if (!p)
		return 0;
	if (is_high_byte(reg))
		return *p >> 8 & 0xff;
	return *p & width_mask(ZydisRegisterGetWidth(MODE, reg) / 8);
}

void reg_write(struct vcpu *v, ZydisRegister reg, uint64_t val)
{
	uint64_t *p = gpr(v, reg);
	unsigned bytes = ZydisRegisterGetWidth(MODE, reg) / 8;

	if (!p)
		return;
	if (is_high_byte(reg))
		*p = (*p & ~0xff00UL) | (val & 0xff) << 8;
	else if (bytes >= 4)
		*p = val & width_mask(bytes);
	else
		*p = (*p & ~width_mask(bytes)) | (val & width_mask(bytes));
}

uint64_t operand_read(const struct vcpu *v, const ZydisDecodedOperand *op)
{
	if (op->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return reg_read(v, op->reg.value);
	if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return op->imm.value.u;
	return 0;
}

uint64_t insn_address(const struct vcpu *v, const struct insn *in, const ZydisDecodedOperand *op)
{
	uint64_t a = op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0;

	if (op->mem.base == ZYDIS_REGISTER_RIP)
		a += v->regs.rip + in->i.length;
	else if (op->mem.base != ZYDIS_REGISTER_NONE)
		a += reg_read(v, op->mem.base);
	if (op->mem.index != ZYDIS_REGISTER_NONE)
		a += reg_read(v, op->mem.index) * op->mem.scale;
	a &= width_mask(in->i.address_width / 8);
	if (op->mem.segment == ZYDIS_REGISTER_FS)
		a += v->fs_base;
	else if (op->mem.segment == ZYDIS_REGISTER_GS)
		a += v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;
	return a;
}

#define ALU(insn)                                   \
	do {                                        \
		switch (bytes) {                    \
		case 1:                             \
			ALU_ONE(insn "b %b2, %b0"); \
			break;                      \
		case 2:                             \
			ALU_ONE(insn "w %w2, %w0"); \
			break;                      \
		case 4:                             \
			ALU_ONE(insn "l %k2, %k0"); \
			break;                      \
		default:                            \
			ALU_ONE(insn "q %q2, %q0"); \
		}                                   \
	} while (0)

/* The processor itself computes the flags; carry goes in for adc and sbb. */
#define ALU_ONE(text)                                                      \
	/* lea: over the red zone, without touching the flags */           \
	__asm__ volatile("leaq -128(%%rsp), %%rsp\n\tbt $0, %1\n\t" text   \
			 "\n\tpushfq\n\tpopq %1\n\tleaq 128(%%rsp), %%rsp" \
			 : "+r"(a), "+r"(f)                                \
			 : "r"(b)                                          \
			 : "cc", "memory")

bool alu(ZydisMnemonic op, uint64_t a, uint64_t b, unsigned bytes, uint64_t *result,
	 uint64_t *flags)
{
	uint64_t f = *flags;

	switch (op) {
	case ZYDIS_MNEMONIC_AND:
		ALU("and");
		break;
	case ZYDIS_MNEMONIC_OR:
		ALU("or");
		break;
	case ZYDIS_MNEMONIC_XOR:
		ALU("xor");
		break;
	case ZYDIS_MNEMONIC_ADD:
		ALU("add");
		break;
	case ZYDIS_MNEMONIC_ADC:
		ALU("adc");
		break;
	case ZYDIS_MNEMONIC_SUB:
		ALU("sub");
		break;
	case ZYDIS_MNEMONIC_SBB:
		ALU("sbb");
		break;
	case ZYDIS_MNEMONIC_CMP:
		ALU("cmp");
		break;
	case ZYDIS_MNEMONIC_TEST:
		ALU("test");
		break;
	default:
		return false;
	}
	*result = a & width_mask(bytes);
	*flags = (*flags & ~FLAGS_ARITH) | (f & FLAGS_ARITH);
	return true;
}

#define SHIFT(insn)                                    \
	do {                                           \
		switch (bytes) {                       \
		case 1:                                \
			SHIFT_ONE(insn "b %%cl, %b0"); \
			break;                         \
		case 2:                                \
			SHIFT_ONE(insn "w %%cl, %w0"); \
			break;                         \
		case 4:                                \
			SHIFT_ONE(insn "l %%cl, %k0"); \
			break;                         \
		default:                               \
			SHIFT_ONE(insn "q %%cl, %q0"); \
		}                                      \
	} while (0)

/* All flags go in: a count of 0 changes none. */
#define SHIFT_ONE(text)                                                          \
	__asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushq %1\n\tpopfq\n\t" text \
			 "\n\tpushfq\n\tpopq %1\n\tleaq 128(%%rsp), %%rsp"       \
			 : "+r"(a), "+r"(f)                                      \
			 : "c"(count)                                            \
			 : "cc", "memory")

bool shift(ZydisMnemonic op, uint64_t a, uint8_t count, unsigned bytes, uint64_t *result,
	   uint64_t *flags)
{
	uint64_t f = *flags & FLAGS_ARITH;

	switch (op) {
	case ZYDIS_MNEMONIC_SHL:
		SHIFT("shl");
		break;
	case ZYDIS_MNEMONIC_SHR:
		SHIFT("shr");
		break;
	case ZYDIS_MNEMONIC_SAR:
		SHIFT("sar");
		break;
	case ZYDIS_MNEMONIC_ROL:
		SHIFT("rol");
		break;
	case ZYDIS_MNEMONIC_ROR:
		SHIFT("ror");
		break;
	case ZYDIS_MNEMONIC_RCL:
		SHIFT("rcl");
		break;
	case ZYDIS_MNEMONIC_RCR:
		SHIFT("rcr");
		break;
	default:
		return false;
	}
	*result = a & width_mask(bytes);
	*flags = (*flags & ~FLAGS_ARITH) | (f & FLAGS_ARITH);
	return true;
}

bool condition(uint64_t flags, unsigned cc)
{
	bool less = !(flags & FLAG_SF) != !(flags & FLAG_OF);
	const bool holds[8] = {flags & FLAG_OF,
			       flags & FLAG_CF,
			       flags & FLAG_ZF,
			       flags & (FLAG_CF | FLAG_ZF),
			       flags & FLAG_SF,
			       flags & FLAG_PF,
			       less,
			       less || flags & FLAG_ZF};

	return holds[cc >> 1 & 7] != (cc & 1);
}
