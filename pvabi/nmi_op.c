/*
 * Hypercall 28, nmi_op: the NMI handler, which is the trap table's entry 2 (nmi.h;
 * Xen: arch/x86/pv/callback.c, do_nmi_op).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"

int nmi_callback_register(struct vcpu *v, uint64_t address)
{
	struct trap_info ti = {.vector = VEC_NMI, .cs = FLAT_KERNEL_CS, .address = address};

	if (!is_canonical(address))
		return -EINVAL;
	TI_SET_IF(&ti, 1);
	v->traps[VEC_NMI] = ti;
	/* An NMI that found no handler is not lost while its reason is still there. */
	if (v->id == 0 && v->domain->shared_info->arch.nmi_reason)
		atomic_store(&v->nmi_pending, true);
	return 0;
}

void nmi_callback_unregister(struct vcpu *v)
{
	memset(&v->traps[VEC_NMI], 0, sizeof(v->traps[VEC_NMI]));
}

static long nmi_register(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xennmi_callback *cb = arg;

	return nmi_callback_register(v, cb->handler_address);
}

static long nmi_unregister(struct vcpu *v, void *arg, const uint64_t *args)
{
	nmi_callback_unregister(v);
	return 0;
}

const struct subop nmi_op_subops[] = {
	{XENNMI_register_callback, "XENNMI_register_callback", sizeof(struct xennmi_callback),
	 ARG_IN, PROFILES_ALL, nmi_register},
	{XENNMI_unregister_callback, "XENNMI_unregister_callback", 0, 0, PROFILES_ALL,
	 nmi_unregister},
	{0},
};
