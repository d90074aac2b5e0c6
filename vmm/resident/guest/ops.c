/*
 * What pvabi's handlers need of their host at CPL 0 inside the guest: each service an exit of the
 * virtual machine to the function of the same name in our process (vmm/resident/resident.c,
 * which translates the pointers).
 */
#include "pvabi/bounce.h"
#include "pvabi/mm.h"
#include "vmm/bell.h"
#include "vmm/clock.h"
#include "vmm/cpu.h"
#include "vmm/resident/guest/resident_guest.h"

static void load_cr3(uint64_t cr3)
{
	struct resident_area *r = resident_area();
	struct vcpu *v = shared(r->vcpu);
	uint32_t now = mm_tlb_now(shared(v->domain));

	r->cr3 = cr3;
	__asm__ volatile("movq %0, %%cr3" ::"r"(cr3) : "memory");
	mm_tlb_flushed(v, now);
}

static uint64_t call(enum resident_call nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct resident_area *r = resident_area();

	r->call = nr;
	r->arg[0] = a;
	r->arg[1] = b;
	r->arg[2] = c;
	r->arg[3] = d;
	r->count.calls++;
	__asm__ volatile("outb %%al, $" XSTR(MON_PORT_CALL)::: "memory");
	/* Nobody waited meanwhile for this vcpu to forget translations, and handlers use the
	 * guest's. */
	if (atomic_load(&shared(r->cpu)->remote_flush))
		load_cr3(r->cr3);
	return r->result;
}

static uint64_t system_time(struct domain *d)
{
	return clock_at(shared(resident_area()->clock), __builtin_ia32_rdtsc());
}

static struct resident_area *area_of(const struct vcpu *v)
{
	return (struct resident_area *)monitor_vcpu_va(v->id, MON_RESIDENT_OFFSET);
}

static void vcpu_kick(struct vcpu *v)
{
	const struct resident_area *a = area_of(v);

	/* The vcpu itself looks at everything before it goes on, and so does one that was kicked
	 * and has not come to that yet. */
	if (v->id != shared(resident_area()->vcpu)->id &&
	    (a->off || !atomic_load(&shared(a->cpu)->kick)))
		call(RES_CALL_VCPU_KICK, v->id, 0, 0, 0);
}

#define ICR_ASSERT (1u << 14)

static void ring(unsigned vcpu)
{
	wrmsr(MSR_X2APIC_ICR, (uint64_t)vcpu << 32 | ICR_ASSERT | BELL_VECTOR);
}

/* When the handler has given back its locks: who is rung may run at once, and want them. */
static void vcpu_notify(struct vcpu *v)
{
	struct resident_area *r = resident_area();

	if (v->id != shared(r->vcpu)->id)
		r->to_ring |= 1u << v->id;
}

/* In guest mode it takes a bell; elsewhere it looks before it comes back there. */
void resident_ring_out(struct resident_area *r)
{
	const struct domain *d = shared(shared(r->vcpu)->domain);
	uint32_t vcpus = r->to_ring;

	r->to_ring = 0;
	for (; vcpus; vcpus &= vcpus - 1) {
		unsigned id = (unsigned)__builtin_ctz(vcpus);
		struct vcpu *v = shared(d->vcpu[id]);
		const struct resident_area *a = area_of(v);

		if (a->bells && !a->off && atomic_load(&shared(a->cpu)->in_guest))
			ring(id);
		else
			vcpu_kick(v);
	}
}

static void descriptors_changed(struct vcpu *v)
{
	call(RES_CALL_DESCRIPTORS_CHANGED, v->id, 0, 0, 0);
}

static void debugregs_changed(struct vcpu *v)
{
	call(RES_CALL_DEBUGREGS_CHANGED, v->id, 0, 0, 0);
}

static void fpu_ts_changed(struct vcpu *v)
{
	uint64_t cr0;

	__asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
	cr0 = (cr0 & ~CR0_TS) | (v->ctrlreg[0] & CR0_TS);
	__asm__ volatile("movq %0, %%cr0" ::"r"(cr0));
}

void resident_load_tables(struct vcpu *v)
{
	uint64_t cr3 = vcpu_l4(v) << PAGE_SHIFT;

	if (cr3 != resident_area()->cr3)
		load_cr3(cr3);
}

