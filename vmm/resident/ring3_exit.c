/*
 * After an exit: what the resident monitor at CPL 3 has done (ring3_area.h). Everything that is
 * read from its pages may have been written by the guest's kernel.
 */
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/evtchn.h"
#include "vmm/futex.h"
#include "vmm/resident/ring3_internal.h"

static bool is_l4(const struct domain *d, uint64_t mfn)
{
	return frame_ptr(d, mfn) && mfn < d->nr_ram && d->pages[mfn].type == PGT_L4 &&
	       d->pages[mfn].type_count;
}

bool ring3_event_fd(struct domain *d, evtchn_port_t port, int fd, bool on)
{
	struct ring3 *r = domain_guest(d)->monitor.ring3;
	uint32_t bit = 1u << port % 32;

	if (port >= RING3_PORTS)
		return false;
	if (!on)
		atomic_fetch_and(&r->domain->rings[port / 32], ~bit);
	if (machine_memory_event(r->machine, r->exits + R3_EXIT_EVENT, port, fd, on))
		return false;
	if (on)
		atomic_fetch_or(&r->domain->rings[port / 32], bit);
	return true;
}

static void count_sent(struct domain *d, struct ring3_domain *from)
{
	evtchn_lock(d);
	for (evtchn_port_t port = 1; port < RING3_PORTS && port < d->nr_evtchns; port++)
		if (atomic_load_explicit(&from->sent[port], memory_order_relaxed))
			d->evtchn[port].sent += atomic_exchange(&from->sent[port], 0);
	evtchn_unlock(d);
}

/* Frames that went out of use inside. */
static void free_unused(struct domain *d)
{
	domain_lock(d);
	for (uint64_t mfn = 0; mfn < d->ram_used; mfn++)
		if (d->pages[mfn].flags & PG_GIVEN_BACK && !d->pages[mfn].refs)
			mm_frame_unused(d, mfn);
	domain_unlock(d);
}

void ring3_take_over(struct cpu *c)
{
	struct ring3 *r = ring3_of(c);
	struct vcpu *v = c->vcpu;
	struct domain *d = v->domain;
	struct ring3_area *a = r->cpu[v->id].area;
	/* Of each field one look. */
	const volatile struct vcpu *from = r->cpu[v->id].vcpu;

	if (!r->cpu[v->id].on)
		return;
	uint64_t kernel = from->guest_table, user = from->guest_table_user;
	uint64_t gs_kernel = from->gs_base_kernel, gs_user = from->gs_base_user;
	if ((kernel != v->guest_table && !is_l4(d, kernel)) ||
	    (user && user != v->guest_table_user && !is_l4(d, user)) || !is_canonical(gs_kernel) ||
	    !is_canonical(gs_user)) {
		domain_crash(d, "vcpu %u: the guest wrote to the resident monitor's memory", v->id);
		return;
	}
	v->guest_table = kernel;
	v->guest_table_user = user;
	v->kernel_mode = *(const volatile uint8_t *)&from->kernel_mode & 1 || !user;
	v->in_syscall = *(const volatile uint8_t *)&from->in_syscall & 1;
	v->in_nmi = *(const volatile uint8_t *)&from->in_nmi & 1;
	v->gs_base_kernel = gs_kernel;
	v->gs_base_user = gs_user;
	v->kernel_sp = from->kernel_sp;
	v->kernel_ss = from->kernel_ss;
	v->ctrlreg[2] = from->ctrlreg[2];
	v->iopl = from->iopl & 3;
	for (unsigned i = 0; i < NR_HYPERCALLS; i++)
		v->hypercalls[i] += (uint32_t)from->hypercalls[i];
	atomic_store_explicit(&v->upcalls, v->upcalls + from->upcalls, memory_order_relaxed);
	uint32_t pci = __atomic_exchange_n(&a->pci_address, 0, __ATOMIC_RELAXED);
	if (pci & 1)
		atomic_store(&domain_guest(d)->latches.pci_address, pci & ~1u);
	if (a->timer_set)
		atomic_store(&v->timer[TIMER_SINGLESHOT], from->timer[TIMER_SINGLESHOT]);
	if (__atomic_exchange_n(&a->sent, 0, __ATOMIC_RELAXED))
		count_sent(d, r->domain);
	if (__atomic_exchange_n(&a->unused, 0, __ATOMIC_RELAXED))
		free_unused(d);
}

void ring3_take_selectors(struct cpu *c)
{
	uint32_t gs = ring3_of(c)->cpu[c->vcpu->id].area->gs;

	if (gs >> 16)
		c->vcpu->regs.gs = (uint16_t)gs;
}

