/*
 * physdev_op: physical devices and interrupts, as Xen answers a domU, which may have
 * devices: mapping their interrupts is domain 0's business, binding and acknowledging them
 * the guest's (pirq.c). Xen: arch/x86/physdev.c, drivers/pci/physdev.c; the order in which
 * a bad pointer, a bad number and missing rights are noticed is Xen's.
 */
#include <errno.h>

#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"
#include "pvabi/pirq.h"

#define IOBMP_PORTS 65536

static long eoi(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct physdev_eoi *a = arg;
	struct domain *d = v->domain;
	int rc;

	evtchn_lock(d);
	rc = pirq_eoi(d, a->irq);
	evtchn_unlock(d);
	return rc;
}

/* The page of one bit for each PIRQ that tells whether it needs an EOI. Bits change when a
 * PIRQ is bound, those of PIRQs that are bound already do not. */
static long eoi_gmfn(struct domain *d, const struct physdev_pirq_eoi_gmfn *a, bool auto_unmask)
{

	if (mm_get_page_and_type(d, a->gmfn, PGT_WRITABLE))
		return -EINVAL;
	if (d->physdev.has_eoi_map) {
		mm_put_page_and_type(d, a->gmfn);
		return -EBUSY;
	}
	evtchn_lock(d);
	d->physdev.has_eoi_map = true;
	d->physdev.auto_unmask = auto_unmask;
	d->physdev.eoi_map_mfn = a->gmfn;
	evtchn_unlock(d);
	return 0;
}

static long pirq_eoi_gmfn_v1(struct vcpu *v, void *arg, const uint64_t *args)
{
	return eoi_gmfn(v->domain, arg, true);
}

static long pirq_eoi_gmfn_v2(struct vcpu *v, void *arg, const uint64_t *args)
{
	return eoi_gmfn(v->domain, arg, false);
}

static long irq_unmask_notify(struct vcpu *v, void *arg, const uint64_t *args)
{
	evtchn_lock(v->domain);
	pirq_unmask_all(v->domain);
	evtchn_unlock(v->domain);
	return 0;
}

static long irq_status_query(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct physdev_irq_status_query *a = arg;

	if (a->irq >= v->domain->nr_pirqs)
		return -EINVAL;
	/* Also of one that needs none (sic). XENIRQSTAT_shared: with another domain, and there
	 * is no other. */
	a->flags = XENIRQSTAT_needs_eoi;
	return 0;
}

static long set_iopl(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct physdev_set_iopl *a = arg;

	if (a->iopl > 3)
		return -EINVAL;
	v->iopl = a->iopl;
	return 0;
}

/* The bitmap is read when a port is accessed; here only the address is judged. */
static long set_iobitmap(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct physdev_set_iobitmap *a = arg;
	uint64_t va = (uintptr_t)a->bitmap.p;

	if (!guest_addr_ok(va) || a->nr_ports > IOBMP_PORTS)
		return -EINVAL;
	v->iobmp_va = va;
	v->iobmp_limit = a->nr_ports;
	return 0;
}

/* Domain 0 exists, but has not made the caller its device model. */
static long refused_domain(const struct domain *d, domid_t domid)
{
	return domid == DOMID_SELF || domid == d->domid || domid == 0 ? -EPERM : -ESRCH;
}

static long map_pirq(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct physdev_map_pirq *a = arg;

	if (a->type == MAP_PIRQ_TYPE_MSI_SEG)
		a->type = MAP_PIRQ_TYPE_MSI;
	else if (a->type == MAP_PIRQ_TYPE_MULTI_MSI && a->table_base)
		return -EINVAL;
	return refused_domain(v->domain, a->domid);
}

static long unmap_pirq(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct physdev_unmap_pirq *a = arg;

	return refused_domain(v->domain, a->domid);
}

static long manage_pci_add_ext(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct physdev_manage_pci_ext *a = arg;

	return a->is_extfn > 1 || a->is_virtfn > 1 ? -EINVAL : -EPERM;
}

static long setup_gsi(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct physdev_setup_gsi *a = arg;

	return a->gsi < 0 || a->gsi >= NR_GSIS ? -EINVAL : -EPERM;
}

