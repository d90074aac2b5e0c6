/*
 * Hypercall 30, callback_op, and 28, nmi_op: handlers of the guest's kernel
 * (callback.h, nmi.h; Xen: arch/x86/pv/callback.c).
 */
#include <errno.h>
#include <string.h>

#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"

#define VEC_NMI 2

static int register_nmi(struct vcpu *v, uint64_t address)
{
	if (!is_canonical(address))
		return -EINVAL;
	v->traps[VEC_NMI] = (struct trap_info){
		.vector = VEC_NMI, .flags = 4 /* TI_SET_IF */, .cs = FLAT_KERNEL_CS, .address = address};
	/* An NMI that found no handler is not lost. */
	if (v->id == 0 && v->domain->shared_info->arch.nmi_reason)
		vcpu_inject_nmi(v);
	return 0;
}

static struct guest_callback *callback_of(struct vcpu *v, unsigned type)
{
	switch (type) {
	case CALLBACKTYPE_event:
		return &v->event_callback;
	case CALLBACKTYPE_failsafe:
		return &v->failsafe_callback;
	case CALLBACKTYPE_syscall:
		return &v->syscall_callback;
	case CALLBACKTYPE_syscall32:
		return &v->syscall32_callback;
	case CALLBACKTYPE_sysenter:
		return &v->sysenter_callback;
	default:
		return NULL;
	}
}

static long callback_register(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct callback_register *reg = arg;
	struct guest_callback *cb = callback_of(v, reg->type);

	if (!is_canonical(reg->address))
		return -EINVAL;
	if (reg->type == CALLBACKTYPE_nmi)
		return register_nmi(v, reg->address);
	if (!cb)
		return -ENOSYS;
	cb->eip = reg->address;
	cb->mask_events = reg->type == CALLBACKTYPE_event || reg->flags & CALLBACKF_mask_events;
	return 0;
}

static long callback_unregister(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct callback_unregister *reg = arg;

	if (reg->type == CALLBACKTYPE_nmi) {
		memset(&v->traps[VEC_NMI], 0, sizeof(v->traps[VEC_NMI]));
		return 0;
	}
	return callback_of(v, reg->type) ? -EINVAL : -ENOSYS;
}

const struct subop callback_op_subops[] = {
	{CALLBACKOP_register, "CALLBACKOP_register", sizeof(struct callback_register), ARG_IN,
	 PROFILES_4_17, callback_register},
	{CALLBACKOP_unregister, "CALLBACKOP_unregister", sizeof(struct callback_unregister), ARG_IN,
	 PROFILES_4_17, callback_unregister},
	{0},
};

static long nmi_register(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct xennmi_callback *cb = arg;

	return register_nmi(v, cb->handler_address);
}

static long nmi_unregister(struct vcpu *v, void *arg, const uint64_t *args)
{
	memset(&v->traps[VEC_NMI], 0, sizeof(v->traps[VEC_NMI]));
	return 0;
}

const struct subop nmi_op_subops[] = {
	{XENNMI_register_callback, "XENNMI_register_callback", sizeof(struct xennmi_callback), ARG_IN,
	 PROFILES_ALL, nmi_register},
	{XENNMI_unregister_callback, "XENNMI_unregister_callback", 0, 0, PROFILES_ALL, nmi_unregister},
	{0},
};
