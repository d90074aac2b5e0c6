/*
 * What an exception or a `syscall` of the guest is, and its handling: the same for both
 * placements of the resident monitor. The order of things is that of a vcpu's thread
 * (vmm/vcpu.c). Part of each entry.c, for it is on the way of every entry.
 */
#ifndef VMM_RESIDENT_GUEST_HANDLE_H
#define VMM_RESIDENT_GUEST_HANDLE_H

#include "pvabi/bounce.h"
#include "pvabi/mm.h"
#include "vmm/resident/guest/resident_guest.h"

#define PF_PRESENT	    0x1u
#define PF_WRITE	    0x2u
#define VEC_PF		    14
#define WRITABLE_PAGETABLES (1UL << VMASST_TYPE_writable_pagetables)
#define SYSCALL_LEN	    2

/* A trace or faults are the host's business, and so are devices' frames. */
static inline bool host_must(const struct domain *d)
{
	return probe_asks_any(d) || domain_has_io(d);
}

/* A write to a page table, which the host emulates. In doubt it is one. */
static inline bool writes_to_table(const struct vcpu *v, uint64_t va)
{
	const struct domain *d = shared(v->domain);
	struct guest_walk w;

	if (!guest_walk_l1(d, v->guest_table, va, &w))
		return true;
	const struct page_info *p = mm_page_of_guest(d, pte_mfn(w.pte));
	return !p || (p->type_count && p->type != PGT_WRITABLE);
}

/* As vmm/trap.c: page_fault(); what is not simply the guest's goes there. */
static inline bool is_guests_fault(const struct vcpu *v, uint64_t va)
{
	return (va < XEN_VIRT_START || va >= XEN_VIRT_END) && v->traps[VEC_PF].address;
}

static inline bool may_be_for_table(const struct vcpu *v, uint32_t error_code, uint64_t va)
{
	return v->kernel_mode && shared(v->domain)->vm_assist & WRITABLE_PAGETABLES &&
	       (error_code & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) &&
	       writes_to_table(v, va);
}

/* Is it one that is handled here? Nothing of it was done. */
static inline bool resident_handles(struct vcpu *v, const struct cpu_user_regs *f, uint64_t cr2,
				    struct privileged_insn *insn)
{
	if (host_must(shared(v->domain)))
		return false;
	if (f->entry_vector == RES_VECTOR_PF)
		return is_guests_fault(v, cr2);
	if (f->entry_vector == RES_VECTOR_GP)
		return resident_privileged(v, f, insn);
	return v->kernel_mode ? resident_has_call(v, f->rax, f) : v->syscall_callback.eip != 0;
}

/* Handles it; v's registers are in struct vcpu. False: it is not, and nothing was done. */
static inline bool resident_handle(struct vcpu *v, unsigned vector, uint32_t error_code,
				   uint64_t cr2, const struct privileged_insn *insn,
				   struct resident_counts *n)
{
	if (vector == RES_VECTOR_PF && may_be_for_table(v, error_code, cr2)) {
		if (!resident_pt_write(v, cr2))
			return false;
		n->pt_writes++;
	} else if (vector == RES_VECTOR_PF) {
		n->page_faults++;
		trap_set_cr2(v, cr2);
		trap_inject(v, VEC_PF, error_code);
	} else if (vector == RES_VECTOR_GP) {
		n->privileged++;
		resident_privileged_do(v, insn);
	} else if (v->kernel_mode) {
		n->hypercalls++;
		v->in_syscall = true;
		hypercall_dispatch(v, SYSCALL_LEN);
	} else {
		n->syscalls++;
		v->in_syscall = true;
		trap_syscall(v);
	}
	return true;
}

#endif
