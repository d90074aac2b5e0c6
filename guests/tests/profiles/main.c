/*
 * What tells one version of Xen from another: which calls exist, and the few whose
 * meaning changed. Run as it is on the Xen of today, and by profile_3_0_1 and
 * profile_3_0_2 on those that are imitated only; their expectations are written from
 * the changeset that made sched_op_new (c445d4a0dd76, March 2006) and from the public
 * headers of the time.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "What tells the versions of Xen apart";

void guest_main(void)
{
	struct vcpu_register_vcpu_info info = {.offset = 4}; /* not aligned */
	struct sched_poll poll = {.timeout = 1};
	evtchn_port_t port = evtchn_bind_ipi(0);
	struct evtchn_send send = {.port = port};
	struct evtchn_set_priority prio = {.port = port, .priority = 16};
	struct xen_machphys_mapping map;
	struct callback_unregister unreg = {.type = CALLBACKTYPE_failsafe};
	domid_t self = DOMID_SELF;
	uint8_t block[64];
	long rc;

	rc = HCALL(xen_version, XENVER_version, 0);
	say("version %ld.%ld", rc >> 16, rc & 0xffff);
	say_rc("sched_op (29) yield", HCALL(sched_op, SCHEDOP_yield, 0));
	say_rc("sched_op (6) yield", HCALL(sched_op_compat, SCHEDOP_yield, 0));
	set_xen_guest_handle(poll.ports, &port);
	poll.nr_ports = 1;
	say_rc("poll, upcalls masked", HCALL(sched_op, SCHEDOP_poll, &poll));
	this_cpu()->info->evtchn_upcall_mask = 0;
	say_rc("poll, upcalls not masked", HCALL(sched_op, SCHEDOP_poll, &poll));
	events_off();
	say_rc("watchdog", HCALL(sched_op, SCHEDOP_watchdog, VA_UNMAPPED));
	say_rc("event_channel_op (32)", HCALL(event_channel_op, EVTCHNOP_send, &send));
	say_rc("event_channel_op, reset", HCALL(event_channel_op, EVTCHNOP_reset, VA_UNMAPPED));
	say_rc("event_channel_op, set_priority",
	       HCALL(event_channel_op, EVTCHNOP_set_priority, &prio));
	say_rc("physdev_op (33)", HCALL(physdev_op, 100, block));
	say_rc("callback_op", HCALL(callback_op, CALLBACKOP_unregister, &unreg));
	say_rc("placing vcpu_info", HCALL(vcpu_op, VCPUOP_register_vcpu_info, 0, &info));
	say_rc("periodic timer", HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0));
	say_rc("single-shot timer", HCALL(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0));
	say_rc("runstate", HCALL(vcpu_op, VCPUOP_get_runstate_info, 0, block));
	say_rc("machphys_mapping", HCALL(memory_op, XENMEM_machphys_mapping, &map));
	say_rc("current_reservation",
	       HCALL(memory_op, XENMEM_current_reservation, &self) > 0 ? 0 : -1);
	say_rc("clear_page", mmuext(MMUEXT_CLEAR_PAGE, 0xffffffful, 0));
	say_rc("flush_local", mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
	say_rc("pagesize", HCALL(xen_version, XENVER_pagesize, 0));
	say_rc("gnttab query_size", HCALL(grant_table_op, GNTTABOP_query_size, VA_UNMAPPED, 1));
	say_rc("gnttab setup_table", HCALL(grant_table_op, GNTTABOP_setup_table, VA_UNMAPPED, 1));
	say_rc("sysctl", HCALL(sysctl, VA_UNMAPPED));
}
