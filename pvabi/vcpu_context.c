/*
 * Loading a vcpu's whole state (arch-x86/xen.h, struct vcpu_guest_context; Xen:
 * arch/x86/domain.c, arch_set_info_guest).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"

#define CR0_TS 8UL
#define CR0_OF_XEN 0x80050033UL /* PG AM WP NE ET MP PE: what Xen runs with */
/* PV_CR4_GUEST_MASK: TSD DE FSGSBASE OSXSAVE; and what Xen shows: PAE MCE OSFXSR
 * OSXMMEXCPT. */
#define CR4_GUEST 0x5000cUL
#define CR4_OF_XEN 0x660UL
#define LDT_MAX_ENTRIES 8192

static uint16_t fixup_selector(uint16_t sel)
{
	return (sel & 3) == 0 ? sel | 3 : sel;
}

static int check(const struct vcpu_guest_context *c)
{
	const uint64_t addresses[] = {
		c->user_regs.rip,  c->user_regs.rsp,	  c->kernel_sp,
		c->fs_base,	   c->gs_base_kernel,	  c->gs_base_user,
		c->event_callback_eip, c->syscall_callback_eip, c->failsafe_callback_eip,
	};

	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (!is_canonical(addresses[i]))
			return -EINVAL;
	for (unsigned i = 0; i < 256; i++)
		if (!is_canonical(c->trap_ctxt[i].address))
			return -EINVAL;
	if (!guest_addr_ok(c->ldt_base) || (c->ldt_base & (PAGE_SIZE - 1)) ||
	    c->ldt_ents > LDT_MAX_ENTRIES)
		return -EINVAL;
	if ((c->gdt_ents + 511) / 512 > sizeof(c->gdt_frames) / sizeof(c->gdt_frames[0]))
		return -EINVAL;
	if (!(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
		return -EINVAL;
	return 0;
}

static void set_callbacks(struct vcpu *v, const struct vcpu_guest_context *c)
{
	v->event_callback = (struct guest_callback){c->event_callback_eip, true};
	v->failsafe_callback = (struct guest_callback){
		c->failsafe_callback_eip, c->flags & VGCF_failsafe_disables_events};
	v->syscall_callback = (struct guest_callback){c->syscall_callback_eip,
						      c->flags & VGCF_syscall_disables_events};
}

static int set_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct domain *d = v->domain;
	uint64_t frames[GUEST_GDT_FRAMES] = {0};
	uint64_t kernel = xen_cr3_to_pfn(c->ctrlreg[3]), user = xen_cr3_to_pfn(c->ctrlreg[1]);
	int rc;

	memcpy(frames, c->gdt_frames, sizeof(frames));
	rc = vcpu_set_gdt(v, frames, (unsigned)c->gdt_ents);
	if (rc)
		return rc;
	rc = mm_get_l4(d, kernel);
	if (rc)
		return rc;
	if (c->ctrlreg[1]) {
		rc = mm_get_l4(d, user);
		if (rc) {
			mm_put_l4(d, kernel);
			return rc;
		}
	}
	v->guest_table = kernel;
	v->guest_table_user = c->ctrlreg[1] ? user : 0;
	return 0;
}

int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct domain *d = v->domain;
	int rc = check(c);

	if (rc)
		return rc;
	if (v->initialised)
		return -EEXIST;
	rc = set_tables(v, c);
	if (rc)
		return rc;

	v->regs = c->user_regs;
	v->regs.cs = fixup_selector(v->regs.cs);
	v->regs.ss = fixup_selector(v->regs.ss);
	v->iopl = (v->regs.rflags & EFLAGS_IOPL) >> 12;
	v->regs.rflags = (v->regs.rflags & ~EFLAGS_IOPL) | EFLAGS_IF;
	v->kernel_mode = c->flags & VGCF_in_kernel;
	v->in_syscall = false;
	memcpy(v->traps, c->trap_ctxt, sizeof(v->traps));
	for (unsigned i = 0; i < 256; i++)
		if (v->traps[i].cs & ~3)
			v->traps[i].cs = fixup_selector(v->traps[i].cs);
	set_callbacks(v, c);
	v->ldt_ents = (unsigned)c->ldt_ents;
	v->ldt_base = c->ldt_ents ? c->ldt_base : 0;
	v->kernel_ss = fixup_selector((uint16_t)c->kernel_ss);
	v->kernel_sp = c->kernel_sp;
	v->fs_base = c->fs_base;
	v->gs_base_kernel = c->gs_base_kernel;
	v->gs_base_user = c->gs_base_user;
	memcpy(v->ctrlreg, c->ctrlreg, sizeof(v->ctrlreg));
	v->ctrlreg[0] = (c->ctrlreg[0] & CR0_TS) | (CR0_OF_XEN & ~CR0_TS);
	v->ctrlreg[4] = (c->ctrlreg[4] & CR4_GUEST) | CR4_OF_XEN;
	for (unsigned i = 0; i < 8; i++)
		if (i != 4 && i != 5)
			vcpu_set_debugreg(v, i, c->debugreg[i]);
	if (v->id == 0)
		d->vm_assist = c->vm_assist;
	v->initialised = true;
	d->ops->descriptors_changed(v);
	d->ops->fpu_ts_changed(v);
	return 0;
}
