/*
 * Hypercalls that set a vcpu's own state: trap table, stack, segment bases, FPU;
 * and vm_assist (Xen: arch/x86/pv/callback.c, do_set_trap_table;
 * pv/misc-hypercalls.c; common/domain.c, do_vm_assist).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/descriptor_read.h"
#include "pvabi/hypercalls.h"

long hypercall_set_trap_table(struct vcpu *v, const uint64_t *args)
{
	struct domain *d = shared(v->domain);
	struct trap_info ti;

	if (!args[0]) {
		memset(v->traps, 0, sizeof(v->traps));
		return 0;
	}
	/* Only the guest's memory ends a table without a last entry. Xen can be
	 * interrupted in it; here the end of the domain can. */
	for (uint64_t va = args[0]; !atomic_load(&d->is_shut_down); va += sizeof(ti)) {
		if (guest_copy_from(v, &ti, va, sizeof(ti)))
			return -EFAULT;
		if (!ti.address)
			return 0;
		if (!is_canonical(ti.address))
			return -EINVAL;
		ti.cs = fixup_selector(ti.cs);
		v->traps[ti.vector] = ti;
	}
	return 0;
}

long hypercall_stack_switch(struct vcpu *v, const uint64_t *args)
{
	v->kernel_ss = fixup_selector((uint16_t)args[0]);
	v->kernel_sp = args[1];
	return 0;
}

/* Xen never lets this fail, Linux would not survive it: a selector that faults is
 * replaced by the null one, and the guest could tell by reading GS. */
int vcpu_load_user_gs(struct vcpu *v, uint16_t sel)
{
	uint64_t desc, base = 0;

	if (sel > 3) {
		sel = fixup_selector(sel);
		if (descriptor_read(v, sel, &desc) && descriptor_loadable(desc))
			base = (desc >> 16 & 0xffffff) | (desc >> 56) << 24;
		else
			sel = 0;
	}
	v->regs.gs = sel;
	v->gs_base_user = base;
	return 0;
}

long hypercall_set_segment_base(struct vcpu *v, const uint64_t *args)
{
	uint32_t which = (uint32_t)args[0];
	uint64_t base = args[1];
	uint64_t *const bases[] = {
		[SEGBASE_FS] = &v->fs_base,
		[SEGBASE_GS_USER] = &v->gs_base_user,
		[SEGBASE_GS_KERNEL] = &v->gs_base_kernel,
	};

	if (which == SEGBASE_GS_USER_SEL)
		return vcpu_load_user_gs(v, (uint16_t)base);
	if (which >= sizeof(bases) / sizeof(bases[0]) || !is_canonical(base))
		return -EINVAL;
	*bases[which] = base;
	return 0;
}

long hypercall_fpu_taskswitch(struct vcpu *v, const uint64_t *args)
{
	uint64_t old = v->ctrlreg[0];

	v->ctrlreg[0] = (int)args[0] ? old | CR0_TS : old & ~CR0_TS;
	if (v->ctrlreg[0] != old)
		host_of(shared(v->domain))->fpu_ts_changed(v);
	return 0;
}

long hypercall_vm_assist(struct vcpu *v, const uint64_t *args)
{
	uint64_t *assists = &shared(v->domain)->vm_assist;
	uint32_t cmd = (uint32_t)args[0], type = (uint32_t)args[1];

	if (type > 63 || !(VM_ASSISTS & 1UL << type))
		return -EINVAL;
	switch (cmd) {
	case VMASST_CMD_enable:
		__atomic_or_fetch(assists, 1UL << type, __ATOMIC_SEQ_CST);
		return 0;
	case VMASST_CMD_disable:
		__atomic_and_fetch(assists, ~(1UL << type), __ATOMIC_SEQ_CST);
		return 0;
	default:
		return -ENOSYS;
	}
}
