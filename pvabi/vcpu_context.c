/*
 * Loading a vcpu's whole state (arch-x86/xen.h, struct vcpu_guest_context; Xen:
 * arch/x86/domain.c, arch_set_info_guest).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/mm.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define CR0_OF_XEN	0x80050033UL /* PG AM WP NE ET MP PE: what Xen runs with */
#define CR4_OF_GUEST	(CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)
#define CR4_OF_XEN	(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT) /* as a guest sees it */
#define DR6_DEFAULT	0xffff0ff0UL
#define DR7_DEFAULT	0x400UL
#define LDT_MAX_ENTRIES 8192

static bool all_canonical(const struct vcpu_guest_context *c)
{
	const uint64_t addresses[] = {
		c->user_regs.rip,
		c->user_regs.rsp,
		c->kernel_sp,
		c->fs_base,
		c->gs_base_kernel,
		c->gs_base_user,
		c->event_callback_eip,
		c->syscall_callback_eip,
		c->failsafe_callback_eip,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
		if (!is_canonical(addresses[i]))
			return false;
	for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
		if (!is_canonical(c->trap_ctxt[i].address))
			return false;
	return true;
}

static int check(const struct vcpu *v, const struct vcpu_guest_context *c)
{
	if (!all_canonical(c))
		return -EINVAL;
	/* The base counts even when there are no entries. */
	if ((c->ldt_ents && !is_canonical(c->ldt_base)) || !guest_addr_ok(c->ldt_base) ||
	    (c->ldt_base & (PAGE_SIZE - 1)) || c->ldt_ents > LDT_MAX_ENTRIES)
		return -EINVAL;
	if (v->id == 0 && (c->vm_assist & ~VM_ASSISTS))
		return -EINVAL;
	if (c->gdt_ents > FIRST_RESERVED_GDT_ENTRY)
		return -EINVAL;
	if (!v->initialised && !(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
		return -EINVAL;
	return 0;
}

/* A vcpu that has its tables keeps them; the context must agree. */
static int check_same_tables(const struct vcpu *v, const struct vcpu_guest_context *c)
{
	uint64_t user_cr3 = v->guest_table_user ? xen_pfn_to_cr3(v->guest_table_user) : 0;

	if (c->ctrlreg[3] != xen_pfn_to_cr3(v->guest_table) || c->ctrlreg[1] != user_cr3)
		return -EOPNOTSUPP;
	if (!v->guest_table_user && !(c->flags & VGCF_in_kernel))
		return -EOPNOTSUPP;
	if (c->gdt_ents != v->gdt_ents ||
	    memcmp(c->gdt_frames, v->gdt_frames, (c->gdt_ents + 511) / 512 * sizeof(uint64_t)))
		return -EOPNOTSUPP;
	if (c->ldt_ents != v->ldt_ents || (v->ldt_ents && c->ldt_base != v->ldt_base))
		return -EOPNOTSUPP;
	return 0;
}

/* Takes the references that the context asks for, all or none. */
static int take_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct domain *d = v->domain;
	uint64_t kernel = xen_cr3_to_pfn(c->ctrlreg[3]), user = xen_cr3_to_pfn(c->ctrlreg[1]);
	uint64_t frames[GUEST_GDT_FRAMES];
	int rc;

	memcpy(frames, c->gdt_frames, sizeof(frames));
	rc = vcpu_set_gdt(v, frames, (unsigned)c->gdt_ents);
	if (rc)
		return rc;
	rc = mm_get_l4(d, kernel);
	if (rc)
		goto drop_gdt;
	if (c->ctrlreg[1]) {
		rc = mm_get_l4(d, user);
		if (rc)
			goto drop_kernel;
	}
	mm_l4_show_kernel(v, kernel, true);
	if (c->ctrlreg[1])
		mm_l4_show_kernel(v, user, false);
	v->guest_table = kernel;
	v->guest_table_user = c->ctrlreg[1] ? user : 0;
	v->ldt_ents = (unsigned)c->ldt_ents;
	v->ldt_base = c->ldt_ents ? c->ldt_base : 0;
	return 0;

drop_kernel:
	mm_put_l4(d, kernel);
drop_gdt:
	vcpu_set_gdt(v, frames, 0);
	return rc;
}

static void load_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct cpu_user_regs *r = &v->regs;

	*r = c->user_regs;
	r->cs = fixup_selector(r->cs);
	r->ss = fixup_selector(r->ss);
	v->iopl = (r->rflags & EFLAGS_IOPL) >> 12;
	r->rflags = (r->rflags & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF;
	v->kernel_mode = c->flags & VGCF_in_kernel;
	v->in_syscall = false;
	v->kernel_ss = fixup_selector((uint16_t)c->kernel_ss);
	v->kernel_sp = c->kernel_sp;
	v->fs_base = c->fs_base;
	v->gs_base_kernel = c->gs_base_kernel;
	v->gs_base_user = c->gs_base_user;
	v->fpu_valid = c->flags & VGCF_i387_valid;
	memcpy(v->fpu_ctxt, &c->fpu_ctxt, sizeof(v->fpu_ctxt));
}

static void load_control(struct vcpu *v, const struct vcpu_guest_context *c)
{
	memcpy(v->ctrlreg, c->ctrlreg, sizeof(v->ctrlreg));
	v->ctrlreg[0] = (c->ctrlreg[0] & CR0_TS) | CR0_OF_XEN;
	v->ctrlreg[4] = (c->ctrlreg[4] & CR4_OF_GUEST) | CR4_OF_XEN;
	memset(v->debugreg, 0, sizeof(v->debugreg));
	v->debugreg[6] = DR6_DEFAULT;
	v->debugreg[7] = DR7_DEFAULT;
	/* What set_debugreg refuses is left at its default, and is no error. */
	for (unsigned i = 0; i < ARRAY_SIZE(c->debugreg); i++)
		if (i != 4 && i != 5)
			vcpu_set_debugreg(v, i, c->debugreg[i]);
}

static void load_callbacks(struct vcpu *v, const struct vcpu_guest_context *c)
{
	memcpy(v->traps, c->trap_ctxt, sizeof(v->traps));
	for (unsigned i = 0; i < ARRAY_SIZE(v->traps); i++)
		v->traps[i].cs = fixup_selector(v->traps[i].cs);
	v->event_callback = (struct guest_callback){c->event_callback_eip, true};
	v->failsafe_callback = (struct guest_callback){c->failsafe_callback_eip,
						       c->flags & VGCF_failsafe_disables_events};
	v->syscall_callback = (struct guest_callback){c->syscall_callback_eip,
						      c->flags & VGCF_syscall_disables_events};
}

int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct domain *d = v->domain;
	int rc = check(v, c);

	if (!rc)
		rc = v->initialised ? check_same_tables(v, c) : take_tables(v, c);
	if (rc)
		return rc;
	load_registers(v, c);
	load_control(v, c);
	load_callbacks(v, c);
	host_of(d)->descriptors_changed(v);
	host_of(d)->debugregs_changed(v);
	host_of(d)->fpu_ts_changed(v);
	if (v->initialised)
		return 0;
	if (v->id == 0) {
		d->vm_assist = c->vm_assist;
		domain_wallclock_update(d);
	}
	/* Xen: arch/x86/domain.c, arch_set_info_guest(). */
	bool strict = d->vm_assist & 1UL << VMASST_TYPE_m2p_strict;
	if (!strict)
		mm_l4_show_m2p(v, v->guest_table, true);
	else if (v->guest_table_user)
		mm_l4_show_m2p(v, v->guest_table_user, false);
	v->initialised = true;
	/* Xen: arch/x86/pv/domain.c, pv_vcpu_initialise. */
	atomic_store(&v->periodic_period, 10 * 1000000ull);
	atomic_store(&v->timer[TIMER_PERIODIC], 1);
	return 0;
}

/* Xen: arch/x86/domctl.c, arch_get_info_guest(). What the trap table and the callbacks of
 * events have for selectors is Xen's own. */
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
	memset(c, 0, sizeof(*c));
	c->flags = VGCF_i387_valid;
	if (v->kernel_mode)
		c->flags |= VGCF_in_kernel;
	if (v->failsafe_callback.mask_events)
		c->flags |= VGCF_failsafe_disables_events;
	if (v->syscall_callback.mask_events)
		c->flags |= VGCF_syscall_disables_events;
	if (!(atomic_load(&v->pause_flags) & VPF_DOWN))
		c->flags |= VGCF_online;
	memcpy(&c->fpu_ctxt, v->fpu_ctxt, sizeof(v->fpu_ctxt));
	c->user_regs = v->regs;
	c->user_regs.rflags |= (uint64_t)v->iopl << 12;
	memcpy(c->trap_ctxt, v->traps, sizeof(c->trap_ctxt));
	c->ldt_base = v->ldt_base;
	c->ldt_ents = v->ldt_ents;
	memcpy(c->gdt_frames, v->gdt_frames,
	       sizeof(v->gdt_frames) < sizeof(c->gdt_frames) ? sizeof(v->gdt_frames)
							     : sizeof(c->gdt_frames));
	c->gdt_ents = v->gdt_ents;
	c->kernel_ss = v->kernel_ss;
	c->kernel_sp = v->kernel_sp;
	memcpy(c->ctrlreg, v->ctrlreg, sizeof(c->ctrlreg));
	c->ctrlreg[2] = vcpu_info_get(v)->arch.cr2;
	c->ctrlreg[3] = xen_pfn_to_cr3(v->guest_table);
	c->ctrlreg[1] = v->guest_table_user ? xen_pfn_to_cr3(v->guest_table_user) : 0;
	memcpy(c->debugreg, v->debugreg, sizeof(c->debugreg));
	c->debugreg[7] |= c->debugreg[5];
	c->debugreg[4] = c->debugreg[5] = 0;
	c->event_callback_eip = v->event_callback.eip;
	c->failsafe_callback_eip = v->failsafe_callback.eip;
	c->syscall_callback_eip = v->syscall_callback.eip;
	c->vm_assist = v->domain->vm_assist;
	c->fs_base = v->fs_base;
	c->gs_base_kernel = v->gs_base_kernel;
	c->gs_base_user = v->gs_base_user;
}
