/*
 * Waking a vcpu that sleeps in SCHEDOP_block or SCHEDOP_poll.
 */
#include "pvabi/pvabi.h"

/* Xen: common/sched/core.c, vcpu_unblock. A vcpu that is woken polls no more. The
 * flag is cleared once more after the bit in poll_mask: somebody else may be
 * waking v at the same time, and v be in its next SCHEDOP_poll already; that one
 * may end early, but must not sleep without being in poll_mask. */
bool vcpu_unblock(struct vcpu *v)
{
	struct domain *d = shared(v->domain);
	uint32_t bit = 1u << v->id;

	if (!(atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED) & VPF_BLOCKED))
		return false;
	PROBE_HIT(d, wake, v->id, atomic_load(&v->poll_evtchn) != 0);
	if (atomic_load(&v->poll_evtchn)) {
		atomic_store(&v->poll_evtchn, 0);
		if (atomic_fetch_and(&d->poll_mask, ~bit) & bit)
			atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED);
	}
	host_of(d)->vcpu_kick(v);
	return true;
}
