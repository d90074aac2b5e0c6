/*
 * The one table of hypercalls, and dispatch by it. A row says everything about
 * a call: its name for tracing and documentation, its arguments, who exists in
 * which profile, where its argument block is and which way it is copied.
 * Numbers as in xen.h; rows without a handler exist in Xen's numbering, but are
 * answered with -ENOSYS as by a Xen that was configured without them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/fault.h"
#include "pvabi/hypercalls.h"

#include <xen/arch-x86/xen-mca.h>

/* The largest argument block is VCPUOP_initialise's. */
#define MAX_ARG_SIZE sizeof(struct vcpu_guest_context)

#define SINCE_3_0_2 (PROFILE_BIT(PROFILE_XEN_3_0_2) | PROFILES_4_17)

#ifndef PVABI_RESIDENT /* vmm/resident/guest/table.c */
/* clang-format off */
const struct hypercall hypercall_table[NR_HYPERCALLS] = {
#define CALL(nr, n, who, ...) [__HYPERVISOR_##nr] = { .name = #nr, .nargs = n, .profiles = who, __VA_ARGS__ }
#define ALL PROFILES_ALL
#define NEW PROFILES_4_17
#define FN(f) .fn = hypercall_##f
#define SUBOPS(t, arg) .subops = t##_subops, .subop_arg = arg
#define OPS(f) FN(f), .op_at = f##_at
	CALL(set_trap_table, 1, ALL, FN(set_trap_table), .flags = HC_UNLOCKED),
	CALL(mmu_update, 4, ALL, FN(mmu_update)),
	CALL(set_gdt, 2, ALL, FN(set_gdt)),
	/* Unlocked: what concerns nothing but the calling vcpu, and what takes the locks
	 * that it needs. */
	CALL(stack_switch, 2, ALL, FN(stack_switch), .flags = HC_UNLOCKED),
	CALL(set_callbacks, 3, ALL, FN(set_callbacks), .flags = HC_UNLOCKED),
	CALL(fpu_taskswitch, 1, ALL, FN(fpu_taskswitch), .flags = HC_UNLOCKED),
	CALL(sched_op_compat, 2, ALL, FN(sched_op_compat), .flags = HC_UNLOCKED),
	CALL(platform_op, 1, ALL, FN(platform_op)),
	CALL(set_debugreg, 2, ALL, FN(set_debugreg), .flags = HC_UNLOCKED),
	CALL(get_debugreg, 1, ALL, FN(get_debugreg), .flags = HC_UNLOCKED),
	CALL(update_descriptor, 2, ALL, FN(update_descriptor)),
	/* The upper bits are the extent to go on with (xen/hypercall.h: MEMOP_CMD_MASK). */
	CALL(memory_op, 2, ALL, SUBOPS(memory_op, 1), .subop_mask = 0x3f,
	     .check = memory_op_check),
	CALL(multicall, 2, ALL, FN(multicall), .flags = HC_UNLOCKED),
	CALL(update_va_mapping, 3, ALL, FN(update_va_mapping)),
	CALL(set_timer_op, 1, ALL, FN(set_timer_op), .flags = HC_UNLOCKED),
	CALL(event_channel_op_compat, 1, ALL, FN(event_channel_op_compat), .flags = HC_UNLOCKED),
	CALL(xen_version, 2, ALL, SUBOPS(xen_version, 1), .flags = HC_UNLOCKED),
	CALL(console_io, 3, ALL, FN(console_io), .flags = HC_UNLOCKED),
	CALL(physdev_op_compat, 1, ALL, FN(physdev_op_compat), .flags = HC_UNLOCKED),
	CALL(grant_table_op, 3, ALL, OPS(grant_table_op)),
	CALL(vm_assist, 2, ALL, FN(vm_assist)),
	CALL(update_va_mapping_otherdomain, 4, ALL, FN(update_va_mapping_otherdomain)),
	CALL(iret, 0, ALL, FN(iret), .flags = HC_UNLOCKED | HC_SETS_REGS),
	CALL(vcpu_op, 3, ALL, SUBOPS(vcpu_op, 2), .check = vcpu_op_check),
	CALL(set_segment_base, 2, ALL, FN(set_segment_base), .flags = HC_UNLOCKED),
	CALL(mmuext_op, 4, ALL, OPS(mmuext_op)),
	CALL(xsm_op, 1, ALL),
	CALL(nmi_op, 2, ALL, SUBOPS(nmi_op, 1), .flags = HC_UNLOCKED),
	CALL(sched_op, 2, SINCE_3_0_2, SUBOPS(sched_op, 1), .flags = HC_UNLOCKED),
	CALL(callback_op, 2, NEW, SUBOPS(callback_op, 1), .flags = HC_UNLOCKED),
	CALL(xenoprof_op, 2, NEW),
	CALL(event_channel_op, 2, NEW, SUBOPS(event_channel_op, 1), .flags = HC_UNLOCKED),
	CALL(physdev_op, 2, NEW, SUBOPS(physdev_op, 1)),
	CALL(hvm_op, 2, NEW, SUBOPS(hvm_op, 1), .flags = HC_UNLOCKED),
	CALL(sysctl, 1, NEW, FN(sysctl)),
	CALL(domctl, 1, NEW, FN(domctl)),
	CALL(kexec_op, 2, NEW, FN(kexec_op)),
	CALL(tmem_op, 1, NEW),
	CALL(argo_op, 5, NEW),
	CALL(xenpmu_op, 2, NEW, FN(xenpmu_op)),
	CALL(dm_op, 3, NEW, FN(dm_op)),
	CALL(hypfs_op, 5, NEW, FN(hypfs_op)),
	/* The architecture's own. */
	CALL(mca, 1, NEW, FN(mca)),
	CALL(arch_1, 1, NEW, FN(arch_1)),
	CALL(arch_2, 0, NEW),
	CALL(arch_3, 0, NEW),
	CALL(arch_4, 0, NEW),
	CALL(arch_5, 0, NEW),
	CALL(arch_6, 0, NEW),
	CALL(arch_7, 0, NEW),
#undef CALL
#undef FN
#undef SUBOPS
#undef OPS
#undef ALL
#undef NEW
};
/* clang-format on */
#endif

