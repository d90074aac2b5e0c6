/*
 * Hypercalls 14 and 22, update_va_mapping: change the L1 entry that maps an
 * address, and flush (xen.h, UVMF_*; Xen: arch/x86/mm.c, __do_update_va_mapping).
 */
#include <errno.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

int mm_vcpu_mask(struct vcpu *v, uint64_t bitmap_va, uint32_t *mask)
{
	uint64_t word;

	/* Xen reads words until one covers the last vcpu: here that is the first. */
	_Static_assert(MAX_VCPUS <= 64, "one word holds every vcpu");
	if (guest_copy_from(v, &word, bitmap_va, sizeof(word)))
		return -EFAULT;
	*mask = (uint32_t)word & (uint32_t)((1UL << shared(v->domain)->nr_vcpus) - 1);
	return 0;
}

static int flush(struct vcpu *v, uint64_t va, uint64_t flags)
{
	struct domain *d = shared(v->domain);
	uint64_t type = flags & UVMF_FLUSHTYPE_MASK, who = flags & ~UVMF_FLUSHTYPE_MASK;
	uint32_t mask;

	if (type != UVMF_TLB_FLUSH && type != UVMF_INVLPG)
		return 0;
	if (who == UVMF_LOCAL) {
		mask = 1u << v->id;
	} else if (who == UVMF_ALL) {
		mask = ~0u;
	} else {
		int rc = mm_vcpu_mask(v, who, &mask);
		if (rc)
			return rc;
	}
	mm_tlb_flush(d, mask, type == UVMF_TLB_FLUSH ? ~0UL : va & PAGE_MASK);
	return 0;
}

static long update_va(struct vcpu *v, uint64_t va, uint64_t val, uint64_t flags)
{
	struct domain *d = shared(v->domain);
	struct guest_walk w;

	/* The entry itself must exist in an L1 of the guest's. */
	if (!guest_addr_ok(va) || !guest_walk_l1(d, v->guest_table, va, &w))
		return -EINVAL;
	uint64_t mfn = w.pte_maddr >> PAGE_SHIFT;
	const struct page_info *p = mm_page_of_guest(d, mfn);
	if (!p || !p->type_count || p->type != PGT_L1)
		return -EINVAL;
	int rc = mm_entry_update(v, mfn, (w.pte_maddr & (PAGE_SIZE - 1)) / 8, 1, val, PTE_SET);
	return rc ? rc : flush(v, va, flags);
}

long hypercall_update_va_mapping(struct vcpu *v, const uint64_t *args)
{
	return update_va(v, args[0], args[1], args[2]);
}

long hypercall_update_va_mapping_otherdomain(struct vcpu *v, const uint64_t *args)
{
	/* Here DOMID_IO is nobody's, either (Xen: xsm_update_va_mapping()). */
	int rc = mm_foreign_domain(shared(v->domain), (uint16_t)args[3]);

	return rc ? rc : update_va(v, args[0], args[1], args[2]);
}