static long get_free_pirq(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct physdev_get_free_pirq *a = arg;
	int rc = domain_get_free_pirq(v->domain, a->type == MAP_PIRQ_TYPE_GSI, 1);

	if (rc < 0)
		return rc;
	a->pirq = (uint32_t)rc;
	return 0;
}

static long no_such_device(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -ENODEV;
}

static long not_permitted(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EPERM;
}

/* clang-format off */
#define OP(name, who, type, direction, f) \
	{ PHYSDEVOP_##name, #name, sizeof(type), direction, who, f }
#define NO_ARG(name, who, f) { PHYSDEVOP_##name, #name, 0, 0, who, f }
#define ALL PROFILES_ALL
#define NEW PROFILES_4_17
#define INOUT (ARG_IN | ARG_OUT)

const struct subop physdev_op_subops[] = {
	NO_ARG(IRQ_UNMASK_NOTIFY, ALL, irq_unmask_notify),
	OP(irq_status_query, ALL, struct physdev_irq_status_query, INOUT, irq_status_query),
	OP(set_iopl, ALL, struct physdev_set_iopl, ARG_IN, set_iopl),
	OP(set_iobitmap, ALL, struct physdev_set_iobitmap, ARG_IN, set_iobitmap),
	OP(apic_read, ALL, struct physdev_apic, ARG_IN, not_permitted),
	OP(apic_write, ALL, struct physdev_apic, ARG_IN, not_permitted),
	OP(alloc_irq_vector, ALL, struct physdev_irq, ARG_IN, not_permitted),
	OP(eoi, NEW, struct physdev_eoi, ARG_IN, eoi),
	OP(map_pirq, NEW, struct physdev_map_pirq, ARG_IN | ARG_OUT_ALWAYS, map_pirq),
	OP(unmap_pirq, NEW, struct physdev_unmap_pirq, ARG_IN, unmap_pirq),
	OP(manage_pci_add, NEW, struct physdev_manage_pci, ARG_IN, not_permitted),
	OP(manage_pci_remove, NEW, struct physdev_manage_pci, ARG_IN, not_permitted),
	OP(pirq_eoi_gmfn_v1, NEW, struct physdev_pirq_eoi_gmfn, ARG_IN, pirq_eoi_gmfn_v1),
	OP(restore_msi, NEW, struct physdev_restore_msi, ARG_IN, no_such_device),
	OP(manage_pci_add_ext, NEW, struct physdev_manage_pci_ext, ARG_IN, manage_pci_add_ext),
	OP(setup_gsi, NEW, struct physdev_setup_gsi, ARG_IN, setup_gsi),
	OP(get_free_pirq, NEW, struct physdev_get_free_pirq, INOUT, get_free_pirq),
	NO_ARG(pci_mmcfg_reserved, NEW, not_permitted),
	OP(pci_device_add, NEW, struct physdev_pci_device_add, ARG_IN, not_permitted),
	OP(pci_device_remove, NEW, struct physdev_pci_device, ARG_IN, not_permitted),
	OP(restore_msi_ext, NEW, struct physdev_pci_device, ARG_IN, no_such_device),
	OP(pirq_eoi_gmfn_v2, NEW, struct physdev_pirq_eoi_gmfn, ARG_IN, pirq_eoi_gmfn_v2),
	NO_ARG(dbgp_op, NEW, not_permitted),
	OP(prepare_msix, NEW, struct physdev_pci_device, ARG_IN, not_permitted),
	OP(release_msix, NEW, struct physdev_pci_device, ARG_IN, not_permitted),
	{ 0 },
};
/* clang-format on */

/* Xen: arch/x86/compat.c: the whole old structure must be readable, then the
 * block inside it is what the new call gets. */
long hypercall_physdev_op_compat(struct vcpu *v, const uint64_t *args)
{
	uint64_t new_args[NR_HYPERCALL_ARGS] = {0};
	struct physdev_op op;

	if (guest_copy_from(v, &op, args[0], sizeof(op)))
		return -EFAULT;
	new_args[0] = op.cmd;
	new_args[1] = args[0] + offsetof(struct physdev_op, u);
	return hypercall_row_call(v, __HYPERVISOR_physdev_op, new_args);
}
