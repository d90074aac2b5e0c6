/*
 * The hypercalls of toolstacks and of the hardware domain. A guest without
 * privileges may make them; it is told, in Xen's order of checks, that the
 * pointer is bad, that its headers are of another version, that there is no
 * such domain, or -EPERM (include/xsm/dummy.h: XSM_PRIV).
 */
#include <errno.h>

/* The structures are for tools only; nothing but their size and head is used. */
#define __XEN_TOOLS__ 1
#include "pvabi/hypercalls.h"

#include <xen/domctl.h>
#include <xen/hvm/dm_op.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

/* Xen: arch/x86/platform_hypercall.c */
long hypercall_platform_op(struct vcpu *v, const uint64_t *args)
{
	struct xen_platform_op op;

	if (guest_copy_from(v, &op, args[0], sizeof(op)))
		return -EFAULT;
	return op.interface_version == XENPF_INTERFACE_VERSION ? -EPERM : -EACCES;
}

/* Xen: common/sysctl.c */
long hypercall_sysctl(struct vcpu *v, const uint64_t *args)
{
	struct xen_sysctl op;

	if (guest_copy_from(v, &op, args[0], sizeof(op)))
		return -EFAULT;
	return op.interface_version == XEN_SYSCTL_INTERFACE_VERSION ? -EPERM : -EACCES;
}

/* Xen: common/domctl.c: the domain is looked up before rights are, by a number
 * that cannot be DOMID_SELF. Domain 0 and the caller exist. */
static bool domctl_domain_found(const struct domain *d, const struct xen_domctl *op)
{
	switch (op->cmd) {
	case XEN_DOMCTL_createdomain:
	case XEN_DOMCTL_getdomaininfo:
		return true;
	case XEN_DOMCTL_assign_device:
	case XEN_DOMCTL_deassign_device:
		if (op->domain == DOMID_IO)
			return true;
		break;
	case XEN_DOMCTL_test_assign_device:
	case XEN_DOMCTL_vm_event_op:
		if (op->domain == DOMID_INVALID)
			return true;
		break;
	}
	return op->domain == 0 || op->domain == d->domid;
}

long hypercall_domctl(struct vcpu *v, const uint64_t *args)
{
	struct xen_domctl op;

	if (guest_copy_from(v, &op, args[0], sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	return domctl_domain_found(v->domain, &op) ? -EPERM : -ESRCH;
}

/* Number 49: a continuation inside Xen, but any guest may call it (Xen:
 * arch/x86/mm/paging.c, do_paging_domctl_cont). */
long hypercall_arch_1(struct vcpu *v, const uint64_t *args)
{
	struct xen_domctl op;

	if (guest_copy_from(v, &op, args[0], sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION || op.cmd != XEN_DOMCTL_shadow_op)
		return -EOPNOTSUPP;
	return domctl_domain_found(v->domain, &op) ? -EPERM : -ESRCH;
}

/* Xen: common/dm.c and arch/x86/hvm/dm.c: for the device models of HVM domains. */
long hypercall_dm_op(struct vcpu *v, const uint64_t *args)
{
	struct xen_dm_op_buf bufs[2];
	uint32_t nr = args[1];
	domid_t dom = args[0];

	if (nr > sizeof(bufs) / sizeof(bufs[0]))
		return -E2BIG;
	if (!nr)
		return -ENODATA; /* as real Xen answers: guests/tests/unknown_hypercalls */
	if (guest_copy_from(v, bufs, args[2], nr * sizeof(bufs[0])))
		return -EFAULT;
	if (dom == v->domain->domid)
		return -EPERM;
	return dom == 0 ? -EINVAL : -ESRCH;
}

/* Xen: common/kexec.c, common/hypfs.c, arch/x86/cpu/mcheck/mce.c: rights first. */
long hypercall_kexec_op(struct vcpu *v, const uint64_t *args)
{
	return -EPERM;
}

long hypercall_hypfs_op(struct vcpu *v, const uint64_t *args)
{
	return -EPERM;
}

long hypercall_mca(struct vcpu *v, const uint64_t *args)
{
	return -EPERM;
}

/* Xen: arch/x86/cpu/vpmu.c: virtual performance counters are off by default. */
long hypercall_xenpmu_op(struct vcpu *v, const uint64_t *args)
{
	return -EOPNOTSUPP;
}
