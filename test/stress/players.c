/*
 * The vcpus of events_tsan.c, step by step.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "test/stress/players.h"

#define TIMER_NS 200000ull

enum step {
	UPCALL = UPCALL_STEP,
	ENABLE = FIRST_STEP, /* upcalls */
	NEXT,
	WAIT_BLOCK,
	WAIT_POLL,
	SPIN,
	IPI_SENT,
	IPI_WAIT,
	LOCK_WAIT,
	UNLOCK,
	TIMER_WAIT,
	FINISHED,
};

struct player players[VCPUS];
enum play plays[NR_PLAYS];
unsigned nr_plays;
_Atomic unsigned running;
_Atomic unsigned next_ticket = 1, serving = 1;
static unsigned long locked_count; /* what the lock protects is no atomic */

static struct player *player_of(struct stress_cpu *s)
{
	return &players[s->cpu.vcpu->id];
}

static struct vcpu_info *info_of(struct stress_cpu *s)
{
	return vcpu_info_get(s->cpu.vcpu);
}

static void set_upcall_mask(struct stress_cpu *s, uint8_t masked)
{
	/* Not sequentially consistent, as Linux's plain store. */
	__atomic_store_n(&info_of(s)->evtchn_upcall_mask, masked, __ATOMIC_RELAXED);
}

static bool upcall_pending(struct stress_cpu *s)
{
	return __atomic_load_n(&info_of(s)->evtchn_upcall_pending, __ATOMIC_SEQ_CST);
}

static bool send_event(struct stress_cpu *s, unsigned step, evtchn_port_t port)
{
	struct evtchn_send a = {.port = port};

	return block_call(s, step, __HYPERVISOR_event_channel_op, EVTCHNOP_send, &a, sizeof(a));
}

static bool unmask_port(struct stress_cpu *s, unsigned step, evtchn_port_t port)
{
	struct evtchn_unmask a = {.port = port};

	return block_call(s, step, __HYPERVISOR_event_channel_op, EVTCHNOP_unmask, &a, sizeof(a));
}

static bool block(struct stress_cpu *s, unsigned step)
{
	return hypercall(s, step, __HYPERVISOR_sched_op, SCHEDOP_block, 0);
}

/* Of `port`, and of the quiet one too in one call of two. */
static bool poll_port(struct stress_cpu *s, unsigned step, evtchn_port_t port, uint64_t timeout)
{
	struct player *p = player_of(s);
	evtchn_port_t ports[2] = {port, p->quiet};
	struct sched_poll a = {.nr_ports = 1 + rand_r(&p->seed) % 2, .timeout = timeout};

	a.ports.p = (evtchn_port_t *)(s->args_va + sizeof(a));
	memcpy((uint8_t *)s->args + sizeof(a), ports, sizeof(ports));
	return block_call(s, step, __HYPERVISOR_sched_op, SCHEDOP_poll, &a, sizeof(a));
}

/* ------------------------------------------------------------------------ */
/* The upcall. Linux: __xen_evtchn_do_upcall, evtchn_2l_handle_events.        */

static void handle_port(struct player *p, evtchn_port_t port)
{
	if (port == p->answer)
		p->answered = p->reply;
	else if (port == p->ipi)
		atomic_store(&p->ipi_taken, atomic_load(&p->ipi_posted));
	else if (port == p->timer)
		atomic_fetch_add(&p->ticks, 1);
}

/* Linux: evtchn_2l_unmask, on the vcpu that the port belongs to. */
static void unmask_local(struct stress_cpu *s, evtchn_port_t port)
{
	struct vcpu_info *info = info_of(s);

	port_set_mask(s->t, port, false);
	if (port_pending(s->t, port) &&
	    !(__atomic_fetch_or(&info->evtchn_pending_sel, 1ull << port / 64, __ATOMIC_SEQ_CST) >>
		      port / 64 &
	      1))
		__atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
}

static void take_port(struct stress_cpu *s, evtchn_port_t port)
{
	struct player *p = player_of(s);

	port_set_mask(s->t, port, true);
	port_clear(s->t, port);
	handle_port(p, port);
	if (p->nr_unmask < MAX_UNMASK && rand_r(&p->seed) % 2)
		p->unmask[p->nr_unmask++] = port;
	else
		unmask_local(s, port);
}

static bool is_mine(const struct player *p, evtchn_port_t port)
{
	return port == p->answer || port == p->ipi || port == p->timer;
}

