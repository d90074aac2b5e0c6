/*
 * The resident monitor: an exception or a `syscall` of the guest, from its frame to the
 * next. The order of things is that of a vcpu's thread (vmm/vcpu.c).
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/mm.h"
#include "vmm/resident/guest/resident_guest.h"

#define MSR_FS_BASE 0xc0000100

#define PF_PRESENT	    0x1u
#define PF_WRITE	    0x2u
#define VEC_PF		    14
#define EFLAGS_IF	    0x200UL
#define IOPL		    0x3000UL
#define FIXED		    0x2UL
#define WRITABLE_PAGETABLES (1UL << VMASST_TYPE_writable_pagetables)
#define SYSCALL_LEN	    2

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t val)
{
	__asm__ volatile("wrmsr" ::"a"((uint32_t)val), "d"((uint32_t)(val >> 32)), "c"(msr));
}

/* A trace or faults are the host's business, and so are devices' frames. */
static bool host_must(const struct domain *d)
{
	return probe_asks_any(d) || domain_has_io(d);
}

/* A write to a page table, which the host emulates. In doubt it is one. */
static bool writes_to_table(const struct vcpu *v, uint64_t va)
{
	const struct domain *d = shared(v->domain);
	struct guest_walk w;

	if (!guest_walk_l1(d, v->guest_table, va, &w))
		return true;
	const struct page_info *p = mm_page_of_guest(d, pte_mfn(w.pte));
	return !p || (p->type_count && p->type != PGT_WRITABLE);
}

/* As vmm/trap.c: page_fault(); what is not simply the guest's goes there. */
static bool is_guests_fault(const struct vcpu *v, const struct cpu_user_regs *f, uint64_t va)
{
	if ((va >= XEN_VIRT_START && va < XEN_VIRT_END) || !v->traps[VEC_PF].address)
		return false;
	return true;
}

static bool may_be_for_table(const struct vcpu *v, const struct cpu_user_regs *f, uint64_t va)
{
	return v->kernel_mode && shared(v->domain)->vm_assist & WRITABLE_PAGETABLES &&
	       (f->error_code & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) &&
	       writes_to_table(v, va);
}

static bool handles(struct vcpu *v, const struct cpu_user_regs *f, uint64_t cr2,
		    struct privileged_insn *insn)
{
	if (host_must(shared(v->domain)))
		return false;
	if (f->entry_vector == RES_VECTOR_PF)
		return is_guests_fault(v, f, cr2);
	if (f->entry_vector == RES_VECTOR_GP)
		return resident_privileged(v, f, insn);
	return v->kernel_mode ? resident_has_call(v, f->rax, f) : v->syscall_callback.eip != 0;
}

/* Up to ss: the data segments are the host's to read. */
#define FRAME_SIZE offsetof(struct cpu_user_regs, es)

static void enter(struct vcpu *v, const struct cpu_user_regs *f)
{
	/* The other GS base is ours now. */
	uint64_t gs = rdmsr(MSR_KERNEL_GS_BASE);

	memcpy(&v->regs, f, FRAME_SIZE);
	v->regs.rflags |= EFLAGS_IF;
	v->regs.cs |= 3;
	v->regs.ss |= 3;
	v->fs_base = rdmsr(MSR_FS_BASE);
	if (v->kernel_mode)
		v->gs_base_kernel = gs;
	else
		v->gs_base_user = gs;
}

static void leave(struct vcpu *v, struct cpu_user_regs *f, uint64_t fs, uint64_t gs)
{
	uint64_t want = v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;

	memcpy(f, &v->regs, FRAME_SIZE);
	f->rflags = (f->rflags & ~IOPL) | FIXED | EFLAGS_IF;
	if (want != gs)
		wrmsr(MSR_KERNEL_GS_BASE, want);
	if (v->fs_base != fs)
		wrmsr(MSR_FS_BASE, v->fs_base);
	resident_load_tables(v);
}

/* The host must arm its timer anew. */
static bool wants_timer(const struct vcpu *v, const struct resident_area *r)
{
	uint64_t deadline = atomic_load(&v->timer[TIMER_SINGLESHOT]);

	return deadline && (!r->armed || deadline + RES_TIMER_SLOP < r->armed);
}

/* Would a sysret load just this frame? It is quicker than iret, and reads no descriptors. */
static bool sysret_does(const struct cpu_user_regs *f)
{
	return f->rcx == f->rip && f->cs == FLAT_RING3_CS64 && f->ss == FLAT_RING3_SS64 &&
	       ((f->r11 & SYSRET_RFLAGS) | FIXED) == f->rflags && is_canonical(f->rip);
}

__attribute__((aligned(4096))) unsigned resident_entry(struct cpu_user_regs *f,
						       struct resident_area *r)
{
	struct vcpu *v = shared(r->vcpu);
	struct privileged_insn insn;

	r->cr3 = vcpu_l4(v) << PAGE_SHIFT;
	if (!handles(v, f, r->cr2, &insn)) {
		r->forwarded++;
		return RES_FORWARD;
	}
	enter(v, f);
	uint64_t fs = v->fs_base, gs = v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;
	if (f->entry_vector == RES_VECTOR_PF && may_be_for_table(v, f, r->cr2)) {
		if (!resident_pt_write(v, r->cr2)) {
			r->forwarded++;
			return RES_FORWARD;
		}
		r->pt_writes++;
	} else if (f->entry_vector == RES_VECTOR_PF) {
		r->page_faults++;
		trap_set_cr2(v, r->cr2);
		trap_inject(v, VEC_PF, f->error_code);
	} else if (f->entry_vector == RES_VECTOR_GP) {
		r->privileged++;
		resident_privileged_do(v, r, &insn);
	} else if (v->kernel_mode) {
		r->hypercalls++;
		v->in_syscall = true;
		hypercall_dispatch(v, SYSCALL_LEN);
	} else {
		r->syscalls++;
		v->in_syscall = true;
		trap_syscall(v);
	}
	bool host = atomic_load(&v->pause_flags) || shared(v->domain)->is_shut_down;
	if (!host)
		vcpu_deliver_events(v);
	leave(v, f, fs, gs);
	return host || shared(v->domain)->is_shut_down ||
			       (v->runstate_dirty && v->runstate_area_va) || wants_timer(v, r)
		       ? RES_DONE
	       : sysret_does(f) ? RES_SYSRET
				: RES_RESUME;
}
