/*
 * Privileged instructions of the guest: a table by mnemonic (Xen:
 * arch/x86/pv/emul-priv-op.c; what is not here gets the #GP that it caused).
 */
#include <errno.h>

#include "pvabi/mm.h"
#include "vmm/emulate/decode.h"
#include "vmm/emulate/emulate.h"
#include "vmm/emulate/msr.h"
#include "vmm/emulate/port_io.h"

#define VEC_DB		1
#define VEC_PF		14
#define EFLAGS_TF	0x100UL
#define EFLAGS_DF	0x400UL
#define DR6_SINGLE_STEP 0x4000UL
#define CR0_TS		8UL
#define CR4_OSXSAVE	0x40000UL
#define VEC_UD		6
#define CR4_GUEST_MASK	0x5000cUL /* TSD DE FSGSBASE OSXSAVE: Xen, PV_CR4_GUEST_MASK */

typedef enum emulate_result (*op_fn)(struct vcpu *v, const struct emulate_env *env,
				     const struct insn *in);

static enum emulate_result op_nothing(struct vcpu *v, const struct emulate_env *env,
				      const struct insn *in)
{
	return EMUL_DONE;
}

/* Interrupts are never off for the processor; upcalls have a mask of their own. */
static enum emulate_result op_cli_sti(struct vcpu *v, const struct emulate_env *env,
				      const struct insn *in)
{
	return iopl_allows(v) ? EMUL_DONE : EMUL_UNHANDLED;
}

static enum emulate_result op_clts(struct vcpu *v, const struct emulate_env *env,
				   const struct insn *in)
{
	v->ctrlreg[0] &= ~CR0_TS;
	v->domain->ops->fpu_ts_changed(v);
	return EMUL_DONE;
}

static enum emulate_result op_in(struct vcpu *v, const struct emulate_env *env,
				 const struct insn *in)
{
	unsigned bytes = in->op[0].size / 8;
	uint16_t port = (uint16_t)operand_read(v, &in->op[1]);

	if (!port_io_allowed(v, port, bytes))
		return EMUL_UNHANDLED;
	reg_write(v, in->op[0].reg.value, port_io_read(v, env, port, bytes));
	return EMUL_DONE;
}

static enum emulate_result op_out(struct vcpu *v, const struct emulate_env *env,
				  const struct insn *in)
{
	unsigned bytes = in->op[1].size / 8;
	uint16_t port = (uint16_t)operand_read(v, &in->op[0]);

	if (!port_io_allowed(v, port, bytes))
		return EMUL_UNHANDLED;
	port_io_write(v, env, port, bytes, (uint32_t)operand_read(v, &in->op[1]));
	return EMUL_DONE;
}

static enum emulate_result page_fault(struct vcpu *v, uint64_t va, uint32_t error)
{
	trap_set_cr2(v, va);
	trap_inject(v, VEC_PF, error);
	return EMUL_EXCEPTION;
}

/* ins and outs, one element or, with rep, rcx of them: at most a page at a time,
 * then the instruction is executed again and faults again. */
static enum emulate_result op_string(struct vcpu *v, const struct emulate_env *env,
				     const struct insn *in)
{
	bool ins = in->i.mnemonic == ZYDIS_MNEMONIC_INSB || in->i.mnemonic == ZYDIS_MNEMONIC_INSW ||
		   in->i.mnemonic == ZYDIS_MNEMONIC_INSD;
	bool rep = in->i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE);
	unsigned bytes = in->i.operand_width / 8 > 4 ? 4 : in->i.operand_width / 8;
	uint16_t port = (uint16_t)v->regs.rdx;
	uint64_t *ptr = ins ? &v->regs.rdi : &v->regs.rsi;
	uint64_t step = v->regs.rflags & EFLAGS_DF ? -(uint64_t)bytes : bytes;

	if (in->i.mnemonic == ZYDIS_MNEMONIC_INSB || in->i.mnemonic == ZYDIS_MNEMONIC_OUTSB)
		bytes = 1;
	step = v->regs.rflags & EFLAGS_DF ? -(uint64_t)bytes : bytes;
	if (!port_io_allowed(v, port, bytes))
		return EMUL_UNHANDLED;
	for (unsigned n = 0; n < PAGE_SIZE / 4 && (!rep || v->regs.rcx); n++) {
		uint32_t val = 0;
		if (ins) {
			val = port_io_read(v, env, port, bytes);
			if (guest_copy_to(v, *ptr, &val, bytes))
				return page_fault(v, *ptr, 2);
		} else {
			if (guest_copy_from(v, &val, *ptr, bytes))
				return page_fault(v, *ptr, 0);
			port_io_write(v, env, port, bytes, val);
		}
		*ptr += step;
		if (!rep)
			return EMUL_DONE;
		v->regs.rcx--;
	}
	if (v->regs.rcx && rep)
		v->regs.rip -= in->i.length; /* to be undone by insn_done() */
	return EMUL_DONE;
}