static void take_events(struct stress_cpu *s)
{
	struct shared_info *si = s->t->d->shared_info;
	uint64_t sel, word;

	do {
		__atomic_store_n(&info_of(s)->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
		sel = __atomic_exchange_n(&info_of(s)->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
		for (; sel; sel &= sel - 1) {
			unsigned w = __builtin_ctzll(sel);

			word = __atomic_load_n(&si->evtchn_pending[w], __ATOMIC_SEQ_CST) &
			       ~__atomic_load_n(&si->evtchn_mask[w], __ATOMIC_SEQ_CST);
			for (; word; word &= word - 1)
				if (is_mine(player_of(s), w * 64 + __builtin_ctzll(word)))
					take_port(s, w * 64 + __builtin_ctzll(word));
		}
	} while (upcall_pending(s));
}

static bool step_upcall(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	take_events(s);
	if (p->nr_unmask)
		return unmask_port(s, UPCALL, p->unmask[--p->nr_unmask]);
	return guest_iret(s);
}

/* ------------------------------------------------------------------------ */
/* The rounds. Each begins and ends with upcalls unmasked. */

static bool ask(struct stress_cpu *s, unsigned step, bool by_poll)
{
	struct player *p = player_of(s);

	p->by_poll = by_poll;
	p->asked++;
	if (by_poll)
		set_upcall_mask(s, rand_r(&p->seed) % 2);
	return send_event(s, step, p->answer);
}

static bool ipi(struct stress_cpu *s, bool masked)
{
	struct player *p = player_of(s), *q;

	p->ipi_target = (p->id + 1 + rand_r(&p->seed) % (VCPUS - 1)) % VCPUS;
	q = &players[p->ipi_target];
	if (masked)
		port_set_mask(s->t, q->ipi, true);
	p->ipi_number = atomic_fetch_add(&q->ipi_posted, 1) + 1;
	return send_event(s, masked ? IPI_SENT : IPI_WAIT, q->ipi);
}

/* The last one ends all. */
static bool finish(struct stress_cpu *s)
{
	if (atomic_fetch_sub(&running, 1) == 1)
		guest_stop(domain_guest(s->t->d));
	go_to(s, FINISHED);
	return false;
}

static bool step_next(struct stress_cpu *s)
{
	struct player *p = player_of(s);
	struct domain *d = s->t->d;
	uint64_t deadline = d->ops->system_time(d) + TIMER_NS;
	enum play play;

	if (!p->rounds_left)
		return finish(s);
	p->rounds_left--;
	play = plays[rand_r(&p->seed) % nr_plays];
	atomic_fetch_add(&p->played[play], 1);
	switch (play) {
	case ASK_BLOCK:
		return ask(s, WAIT_BLOCK, false);
	case ASK_POLL:
		return ask(s, WAIT_POLL, true);
	case ASK_SPIN:
		return ask(s, ENABLE, false);
	case IPI:
	case IPI_MASKED:
		return ipi(s, play == IPI_MASKED);
	case LOCK:
		set_upcall_mask(s, rand_r(&p->seed) % 2);
		atomic_store(&p->waits_for, atomic_fetch_add(&next_ticket, 1));
		go_to(s, LOCK_WAIT);
		return false;
	case TIMER:
		p->ticks_before = atomic_load(&p->ticks);
		return hypercall(s, TIMER_WAIT, __HYPERVISOR_set_timer_op, deadline, 0);
	default:
		return poll_port(s, NEXT, p->quiet, deadline);
	}
}

/* Linux: default_idle, xen_safe_halt. */
static bool idle_until(struct stress_cpu *s, bool done)
{
	if (!done)
		return block(s, STEP(s->cpu.vcpu));
	go_to(s, ENABLE); /* enables upcalls; goes on at once */
	return false;
}

static bool step_wait_block(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	set_upcall_mask(s, 1);
	return idle_until(s, p->answered == p->asked);
}

static bool step_timer_wait(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	set_upcall_mask(s, 1);
	return idle_until(s, atomic_load(&p->ticks) != p->ticks_before);
}

static bool step_wait_poll(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	if (!port_pending(s->t, p->poll_answer))
		return poll_port(s, WAIT_POLL, p->poll_answer, 0);
	port_clear(s->t, p->poll_answer);
	p->answered = p->reply;
	go_to(s, ENABLE);
	return false;
}

/* Linux: xen_irq_enable_direct. No fence is between the two. */
static bool step_enable(struct stress_cpu *s)
{
	set_upcall_mask(s, 0);
	if (__atomic_load_n(&info_of(s)->evtchn_upcall_pending, __ATOMIC_RELAXED))
		return hypercall(s, SPIN, __HYPERVISOR_xen_version, 0, 0);
	go_to(s, SPIN);
	return false;
}

static bool step_spin(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	if (p->answered == p->asked)
		go_to(s, NEXT);
	else
		sched_yield();
	return false;
}

static bool step_ipi_wait(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	if ((int)(atomic_load(&players[p->ipi_target].ipi_taken) - p->ipi_number) >= 0)
		go_to(s, NEXT);
	else
		sched_yield();
	return false;
}

/* Linux: xen_lock_spinning of its old ticket locks. */
static bool step_lock_wait(struct stress_cpu *s)
{
	struct player *p = player_of(s);

	port_clear(s->t, p->lock);
	if (atomic_load(&serving) != atomic_load(&p->waits_for))
		return poll_port(s, LOCK_WAIT, p->lock, 0);
	atomic_store(&p->waits_for, 0);
	locked_count++;
	go_to(s, UNLOCK);
	return false;
}

static bool step_unlock(struct stress_cpu *s)
{
	unsigned next = atomic_fetch_add(&serving, 1) + 1;

	for (unsigned i = 0; i < VCPUS; i++)
		if (atomic_load(&players[i].waits_for) == next)
			return send_event(s, ENABLE, players[i].lock);
	go_to(s, ENABLE);
	return false;
}

bool guest_step(struct stress_cpu *s)
{
	switch ((enum step)STEP(s->cpu.vcpu)) {
	case UPCALL:
		return step_upcall(s);
	case NEXT:
		return step_next(s);
	case WAIT_BLOCK:
		return step_wait_block(s);
	case WAIT_POLL:
		return step_wait_poll(s);
	case ENABLE:
		return step_enable(s);
	case SPIN:
		return step_spin(s);
	case IPI_SENT:
		return unmask_port(s, IPI_WAIT, players[player_of(s)->ipi_target].ipi);
	case IPI_WAIT:
		return step_ipi_wait(s);
	case LOCK_WAIT:
		return step_lock_wait(s);
	case UNLOCK:
		return step_unlock(s);
	case TIMER_WAIT:
		return step_timer_wait(s);
	case FINISHED:
		break;
	}
	return block(s, FINISHED);
}
