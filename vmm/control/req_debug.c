/*
 * Requests of those who debug a guest: see requests.c.
 */
#include <errno.h>
#include <string.h>

#include "vmm/control/control_internal.h"
#include "vmm/debug_keys.h"

/* {"keys": "qe"} -> {}; what they show is in the log ("log"). */
int request_debug_keys(struct call *call)
{
	const char *keys;
	int rc = call_args(call, "{s:s}", "keys", &keys);

	if (rc)
		return rc;
	for (; !rc && *keys; keys++)
		if (!debug_key(call->control->domain.guest, *keys))
			rc = error_set(&call->err, -EINVAL,
				       "'%c' is no debug key; 'h' shows them all", *keys);
	return rc;
}

/* {"trigger": "nmi", "vcpu": 0} -> {} (Xen: XEN_DOMCTL_sendtrigger; the other triggers are
 * for guests with emulated firmware) */
int request_trigger(struct call *call)
{
	struct domain *d = call->control->domain.guest->domain;
	const char *trigger;
	int vcpu = 0;
	int rc = call_args(call, "{s:s,s?i}", "trigger", &trigger, "vcpu", &vcpu);

	if (rc)
		return rc;
	if (strcmp(trigger, "nmi"))
		return error_set(&call->err, -EOPNOTSUPP,
				 "a PV guest can be sent an nmi, nothing else");
	if (vcpu < 0 || (unsigned)vcpu >= d->nr_vcpus)
		return error_set(&call->err, -EINVAL, "it has no vcpu %d", vcpu);
	vcpu_inject_nmi(d->vcpu[vcpu]);
	return 0;
}
