/*
 * A vcpu's run states and the time spent in each: kept by v's thread, published
 * in the area that the guest registered (vcpu.h: struct vcpu_runstate_info).
 */
#include <string.h>

#include "pvabi/pvabi.h"

#define VM_ASSIST_RUNSTATE_FLAG (1UL << VMASST_TYPE_runstate_update_flag)

static void write_begin(struct vcpu *v)
{
	atomic_fetch_add(&v->runstate_seq, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

static void write_end(struct vcpu *v)
{
	atomic_fetch_add(&v->runstate_seq, 1);
	v->runstate_dirty = true;
}

/* The current state's time up to now; the clock may not have moved on. */
static void accrue(struct vcpu_runstate_info *r, uint64_t now)
{
	if (now > r->state_entry_time) {
		r->time[r->state] += now - r->state_entry_time;
		r->state_entry_time = now;
	}
}

void vcpu_runstate_change(struct vcpu *v, int state, uint64_t now)
{
	if (v->runstate.state == state)
		return;
	write_begin(v);
	accrue(&v->runstate, now);
	v->runstate.state = state;
	write_end(v);
}

/* What was said of the time running is not taken back: for Xen's guests it only grows. */
static void told(struct vcpu *v, uint64_t running)
{
	uint64_t old = atomic_load(&v->runstate_told);

	while (old < running && !atomic_compare_exchange_weak(&v->runstate_told, &old, running))
		;
}

/* As if v had been runnable for that long and then running again. */
void vcpu_runstate_steal(struct vcpu *v, uint64_t ns)
{
	struct domain *d = v->domain;
	struct vcpu_runstate_info *r = &v->runstate;

	if (!ns)
		return;
	write_begin(v);
	accrue(r, host_of(d)->system_time(d));
	uint64_t most = r->time[RUNSTATE_running] - atomic_load(&v->runstate_told);
	if ((int64_t)most < 0)
		most = 0;
	if (ns > most)
		ns = most;
	r->time[RUNSTATE_running] -= ns;
	r->time[RUNSTATE_runnable] += ns;
	write_end(v);
}

/* Xen: common/sched/core.c, vcpu_runstate_get. The entry time stays that of the
 * state, though the time since then is counted. */
void vcpu_runstate_get(struct vcpu *v, uint64_t now, struct vcpu_runstate_info *out)
{
	uint32_t seq;

	do {
		seq = atomic_load(&v->runstate_seq);
		atomic_thread_fence(memory_order_seq_cst);
		memcpy(out, &v->runstate, sizeof(*out));
		atomic_thread_fence(memory_order_seq_cst);
	} while ((seq & 1) || seq != atomic_load(&v->runstate_seq));
	if (now > out->state_entry_time)
		out->time[out->state] += now - out->state_entry_time;
	told(v, out->time[RUNSTATE_running]);
}

/*
 * Xen: arch/x86/domain.c, update_runstate_area. With the vm_assist the guest has
 * asked to see XEN_RUNSTATE_UPDATE in state_entry_time while the rest changes;
 * the flag is in the last byte, which alone is written first and last.
 */
void vcpu_runstate_publish(struct vcpu *v)
{
	struct vcpu_runstate_info r = v->runstate;
	uint64_t va = v->runstate_area_va;
	uint64_t flag_va = va + offsetof(struct vcpu_runstate_info, state_entry_time) + 7;
	bool flag = v->domain->vm_assist & VM_ASSIST_RUNSTATE_FLAG;
	uint8_t byte;

	if (!v->runstate_dirty || !va)
		return;
	v->runstate_dirty = false;
	told(v, r.time[RUNSTATE_running]);
	if (!flag) {
		guest_copy_to_kernel(v, va, &r, sizeof(r));
		return;
	}
	r.state_entry_time |= XEN_RUNSTATE_UPDATE;
	byte = r.state_entry_time >> 56;
	if (guest_copy_to_kernel(v, flag_va, &byte, 1))
		return;
	atomic_thread_fence(memory_order_release);
	guest_copy_to_kernel(v, va, &r, sizeof(r));
	atomic_thread_fence(memory_order_release);
	byte &= ~(XEN_RUNSTATE_UPDATE >> 56);
	guest_copy_to_kernel(v, flag_va, &byte, 1);
}
