/*
 * What pvabi's handlers need of their host at CPL 3 inside the guest.
 */
#include "pvabi/m2p.h"
#include "pvabi/mm.h"
#include "vmm/resident/ring3/ring3_guest.h"

static void call(enum ring3_call nr, uint32_t arg)
{
	struct ring3_area *r = ring3_area();

	r->call = nr;
	r->arg = arg;
	r->count.calls++;
	*(volatile uint32_t *)(ring3_block() + RING3_EXIT_OFFSET + R3_EXIT_CALL) = nr;
}

void ring3_send(evtchn_port_t port)
{
	ring3_area()->sent = 1;
	*(volatile uint32_t *)(ring3_block() + RING3_EXIT_OFFSET + R3_EXIT_EVENT) = port;
}

/* Only calls that somebody asks about want to know it, and those are the host's. */
static uint64_t system_time(struct domain *d)
{
	return 0;
}

/* Nothing that is handled here concerns another vcpu. */
static void vcpu_kick(struct vcpu *v)
{
}

/* Those with an LDT are the host's. */
static void descriptors_changed(struct vcpu *v)
{
}

static void load_cr3(struct ring3_area *a, uint64_t cr3)
{
	struct vcpu *v = ring3_vcpu();
	uint32_t now = mm_tlb_now(v->domain);

	a->cr3 = cr3;
	ring3_gate()->kernel_cr3 = cr3;
	((void (*)(uint64_t))a->load_cr3)(cr3);
	mm_tlb_flushed(v, now);
}

void ring3_load_tables(struct vcpu *v)
{
	struct ring3_area *a = ring3_area();
	uint64_t cr3 = v->guest_table << PAGE_SHIFT;

	if (cr3 != a->cr3)
		load_cr3(a, cr3);
}

/* KVM does not look at what is stored here into a table that is in use before a flush. */
static void tlb_flush(struct domain *d, uint32_t vcpus, uint64_t va)
{
	uint32_t self = 1u << ring3_vcpu()->id, others = vcpus & ~self & ((1u << d->nr_vcpus) - 1);

	if (vcpus & self)
		load_cr3(ring3_area(), ring3_area()->cr3);
	if (others)
		call(RING3_CALL_TLB_FLUSH, others);
}

static void pte_overwritten(struct vcpu *v, uint64_t maddr)
{
}

static void lock_wait(_Atomic uint32_t *word, uint32_t val)
{
	call(RING3_CALL_LOCK_WAIT, val);
}

static void lock_wake(_Atomic uint32_t *word)
{
	call(RING3_CALL_LOCK_WAKE, 0);
}

struct host_ops resident_host_ops = {
	.system_time = system_time,
	.vcpu_kick = vcpu_kick,
	.vcpu_notify = vcpu_kick,
	.descriptors_changed = descriptors_changed,
	.tlb_flush = tlb_flush,
	.tables_changed = ring3_load_tables,
	.pte_overwritten = pte_overwritten,
	.lock_wait = lock_wait,
	.lock_wake = lock_wake,
};

void resident_set_pci_address(uint32_t address)
{
	ring3_area()->pci_address = address | 1;
}

/* ---- what pvabi has elsewhere ---- */

/* The host looks for it. */
void mm_frame_unused(struct domain *d, uint64_t mfn)
{
	ring3_area()->unused = 1;
}

/* mmu_update leaves these to the host. */
void m2p_set(struct domain *d, uint64_t mfn, uint64_t pfn)
{
}

/* The host does the same once more, and finds the same: its report has the reason. */
void domain_crash(struct domain *d, const char *fmt, ...)
{
	ring3_area()->crashed = 1;
}

void domain_log(struct domain *d, enum log_level level, const char *fmt, ...)
{
}
