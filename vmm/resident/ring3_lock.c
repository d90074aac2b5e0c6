/*
 * The lock of the resident monitor at CPL 3, which our process holds with domain.lock: page_info
 * and page tables are changed on both sides.
 */
#include "vmm/futex.h"
#include "vmm/resident/ring3_internal.h"
#include "vmm/stats.h"

#define LOCK_WAIT_MS 100
/* By then whoever has it never gives it back: a handler is done in a fraction of a second, also
 * on a host that is busy. */
#define LOCK_LIMIT_NS 10000000000

void ring3_lock_wait(_Atomic uint32_t *word, uint32_t val)
{
	static const struct timespec t = {.tv_nsec = LOCK_WAIT_MS * 1000000L};

	futex_wait(word, val, &t);
}

/* Whose translations are how old: of both sides, for who holds both locks. Meanwhile vcpus go on
 * setting their own: what was read is then too old, which is a flush too many; so one that sleeps,
 * and may wake, has none. */
static void read_tlb_times(struct ring3 *r, struct domain *d)
{
	d->tlb_clock = mm_tlb_now(&r->domain->domain);
	for (unsigned i = 0; i < d->nr_vcpus; i++) {
		uint32_t time = r->cpu[i].vcpu->tlb_time;

		r->tlb_time[i] = time == MM_TLB_NONE ? 0 : time;
		d->vcpu[i]->tlb_time = r->tlb_time[i];
	}
}

static void write_tlb_times(const struct ring3 *r, const struct domain *d)
{
	r->domain->domain.tlb_clock = mm_tlb_now(d);
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		if (d->vcpu[i]->tlb_time != r->tlb_time[i])
			r->cpu[i].vcpu->tlb_time = d->vcpu[i]->tlb_time;
}

void ring3_tlb_rest(struct cpu *c, bool rests)
{
	const struct ring3 *r = ring3_of(c);

	mm_tlb_flushed(r->cpu[c->vcpu->id].vcpu,
		       rests ? MM_TLB_NONE : mm_tlb_now(&r->domain->domain));
}

/* Like pv_lock(), but the guest may keep it for ever. */
void ring3_lock(struct domain *d)
{
	struct ring3 *r = domain_guest(d)->monitor.ring3;
	_Atomic uint32_t *word = &r->domain->domain.lock.state;
	uint32_t c = 0;

	if (r->broken)
		return;
	if (atomic_compare_exchange_strong(word, &c, 1)) {
		read_tlb_times(r, d);
		return;
	}
	for (uint64_t from = stats_now(); stats_now() - from < LOCK_LIMIT_NS;) {
		if (!atomic_exchange(word, 2)) {
			read_tlb_times(r, d);
			return;
		}
		ring3_lock_wait(word, 2);
	}
	r->broken = true;
	domain_crash(d, "the guest does not give back the resident monitor's lock");
}

void ring3_unlock(struct domain *d)
{
	const struct ring3 *r = domain_guest(d)->monitor.ring3;
	_Atomic uint32_t *word = &r->domain->domain.lock.state;

	write_tlb_times(r, d);
	if (atomic_exchange(word, 0) == 2)
		futex_wake(word);
}
