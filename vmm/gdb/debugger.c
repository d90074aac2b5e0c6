/*
 * Stops, steps and what runs between them.
 */
#include "vmm/gdb/debugger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VEC_DB	    1
#define VEC_BP	    3
#define DR6_BS	    0x4000 /* SDM vol. 3, 18.2.3 */
#define DR6_HITS    0xf
#define DR7_ENABLES 0xff

struct debugger *debugger_create(struct guest *g)
{
	struct debugger *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->guest = g;
	d->first = -1;
	d->bp = calloc(DEBUGGER_MAX_BREAKS, sizeof(*d->bp));
	d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&d->lock, NULL);
	if (d->bp && d->event_fd >= 0)
		return d;
	debugger_destroy(d);
	return NULL;
}

void debugger_destroy(struct debugger *d)
{
	if (!d)
		return;
	if (d->event_fd >= 0)
		close(d->event_fd);
	pthread_mutex_destroy(&d->lock);
	free(d->bp);
	free(d);
}

/* ---- stopping ---- */

static void hold_all(struct debugger *d)
{
	struct domain *dom = d->guest->domain;
	struct vcpu *v;

	for_each_vcpu (dom, v) {
		atomic_fetch_or(&v->pause_flags, VPF_DEBUGGER);
		dom->ops->vcpu_kick(v);
	}
}

void debugger_stop(struct debugger *d)
{
	pthread_mutex_lock(&d->lock);
	hold_all(d);
	pthread_mutex_unlock(&d->lock);
	eventfd_write(d->event_fd, 1);
}

/* Something happened on c. */
static void stop_here(struct debugger *d, struct cpu *c, enum stop_reason reason, uint64_t addr)
{
	unsigned id = c->vcpu->id;

	d->stop[id] = (struct stop){reason, addr};
	pthread_mutex_lock(&d->lock);
	if (d->first < 0)
		d->first = (int)id;
	hold_all(d);
	pthread_mutex_unlock(&d->lock);
}

void debugger_rested(struct debugger *d, struct cpu *c)
{
	eventfd_write(d->event_fd, 1);
}

bool debugger_at_rest(struct debugger *d)
{
	const struct guest *g = d->guest;
	struct vcpu *v;

	if (d->held || debugger_is_dead(d))
		return true;
	for_each_vcpu (g->domain, v) {
		if (!(atomic_load(&v->pause_flags) & VPF_DEBUGGER))
			return false;
		if (g->cpu[v->id] && !atomic_load(&g->cpu[v->id]->at_rest))
			return false;
	}
	/* A hypercall's last effects, so that what is shown is what goes on. */
	for_each_vcpu (g->domain, v)
		vcpu_settle_regs(v);
	d->held = true;
	d->held_since = g->domain->ops->system_time(g->domain);
	return true;
}

/* ---- going on ---- */

/* A watchdog that would have expired meanwhile has waited, as its guest had to. */
static void delay_watchdogs(struct debugger *d)
{
	struct domain *dom = d->guest->domain;
	uint64_t by = dom->ops->system_time(dom) - d->held_since;

	for (unsigned i = 0; i < sizeof(dom->watchdog) / sizeof(dom->watchdog[0]); i++)
		if (atomic_load(&dom->watchdog[i].deadline))
			atomic_fetch_add(&dom->watchdog[i].deadline, by);
}

/* A breakpoint is met again if it is still there; everything else has happened for good. */
static bool forget_breakpoints(struct stop *s)
{
	if (s->reason == STOPPED_BREAK || s->reason == STOPPED_HWBREAK)
		s->reason = STOPPED_NOT;
	return s->reason == STOPPED_NOT;
}

bool debugger_resume(struct debugger *d, const enum resume_action action[MAX_VCPUS])
{
	struct guest *g = d->guest;
	struct vcpu *v;

	for_each_vcpu (g->domain, v)
		if (action[v->id] != RESUME_NOT && !forget_breakpoints(&d->stop[v->id])) {
			d->first = (int)v->id;
			return false;
		}
	delay_watchdogs(d);
	d->held = false;
	d->first = -1;
	for_each_vcpu (g->domain, v)
		if (g->cpu[v->id])
			g->cpu[v->id]->stepping = action[v->id] == RESUME_STEP ? STEP_ONE
						  : d->nr_watches	       ? STEP_WATCH
									       : STEP_NOT;
	pthread_mutex_lock(&d->lock);
	for_each_vcpu (g->domain, v)
		if (action[v->id] != RESUME_NOT)
			atomic_fetch_and(&v->pause_flags, ~VPF_DEBUGGER);
	pthread_mutex_unlock(&d->lock);
	bool any = false;
	for_each_vcpu (g->domain, v)
		if (action[v->id] != RESUME_NOT) {
			any = true;
			g->domain->ops->vcpu_kick(v);
		}
	if (!any)
		eventfd_write(d->event_fd, 1);
	return true;
}

static bool is_up(const struct vcpu *v)
{
	return !(atomic_load(&v->pause_flags) & VPF_DOWN);
}