bool guest_copy_directly(struct vcpu *v, void *to, const void *from, size_t n)
{
	struct resident_area *r = resident_area();

	if (v != shared(r->vcpu))
		return false;
	resident_load_tables(v);
	return !((unsigned (*)(void *, const void *, size_t))r->copy)(to, from, n);
}

/* Some microseconds: whoever has not come by then does not run. */
#define FLUSH_SPINS 2000

static bool is_flushed(const struct cpu *c)
{
	/* Outside of guest mode it flushes before it comes back there. */
	return !atomic_load(&c->remote_flush) || !atomic_load(&c->in_guest);
}

/* Who is in guest mode is rung, and does it at once. Returns whom the host must wait for. Nobody
 * else flushes meanwhile: `lock` is held. */
static uint32_t flush_others(struct domain *d, uint32_t vcpus)
{
	bool can_wait = resident_area()->bells > 1;
	uint32_t left = 0;
	struct vcpu *v;

	for_each_vcpu (d, v) {
		const struct resident_area *a = area_of(v);
		struct cpu *c = shared(a->cpu);

		if (!(vcpus >> v->id & 1) || !c)
			continue; /* one that never ran has no translations */
		atomic_store(&c->remote_flush, true);
		if (is_flushed(c))
			continue;
		if (can_wait && !a->off)
			ring(v->id);
		left |= 1u << v->id;
	}
	for (unsigned n = 0; can_wait && left && n < FLUSH_SPINS; n++) {
		for_each_vcpu (d, v)
			if (left >> v->id & 1 && is_flushed(shared(area_of(v)->cpu)))
				left &= ~(1u << v->id);
		__builtin_ia32_pause();
	}
	return left;
}

void resident_flush_wanted(void)
{
	struct resident_area *r = resident_area();
	struct cpu *c = shared(r->cpu);

	if (!atomic_load(&c->remote_flush))
		return;
	load_cr3(r->cr3);
	atomic_store(&c->remote_flush, false);
}

static void tlb_flush(struct domain *d, uint32_t vcpus, uint64_t va)
{
	const struct resident_area *r = resident_area();
	uint32_t self = 1u << shared(r->vcpu)->id, others = vcpus & ~self;

	if (vcpus & self && va == ~0UL)
		load_cr3(r->cr3);
	else if (vcpus & self)
		__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
	if (others)
		others = flush_others(d, others);
	if (others)
		call(RES_CALL_TLB_FLUSH, others, va, 0, 0);
}

/* The store was made inside the guest, where every kind of KVM sees it. */
static void pte_overwritten(struct vcpu *v, uint64_t maddr)
{
}

static void frames_released(struct domain *d, uint64_t mfn, uint64_t nr)
{
	call(RES_CALL_FRAMES_RELEASED, mfn, nr, 0, 0);
}

static void lock_wait(_Atomic uint32_t *word, uint32_t val)
{
	call(RES_CALL_LOCK_WAIT, (uint64_t)word, val, 0, 0);
}

static void lock_wake(_Atomic uint32_t *word)
{
	call(RES_CALL_LOCK_WAKE, (uint64_t)word, 0, 0, 0);
}

static void shutdown(struct domain *d, unsigned reason)
{
	call(RES_CALL_SHUTDOWN, reason, 0, 0, 0);
}

void resident_set_pci_address(uint32_t address)
{
	atomic_store(shared(resident_area()->pci_address), address);
}

struct host_ops resident_host_ops = {
	.system_time = system_time,
	.vcpu_kick = vcpu_kick,
	.vcpu_notify = vcpu_notify,
	.descriptors_changed = descriptors_changed,
	.debugregs_changed = debugregs_changed,
	.fpu_ts_changed = fpu_ts_changed,
	.tlb_flush = tlb_flush,
	.tables_changed = resident_load_tables,
	.pte_overwritten = pte_overwritten,
	.frames_released = frames_released,
	.lock_wait = lock_wait,
	.lock_wake = lock_wake,
	.shutdown = shutdown,
};

/* The list is on this stack; the host knows where it has that. */
void domain_crash(struct domain *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call(RES_CALL_CRASH, (uint64_t)fmt, (uint64_t)ap, 0, 0);
	va_end(ap);
}

void domain_log(struct domain *d, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call(RES_CALL_LOG, (uint64_t)fmt, (uint64_t)ap, level, 0);
	va_end(ap);
}
