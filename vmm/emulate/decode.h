/*
 * An instruction of the guest, decoded, with access to what its operands name.
 */
#ifndef VMM_EMULATE_DECODE_H
#define VMM_EMULATE_DECODE_H

#include <Zydis/Zydis.h>

#include "pvabi/pvabi.h"

struct insn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
};

/* Fetches and decodes at v->regs.rip + skip: 0, -EFAULT, or -EINVAL. */
int insn_fetch(struct vcpu *v, struct insn *in, unsigned skip);
/* Up to `max` bytes at rip; how many could be read. */
unsigned insn_bytes(struct vcpu *v, uint8_t *buf, unsigned max);
uint64_t insn_address(const struct vcpu *v, const struct insn *in, const ZydisDecodedOperand *op);
uint64_t reg_read(const struct vcpu *v, ZydisRegister reg);
/* A 32-bit write clears the upper half, as the processor does. */
void reg_write(struct vcpu *v, ZydisRegister reg, uint64_t val);
/* A register's or an immediate's value. */
uint64_t operand_read(const struct vcpu *v, const ZydisDecodedOperand *op);
void insn_done(struct vcpu *v, const struct insn *in);

static inline uint64_t width_mask(unsigned bytes)
{
	return bytes >= 8 ? ~0UL : (1UL << bytes * 8) - 1;
}

#define FLAG_CF 0x1UL
#define FLAG_PF 0x4UL
#define FLAG_AF 0x10UL
#define FLAG_ZF 0x40UL
#define FLAG_SF 0x80UL
#define FLAG_OF 0x800UL
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* A two-operand operation as the processor does it: result, and arithmetic flags
 * in *flags. False when it is not one of and, or, xor, add, adc, sub, sbb, cmp, test. */
bool alu(ZydisMnemonic op, uint64_t a, uint64_t b, unsigned bytes, uint64_t *result,
	 uint64_t *flags);

/* The same for shl, shr, sar, rol, ror, rcl and rcr by `count`. */
bool shift(ZydisMnemonic op, uint64_t a, uint8_t count, unsigned bytes, uint64_t *result,
	   uint64_t *flags);

/* Does condition cc, the lower four bits of SETcc and CMOVcc, hold? */
bool condition(uint64_t flags, unsigned cc);

#endif
