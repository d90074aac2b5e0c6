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

static long current_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_domain *m = arg;
	int rc = mm_any_domain(v->domain, m->domid);

	return rc ? rc : (long)v->domain->tot_pages;
}

static long maximum_reservation(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_domain *m = arg;
	int rc = mm_any_domain(v->domain, m->domid);

	return rc ? rc : (long)v->domain->max_pages;
}

static long maximum_gpfn(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_domain *m = arg;
	int rc = mm_any_domain(v->domain, m->domid);
	/* What the guest itself last said. */
	uint64_t max = v->domain->shared_info->arch.max_pfn;

	return rc ? rc : (long)(max ? max - 1 : 0);
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

/* There is no M2P for 32-bit guests: Xen's answer with pv=no-32. */
static long machphys_compat_mfn_list(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EOPNOTSUPP;
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

static long reserved_device_memory_map(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_reserved_device_memory_map *m = arg;

	if (!guest_addr_ok((uintptr_t)m->buffer.p))
		return -EFAULT;
	if (m->flags & ~XENMEM_RDM_ALL)
		return -EINVAL;
	m->nr_entries = 0; /* no IOMMU */
	return 0;
}

/* A domain of ours has no memory sharing, as Xen by default. */
static long nothing_shared(struct vcpu *v, void *arg, const uint64_t *args)
{
	return 0;
}

static long not_permitted(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EPERM;
}

/* The physical maps of PV domains, domain 0 included, are their own business
 * (paging_mode_translate is off). */
static long not_translated(const struct domain *d, domid_t domid)
{
	return mm_any_domain(d, domid) == -ESRCH ? -ESRCH : -EACCES;
}

static long add_to_physmap(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_add_to_physmap *a = arg;

	return a->space == XENMAPSPACE_gmfn_foreign ? -ENOSYS : not_translated(v->domain, a->domid);
}

static long add_to_physmap_batch(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_add_to_physmap_batch *a = arg;

	return a->space == XENMAPSPACE_gmfn_range ? -EOPNOTSUPP
						  : not_translated(v->domain, a->domid);
}

static long remove_from_physmap(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_remove_from_physmap *r = arg;

	return not_translated(v->domain, r->domid);
}

static long pod_target(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_pod_target *t = arg;

	/* For HVM domains. */
	return mm_any_domain(v->domain, t->domid) == -ESRCH ? -ESRCH : -EINVAL;
}

static long access_op(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_mem_access_op *a = arg;

	/* rcu_lock_remote_domain_by_id(); and only HVM domains have it. */
	if (a->domid == v->domain->domid)
		return -EPERM;
	return a->domid == 0 ? -EINVAL : -ESRCH;
}

static long claim_pages(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_memory_reservation *r = arg;

	/* Here DOMID_SELF is no domain. */
	if (r->extent_start.p || r->extent_order || r->mem_flags ||
	    (r->domid && r->domid != v->domain->domid))
		return -EINVAL;
	return -EPERM;
}

static long acquire_resource(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_mem_acquire_resource *a = arg;

	if (a->pad || a->frame >> 32 || (a->frame + a->nr_frames) >> 32)
		return -EINVAL;
	/* Of another domain only, and one that it runs the devices of. */
	return a->domid == v->domain->domid || a->domid == 0 ? -EPERM : -ESRCH;
}

static long get_vnumainfo(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xen_vnuma_topology_info *t = arg;

	if (t->pad)
		return -EINVAL;
	int rc = mm_any_domain(v->domain, t->domid);
	return rc ? rc : -EOPNOTSUPP;
}

/* The upper bits of the number are where Xen goes on after a preemption. What a
 * guest gets that sets them for a call which is never preempted. */
long memory_op_check(struct vcpu *v, const uint64_t *args)
{
	uint64_t start = args[0] >> MEMOP_EXTENT_SHIFT;

	if (!start)
		return 0;
	switch (args[0] & ((1 << MEMOP_EXTENT_SHIFT) - 1)) {
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:
	case XENMEM_populate_physmap:
	case XENMEM_access_op:
	case XENMEM_acquire_resource:
		return 0;
	case XENMEM_exchange:
	case XENMEM_maximum_ram_page:
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
	case XENMEM_remove_from_physmap:
	case XENMEM_claim_pages:
	case XENMEM_get_vnumainfo:
	case XENMEM_reserved_device_memory_map:
		return -EINVAL;
	case XENMEM_add_to_physmap:
	case XENMEM_add_to_physmap_batch:
		return start > UINT16_MAX ? -EDOM : 0;
	default:
		return -ENOSYS;
	}
}

#define ROW(op, who, type, how, func)                                    \
	{                                                                \
		XENMEM_##op, "XENMEM_" #op, sizeof(type), how, who, func \
	}
#define BARE(op, who, func)                                 \
	{                                                   \
		XENMEM_##op, "XENMEM_" #op, 0, 0, who, func \
	}

/* The first ones are in Xen 3.0.2's memory.h; exchange, machphys_mapping and the
 * memory map came later in 2006. */
#define ALL PROFILES_ALL
#define NEW PROFILES_4_17

const struct subop memory_op_subops[] = {
	/* These read their argument themselves: a bad one makes them do nothing. */
	BARE(increase_reservation, ALL, memory_increase_reservation),
	BARE(decrease_reservation, ALL, memory_decrease_reservation),
	BARE(populate_physmap, ALL, memory_populate_physmap),
	ROW(exchange, NEW, struct xen_memory_exchange, ARG_IN | ARG_OUT_ALWAYS, memory_exchange),
	BARE(maximum_ram_page, ALL, maximum_ram_page),
	ROW(current_reservation, ALL, struct xen_memory_domain, ARG_IN, current_reservation),
	ROW(maximum_reservation, ALL, struct xen_memory_domain, ARG_IN, maximum_reservation),
	ROW(maximum_gpfn, NEW, struct xen_memory_domain, ARG_IN, maximum_gpfn),
	ROW(machphys_mfn_list, ALL, struct xen_machphys_mfn_list, ARG_IN | ARG_OUT,
	    machphys_mfn_list),
	BARE(machphys_compat_mfn_list, NEW, machphys_compat_mfn_list),
	ROW(machphys_mapping, NEW, struct xen_machphys_mapping, ARG_OUT, machphys_mapping),
	ROW(memory_map, NEW, struct xen_memory_map, ARG_IN | ARG_OUT, memory_map_get),
	BARE(machine_memory_map, NEW, not_permitted),
	ROW(set_memory_map, NEW, struct xen_foreign_memory_map, ARG_IN, memory_map_set),
	ROW(add_to_physmap, ALL, struct xen_add_to_physmap, ARG_IN, add_to_physmap),
	ROW(add_to_physmap_batch, NEW, struct xen_add_to_physmap_batch, ARG_IN,
	    add_to_physmap_batch),
	ROW(remove_from_physmap, NEW, struct xen_remove_from_physmap, ARG_IN, remove_from_physmap),
	ROW(set_pod_target, NEW, struct xen_pod_target, ARG_IN, pod_target),
	ROW(get_pod_target, NEW, struct xen_pod_target, ARG_IN, pod_target),
	BARE(get_sharing_freed_pages, NEW, nothing_shared),
	BARE(get_sharing_shared_pages, NEW, nothing_shared),
	/* paging_op and sharing_op: Xen has neither unless configured so; -ENOSYS. */
	ROW(access_op, NEW, struct xen_mem_access_op, ARG_IN, access_op),
	ROW(claim_pages, NEW, struct xen_memory_reservation, ARG_IN, claim_pages),
	ROW(reserved_device_memory_map, NEW, struct xen_reserved_device_memory_map,
	    ARG_IN | ARG_OUT, reserved_device_memory_map),
	ROW(acquire_resource, NEW, struct xen_mem_acquire_resource, ARG_IN, acquire_resource),
	ROW(get_vnumainfo, NEW, struct xen_vnuma_topology_info, ARG_IN, get_vnumainfo),
	{0},
};
