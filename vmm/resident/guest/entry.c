/*
 * The resident monitor at CPL 0: an exception or a `syscall` of the guest, from its frame to
 * the next.
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/mm.h"
#include "vmm/bell.h"
#include "vmm/clock.h"
#include "vmm/resident/guest/handle.h"
#include "vmm/resident/guest/resident_guest.h"

#define MSR_FS_BASE 0xc0000100

#define EFLAGS_IF 0x200UL
#define FIXED	  0x2UL

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
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
	f->rflags = (f->rflags & ~EFLAGS_IOPL) | FIXED | EFLAGS_IF;
	if (want != gs)
		wrmsr(MSR_KERNEL_GS_BASE, want);
	if (v->fs_base != fs)
		wrmsr(MSR_FS_BASE, v->fs_base);
	resident_load_tables(v);
}

static void arm(struct vcpu *v, struct resident_area *r, uint64_t deadline)
{
	uint64_t now = resident_host_ops.system_time(shared(v->domain));
	uint64_t ticks = clock_ticks(shared(r->clock), deadline > now ? deadline - now : 0);

	wrmsr(MSR_TSC_DEADLINE, __builtin_ia32_rdtsc() + ticks);
	r->armed = deadline;
}

/* The host must arm its timer anew. */
static bool wants_timer(struct vcpu *v, struct resident_area *r)
{
	uint64_t deadline = atomic_load(&v->timer[TIMER_SINGLESHOT]);

	if (r->own_timer && !r->armed)
		deadline = vcpu_next_deadline(v);
	if (!deadline || (r->armed && deadline + RES_TIMER_SLOP >= r->armed))
		return false;
	if (r->own_timer)
		arm(v, r, deadline);
	return !r->own_timer;
}

/* KVM looks at the bit at an exit, so one instruction both finds and clears it (Linux,
 * Documentation/virt/kvm/x86/msr.rst: MSR_KVM_PV_EOI_EN). */
static void end_bell(struct resident_area *r)
{
	bool kvm_sees;

	__asm__ volatile("btrl $0, %0" : "+m"(r->eoi), "=@ccc"(kvm_sees)::"memory");
	if (!kvm_sees)
		wrmsr(MSR_X2APIC_EOI, 0);
}

/* Who rang has no name: whatever it may be for is looked at. True: some of it is the host's. */
static bool answer_bell(struct vcpu *v, struct resident_area *r)
{
	uint64_t now = resident_host_ops.system_time(shared(v->domain)), deadline;

	r->count.bells++;
	if (r->off || now >= r->look_at || host_must(shared(v->domain)))
		return true;
	if (!r->own_timer)
		return false;
	vcpu_run_singleshot(v, now);
	deadline = vcpu_next_deadline(v);
	return deadline && deadline <= now;
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
	bool bell = f->entry_vector >= RES_VECTOR_BELL;

	r->cr3 = vcpu_l4(v) << PAGE_SHIFT;
	if (bell) {
		end_bell(r);
		/* When the bell comes is the host's reckoning, and may be a little early. */
		if (f->entry_vector == RES_VECTOR_TIMER)
			r->armed = 0;
		resident_flush_wanted();
	} else if (!resident_handles(v, f, r->cr2, &insn)) {
		r->count.forwarded++;
		return RES_FORWARD;
	}
	enter(v, f);
	uint64_t fs = v->fs_base, gs = v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;
	bool host = false;
	if (bell)
		host = answer_bell(v, r);
	else if (!resident_handle(v, f->entry_vector, f->error_code, r->cr2, &insn, &r->count)) {
		r->count.forwarded++;
		return RES_FORWARD;
	}
	if (r->to_ring)
		resident_ring_out(r);
	host |= atomic_load(&v->pause_flags) || shared(v->domain)->is_shut_down;
	if (!host)
		vcpu_deliver_events(v);
	leave(v, f, fs, gs);
	return host || shared(v->domain)->is_shut_down ||
			       (v->runstate_dirty && v->runstate_area_va) || wants_timer(v, r)
		       ? RES_DONE
	       : sysret_does(f) ? RES_SYSRET
				: RES_RESUME;
}
