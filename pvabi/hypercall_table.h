/*
 * The one table of hypercalls, and dispatch by it (hypercall.c). A part of pvabi.h.
 */
#ifndef PVABI_HYPERCALL_TABLE_H
#define PVABI_HYPERCALL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct op_info;

typedef long (*hypercall_fn)(struct vcpu *v, const uint64_t *args);
typedef long (*subop_fn)(struct vcpu *v, void *arg, const uint64_t *args);

/* hypercall.flags */
#define HC_UNLOCKED  0x1 /* the handler takes what locks it needs */
#define HC_SETS_REGS 0x2 /* the handler wrote regs itself; rax is not set (iret) */

/* subop.dir */
#define ARG_IN	       0x1 /* copied in before the handler; -EFAULT when it cannot be */
#define ARG_OUT	       0x2 /* copied out after a handler that returned >= 0 */
#define ARG_OUT_ALWAYS 0x4

struct subop {
	int nr;
	const char *name;
	uint16_t size; /* of the argument block; 0: the handler looks at args itself */
	uint8_t dir;
	uint8_t profiles; /* PROFILE_BIT() mask */
	subop_fn fn;
};

/* A row of the one table. When `subops` is set the sub-operation number is
 * args[0] and the argument block's address is args[subop_arg]; `fn` is then
 * called only for numbers without a row, NULL meaning -ENOSYS. */
struct hypercall {
	const char *name;
	uint8_t nargs;
	uint8_t flags;
	uint8_t profiles;
	uint8_t subop_arg;
	/* Bits of args[0] that are the number; 0: it is a 32-bit integer. */
	uint8_t subop_mask;
	/* Called first, `lock` not held: not 0 is the result. For what Xen refuses before
	 * it looks at the sub-operation or its argument block. */
	long (*check)(struct vcpu *v, const uint64_t *args);
	hypercall_fn fn;
	const struct subop *subops; /* ends with a row without a name */
	/* For a family that fn itself tells apart: its i-th operation, for who wants to
	 * list them. False: there are no more. */
	bool (*op_at)(unsigned i, struct op_info *info);
};

/* An operation of a family, as hypercall_op_at() tells it. */
struct op_info {
	int nr;
	const char *name;
	uint8_t profiles;
};

/* The i-th operation of a family; false when there are no more, or it is none. */
bool hypercall_op_at(const struct hypercall *hc, unsigned i, struct op_info *info);

#define NR_HYPERCALLS 64
extern const struct hypercall hypercall_table[NR_HYPERCALLS];

/* One hypercall of the running guest: number in regs.rax, arguments in rdi,
 * rsi, rdx, r10, r8, r9; the result goes to rax. Takes and drops `lock`.
 * regs.rip already points behind the instruction of insn_len bytes; it goes back to it
 * when the call is to be continued. */
void hypercall_dispatch(struct vcpu *v, unsigned insn_len);
/* A list that a hypercall works on is interrupted between its entries when the guest
 * can take an event, or the host wants the vcpu: the handler asks before each but the first, says
 * with which arguments the guest is to make the call again, and returns the result. */
bool hypercall_preempt_check(const struct vcpu *v);
long hypercall_continue(struct vcpu *v, const uint64_t *args);
/* The same for a call inside a multicall: returns the result. `lock` not held. */
long hypercall_call(struct vcpu *v, uint64_t nr, const uint64_t *args);
/* Fills a hypercall page (32 bytes an entry) that enters by `syscall` or, with
 * vmcall non-zero, by that 3-byte instruction (little-endian: vmcall, vmmcall). */
void hypercall_page_fill(uint8_t *page, uint32_t vmcall);

#endif
