/*
 * Exceptions of the guest: what the monitor's VMM does with each vector before,
 * or instead of, reflecting it (Xen: arch/x86/traps.c).
 */
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vcpu.h"

#define PF_PRESENT  0x1u
#define PF_WRITE    0x2u
#define PF_USER	    0x4u
#define PF_RESERVED 0x8u
#define EC_IDT	    2u /* of #GP: an IDT entry was at fault, not in delivering another event */

#define DB 1
#define BP 3
#define UD 6
#define NM 7
#define GP 13
#define PF 14

#define CR0_TS 8UL

#define WRITABLE_PAGETABLES (1UL << VMASST_TYPE_writable_pagetables)

/* A segment load reached into the windows of our GDT and LDT (Xen:
 * handle_gdt_ldt_mapping_fault). */
static bool descriptor_fault(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	uint64_t offset = x->cr2 - monitor_vcpu_va(v->id, 0);

	if (offset >= MON_TSS_OFFSET)
		return false;
	if (offset < MON_LDT_OFFSET) {
		trap_inject(v, GP, offset & 0xfff8);
		return true;
	}
	offset -= MON_LDT_OFFSET;
	domain_lock(v->domain);
	bool mapped = vcpu_ldt_map(v, (unsigned)(offset / PAGE_SIZE));
	domain_unlock(v->domain);
	if (!mapped) {
		trap_set_cr2(v, v->ldt_base + offset);
		trap_inject(v, PF, x->error_code);
	}
	return true;
}

/* The first look at a part of the M2P. */
static bool m2p_fault(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	struct domain *d = v->domain;

	if (x->cr2 - d->m2p_va >= d->nr_m2p * 8 || !v->kernel_mode || x->error_code & PF_PRESENT)
		return false;
	domain_lock(d);
	bool shown = monitor_m2p_show(c->monitor, v, x->cr2);
	domain_unlock(d);
	return shown;
}

static void page_fault(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	uint64_t va = x->cr2;

	if (va >= XEN_VIRT_START && va < XEN_VIRT_END) {
		/* The processor's own accesses to descriptors are never user accesses. */
		if (!(x->error_code & PF_USER) && descriptor_fault(c, x))
			return;
		if (m2p_fault(c, x))
			return;
		if (va - XEN_VIRT_START < v->domain->nr_m2p * 8 && v->kernel_mode &&
		    emulate_m2p_read(v, va) != EMUL_UNHANDLED)
			return;
	} else if (v->kernel_mode && v->domain->vm_assist & WRITABLE_PAGETABLES &&
		   (x->error_code & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) &&
		   emulate_pt_write(v, va) != EMUL_UNHANDLED) {
		return;
	}
	/* Where Xen has its own mappings there are ordinary ones, not reserved bits. */
	uint32_t error = x->error_code;
	if (va >= XEN_VIRT_START && va < XEN_VIRT_END)
		error &= ~PF_RESERVED;
	/* User mode's tables do not have the M2P. */
	if (va >= XEN_VIRT_START && va - XEN_VIRT_START < v->domain->nr_m2p * 8)
		error = v->kernel_mode ? error | PF_PRESENT : error & ~PF_PRESENT;
	trap_set_cr2(v, va);
	trap_inject(v, PF, error);
}

static void general_protection(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	struct guest *g = domain_guest(v->domain);

	if ((x->error_code & 3) == EC_IDT && emulate_int(v) != EMUL_UNHANDLED)
		return;
	if (!x->error_code && emulate_privileged(v, &g->emulate) != EMUL_UNHANDLED)
		return;
	trap_inject(v, GP, x->error_code);
}

static void invalid_opcode(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;

	if (emulate_invalid_op(v, &domain_guest(v->domain)->emulate) != EMUL_UNHANDLED)
		return;
	/* Where CPL 0 is interpreted, `int n` arrives as #UD. */
	if (c->machine->host.syscall_faults && emulate_int(v) != EMUL_UNHANDLED)
		return;
	trap_inject(v, UD, 0);
}

/* Xen: do_device_not_available. */
static void device_not_available(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;

	if (!(v->ctrlreg[0] & CR0_TS))
		return;
	v->ctrlreg[0] &= ~CR0_TS;
	trap_inject(v, NM, 0);
}

static void debug_exception(struct cpu *c, const struct cpu_exit *x)
{
	struct vcpu *v = c->vcpu;
	struct kvm_debugregs dr;

	/* Xen, do_debug: what happened is added to the guest's DR6. */
	if (!ioctl(c->fd, KVM_GET_DEBUGREGS, &dr)) {
		v->debugreg[6] |= dr.dr6 & 0xf00fUL;
		c->debugregs_dirty = true;
	}
	trap_inject(v, DB, 0);
}

static void reflect(struct cpu *c, const struct cpu_exit *x)
{
	trap_inject(c->vcpu, x->vector, x->error_code);
}

static void (*const handlers[32])(struct cpu *, const struct cpu_exit *) = {
	[0] = reflect,
	[DB] = debug_exception,
	[BP] = reflect,
	[4] = reflect,
	[5] = reflect,
	[UD] = invalid_opcode,
	[NM] = device_not_available,
	[10] = reflect,
	[11] = reflect,
	[12] = reflect,
	[GP] = general_protection,
	[PF] = page_fault,
	[16] = reflect,
	[17] = reflect,
	[19] = reflect,
	[20] = reflect,
	[21] = reflect,
};

void trap_handle(struct cpu *c, const struct cpu_exit *x)
{
	if (handlers[x->vector])
		handlers[x->vector](c, x);
	else
		domain_crash(c->vcpu->domain, "exception %u, which no guest should cause",
			     x->vector);
}
