/*
 * Hypercall 12, memory_op: what a domain may ask about and do with its memory
 * (memory.h; Xen: common/memory.c, arch/x86/mm.c, arch/x86/x86_64/mm.c).
 */
#include <errno.h>

#include "pvabi/hypercalls.h"
#include "pvabi/memory_op.h"
#include "pvabi/mm.h"

#define M2P_EXTENT_FRAMES 512 /* 2 MiB of the M2P */
#define E820_RAM	  1

/* arch-x86/xen.h does not have it: the BIOS call's 20-byte entry. */
struct e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

static long maximum_ram_page(struct vcpu *v, void *arg, const uint64_t *args)
{
	return (long)v->domain->nr_frames;
}

/* rcu_lock_domain_by_any_id() and the check that it is the caller's own. */
static int own_domain(const struct domain *d, domid_t domid)
{
	return mm_foreign_domain(d, domid);
}

static long current_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_domain *m = arg;
	int rc = own_domain(v->domain, m->domid);

	return rc ? rc : (long)v->domain->tot_pages;
}

static long maximum_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_domain *m = arg;
	int rc = own_domain(v->domain, m->domid);

	return rc ? rc : (long)v->domain->max_pages;
}

static long maximum_gpfn(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_domain *m = arg;
	int rc = own_domain(v->domain, m->domid);

	/* What the guest itself last said. */
	return rc ? rc : (long)v->domain->shared_info->arch.max_pfn - 1;
}

static long machphys_mfn_list(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct domain *d = v->domain;
	struct xen_machphys_mfn_list *l = arg;
	uint64_t frames = (d->nr_m2p * 8 + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t to = (uintptr_t)l->extent_start.p;
	unsigned i;

	for (i = 0; i < l->max_extents && (uint64_t)i * M2P_EXTENT_FRAMES < frames; i++) {
		xen_pfn_t mfn = d->m2p_mfn + (uint64_t)i * M2P_EXTENT_FRAMES;
		if (guest_copy_to(v, to + i * sizeof(mfn), &mfn, sizeof(mfn)))
			return -EFAULT;
	}
	l->nr_extents = i;
	return 0;
}

/* There is no M2P for 32-bit guests. */
static long machphys_compat_mfn_list(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_machphys_mfn_list *l = arg;

	l->nr_extents = 0;
	return 0;
}

static long machphys_mapping(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct domain *d = v->domain;
	struct xen_machphys_mapping *m = arg;

	m->v_start = d->m2p_va;
	m->v_end = d->m2p_va + (1UL << 38); /* MACH2PHYS_VIRT_END: half a slot */
	m->max_mfn = d->nr_m2p - 1;
	return 0;
}

static long memory_map(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_memory_map *m = arg;
	/* libxl gives a PV domain one entry: xc_domain_set_memmap_limit(). */
	struct e820_entry e = {
		.addr = 0, .size = v->domain->max_pages * PAGE_SIZE, .type = E820_RAM};

	if (m->nr_entries) {
		m->nr_entries = 1;
		if (guest_copy_to(v, (uintptr_t)m->buffer.p, &e, sizeof(e)))
			return -EFAULT;
	}
	return 0;
}

static long reserved_device_memory_map(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_reserved_device_memory_map *m = arg;

	m->nr_entries = 0; /* no IOMMU */
	return 0;
}

static long nothing_shared(struct vcpu *v, void *arg, const uint64_t *args)
{
	return 0;
}

static long not_permitted(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EPERM;
}

/* The caller's physical map is its own business (paging_mode_translate is off). */
static long not_translated(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EACCES;
}

static long no_vnuma(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EOPNOTSUPP;
}

#define ROW(op, type, how, func)                                                  \
	{                                                                         \
		XENMEM_##op, "XENMEM_" #op, sizeof(type), how, PROFILES_ALL, func \
	}
#define BARE(op, func)                                               \
	{                                                            \
		XENMEM_##op, "XENMEM_" #op, 0, 0, PROFILES_ALL, func \
	}

const struct subop memory_op_subops[] = {
	/* These read their argument themselves: a bad one makes them do nothing. */
	BARE(increase_reservation, memory_increase_reservation),
	BARE(decrease_reservation, memory_decrease_reservation),
	BARE(populate_physmap, memory_populate_physmap),
	ROW(exchange, struct xen_memory_exchange, ARG_IN | ARG_OUT_ALWAYS, memory_exchange),
	BARE(maximum_ram_page, maximum_ram_page),
	ROW(current_reservation, struct xen_memory_domain, ARG_IN, current_reservation),
	ROW(maximum_reservation, struct xen_memory_domain, ARG_IN, maximum_reservation),
	ROW(maximum_gpfn, struct xen_memory_domain, ARG_IN, maximum_gpfn),
	ROW(machphys_mfn_list, struct xen_machphys_mfn_list, ARG_IN | ARG_OUT, machphys_mfn_list),
	ROW(machphys_compat_mfn_list, struct xen_machphys_mfn_list, ARG_IN | ARG_OUT,
	    machphys_compat_mfn_list),
	ROW(machphys_mapping, struct xen_machphys_mapping, ARG_OUT, machphys_mapping),
	ROW(memory_map, struct xen_memory_map, ARG_IN | ARG_OUT, memory_map),
	ROW(machine_memory_map, struct xen_memory_map, ARG_IN, not_permitted),
	ROW(set_memory_map, struct xen_foreign_memory_map, ARG_IN, not_permitted),
	ROW(add_to_physmap, struct xen_add_to_physmap, ARG_IN, not_translated),
	ROW(add_to_physmap_batch, struct xen_add_to_physmap_batch, ARG_IN, not_translated),
	ROW(remove_from_physmap, struct xen_remove_from_physmap, ARG_IN, not_translated),
	BARE(set_pod_target, not_permitted),
	BARE(get_pod_target, not_permitted),
	BARE(get_sharing_freed_pages, nothing_shared),
	BARE(get_sharing_shared_pages, nothing_shared),
	BARE(paging_op, not_permitted),
	BARE(access_op, not_permitted),
	BARE(sharing_op, not_permitted),
	ROW(claim_pages, struct xen_memory_reservation, ARG_IN, not_permitted),
	ROW(reserved_device_memory_map, struct xen_reserved_device_memory_map, ARG_IN | ARG_OUT,
	    reserved_device_memory_map),
	BARE(acquire_resource, not_permitted),
	ROW(get_vnumainfo, struct xen_vnuma_topology_info, ARG_IN, no_vnuma),
	{0},
};