static const struct subop *subop_find(const struct vcpu *v, const struct hypercall *hc,
				      uint64_t arg)
{
	int nr = hc->subop_mask ? (int)(arg & hc->subop_mask) : (int)arg;

	for (const struct subop *s = hc->subops; s->name; s++)
		if (s->nr == nr &&
		    s->profiles & PROFILE_BIT(shared(shared(v->domain)->profile)->id))
			return s;
	return NULL;
}

/* A sub-operation with its argument block: copied in, handled, copied out. */
static long subop_call(struct vcpu *v, const struct hypercall *hc, const struct subop *s,
		       const uint64_t *args)
{
	_Alignas(16) uint8_t block[MAX_ARG_SIZE];
	bool locked = !(hc->flags & HC_UNLOCKED);
	uint64_t va = args[hc->subop_arg];
	bool out;
	long rc;

	if (s->size > sizeof(block))
		abort();
	if (s->dir & ARG_IN) {
		if (guest_copy_from(v, block, va, s->size))
			return -EFAULT;
	} else {
		memset(block, 0, s->size);
	}
	if (locked)
		domain_lock(shared(v->domain));
	rc = s->fn(v, s->size ? block : NULL, args);
	if (locked)
		domain_unlock(shared(v->domain));
	out = s->dir & ARG_OUT_ALWAYS || (s->dir & ARG_OUT && rc >= 0);
	if (out && guest_copy_to(v, va, block, s->size))
		return -EFAULT;
	return rc;
}

static long fn_call(struct vcpu *v, const struct hypercall *hc, const uint64_t *args)
{
	long rc;

	if (!hc->fn)
		return -ENOSYS;
	if (hc->flags & HC_UNLOCKED)
		return hc->fn(v, args);
	domain_lock(shared(v->domain));
	rc = hc->fn(v, args);
	domain_unlock(shared(v->domain));
	return rc;
}

bool hypercall_op_at(const struct hypercall *hc, unsigned i, struct op_info *info)
{
	if (hc->op_at)
		return hc->op_at(i, info);
	if (!hc->subops)
		return false;
	for (const struct subop *s = hc->subops; s->name; s++)
		if (!i--) {
			*info = (struct op_info){s->nr, s->name, s->profiles};
			return true;
		}
	return false;
}

/* NULL when the domain's Xen has no such call. */
static const struct hypercall *hypercall_find(const struct vcpu *v, uint64_t nr)
{
	const struct hypercall *hc = nr < NR_HYPERCALLS ? &hypercall_table[nr] : NULL;

	if (!hc || !hc->name ||
	    (hc->profiles != PROFILES_ALL &&
	     !(hc->profiles & PROFILE_BIT(shared(shared(v->domain)->profile)->id))))
		return NULL;
	return hc;
}

long hypercall_row_call(struct vcpu *v, unsigned nr, const uint64_t *args)
{
	const struct hypercall *hc = &hypercall_table[nr];
	long rc = hc->check ? hc->check(v, args) : 0;

	if (rc)
		return rc;
	if (hc->subops) {
		const struct subop *s = subop_find(v, hc, args[0]);

		if (s)
			return subop_call(v, hc, s, args);
	}
	return fn_call(v, hc, args);
}

static long call(struct vcpu *v, const struct hypercall *hc, uint64_t nr, const uint64_t *args)
{
	long rc;

	if (!hc)
		return -ENOSYS;
	rc = hypercall_row_call(v, nr, args);
	/* Xen: do_iret returns the rax that it restored. */
	return hc->flags & HC_SETS_REGS ? (long)v->regs.rax : rc;
}

/* The block is read by itself: as the guest gave it, or with what was answered in it. Out of line:
 * calls that nobody asks about are not to have its frame. */
