/*
 * The life of a vcpu: wait until it may run, fire its timers, deliver its
 * events, enter the guest, serve the exit.
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "vmm/gdb/debugger.h"
#include "pvabi/fault.h"
#include "pvabi/mm.h"
#include "vmm/inspect/look.h"
#include "vmm/stats.h"
#include "vmm/resident/area.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"
#include "vmm/vcpu.h"

static __thread struct vcpu *current;

struct vcpu *vcpu_current(void)
{
	return current;
}

void guest_stop(struct guest *g)
{
	atomic_store(&g->stop, true);
	for (unsigned i = 0; i < g->domain->nr_vcpus; i++)
		if (g->cpu[i])
			cpu_kick(g->cpu[i]);
	eventfd_write(g->end_fd, 1);
}

static void host_failed(struct cpu *c, const char *text)
{
	struct guest *g = domain_guest(c->vcpu->domain);

	if (!atomic_exchange(&g->host_failed, true))
		snprintf(g->failure, sizeof(g->failure), "vcpu %u: %s", c->vcpu->id, text);
	guest_stop(g);
}

static void timer_came(struct cpu *c, uint64_t deadline)
{
	uint64_t gap = deadline - c->timer_fired, old = c->timer_gap;
	bool even = gap < old + old / 8 && old < gap + gap / 8;

	c->timer_gap = even ? old - old / 8 + gap / 8 : gap;
	c->timer_fired = deadline;
	c->timer_ahead = true;
}

static void run_due_timers(struct cpu *c)
{
	struct vcpu *v = c->vcpu;
	uint64_t deadline = vcpu_next_deadline(v);

	if (deadline) {
		uint64_t now = v->domain->ops->system_time(v->domain);
		if (now >= deadline) {
			vcpu_run_timers(v, now);
			timer_came(c, deadline);
		}
	}
}

#define AHEAD_MIN 200000 /* ns */
#define AHEAD_MAX 50000000

/* A kernel's tick comes at even distances, and it sets each when the one before has come. When
 * the next is armed already, a resident monitor has nothing to leave the guest for. 0: there is
 * none to be expected, or it has come and nobody had asked for it. */
static uint64_t expected_deadline(struct cpu *c)
{
	/* A kernel asks for a time that it has just computed from the one before: it is never
	 * quite even. Who comes a little later is in time for more of them. */
	uint64_t next = c->timer_fired + c->timer_gap + RES_TIMER_SLOP / 2;

	if (!c->timer_ahead || !(resident_is_on(c) || ring3_is_on(c)) || c->timer_gap < AHEAD_MIN ||
	    c->timer_gap > AHEAD_MAX || next <= c->vcpu->domain->ops->system_time(c->vcpu->domain))
		c->timer_ahead = false;
	return c->timer_ahead ? next : 0;
}

/* What a vcpu is that may not run (Xen: common/sched/core.c, sched_switch_units and
 * vcpu_wake: being blocked counts more than being paused). */
static int waiting_runstate(uint32_t pause)
{
	return (pause & (VPF_DOWN | VPF_BLOCKED)) == VPF_BLOCKED ? RUNSTATE_blocked
								 : RUNSTATE_offline;
}

#define SECOND		1000000000ull
#define DEVICES_NS	1000000
#define WITHOUT_EXIT_NS 300000000
#define FORCED_NS	10000000
#define STEPS_FORCED	1000000 /* of gdb's, without any other exit */

/* From its first timer or sleep on a kernel knows what it wants to know of the TSC. Until then
 * it measured that, which took as long as it took: all runs go on from the same time. */
static void virtual_begins(struct clock *k)
{
	uint64_t now = clock_now(k);

	if (k->stands)
		return;
	k->stands = true;
	clock_advance_to(k, now + SECOND - now % SECOND);
}

/* What the devices have to tell is told, and if that wakes nobody, virtual time goes on to the
 * deadline (0: there is none). */
