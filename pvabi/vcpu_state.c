/*
 * Hypercalls that set a vcpu's own state: trap table, callbacks, stack, segment
 * bases, FPU, debug registers; and vm_assist (Xen: arch/x86/pv/callback.c,
 * pv/misc-hypercalls.c, x86_64/mm.c: do_stack_switch, do_set_segment_base;
 * common/kernel.c: vm_assist).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"

#define CR0_TS 8UL
#define GS_SELECTOR_MASK 0xffff

#define DR6_RESERVED_ONE 0xffff0ff0UL
#define DR6_GUEST 0xe00fUL /* B0-B3, BD, BS, BT */
#define DR7_LEVELS 0xffUL
#define DR7_FIXED 0x400UL
#define DR7_GENERAL_DETECT 0x2000UL
#define DR7_RESERVED 0xd800UL /* 11, 12, 14, 15 */

/* A handler runs in the guest's kernel, never with a selector of ring 0
 * (Xen: fixup_guest_code_selector). */
static uint16_t fixup_code_selector(uint16_t cs)
{
	return (cs & 3) == 0 && (cs & ~3) ? cs | 3 : cs;
}

long hypercall_set_trap_table(struct vcpu *v, const uint64_t *args)
{
	struct trap_info ti;

	if (!args[0]) {
		memset(v->traps, 0, sizeof(v->traps));
		return 0;
	}
	/* Each pass reads further memory of the guest, so this ends. */
	for (uint64_t va = args[0];; va += sizeof(ti)) {
		if (guest_copy_from(v, &ti, va, sizeof(ti)))
			return -EFAULT;
		if (!ti.address)
			return 0;
		if (!is_canonical(ti.address))
			return -EINVAL;
		ti.cs = fixup_code_selector(ti.cs);
		v->traps[ti.vector] = ti;
	}
}

long hypercall_set_callbacks(struct vcpu *v, const uint64_t *args)
{
	struct guest_callback *cb[] = {&v->event_callback, &v->failsafe_callback,
				       &v->syscall_callback};

	/* Addresses that cannot be are ignored, as Xen ignores what register says. */
	for (int i = 0; i < 3; i++)
		if (is_canonical(args[i]))
			*cb[i] = (struct guest_callback){.eip = args[i], .mask_events = i == 0};
	return 0;
}

long hypercall_stack_switch(struct vcpu *v, const uint64_t *args)
{
	v->kernel_ss = (args[0] & 0xffff) | 3;
	v->kernel_sp = args[1];
	return 0;
}

long hypercall_set_segment_base(struct vcpu *v, const uint64_t *args)
{
	uint64_t base = args[1];

	if ((uint32_t)args[0] != SEGBASE_GS_USER_SEL && !is_canonical(base))
		return -EINVAL;
	switch ((uint32_t)args[0]) {
	case SEGBASE_FS:
		v->fs_base = base;
		return 0;
	case SEGBASE_GS_USER:
		v->gs_base_user = base;
		return 0;
	case SEGBASE_GS_KERNEL:
		v->gs_base_kernel = base;
		return 0;
	case SEGBASE_GS_USER_SEL:
		/* Loading a selector loads the base of its descriptor: of a flat or a null
		 * one, zero. */
		return vcpu_load_user_gs(v, (uint16_t)base);
	default:
		return -EINVAL;
	}
}

/* What the processor would put into the base of GS when this selector is loaded. */
static bool descriptor_base(struct vcpu *v, uint16_t sel, uint64_t *base)
{
	uint64_t e;
	unsigned i = sel >> 3;

	*base = 0;
	if (!(sel & ~3))
		return true;
	if (sel & 4) {
		if (i >= v->ldt_ents || guest_copy_from(v, &e, v->ldt_base + 8UL * i, sizeof(e)))
			return false;
	} else if (i < v->gdt_ents) {
		e = ((uint64_t *)frame_ptr(v->domain, v->gdt_frames[i / 512]))[i % 512];
	} else {
		return i >= FIRST_RESERVED_GDT_ENTRY; /* Xen's own: flat */
	}
	/* Present data or readable code of ring 3. */
	if (!(e >> 47 & 1) || !(e >> 44 & 1) || (e >> 45 & 3) != 3)
		return false;
	*base = (e >> 16 & 0xffffff) | (e >> 56 & 0xff) << 24;
	return true;
}