__attribute__((noinline, cold)) static long probed_call(struct vcpu *v, const struct hypercall *hc,
							uint64_t nr, const uint64_t *args)
{
	const struct subop *s = hc && hc->subops ? subop_find(v, hc, args[0]) : NULL;
	/* Of a family of our own telling: the first element of its list. */
	size_t size = s ? s->size : hc && hc->op_at ? PROBE_MAX_BLOCK : 0;
	uint64_t va = s ? args[hc->subop_arg] : args[nr == __HYPERVISOR_mmuext_op ? 0 : 1];
	uint64_t start = host_of(shared(v->domain))->system_time(shared(v->domain));
	uint8_t block[PROBE_MAX_BLOCK];
	struct fault f;
	bool read = false;
	long rc;

	if (size > sizeof(block))
		size = sizeof(block);
	if (size && (!s || s->dir & ARG_IN))
		read = !guest_copy_from(v, block, va, size);
	bool faulty = FAULT_AT_BLOCK(shared(v->domain), hypercall, &f, block, read ? size : 0, nr,
				     args[0], args[1], args[2], args[3], args[4], args[5], 0);
	if (faulty && f.kind == FAULT_DELAY)
		fault_wait(shared(v->domain), &f);
	rc = faulty && f.kind == FAULT_FAIL ? fault_value(&f, -EINVAL) : call(v, hc, nr, args);
	if (size && (!s || s->dir & (ARG_OUT | ARG_OUT_ALWAYS)) && rc >= 0)
		read = !guest_copy_from(v, block, va, size);
	const uint64_t fields[] = {nr,	    args[0], args[1], args[2],
				   args[3], args[4], args[5], (uint64_t)rc};
	if (probe_is_traced(shared(v->domain), PROBE_hypercall))
		probe_hit_span(shared(v->domain), PROBE_hypercall, start, fields, block,
			       read ? size : 0);
	return rc;
}

long hypercall_call(struct vcpu *v, uint64_t nr, const uint64_t *args)
{
	const struct hypercall *hc = hypercall_find(v, nr);

#ifdef PVABI_RESIDENT
	/* In a list: it is interrupted, and goes on where the call is handled. */
	if (hypercall_elsewhere(v, nr, args))
		return hypercall_continue(v, args);
#endif
	if (nr < NR_HYPERCALLS)
		v->hypercalls[nr]++;
	if (probe_is_armed(shared(v->domain), PROBE_hypercall))
		return probed_call(v, hc, nr, args);
	return call(v, hc, nr, args);
}

bool hypercall_preempt_check(const struct vcpu *v)
{
	return vcpu_events_need_delivery(v) ||
	       atomic_load_explicit(&v->wanted, memory_order_relaxed);
}

/* Xen: arch/x86/hypercall.c, hypercall_create_continuation. */
long hypercall_continue(struct vcpu *v, const uint64_t *args)
{
	v->preempted = true;
	memcpy(v->rest_args, args, sizeof(v->rest_args));
	return 0;
}

void hypercall_dispatch(struct vcpu *v, unsigned insn_len)
{
	struct cpu_user_regs *r = &v->regs;
	const uint64_t args[NR_HYPERCALL_ARGS] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
	long rc = hypercall_call(v, r->rax, args);

	if (!v->preempted) {
		r->rax = rc;
		return;
	}
	/* The number stays in rax. */
	v->preempted = false;
	r->rdi = v->rest_args[0];
	r->rsi = v->rest_args[1];
	r->rdx = v->rest_args[2];
	r->r10 = v->rest_args[3];
	r->r8 = v->rest_args[4];
	r->r9 = v->rest_args[5];
	r->rip -= insn_len;
}

/*
 * An entry as Xen writes it (arch/x86/pv/hypercall.c, ring 3 kernels): `syscall`
 * destroys rcx and r11, so they are saved around it. iret does not come back; it
 * is jumped to and leaves its three registers on the stack for Xen to find.
 */
static void hypercall_page_entry(uint8_t *p, uint32_t nr, const uint8_t *insn, size_t insn_len)
{
	static const uint8_t save[] = {0x51, 0x41, 0x53};	   /* push rcx; push r11 */
	static const uint8_t restore[] = {0x41, 0x5b, 0x59, 0xc3}; /* pop r11; pop rcx; ret */

	memcpy(p, save, sizeof(save));
	p += sizeof(save);
	if (nr == __HYPERVISOR_iret)
		*p++ = 0x50; /* push rax */
	*p++ = 0xb8;	     /* mov eax, nr */
	memcpy(p, &nr, sizeof(nr));
	p += sizeof(nr);
	memcpy(p, insn, insn_len);
	p += insn_len;
	if (nr != __HYPERVISOR_iret)
		memcpy(p, restore, sizeof(restore));
}

void hypercall_page_fill(uint8_t *page, uint32_t vmcall)
{
	static const uint8_t syscall_insn[] = {0x0f, 0x05};
	const uint8_t vm_insn[] = {vmcall, vmcall >> 8, vmcall >> 16};

	memset(page, 0xcc, PAGE_SIZE); /* int3 */
	for (uint32_t nr = 0; nr < PAGE_SIZE / 32; nr++) {
		uint8_t *p = page + nr * 32;

		if (vmcall)
			hypercall_page_entry(p, nr, vm_insn, sizeof(vm_insn));
		else
			hypercall_page_entry(p, nr, syscall_insn, sizeof(syscall_insn));
	}
}
