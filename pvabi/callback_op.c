/*
 * Hypercalls 30, callback_op, and 4, set_callbacks: handlers of the guest's kernel
 * (callback.h; Xen: arch/x86/pv/callback.c).
 */
#include <errno.h>

#include "pvabi/bounce.h"
#include "pvabi/hypercalls.h"

/* NULL: no such callback in a 64-bit guest. CALLBACKTYPE_sysenter_deprecated is one
 * of those; it was the 32-bit hypervisor's. */
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

static int callback_set(struct vcpu *v, unsigned type, uint64_t address, bool mask_events)
{
	struct guest_callback *cb = callback_of(v, type);

	if (!is_canonical(address))
		return -EINVAL;
	if (type == CALLBACKTYPE_nmi)
		return nmi_callback_register(v, address);
	if (!cb)
		return -ENOSYS;
	cb->eip = address;
	/* An event upcall always masks events. */
	cb->mask_events = type == CALLBACKTYPE_event || mask_events;
	return 0;
}

long hypercall_set_callbacks(struct vcpu *v, const uint64_t *args)
{
	/* As three registrations, of which the results are not looked at. */
	callback_set(v, CALLBACKTYPE_event, args[0], false);
	callback_set(v, CALLBACKTYPE_failsafe, args[1], false);
	callback_set(v, CALLBACKTYPE_syscall, args[2], false);
	return 0;
}

static long callback_register(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct callback_register *reg = arg;

	return callback_set(v, reg->type, reg->address, reg->flags & CALLBACKF_mask_events);
}

static long callback_unregister(struct vcpu *v, void *arg, const uint64_t *args)
{
	const struct callback_unregister *unreg = arg;

	if (unreg->type == CALLBACKTYPE_nmi) {
		nmi_callback_unregister(v);
		return 0;
	}
	return callback_of(v, unreg->type) ? -EINVAL : -ENOSYS;
}

const struct subop callback_op_subops[] = {
	{CALLBACKOP_register, "CALLBACKOP_register", sizeof(struct callback_register), ARG_IN,
	 PROFILES_4_17, callback_register},
	{CALLBACKOP_unregister, "CALLBACKOP_unregister", sizeof(struct callback_unregister), ARG_IN,
	 PROFILES_4_17, callback_unregister},
	{0},
};
