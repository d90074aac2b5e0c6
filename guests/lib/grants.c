/* Grant tables, and who we are to them. */
#include "guests/lib/guest.h"

long gnttab(unsigned cmd, void *arg, unsigned count)
{
	return HCALL(grant_table_op, cmd, arg, count);
}

domid_t own_domid(void)
{
	struct evtchn_status s = {.dom = DOMID_SELF};
	evtchn_port_t send;

	s.port = evtchn_loop(&send);
	if (HCALL(event_channel_op, EVTCHNOP_status, &s) || s.status != EVTCHNSTAT_interdomain)
		fail("no status");
	return s.u.interdomain.dom;
}