static void virtual_idle(struct cpu *c, struct guest *g, uint64_t deadline)
{
	virtual_begins(&g->clock);
	evtchn_deferred_send(g->domain);
	quiesce_wait(&g->quiesce);
	if (evtchn_deferred_raise(g->domain))
		return;
	if (deadline)
		clock_advance_to(&g->clock, deadline);
	else
		cpu_sleep(c, CPU_SLEEP_FOREVER);
}

/* Every so often, where its work is the same in every run, a guest that does not sleep is told. */
static void virtual_devices(struct guest *g)
{
	uint64_t period = clock_now(&g->clock) / DEVICES_NS;

	if (period == g->clock.period)
		return;
	g->clock.period = period;
	evtchn_deferred_send(g->domain);
	quiesce_wait(&g->quiesce);
	evtchn_deferred_raise(g->domain);
}

/* Of this thread: a busy host is not the guest's doing. */
static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* The guest's time is told anew before it goes on. But not after each step of a debugger's:
 * with a version that changes between any two instructions, who reads it never gets done
 * (Xen's public header, vcpu_time_info: read again when the version is another). */
static void virtual_tell(struct vcpu *v, struct clock *k)
{
	if (k->steps && clock_now(k) == k->told_ns)
		return;
	k->told_ns = clock_now(k);
	vcpu_time_update(v);
}

/* After an exit: how much work it was. */
static void virtual_exit(struct cpu *c, struct guest *g, const struct cpu_exit *x, uint64_t entered)
{
	struct clock *k = &g->clock;
	const struct debugger *d = atomic_load(&g->debugger);

	if (d && debugger_made(d, c, x)) {
		/* Whoever debugs takes no time, but a guest that waits for the clock must see
		 * the end of it. */
		if (++k->steps % STEPS_FORCED == 0)
			clock_advance(k, FORCED_NS);
		return;
	}
	k->steps = 0;
	if (atomic_load(&c->vcpu->timer[TIMER_SINGLESHOT]))
		virtual_begins(k);
	if (x->kind != CPU_EXIT_KICK) {
		clock_advance(k, k->quantum);
	} else if (cpu_time() - entered >= WITHOUT_EXIT_NS / 2) {
		/* It computes, or waits for the clock without asking anybody. */
		clock_advance(k, FORCED_NS);
		k->forced++;
	}
}

/* Nobody waits for a vcpu that sleeps to forget its translations: it does so when it wakes. */
static void tlb_rest(struct cpu *c, bool rests)
{
	struct vcpu *v = c->vcpu;

	c->flush_all |= !rests;
	if (ring3_is_on(c))
		ring3_tlb_rest(c, rests);
	else
		mm_tlb_flushed(v, rests ? MM_TLB_NONE : mm_tlb_now(v->domain));
}

/* Until no pause flag is set, or the domain ends. */
static void wait_runnable(struct cpu *c, struct guest *g)
{
	struct vcpu *v = c->vcpu;
	const struct host_ops *ops = v->domain->ops;

	/* The guest's other vcpus may rely on what this one had changed. */
	cpu_run_ops(c);
	c->slept = true;
	if (atomic_load(&v->poll_evtchn))
		c->polls++;
	else
		c->blocks++;
	atomic_store(&c->at_rest, true);
	tlb_rest(c, true);
	uint32_t pause;
	int state = -1;
	bool told = false;
	if (!g->clock.is_virtual)
		steal_rest(c);
	while (!atomic_load(&g->stop) && (pause = atomic_load(&v->pause_flags))) {
		if (pause & VPF_DEBUGGER && !told) {
			told = true;
			debugger_rested(atomic_load(&g->debugger), c);
		}
		look_if_wanted(c);
		int want = waiting_runstate(pause);
		if (state != want)
			vcpu_runstate_change(v, state = want, ops->system_time(v->domain));
		if ((pause & (VPF_DOWN | VPF_BLOCKED)) == VPF_BLOCKED &&
		    (vcpu_events_need_delivery(v) || atomic_load(&v->nmi_pending))) {
			vcpu_unblock(v);
			continue;
		}
		/* Also of a vcpu that is down: vcpu 0 has the domain's watchdogs. */
		uint64_t deadline = vcpu_next_deadline(v);
		uint64_t now = ops->system_time(v->domain);
		if (deadline && now >= deadline)
			vcpu_run_timers(v, now);
		else if (g->clock.is_virtual && !(pause & ~VPF_BLOCKED))
			virtual_idle(c, g, deadline);
		else
			cpu_sleep(c, deadline ? deadline - now : CPU_SLEEP_FOREVER);
	}
	tlb_rest(c, false);
	atomic_store(&c->at_rest, false);
	vcpu_runstate_change(v, RUNSTATE_running, ops->system_time(v->domain));
	steal_skip(c);
}

/* inside: code in the guest may handle what it does. */
static void arm_timer(struct cpu *c, bool inside)
{
	struct vcpu *v = c->vcpu;
	uint64_t deadline = vcpu_next_deadline(v);

	if (domain_guest(v->domain)->clock.is_virtual) {
		cpu_arm_timer(c, WITHOUT_EXIT_NS);
		return;
	}
	if (inside && resident_arm(c, deadline)) {
		if (c->timer_armed)
			cpu_arm_timer(c, 0);
		c->timer_armed = 0;
		c->signalled = false;
		return;
	}
	if (!deadline)
		deadline = expected_deadline(c);
	if (deadline == c->timer_armed && !c->signalled)
		return;
	c->signalled = false;
	c->timer_armed = deadline;
	uint64_t now = v->domain->ops->system_time(v->domain);
	/* Zero would disarm it. */
	cpu_arm_timer(c, !deadline ? 0 : deadline > now ? deadline - now : 1);
}

/* Of the instructions that a hypercall is made by. */
#define SYSCALL_LEN 2
#define VMCALL_LEN  3

#define VEC_DB 1
#define VEC_BP 3

static bool is_debug_trap(struct cpu *c, const struct cpu_exit *x)
{
	struct debugger *d;

	if (x->vector != VEC_DB && x->vector != VEC_BP)
		return false;
	d = atomic_load(&domain_guest(c->vcpu->domain)->debugger);
	return d && debugger_trap(d, c, x);
}

static void hypercall_exit(struct cpu *c, unsigned insn_len)
{
	struct vcpu *v = c->vcpu;

	if (v->regs.rax < NR_HYPERCALLS)
		c->hypercall_exits[v->regs.rax]++;
	hypercall_dispatch(v, insn_len);
}

static void handle_exit(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;

	switch (x->kind) {
	case CPU_EXIT_TRAP:
		if (is_debug_trap(c, x))
			break;
		trap_handle(c, x);
		break;
	/* Xen hands a fault of its iretq on as if the guest's next instruction had
	 * caused it (x86_64/entry.S: .Lft0, handle_exception). */
	case CPU_EXIT_IRET_FAULT:
		trap_handle(c, x);
		break;
	case CPU_EXIT_SYSCALL:
		v->in_syscall = true;
		if (v->kernel_mode)
			hypercall_exit(c, SYSCALL_LEN);
		else
			trap_syscall(v);
		break;
	case CPU_EXIT_SYSCALL32:
		trap_syscall32(v);
		break;
	case CPU_EXIT_HYPERCALL:
		if (v->kernel_mode) {
			hypercall_exit(c, VMCALL_LEN);
		} else {
			v->regs.rip -= VMCALL_LEN;
			trap_inject(v, 6, 0);
		}
		break;
	case CPU_EXIT_FATAL:
		/* A guest that can write to the monitor can bring KVM to anything. */
		if (ring3_is_on(c) && !x->error_code)
			domain_crash(v->domain, "vcpu %u: %s", v->id, x->text);
		else
			host_failed(c, x->text);
		break;
	default:
		break;
	}
}

/* Where CPL 0 is interpreted, KVM's iretq gets selectors that cannot be loaded wrong. */
static bool entry_faults(struct cpu *c, struct cpu_exit *x)
{
	const struct cpu_user_regs *r = &c->vcpu->regs;
	int vector;

	if (!c->machine->host.syscall_faults ||
	    (r->cs == FLAT_RING3_CS64 && r->ss == FLAT_RING3_SS64))
		return false;
	memset(x, 0, offsetof(struct cpu_exit, text));
	vector = vcpu_iret_fault(c->vcpu, &x->error_code);
	if (vector < 0)
		return false;
	x->kind = CPU_EXIT_IRET_FAULT;
	x->vector = (unsigned)vector;
	return true;
}

/* A fault: the vcpu does not run for a time, of which the guest is told or not. */
static void stand_still(struct vcpu *v, const struct fault *f)
{
	struct domain *d = v->domain;
	uint64_t begin = d->ops->system_time(d);

	fault_wait(d, f);
	if (f->kind == FAULT_STEAL)
		vcpu_runstate_steal(v, d->ops->system_time(d) - begin);
}

static void stand_still_by_tick(struct guest *g, struct vcpu *v)
{
	struct fault f = {FAULT_STALL, true, (int64_t)atomic_exchange(&g->stall_ns, 0)};

	stand_still(v, &f);
	f = (struct fault){FAULT_STEAL, true, (int64_t)atomic_exchange(&g->steal_ns, 0)};
	stand_still(v, &f);
}

void *vcpu_thread(void *arg)
{
	struct cpu *c = arg;
	struct vcpu *v = c->vcpu;
	struct guest *g = domain_guest(v->domain);
	struct cpu_exit x;
	struct fault fault;
	struct error err;

	char name[16];

	current = v;
	snprintf(name, sizeof(name), "vcpu %u", v->id);
	pthread_setname_np(pthread_self(), name);
	if (cpu_thread_init(c, &err)) {
		host_failed(c, err.text);
		return NULL;
	}
	c->descriptors_dirty = c->debugregs_dirty = true;
	steal_start(c);
	bool first = true;
	while (!atomic_load(&g->stop)) {
		look_if_wanted(c);
		if (atomic_load(&v->pause_flags)) {
			wait_runnable(c, g);
			continue;
		}
		if (first) {
			first = false;
			/* What the devices have to do at first. */
			if (g->clock.is_virtual)
				quiesce_wait(&g->quiesce);
			vcpu_runstate_change(v, RUNSTATE_running,
					     v->domain->ops->system_time(v->domain));
			vcpu_time_update(v);
			c->first_entry = stats_now();
		}
		if (g->clock.is_virtual)
			virtual_devices(g);
		run_due_timers(c);
		if (c->stepping && debugger_holds_events(atomic_load(&g->debugger), c))
			vcpu_settle_regs(v);
		else
			vcpu_deliver_events(v);
		if (atomic_load(&g->stop) || atomic_load(&v->pause_flags))
			continue;
		if (g->clock.is_virtual)
			virtual_tell(v, &g->clock);
		else
			steal_account(c);
		vcpu_runstate_publish(v);
		bool inside = !g->clock.is_virtual && !c->stepping && !atomic_load(&g->debugger);
		arm_timer(c, inside);
		if (c->stepping)
			debugger_enter(atomic_load(&g->debugger), c);
		resident_prepare(c, inside);
		if (ring3_is_on(c))
			ring3_prepare(c, inside);
		uint64_t entered = g->clock.is_virtual ? cpu_time() : 0;
		if (!entry_faults(c, &x))
			cpu_enter(c, &x);
		if (g->clock.is_virtual)
			virtual_exit(c, g, &x, entered);
		PROBE_HIT(v->domain, exit, x.kind, x.vector, x.error_code, x.cr2);
		if (FAULT_AT(v->domain, exit, &fault, x.kind, x.vector, x.error_code, x.cr2))
			stand_still(v, &fault);
		if (!v->id && (atomic_load(&g->stall_ns) || atomic_load(&g->steal_ns)))
			stand_still_by_tick(g, v);
		handle_exit(c, &x);
		if (c->stepping)
			debugger_left(atomic_load(&g->debugger), c, &x);
	}
	/* It never runs again; who looks at what is left of the domain sees that. */
	vcpu_runstate_change(v, RUNSTATE_offline, v->domain->ops->system_time(v->domain));
	steal_stop(c);
	return NULL;
}