/* One that the user would want to see. */
static unsigned choose(const struct debugger *d, unsigned preferred)
{
	const struct domain *dom = d->guest->domain;

	struct vcpu *culprit = atomic_load(&d->guest->crash_vcpu);

	if (debugger_is_dead(d) && culprit)
		return culprit->id;
	if (is_up(dom->vcpu[preferred]))
		return preferred;
	for (unsigned i = 0; i < dom->nr_vcpus; i++)
		if (is_up(dom->vcpu[i]))
			return i;
	return preferred;
}

unsigned debugger_next_stop(struct debugger *d, unsigned preferred, struct stop *s)
{
	unsigned id;

	if (d->first < 0) {
		*s = (struct stop){.reason = debugger_is_dead(d) ? STOPPED_CRASH : STOPPED_ASKED};
		return choose(d, preferred);
	}
	id = (unsigned)d->first;
	*s = d->stop[id];
	d->stop[id].reason = STOPPED_NOT;
	d->first = -1;
	return id;
}

void debugger_release(struct debugger *d)
{
	static const enum resume_action all[MAX_VCPUS] = {[0 ... MAX_VCPUS - 1] = RESUME_RUN};

	debugger_remove_all(d);
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		d->stop[i].reason = STOPPED_NOT;
	d->step_events = false;
	debugger_resume(d, all);
}

/* ---- in the vcpus' threads ---- */

/* Its rip is behind the int3. */
static const struct breakpoint *int3_before(const struct debugger *d, const struct vcpu *v)
{
	uint64_t maddr;

	if (!debugger_translate(v, v->regs.rip - 1, &maddr))
		return NULL;
	/* The loop's thread changes them while all vcpus are at rest only. */
	return debugger_find_int3(d, maddr);
}

static bool at_breakpoint(struct debugger *d, struct cpu *c)
{
	struct vcpu *v = c->vcpu;
	const struct breakpoint *b = int3_before(d, v);

	if (!b)
		return false;
	v->regs.rip--;
	stop_here(d, c, b->kind == BREAK_HW ? STOPPED_HWBREAK : STOPPED_BREAK, b->va);
	return true;
}

/* A #DB. True: it was the trap flag's and nothing else. */
static bool after_step(struct cpu *c)
{
	struct kvm_debugregs dr;

	if (!c->trap_flag)
		return false;
	c->stepped = true;
	if (c->step_guest_tf)
		return false;
	/* A breakpoint of the guest's own may have hit with it. */
	if (ioctl(c->fd, KVM_GET_DEBUGREGS, &dr))
		return true;
	c->debugregs_dirty = true;
	if (!(dr.dr6 & DR6_HITS) || !(c->vcpu->debugreg[7] & DR7_ENABLES))
		return true;
	/* Without the step. */
	dr.dr6 &= ~(uint64_t)DR6_BS;
	ioctl(c->fd, KVM_SET_DEBUGREGS, &dr);
	return false;
}

bool debugger_made(const struct debugger *d, const struct cpu *c, const struct cpu_exit *x)
{
	if (x->kind != CPU_EXIT_TRAP)
		return false;
	return (x->vector == VEC_DB && c->trap_flag) ||
	       (x->vector == VEC_BP && int3_before(d, c->vcpu));
}

bool debugger_trap(struct debugger *d, struct cpu *c, const struct cpu_exit *x)
{
	if (x->vector == VEC_DB)
		return after_step(c);
	return x->vector == VEC_BP && at_breakpoint(d, c);
}

bool debugger_holds_events(const struct debugger *d, const struct cpu *c)
{
	return c->stepping == STEP_ONE && !d->step_events;
}

void debugger_enter(struct debugger *d, struct cpu *c)
{
	c->trap_flag = false;
	/* User mode cannot reach what is watched in the kernel. */
	if (c->stepping == STEP_WATCH && !c->vcpu->kernel_mode && !d->user_watches)
		return;
	cpu_step_begin(c);
	if (d->nr_watches)
		watch_prepare(d, c->vcpu);
}

void debugger_left(struct debugger *d, struct cpu *c, const struct cpu_exit *x)
{
	struct stop *s = &d->coming[c->vcpu->id];

	if (!c->trap_flag)
		return;
	c->trap_flag = false;
	if (!cpu_step_done(c))
		return;
	/* An exception that the guest was given is no access; an instruction that was
	 * emulated ends behind itself. */
	if (d->nr_watches && s->reason != STOPPED_NOT &&
	    (c->stepped || c->vcpu->regs.rip - c->step_rip <= 15))
		stop_here(d, c, s->reason, s->addr);
	else if (c->stepping == STEP_ONE)
		stop_here(d, c, STOPPED_STEP, 0);
}

const char *debugger_vcpu_does(const struct vcpu *v)
{
	uint32_t pause = atomic_load(&v->pause_flags);

	if (pause & VPF_DOWN)
		return "down";
	if (pause & VPF_BLOCKED)
		return "blocked";
	return v->kernel_mode ? "kernel" : "user";
}
