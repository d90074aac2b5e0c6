/*
 * The resident monitor at CPL 3: an exception or a `syscall` of the guest, from its frame to
 * the next.
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/descriptor_read.h"
#include "vmm/resident/guest/handle.h"
#include "vmm/resident/ring3/ring3_guest.h"

#define PF_FETCH_USER 0x14u
#define FIXED	      0x2UL

/* Up to ss: the data segments are the host's to read. */
#define FRAME_SIZE offsetof(struct cpu_user_regs, es)

static uint64_t gs_base(void)
{
	uint64_t base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static uint64_t fs_base(void)
{
	uint64_t base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

/* `syscall` where LSTAR's page cannot be reached. */
static bool is_syscall(const struct cpu_user_regs *f, const struct ring3_area *a, uint64_t cr2)
{
	return f->entry_vector == RES_VECTOR_PF && cr2 == a->lstar && f->rip == cr2 &&
	       (f->error_code & PF_FETCH_USER) == PF_FETCH_USER;
}

/* Where the monitor itself is nothing is the guest's. */
static bool is_monitors(uint64_t va)
{
	return va >> 39 == RING3_VA >> 39;
}

static void enter(struct vcpu *v, const struct cpu_user_regs *f)
{
	uint64_t gs = gs_base();

	memcpy(&v->regs, f, FRAME_SIZE);
	v->regs.rflags |= EFLAGS_IF;
	v->regs.cs |= 3;
	v->regs.ss |= 3;
	v->fs_base = fs_base();
	if (v->kernel_mode)
		v->gs_base_kernel = gs;
	else
		v->gs_base_user = gs;
}

/* The host knows how to load all others, and what is wrong with them. */
static bool can_load(struct vcpu *v)
{
	const struct cpu_user_regs *r = &v->regs;
	uint32_t error;

	if (r->rflags & EFLAGS_TF || !is_canonical(r->rip))
		return false;
	if (r->cs == FLAT_RING3_CS64 && r->ss == FLAT_RING3_SS64)
		return true;
	/* A jump into the kernel leaves the selectors as they are. */
	return !v->kernel_mode && vcpu_iret_fault(v, &error) < 0 && descriptor_is_code64(v, r->cs);
}

/* The host must arm its timer anew. */
static bool wants_timer(const struct vcpu *v, struct ring3_area *a)
{
	uint64_t deadline = atomic_load(&v->timer[TIMER_SINGLESHOT]);

	if (deadline == a->deadline)
		return false;
	a->deadline = deadline;
	a->timer_set = 1;
	return deadline && (!a->armed || deadline + RES_TIMER_SLOP < a->armed);
}

static unsigned leave(struct vcpu *v, struct ring3_area *a, struct cpu_user_regs *f, uint64_t fs,
		      uint64_t gs)
{
	uint64_t want = v->kernel_mode ? v->gs_base_kernel : v->gs_base_user;
	struct ring3_gate *g = ring3_gate();

	memcpy(f, &v->regs, FRAME_SIZE);
	f->rflags = (f->rflags & ~EFLAGS_IOPL) | FIXED | EFLAGS_IF;
	if (want != gs)
		__asm__ volatile("wrgsbase %0" ::"r"(want));
	if (v->fs_base != fs)
		__asm__ volatile("wrfsbase %0" ::"r"(v->fs_base));
	ring3_load_tables(v);
	bool timer = wants_timer(v, a);
	if (timer || !can_load(v))
		return R3_DONE;
	a->left_at = mm_tlb_now(v->domain);
	if (v->kernel_mode)
		return R3_RESUME;
	g->cr3 = v->guest_table_user << PAGE_SHIFT;
	g->out = (struct ring3_iret){f->rip, f->cs, f->rflags, f->rsp, f->ss};
	return R3_USER;
}

unsigned ring3_entry(struct cpu_user_regs *f, struct ring3_area *a)
{
	struct vcpu *v = ring3_vcpu();
	uint64_t cr2 = ring3_gate()->cr2;
	struct privileged_insn insn;

	a->cr3 = v->guest_table << PAGE_SHIFT;
	/* The gates load the kernel's tables. */
	if (f->entry_vector != RES_VECTOR_SYSCALL)
		mm_tlb_flushed(v, a->left_at);
	if (is_syscall(f, a, cr2)) {
		f->entry_vector = RES_VECTOR_SYSCALL;
		f->rip = f->rcx;
		f->rflags = f->r11;
		f->cs = FLAT_RING3_CS64;
		f->ss = FLAT_RING3_SS64;
	}
	/* With a stack pointer that is none in user mode this KVM loses its way behind the gate
	 * (guests/tests/iret_faults); the host's way does not. */
	if (is_monitors(f->rip) || !is_canonical(f->rsp) || !resident_handles(v, f, cr2, &insn)) {
		a->count.forwarded++;
		return R3_FORWARD;
	}
	bool kernel_mode = v->kernel_mode;
	uint16_t selector = v->regs.gs;
	enter(v, f);
	uint64_t fs = v->fs_base, gs = kernel_mode ? v->gs_base_kernel : v->gs_base_user;
	a->crashed = 0;
	bool done = resident_handle(v, f->entry_vector, f->error_code, cr2, &insn, &a->count);
	if (done)
		vcpu_deliver_events(v);
	if (!done || a->crashed) {
		v->kernel_mode = kernel_mode;
		a->count.forwarded++;
		return R3_FORWARD;
	}
	if (v->regs.gs != selector)
		a->gs = 1u << 16 | v->regs.gs;
	return leave(v, a, f, fs, gs);
}
