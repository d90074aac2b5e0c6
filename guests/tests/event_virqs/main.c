/*
 * EVTCHNOP_bind_virq for every number: which belong to a vcpu, which to the domain
 * (bound on vcpu 0 only, moved with bind_vcpu), which do not exist.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "VIRQs: whose they are";

void guest_main(void)
{
	for (unsigned virq = 0; virq < 26; virq++) {
		long on1 = evtchn_bind_virq(virq, 1), on0 = evtchn_bind_virq(virq, 0);
		long again = evtchn_bind_virq(virq, 0);
		long moved = on0 > 0 ? evtchn_bind_vcpu(on0, 1) : 0;

		say("virq %u: on vcpu 1 %e, on vcpu 0 %e, again %e, moved %e", virq,
		    on1 > 0 ? 0 : on1, on0 > 0 ? 0 : on0, again > 0 ? 0 : again, moved);
		if (on0 > 0) {
			evtchn_close(on0);
			on0 = evtchn_bind_virq(virq, 0);
			say("virq %u: closed and bound again %e", virq, on0 > 0 ? 0 : on0);
		}
	}
	say_rc("virq 2^32 - 1", evtchn_bind_virq(~0u, 0));
	say_rc("VIRQ_TIMER on vcpu 4", evtchn_bind_virq(VIRQ_TIMER, 4));
	say_rc("VIRQ_TIMER on vcpu 2^32 - 1", evtchn_bind_virq(VIRQ_TIMER, ~0u));
}
