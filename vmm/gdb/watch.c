/*
 * What an instruction is about to access, and whether that is watched. Accesses that are
 * not the guest's own instructions are not seen: those of backends, and of hypercalls.
 */
#include "vmm/emulate/decode.h"
#include "vmm/gdb/debugger.h"

struct access {
	uint64_t addr, len;
	bool read, write;
};

/* The stack's hidden operand: a push goes below rsp. */
static void stack_access(const struct vcpu *v, const ZydisDecodedOperand *op, struct access *a)
{
	a->addr = v->regs.rsp;
	if (a->write && !a->read)
		a->addr -= a->len;
}

static bool access_of(const struct vcpu *v, const struct insn *in, const ZydisDecodedOperand *op,
		      struct access *a)
{
	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type == ZYDIS_MEMOP_TYPE_AGEN ||
	    op->mem.type == ZYDIS_MEMOP_TYPE_VSIB || !op->size)
		return false;
	*a = (struct access){
		.addr = insn_address(v, in, op),
		.len = op->size / 8,
		.read = op->actions & ZYDIS_OPERAND_ACTION_MASK_READ,
		.write = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE,
	};
	if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && op->mem.base == ZYDIS_REGISTER_RSP)
		stack_access(v, op, a);
	return a->read || a->write;
}

static bool overlap(const struct breakpoint *b, const struct access *a)
{
	return a->addr < b->va + b->len && b->va < a->addr + a->len;
}

/* The watched address that is accessed; NULL: none. */
static const struct breakpoint *match(const struct debugger *d, const struct access *a)
{
	for (unsigned i = 0; i < d->nr_bp; i++) {
		const struct breakpoint *b = &d->bp[i];
		bool kind = b->kind == WATCH_ACCESS || (b->kind == WATCH_WRITE && a->write) ||
			    (b->kind == WATCH_READ && a->read);
		if (kind && overlap(b, a))
			return b;
	}
	return NULL;
}

void watch_prepare(struct debugger *d, struct vcpu *v)
{
	static const enum stop_reason reasons[NR_BREAK_KINDS] = {
		[WATCH_WRITE] = STOPPED_WRITE,
		[WATCH_READ] = STOPPED_READ,
		[WATCH_ACCESS] = STOPPED_ACCESS,
	};
	struct stop *s = &d->coming[v->id];
	struct insn in;

	s->reason = STOPPED_NOT;
	if (insn_fetch(v, &in, 0))
		return;
	for (unsigned i = 0; i < in.i.operand_count; i++) {
		const struct breakpoint *b;
		struct access a;
		if (!access_of(v, &in, &in.op[i], &a) || !(b = match(d, &a)))
			continue;
		*s = (struct stop){reasons[b->kind], b->va};
		return;
	}
}