static enum emulate_result op_rdmsr(struct vcpu *v, const struct emulate_env *env,
				    const struct insn *in)
{
	uint64_t val;

	if (!msr_read(v, env, (uint32_t)v->regs.rcx, &val)) {
		domain_log(v->domain, LOG_DEBUG, "rdmsr of %#x at %#lx: #GP", (uint32_t)v->regs.rcx,
			   (unsigned long)v->regs.rip);
		return EMUL_UNHANDLED;
	}
	v->regs.rax = (uint32_t)val;
	v->regs.rdx = val >> 32;
	return EMUL_DONE;
}

static enum emulate_result op_wrmsr(struct vcpu *v, const struct emulate_env *env,
				    const struct insn *in)
{
	uint64_t val = v->regs.rdx << 32 | (uint32_t)v->regs.rax;

	if (msr_write(v, env, (uint32_t)v->regs.rcx, val))
		return EMUL_DONE;
	domain_log(v->domain, LOG_DEBUG, "wrmsr of %#lx to %#x at %#lx: #GP", (unsigned long)val,
		   (uint32_t)v->regs.rcx, (unsigned long)v->regs.rip);
	return EMUL_UNHANDLED;
}

static enum emulate_result op_rdtsc(struct vcpu *v, const struct emulate_env *env,
				    const struct insn *in)
{
	uint64_t t = env->read_tsc(v);

	v->regs.rax = (uint32_t)t;
	v->regs.rdx = t >> 32;
	if (in->i.mnemonic == ZYDIS_MNEMONIC_RDTSCP)
		v->regs.rcx = 0;
	return EMUL_DONE;
}

static enum emulate_result op_cpuid(struct vcpu *v, const struct emulate_env *env,
				    const struct insn *in)
{
	uint32_t r[4];

	cpuid_policy_query(env->cpuid, v, env->xcr0[v->id], (uint32_t)v->regs.rax,
			   (uint32_t)v->regs.rcx, r);
	v->regs.rax = r[0];
	v->regs.rbx = r[1];
	v->regs.rcx = r[2];
	v->regs.rdx = r[3];
	return EMUL_DONE;
}

static enum emulate_result op_xsetbv(struct vcpu *v, const struct emulate_env *env,
				     const struct insn *in)
{
	uint64_t val = v->regs.rdx << 32 | (uint32_t)v->regs.rax;
	uint64_t avx512 = val & 0xe0;

	if (!(v->ctrlreg[4] & CR4_OSXSAVE)) {
		trap_inject(v, VEC_UD, 0);
		return EMUL_EXCEPTION;
	}
	/* SDM vol. 1, 13.3: x87 always; AVX with SSE; the AVX-512 parts together, with AVX. */
	if ((uint32_t)v->regs.rcx || !(val & 1) || (val & ~env->cpuid->xcr0_mask) ||
	    ((val & 4) && !(val & 2)) || (avx512 && (avx512 != 0xe0 || !(val & 4))))
		return EMUL_UNHANDLED;
	env->xcr0[v->id] = val;
	env->xcr0_changed(v, val);
	return EMUL_DONE;
}

static bool write_cr(struct vcpu *v, unsigned n, uint64_t val)
{
	switch (n) {
	case 0:
		/* Only TS is the guest's to change. */
		if ((val ^ v->ctrlreg[0]) & ~CR0_TS)
			return false;
		v->ctrlreg[0] = val;
		v->domain->ops->fpu_ts_changed(v);
		return true;
	case 2:
		trap_set_cr2(v, val);
		return true;
	case 3: {
		domain_lock(v->domain);
		int rc = mm_new_baseptr(v, xen_cr3_to_pfn(val));
		domain_unlock(v->domain);
		return !rc;
	}
	case 4:
		v->ctrlreg[4] = (v->ctrlreg[4] & ~CR4_GUEST_MASK) | (val & CR4_GUEST_MASK);
		return true;
	default:
		return false;
	}
}

static bool read_cr(struct vcpu *v, unsigned n, uint64_t *val)
{
	switch (n) {
	case 0:
	case 4:
		*val = v->ctrlreg[n];
		return true;
	case 2:
		*val = vcpu_info_get(v)->arch.cr2;
		return true;
	case 3:
		*val = xen_pfn_to_cr3(v->guest_table);
		return true;
	default:
		return false;
	}
}

