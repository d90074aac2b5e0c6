/*
 * The handlers that the one hypercall table (hypercall.c) names, by the file
 * that holds them. Internal to pvabi and its tests.
 */
#ifndef PVABI_HYPERCALLS_H
#define PVABI_HYPERCALLS_H

#include "pvabi/pvabi.h"

#define HYPERCALL(name) long hypercall_##name(struct vcpu *v, const uint64_t *args)

/* iret.c, vcpu_state.c, debugreg.c */
HYPERCALL(set_trap_table);
HYPERCALL(set_callbacks);
HYPERCALL(iret);
HYPERCALL(stack_switch);
HYPERCALL(set_segment_base);
HYPERCALL(fpu_taskswitch);
HYPERCALL(set_debugreg);
HYPERCALL(get_debugreg);
HYPERCALL(vm_assist);

/* multicall.c */
HYPERCALL(multicall);

/* mmu_update.c, mmuext.c, descriptors.c, update_va.c */
HYPERCALL(mmu_update);
HYPERCALL(mmuext_op);
bool mmuext_op_at(unsigned i, struct op_info *info);
HYPERCALL(update_va_mapping);
HYPERCALL(update_va_mapping_otherdomain);
HYPERCALL(set_gdt);
HYPERCALL(update_descriptor);
/* grant_table_op.c: (cmd, array, count) */
HYPERCALL(grant_table_op);
bool grant_table_op_at(unsigned i, struct op_info *info);

/* sched.c, event_channel.c, timers.c: the old calls and the ones without a table */
HYPERCALL(sched_op_compat);
HYPERCALL(set_timer_op);
HYPERCALL(event_channel_op_compat);

/* console_io.c, physdev.c: (cmd, count, buffer), and the old form of physdev_op */
HYPERCALL(console_io);
HYPERCALL(physdev_op_compat);

/* privileged_op.c: what a guest without privileges is refused */
HYPERCALL(platform_op);
HYPERCALL(sysctl);
HYPERCALL(domctl);
HYPERCALL(kexec_op);
HYPERCALL(xenpmu_op);
HYPERCALL(hypfs_op);
HYPERCALL(dm_op);
HYPERCALL(arch_1);
HYPERCALL(mca);

#ifdef PVABI_RESIDENT
/* vmm/resident/guest/table.c: is this call, or this element of its list, not handled inside the
 * guest? It is interrupted before it then, and goes on where all are handled. */
bool hypercall_elsewhere(struct vcpu *v, uint64_t nr, const uint64_t *args);
bool mmu_update_elsewhere(const struct mmu_update *req);
bool mmuext_elsewhere(const struct vcpu *v, const struct mmuext_op *op);
#endif

/* hypercall.c: a call of the table whether or not the profile shows it to the
 * guest, for the old forms of calls that lead to it. `lock` not held. */
long hypercall_row_call(struct vcpu *v, unsigned nr, const uint64_t *args);

/* Families with sub-operations. */
extern const struct subop memory_op_subops[]; /* memory_op.c */
long memory_op_check(struct vcpu *v, const uint64_t *args);
extern const struct subop xen_version_subops[]; /* xen_version.c */
extern const struct subop vcpu_op_subops[];	/* vcpu_op.c; arg is args[2] */
long vcpu_op_check(struct vcpu *v, const uint64_t *args);
extern const struct subop sched_op_subops[];	     /* sched.c */
extern const struct subop event_channel_op_subops[]; /* event_channel.c */
extern const struct subop callback_op_subops[];	     /* callback_op.c */
extern const struct subop nmi_op_subops[];	     /* nmi_op.c */
extern const struct subop physdev_op_subops[];	     /* physdev.c */
extern const struct subop hvm_op_subops[];	     /* hvm_op.c */

#undef HYPERCALL
#endif
