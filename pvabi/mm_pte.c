/*
 * The one place that stores into page tables in use, and the change of a single
 * entry with everything that it entails (Xen: arch/x86/mm.c, mod_l*_entry).
 */
#include <errno.h>

#include "pvabi/mm.h"

/* Bits that may change without a look at what the entry refers to
 * (Xen: FASTPATH_FLAG_WHITELIST; NX and the available bits). */
#define HARMLESS (PTE_NX | PTE_AVAIL_HIGH | PTE_AVAIL | PTE_G | PTE_D | PTE_A | PTE_US)

void mm_pte_store(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val,
		  enum pte_store_how how)
{
	uint64_t old = __atomic_load_n(pte, __ATOMIC_RELAXED), put;

	do {
		put = how == PTE_PRESERVE_AD ? val | (old & (PTE_A | PTE_D)) : val;
	} while (!__atomic_compare_exchange_n(pte, &old, put, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	if ((old & PTE_P) && old != put)
		host_of(shared(v->domain))->pte_overwritten(v, maddr);
}

bool mm_pte_cmpxchg(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t *old, uint64_t val)
{
	if (!__atomic_compare_exchange_n(pte, old, val, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	if ((*old & PTE_P) && *old != val)
		host_of(shared(v->domain))->pte_overwritten(v, maddr);
	return true;
}

/* The processor may set A and D meanwhile; nobody changes the rest. */
static uint64_t pte_read(const uint64_t *pte)
{
	return __atomic_load_n(pte, __ATOMIC_RELAXED);
}

static bool similar(uint64_t old, uint64_t adjusted)
{
	return (old & PTE_P) && !((old ^ adjusted) & ~HARMLESS);
}

static int update_l1(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val,
		     enum pte_store_how how)
{
	struct domain *d = shared(v->domain);
	uint64_t old = pte_read(pte);

	if (val & PTE_P) {
		if (!mm_l1e_bits_ok(d, val))
			return -EINVAL;
		val = mm_adjust(val, 1);
		if (similar(old, val)) {
			mm_pte_store(v, pte, maddr, val, how);
			return 0;
		}
		int rc = mm_l1e_get(d, val);
		if (rc < 0)
			return rc;
		val ^= (uint64_t)rc;
	}
	mm_pte_store(v, pte, maddr, val, how);
	mm_l1e_put(d, old);
	return 0;
}

static int update_lx(struct vcpu *v, uint64_t *pte, uint64_t maddr, uint64_t val, unsigned level,
		     uint64_t table_mfn, enum pte_store_how how)
{
	struct domain *d = shared(v->domain);
	uint64_t old = pte_read(pte);

	if (val & PTE_P) {
		uint64_t adjusted = mm_adjust(val, level);
		if (similar(old, adjusted) && !(val & PTE_G)) {
			mm_pte_store(v, pte, maddr, adjusted, how);
			return 0;
		}
		int rc = mm_lxe_get(d, val, level, table_mfn);
		if (rc)
			return rc;
		val = adjusted;
	}
	mm_pte_store(v, pte, maddr, val, how);
	mm_lxe_put(d, old, level, table_mfn);
	return 0;
}

static int entry_update(struct vcpu *v, uint64_t mfn, unsigned slot, unsigned level, uint64_t val,
			enum pte_store_how how)
{
	uint64_t *pte = (uint64_t *)frame_ptr(shared(v->domain), mfn) + slot;
	uint64_t maddr = mfn * PAGE_SIZE + 8 * slot;

	if (level == 1)
		return update_l1(v, pte, maddr, val, how);
	if (!mm_guest_slot(level, slot))
		return -EINVAL;
	return update_lx(v, pte, maddr, val, level, mfn, how);
}

int mm_entry_update(struct vcpu *v, uint64_t mfn, unsigned slot, unsigned level, uint64_t val,
		    enum pte_store_how how)
{
	struct domain *d = shared(v->domain);

	if (!probe_is_armed(d, PROBE_pt_update))
		return entry_update(v, mfn, slot, level, val, how);
	uint64_t old = pte_read((uint64_t *)frame_ptr(d, mfn) + slot);
	int rc = entry_update(v, mfn, slot, level, val, how);
	PROBE_HIT(d, pt_update, level, mfn, slot, old, val, (uint64_t)rc);
	return rc;
}

int mm_entry_update_io(struct vcpu *v, uint64_t mfn, unsigned slot, uint64_t val,
		       enum pte_store_how how)
{
	const uint64_t *pte = (const uint64_t *)frame_ptr(shared(v->domain), mfn) + slot;

	if ((val & PTE_P) && domain_is_memory(shared(v->domain), pte_mfn(val)) &&
	    mm_l1e_bits_ok(shared(v->domain), val) && !similar(pte_read(pte), mm_adjust(val, 1)))
		return -EBUSY; /* not DOMID_IO's */
	return mm_entry_update(v, mfn, slot, 1, val, how);
}

static void l4_entry_set(struct vcpu *v, uint64_t mfn, unsigned slot, uint64_t val)
{
	uint64_t *pte = (uint64_t *)frame_ptr(shared(v->domain), mfn) + slot;

	/* The processor sets A. */
	if ((pte_read(pte) ^ val) & ~PTE_A)
		mm_pte_store(v, pte, mfn * PAGE_SIZE + 8 * slot, val, PTE_SET);
}

void mm_l4_show_m2p(struct vcpu *v, uint64_t mfn, bool show)
{
	const struct domain *d = shared(v->domain);
	unsigned slot = d->m2p_va >> 39 & 511;

	l4_entry_set(v, mfn, slot, show ? d->xen_l4[slot - XEN_L4_FIRST] : 0);
}

void mm_l4_show_kernel(struct vcpu *v, uint64_t mfn, bool show)
{
	const struct domain *d = shared(v->domain);

	for (uint32_t rest = d->kernel_slots; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctz(rest);

		l4_entry_set(v, mfn, XEN_L4_FIRST + i, d->xen_l4[i] & ~(show ? 0 : PTE_US));
	}
}