static enum emulate_result op_mov(struct vcpu *v, const struct emulate_env *env,
				  const struct insn *in)
{
	ZydisRegister to = in->op[0].reg.value, from = in->op[1].reg.value;
	uint64_t val = reg_read(v, from);
	bool ok = false;

	if (in->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    in->op[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return EMUL_UNHANDLED;
	if (to >= ZYDIS_REGISTER_CR0 && to <= ZYDIS_REGISTER_CR15)
		ok = write_cr(v, (unsigned)(to - ZYDIS_REGISTER_CR0), val);
	else if (to >= ZYDIS_REGISTER_DR0 && to <= ZYDIS_REGISTER_DR15)
		ok = !vcpu_set_debugreg(v, (unsigned)(to - ZYDIS_REGISTER_DR0), val);
	else if (from >= ZYDIS_REGISTER_CR0 && from <= ZYDIS_REGISTER_CR15)
		ok = read_cr(v, (unsigned)(from - ZYDIS_REGISTER_CR0), &val);
	else if (from >= ZYDIS_REGISTER_DR0 && from <= ZYDIS_REGISTER_DR15)
		ok = !vcpu_get_debugreg(v, (unsigned)(from - ZYDIS_REGISTER_DR0), &val);
	if (!ok)
		return EMUL_UNHANDLED;
	reg_write(v, to, val); /* no effect when `to` is not a general register */
	return EMUL_DONE;
}

static const struct {
	ZydisMnemonic mnemonic;
	const char *name;
	op_fn fn;
	bool user; /* user mode may cause it, too */
} ops[] = {
	{ZYDIS_MNEMONIC_IN, "in", op_in, true},
	{ZYDIS_MNEMONIC_OUT, "out", op_out, true},
	{ZYDIS_MNEMONIC_INSB, "insb", op_string, true},
	{ZYDIS_MNEMONIC_INSW, "insw", op_string, true},
	{ZYDIS_MNEMONIC_INSD, "insd", op_string, true},
	{ZYDIS_MNEMONIC_OUTSB, "outsb", op_string, true},
	{ZYDIS_MNEMONIC_OUTSW, "outsw", op_string, true},
	{ZYDIS_MNEMONIC_OUTSD, "outsd", op_string, true},
	{ZYDIS_MNEMONIC_CLI, "cli", op_cli_sti, true},
	{ZYDIS_MNEMONIC_STI, "sti", op_cli_sti, true},
	{ZYDIS_MNEMONIC_RDTSC, "rdtsc", op_rdtsc, false},
	{ZYDIS_MNEMONIC_RDTSCP, "rdtscp", op_rdtsc, false},
	{ZYDIS_MNEMONIC_CLTS, "clts", op_clts, false},
	{ZYDIS_MNEMONIC_WBINVD, "wbinvd", op_nothing, false},
	{ZYDIS_MNEMONIC_MOV, "mov_cr_dr", op_mov, false},
	{ZYDIS_MNEMONIC_RDMSR, "rdmsr", op_rdmsr, false},
	{ZYDIS_MNEMONIC_WRMSR, "wrmsr", op_wrmsr, false},
	{ZYDIS_MNEMONIC_CPUID, "cpuid", op_cpuid, true},
	{ZYDIS_MNEMONIC_XSETBV, "xsetbv", op_xsetbv, false},
};
#define NR_OPS (sizeof(ops) / sizeof(ops[0]))
_Static_assert(NR_OPS <= NR_EMULATE_COUNTS, "a count for each");

const char *emulate_count_name(unsigned i)
{
	return i < NR_OPS ? ops[i].name : NULL;
}

enum emulate_result emulate_privileged(struct vcpu *v, const struct emulate_env *env)
{
	struct insn in;

	if (insn_fetch(v, &in, 0))
		return EMUL_UNHANDLED;
	for (unsigned i = 0; i < NR_OPS; i++) {
		if (ops[i].mnemonic != in.i.mnemonic || !(v->kernel_mode || ops[i].user))
			continue;
		if (env->counts)
			env->counts[v->id][i]++;
		enum emulate_result r = ops[i].fn(v, env, &in);
		if (r != EMUL_DONE)
			return r;
		insn_done(v, &in);
		if (v->regs.rflags & EFLAGS_TF) {
			v->debugreg[6] |= DR6_SINGLE_STEP;
			trap_inject(v, VEC_DB, 0);
			return EMUL_EXCEPTION;
		}
		return EMUL_DONE;
	}
	return EMUL_UNHANDLED;
}

enum emulate_result emulate_invalid_op(struct vcpu *v, const struct emulate_env *env)
{
	static const uint8_t prefix[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};
	uint8_t b[sizeof(prefix)];

	/* Xen, emulate_forced_invalid_op: cpuid is the only instruction for it. */
	if (insn_bytes(v, b, sizeof(b)) != sizeof(b) || __builtin_memcmp(b, prefix, sizeof(b)))
		return EMUL_UNHANDLED;
	op_cpuid(v, env, NULL);
	v->regs.rip += sizeof(prefix);
	return EMUL_DONE;
}

enum emulate_result emulate_int(struct vcpu *v)
{
	struct insn in;
	unsigned vector;

	if (insn_fetch(v, &in, 0))
		return EMUL_UNHANDLED;
	switch (in.i.mnemonic) {
	case ZYDIS_MNEMONIC_INT:
		vector = (unsigned)in.op[0].imm.value.u & 0xff;
		break;
	case ZYDIS_MNEMONIC_INT1:
		vector = 1;
		break;
	case ZYDIS_MNEMONIC_INT3:
		vector = 3;
		break;
	default:
		return EMUL_UNHANDLED;
	}
	uint64_t rip = v->regs.rip;
	v->regs.rip += in.i.length;
	if (trap_soft_interrupt(v, vector))
		return EMUL_DONE;
	/* The architecture's error code: the gate's number, and that it was the IDT. */
	v->regs.rip = rip;
	trap_inject(v, 13, vector << 3 | 2);
	return EMUL_EXCEPTION;
}
