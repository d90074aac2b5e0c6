/*
 * Pausing a domain as XEN_DOMCTL_pausedomain does (Xen: common/domain.c,
 * domain_pause_by_systemcontroller): pauses count, and the domain runs again when all
 * are taken back. A vcpu that sleeps in SCHEDOP_block or SCHEDOP_poll can be woken
 * meanwhile; it then waits for the end of the pause.
 */
#include <errno.h>

#include "pvabi/pvabi.h"

#define MAX_PAUSES 255

int domain_pause(struct domain *d)
{
	struct vcpu *v;

	if (d->pause_count == MAX_PAUSES)
		return -EOVERFLOW;
	if (d->pause_count++)
		return 0;
	for_each_vcpu (d, v) {
		atomic_fetch_or(&v->pause_flags, VPF_PAUSED);
		host_of(d)->vcpu_kick(v);
	}
	return 0;
}

int domain_unpause(struct domain *d)
{
	struct vcpu *v;

	if (!d->pause_count)
		return -EINVAL;
	if (--d->pause_count)
		return 0;
	for_each_vcpu (d, v) {
		atomic_fetch_and(&v->pause_flags, ~VPF_PAUSED);
		host_of(d)->vcpu_kick(v);
	}
	return 0;
}