int vcpu_load_user_gs(struct vcpu *v, uint16_t sel)
{
	uint64_t base;

	/* Xen: a selector that faults is replaced by the null one. */
	descriptor_base(v, sel, &base);
	v->gs_base_user = base;
	return 0;
}

long hypercall_fpu_taskswitch(struct vcpu *v, const uint64_t *args)
{
	uint64_t old = v->ctrlreg[0];

	v->ctrlreg[0] = (int)args[0] ? old | CR0_TS : old & ~CR0_TS;
	if (v->ctrlreg[0] != old)
		v->domain->ops->fpu_ts_changed(v);
	return 0;
}

int vcpu_set_debugreg(struct vcpu *v, unsigned reg, uint64_t val)
{
	/* Xen: arch/x86/traps.c, set_debugreg(). */
	switch (reg) {
	case 0 ... 3:
		if (!guest_addr_ok(val))
			return -EPERM;
		break;
	case 4:
	case 6:
		if (v->ctrlreg[4] & 8 && reg == 4)
			return -ENODEV; /* CR4.DE */
		reg = 6;
		if (val >> 32)
			return -EINVAL;
		val = (val & DR6_GUEST) | DR6_RESERVED_ONE;
		break;
	case 5:
	case 7:
		if (v->ctrlreg[4] & 8 && reg == 5)
			return -ENODEV;
		reg = 7;
		if (val >> 32)
			return -EINVAL;
		val = (val & ~(DR7_RESERVED | DR7_GENERAL_DETECT)) | DR7_FIXED;
		/* Breakpoints on I/O need CR4.DE; lengths of 8 are fine in long mode. */
		for (unsigned i = 0; i < 4; i++)
			if ((val >> (16 + 4 * i) & 3) == 2 && !(v->ctrlreg[4] & 8))
				return -EPERM;
		if (!(val & DR7_LEVELS))
			val = DR7_FIXED | (val & ~DR7_LEVELS & 0xffff0000UL);
		break;
	default:
		return -ENODEV;
	}
	v->debugreg[reg] = val;
	v->domain->ops->debugregs_changed(v);
	return 0;
}

int vcpu_get_debugreg(struct vcpu *v, unsigned reg, uint64_t *val)
{
	if (reg > 7)
		return -ENODEV;
	if (reg == 4 || reg == 5) {
		if (v->ctrlreg[4] & 8)
			return -ENODEV;
		reg += 2;
	}
	*val = v->debugreg[reg];
	return 0;
}

long hypercall_set_debugreg(struct vcpu *v, const uint64_t *args)
{
	return vcpu_set_debugreg(v, (unsigned)args[0], args[1]);
}

long hypercall_get_debugreg(struct vcpu *v, const uint64_t *args)
{
	uint64_t val;
	int rc = vcpu_get_debugreg(v, (unsigned)args[0], &val);

	return rc ? rc == -ENODEV ? -EINVAL : rc : (long)val;
}

/* What a 64-bit PV guest may switch (Xen: PV64_VM_ASSIST_MASK). */
#define VM_ASSISTS                                                                                 \
	(1UL << VMASST_TYPE_writable_pagetables | 1UL << VMASST_TYPE_pae_extended_cr3 |              \
	 1UL << VMASST_TYPE_architectural_iopl | 1UL << VMASST_TYPE_runstate_update_flag |           \
	 1UL << VMASST_TYPE_m2p_strict)

long hypercall_vm_assist(struct vcpu *v, const uint64_t *args)
{
	struct domain *d = v->domain;
	uint32_t cmd = (uint32_t)args[0], type = (uint32_t)args[1];

	if (type > 63 || !(VM_ASSISTS & 1UL << type))
		return -EINVAL;
	switch (cmd) {
	case VMASST_CMD_enable:
		d->vm_assist |= 1UL << type;
		return 0;
	case VMASST_CMD_disable:
		d->vm_assist &= ~(1UL << type);
		return 0;
	default:
		return -ENOSYS;
	}
}
