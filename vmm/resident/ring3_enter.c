/*
 * Before an entry: what the resident monitor at CPL 3 is told (ring3_area.h).
 */
#include <string.h>

#include "vmm/resident/ring3_internal.h"

static uint64_t direct_va(const struct domain *d, const void *p)
{
	return MON_DIRECTMAP_VA + (uint64_t)((const uint8_t *)p - d->memory);
}

static struct ring3_iret frame_of(const struct cpu *c, const uint8_t *label)
{
	uint64_t va = ring3_block_va(c->vcpu->id);

	return (struct ring3_iret){va + (uint64_t)(label - ring3_stub), FLAT_RING3_CS64,
				   0x2 | EFLAGS_IF, va + RING3_STACK_END, FLAT_RING3_SS64};
}

/* Back to CPL 0, with the frame that the gate found. */
static struct ring3_iret frame_off(const struct cpu *c, const uint8_t *label)
{
	return (struct ring3_iret){monitor_va(label), MON_CS, 0x2,
				   monitor_vcpu_va(c->vcpu->id, MON_STACK_TOP - 48), MON_DS};
}

static void copy_vcpu(struct vcpu *to, const struct vcpu *v)
{
	const struct domain *d = v->domain;

	to->kernel_mode = v->kernel_mode;
	to->in_syscall = false;
	to->regs.gs = v->regs.gs;
	atomic_store(&to->wanted, false);
	to->in_nmi = v->in_nmi;
	to->in_multicall = to->preempted = false;
	to->vcpu_info = (void *)direct_va(d, vcpu_info_get(v));
	to->guest_table = v->guest_table;
	to->guest_table_user = v->guest_table_user;
	to->fs_base = v->fs_base;
	to->gs_base_kernel = v->gs_base_kernel;
	to->gs_base_user = v->gs_base_user;
	to->kernel_sp = v->kernel_sp;
	to->kernel_ss = v->kernel_ss;
	memcpy(to->ctrlreg, v->ctrlreg, sizeof(to->ctrlreg));
	to->iopl = v->iopl;
	to->event_callback = v->event_callback;
	to->failsafe_callback = v->failsafe_callback;
	to->syscall_callback = v->syscall_callback;
	memset(to->hypercalls, 0, sizeof(to->hypercalls));
	if (memcmp(to->traps, v->traps, sizeof(to->traps)))
		memcpy(to->traps, v->traps, sizeof(to->traps));
	memcpy(to->gdt_frames, v->gdt_frames, sizeof(to->gdt_frames));
	to->gdt_ents = v->gdt_ents;
	atomic_store(&to->upcalls, 0);
}

/* Its kernel's tables show the monitor, and what is not in struct vcpu here does not matter. */
static bool can_be_on(const struct ring3 *r, const struct vcpu *v)
{
	const struct domain *d = v->domain;
	const uint64_t *l4 = frame_ptr(d, v->guest_table);

	return l4 && l4[RING3_SLOT] & PTE_US && l4[MON_SLOT_DIRECTMAP] & PTE_US && !v->ldt_ents &&
	       !probe_asks_any(d) && !domain_has_io(d) && !(v->debugreg[7] & 0xff) && !r->broken;
}

static const uint8_t *stub_of(unsigned vector)
{
	return monitor_trap_stubs + (size_t)vector * MON_TRAP_STUB_SIZE;
}

/* A vcpu that is off goes through the gates as well, which only costs it time. */
static void set_on(struct ring3 *r, unsigned id, bool on)
{
	if (r->cpu[id].on == on)
		return;
	r->cpu[id].on = on;
	pthread_mutex_lock(&r->gates_lock);
	unsigned before = r->nr_on;
	r->nr_on += on ? 1 : -1u;
	if (!before != !r->nr_on) {
		monitor_set_gate(r->monitor, RES_VECTOR_PF,
				 on ? monitor_gate_page_fault : stub_of(RES_VECTOR_PF));
		monitor_set_gate(r->monitor, RES_VECTOR_GP,
				 on ? monitor_gate_protection : stub_of(RES_VECTOR_GP));
	}
	pthread_mutex_unlock(&r->gates_lock);
}

void ring3_prepare(struct cpu *c, bool on)
{
	struct ring3 *r = ring3_of(c);
	const struct vcpu *v = c->vcpu;
	const struct domain *d = v->domain;
	struct ring3_gate *g = r->cpu[v->id].gate;
	struct domain *to = &r->domain->domain;
	struct ring3_area *a = r->cpu[v->id].area;

	on = on && can_be_on(r, v);
	set_on(r, v->id, on);
	r->cpu[v->id].stuck = 0;
	a->off = !on;
	a->kick = 0;
	a->leaving = 0;
	a->timer_set = a->gs = 0;
	g->kernel_cr3 = v->guest_table << PAGE_SHIFT;
	g->page_fault = on ? frame_of(c, ring3_page_fault) : frame_off(c, monitor_gate_forward_pf);
	g->protection = on ? frame_of(c, ring3_protection) : frame_off(c, monitor_gate_forward_gp);
	if (!on)
		return;
	copy_vcpu(r->cpu[v->id].vcpu, v);
	a->deadline = atomic_load(&v->timer[TIMER_SINGLESHOT]);
	atomic_store(&r->cpu[v->id].vcpu->timer[TIMER_SINGLESHOT], a->deadline);
	a->armed = c->signalled ? 0 : c->timer_armed;
	to->ram_used = d->ram_used;
	to->vm_assist = d->vm_assist;
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		atomic_store(&r->cpu[i].vcpu->pause_flags,
			     atomic_load(&d->vcpu[i]->pause_flags) & VPF_DOWN);
}