/* The saved frame. */
static void collect_frame(struct cpu *c, struct cpu_user_regs *f)
{
	const struct ring3 *r = ring3_of(c);
	struct cpu_user_regs *u = &c->vcpu->regs;

	memcpy(f, r->cpu[c->vcpu->id].stack + R3_FRAME_OFFSET - RING3_STACK_OFFSET, R3_FRAME_SIZE);
	memcpy(u, f, R3_FRAME_SIZE);
	u->cs = f->cs | 3;
	u->ss = f->ss | 3;
	u->rflags = f->rflags | EFLAGS_IF;
}

static void forwarded(struct cpu *c, struct cpu_exit *x, const struct cpu_user_regs *f)
{
	const struct ring3 *r = ring3_of(c);

	if (f->entry_vector == RES_VECTOR_SYSCALL) {
		x->kind = CPU_EXIT_SYSCALL;
		return;
	}
	x->kind = CPU_EXIT_TRAP;
	x->vector = f->entry_vector == RES_VECTOR_GP ? RES_VECTOR_GP : RES_VECTOR_PF;
	x->error_code = f->error_code;
	x->cr2 = r->cpu[c->vcpu->id].gate->cr2;
}

static void serve(const struct cpu *c)
{
	struct ring3 *r = ring3_of(c);
	const volatile struct ring3_area *a = r->cpu[c->vcpu->id].area;
	_Atomic uint32_t *word = &r->domain->domain.lock.state;
	struct domain *d = c->vcpu->domain;

	switch (a->call) {
	case RING3_CALL_LOCK_WAIT:
		ring3_lock_wait(word, a->arg);
		break;
	case RING3_CALL_LOCK_WAKE:
		futex_wake(word);
		break;
	case RING3_CALL_TLB_FLUSH:
		d->ops->tlb_flush(d, a->arg & ~(1u << c->vcpu->id), ~0UL);
		break;
	default:
		break;
	}
}

/* Others need not wait for it here: with a flush to do it comes to us on its way into the guest
 * (as resident_serve()). */
static void served(struct cpu *c)
{
	atomic_store(&c->in_guest, false);
	serve(c);
	atomic_fetch_add(&c->entries, 1);
	atomic_store(&c->in_guest, true);
}

int ring3_exit(struct cpu *c, struct cpu_exit *x, uint64_t addr)
{
	const struct ring3 *r = ring3_of(c);
	struct cpu_user_regs f;

	if (addr - r->exits >= PAGE_SIZE)
		return -1;
	switch (addr - r->exits) {
	case R3_EXIT_CALL:
		served(c);
		return 1;
	case R3_EXIT_EVENT:
		return 1; /* the port was closed just now */
	case R3_EXIT_DONE:
		collect_frame(c, &f);
		x->kind = CPU_EXIT_KICK;
		return 0;
	default:
		collect_frame(c, &f);
		forwarded(c, x, &f);
		return 0;
	}
}

bool ring3_is_inside(const struct cpu *c)
{
	uint64_t rip = c->run->s.regs.regs.rip;

	return rip >> 39 == RING3_VA >> 39 ||
	       (rip >= monitor_va(monitor_gate_out) && rip < monitor_va(monitor_gates_end));
}

/* Is the frame that the gate has on the monitor's stack one of the stub's way out? */
static bool is_on_way_out(struct cpu *c)
{
	const struct ring3 *r = ring3_of(c);
	uint64_t va = ring3_block_va(c->vcpu->id), rip = c->run->s.regs.regs.rip;
	const struct ring3_area *a = r->cpu[c->vcpu->id].area;

	if (!a->leaving)
		return false;
	if (rip >= monitor_va(monitor_gate_out) && rip < monitor_va(monitor_gate_page_fault))
		rip = ((const uint64_t *)r->cpu[c->vcpu->id].gate)[-5];
	return rip > va + (uint64_t)(ring3_leave - ring3_stub) &&
	       rip < va + (uint64_t)(ring3_leave_end - ring3_stub);
}

void ring3_leave_soon(struct cpu *c)
{
	struct ring3 *r = ring3_of(c);

	r->cpu[c->vcpu->id].area->kick = 1;
	atomic_store(&r->cpu[c->vcpu->id].vcpu->wanted, true);
}

bool ring3_interrupted(struct cpu *c)
{
	struct cpu_user_regs f;

	if (is_on_way_out(c)) {
		collect_frame(c, &f);
		return true;
	}
	ring3_leave_soon(c);
	return false;
}

/* A handler takes up to some tenths of a second, with a large guest's first tables. */
#define STUCK_NS     1000000
#define STUCK_LIMIT  10000
#define STUCK_AT_END 500 /* when the domain ends anyway */

bool ring3_is_stuck(struct cpu *c)
{
	struct ring3 *r = ring3_of(c);

	bool ends = atomic_load(&domain_guest(c->vcpu->domain)->stop);

	if (++r->cpu[c->vcpu->id].stuck >= (ends ? STUCK_AT_END : STUCK_LIMIT))
		return true;
	cpu_arm_timer(c, STUCK_NS);
	c->signalled = true; /* what was armed is to be armed again */
	return false;
}
