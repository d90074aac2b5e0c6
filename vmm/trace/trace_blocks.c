/*
 * Members of the argument blocks, from Xen's public headers: a table of offsets that the
 * compiler computes.
 */
#include <stddef.h>

#include "pvabi/xen_abi.h"
#include "vmm/trace/trace_blocks.h"

/* clang-format off */
#define M(type, m, f) {#m, offsetof(type, m), sizeof(((type *)0)->m), f}
#define AS(type, m, name, f) {name, offsetof(type, m), sizeof(((type *)0)->m), f}
#define END {0}
#define MEMBERS static const struct block_member

MEMBERS poll[] = {M(struct sched_poll, nr_ports, 'u'), AS(struct sched_poll, ports.p, "ports", 'x'),
	M(struct sched_poll, timeout, 't'), END};
MEMBERS reason[] = {M(struct sched_shutdown, reason, 'u'), END};
MEMBERS remote_shutdown[] = {M(struct sched_remote_shutdown, domain_id, 'u'),
	M(struct sched_remote_shutdown, reason, 'u'), END};
MEMBERS watchdog[] = {M(struct sched_watchdog, id, 'u'), M(struct sched_watchdog, timeout, 'u'), END};
MEMBERS pin_override[] = {M(struct sched_pin_override, pcpu, 'd'), END};

MEMBERS alloc_unbound[] = {M(struct evtchn_alloc_unbound, dom, 'u'),
	M(struct evtchn_alloc_unbound, remote_dom, 'u'), M(struct evtchn_alloc_unbound, port, 'u'), END};
MEMBERS bind_interdomain[] = {M(struct evtchn_bind_interdomain, remote_dom, 'u'),
	M(struct evtchn_bind_interdomain, remote_port, 'u'), M(struct evtchn_bind_interdomain, local_port, 'u'), END};
MEMBERS bind_virq[] = {M(struct evtchn_bind_virq, virq, 'u'), M(struct evtchn_bind_virq, vcpu, 'u'),
	M(struct evtchn_bind_virq, port, 'u'), END};
MEMBERS bind_pirq[] = {M(struct evtchn_bind_pirq, pirq, 'u'), M(struct evtchn_bind_pirq, flags, 'x'),
	M(struct evtchn_bind_pirq, port, 'u'), END};
MEMBERS bind_ipi[] = {M(struct evtchn_bind_ipi, vcpu, 'u'), M(struct evtchn_bind_ipi, port, 'u'), END};
MEMBERS port_only[] = {M(struct evtchn_close, port, 'u'), END};
MEMBERS status[] = {M(struct evtchn_status, dom, 'u'), M(struct evtchn_status, port, 'u'),
	M(struct evtchn_status, status, 'u'), M(struct evtchn_status, vcpu, 'u'), END};
MEMBERS bind_vcpu[] = {M(struct evtchn_bind_vcpu, port, 'u'), M(struct evtchn_bind_vcpu, vcpu, 'u'), END};
MEMBERS reset[] = {M(struct evtchn_reset, dom, 'u'), END};
MEMBERS init_control[] = {M(struct evtchn_init_control, control_gfn, 'x'),
	M(struct evtchn_init_control, offset, 'x'), M(struct evtchn_init_control, vcpu, 'u'),
	M(struct evtchn_init_control, link_bits, 'u'), END};
MEMBERS expand_array[] = {M(struct evtchn_expand_array, array_gfn, 'x'), END};
MEMBERS set_priority[] = {M(struct evtchn_set_priority, port, 'u'), M(struct evtchn_set_priority, priority, 'u'), END};

MEMBERS runstate[] = {AS(struct vcpu_register_runstate_memory_area, addr.p, "addr", 'x'), END};
MEMBERS vcpu_info[] = {M(struct vcpu_register_vcpu_info, mfn, 'x'), M(struct vcpu_register_vcpu_info, offset, 'x'), END};
MEMBERS periodic[] = {M(struct vcpu_set_periodic_timer, period_ns, 'u'), END};
MEMBERS singleshot[] = {M(struct vcpu_set_singleshot_timer, timeout_abs_ns, 't'),
	M(struct vcpu_set_singleshot_timer, flags, 'x'), END};

MEMBERS reservation[] = {AS(struct xen_memory_reservation, extent_start.p, "extents", 'x'),
	M(struct xen_memory_reservation, nr_extents, 'u'), M(struct xen_memory_reservation, extent_order, 'u'),
	M(struct xen_memory_reservation, mem_flags, 'x'), M(struct xen_memory_reservation, domid, 'u'), END};
MEMBERS exchange[] = {AS(struct xen_memory_exchange, in.nr_extents, "in", 'u'), AS(struct xen_memory_exchange, in.extent_order, "in_order", 'u'),
	AS(struct xen_memory_exchange, out.nr_extents, "out", 'u'), AS(struct xen_memory_exchange, out.extent_order, "out_order", 'u'),
	M(struct xen_memory_exchange, nr_exchanged, 'u'), END};
MEMBERS memory_map[] = {M(struct xen_memory_map, nr_entries, 'u'), AS(struct xen_memory_map, buffer.p, "buffer", 'x'), END};
MEMBERS machphys[] = {M(struct xen_machphys_mapping, v_start, 'x'), M(struct xen_machphys_mapping, v_end, 'x'),
	M(struct xen_machphys_mapping, max_mfn, 'x'), END};

MEMBERS map_grant[] = {M(struct gnttab_map_grant_ref, host_addr, 'x'), M(struct gnttab_map_grant_ref, flags, 'x'),
	M(struct gnttab_map_grant_ref, ref, 'u'), M(struct gnttab_map_grant_ref, dom, 'u'),
	M(struct gnttab_map_grant_ref, status, 'd'), M(struct gnttab_map_grant_ref, handle, 'u'), END};
MEMBERS unmap_grant[] = {M(struct gnttab_unmap_grant_ref, host_addr, 'x'), M(struct gnttab_unmap_grant_ref, handle, 'u'),
	M(struct gnttab_unmap_grant_ref, status, 'd'), END};
MEMBERS setup_table[] = {M(struct gnttab_setup_table, dom, 'u'), M(struct gnttab_setup_table, nr_frames, 'u'),
	M(struct gnttab_setup_table, status, 'd'), END};
MEMBERS grant_copy[] = {AS(struct gnttab_copy, source.offset, "from_offset", 'u'), AS(struct gnttab_copy, dest.offset, "to_offset", 'u'),
	M(struct gnttab_copy, len, 'u'), M(struct gnttab_copy, flags, 'x'), M(struct gnttab_copy, status, 'd'), END};
MEMBERS query_size[] = {M(struct gnttab_query_size, dom, 'u'), M(struct gnttab_query_size, nr_frames, 'u'),
	M(struct gnttab_query_size, max_nr_frames, 'u'), M(struct gnttab_query_size, status, 'd'), END};
MEMBERS grant_version[] = {M(struct gnttab_set_version, version, 'u'), END};

MEMBERS eoi[] = {M(struct physdev_eoi, irq, 'u'), END};
MEMBERS irq_status[] = {M(struct physdev_irq_status_query, irq, 'u'), M(struct physdev_irq_status_query, flags, 'x'), END};
MEMBERS set_iopl[] = {M(struct physdev_set_iopl, iopl, 'u'), END};
MEMBERS set_iobitmap[] = {AS(struct physdev_set_iobitmap, bitmap.p, "bitmap", 'x'), M(struct physdev_set_iobitmap, nr_ports, 'u'), END};
MEMBERS map_pirq[] = {M(struct physdev_map_pirq, domid, 'u'), M(struct physdev_map_pirq, type, 'd'), M(struct physdev_map_pirq, index, 'd'),
	M(struct physdev_map_pirq, pirq, 'd'), M(struct physdev_map_pirq, bus, 'x'), M(struct physdev_map_pirq, devfn, 'x'), END};
MEMBERS unmap_pirq[] = {M(struct physdev_unmap_pirq, domid, 'u'), M(struct physdev_unmap_pirq, pirq, 'd'), END};
MEMBERS get_free_pirq[] = {M(struct physdev_get_free_pirq, type, 'd'), M(struct physdev_get_free_pirq, pirq, 'u'), END};

MEMBERS features[] = {M(struct xen_feature_info, submap_idx, 'u'), M(struct xen_feature_info, submap, 'x'), END};
MEMBERS callback_register[] = {M(struct callback_register, type, 'u'), M(struct callback_register, flags, 'x'),
	M(struct callback_register, address, 'x'), END};
MEMBERS nmi_callback[] = {M(struct xennmi_callback, handler_address, 'x'), END};

static const struct block_layout layouts[] = {
#define L(h, s, m) {__HYPERVISOR_##h, s, m}
	L(sched_op, SCHEDOP_poll, poll), L(sched_op, SCHEDOP_shutdown, reason), L(sched_op, SCHEDOP_shutdown_code, reason),
	L(sched_op, SCHEDOP_remote_shutdown, remote_shutdown), L(sched_op, SCHEDOP_watchdog, watchdog),
	L(sched_op, SCHEDOP_pin_override, pin_override),
	L(event_channel_op, EVTCHNOP_alloc_unbound, alloc_unbound), L(event_channel_op, EVTCHNOP_bind_interdomain, bind_interdomain),
	L(event_channel_op, EVTCHNOP_bind_virq, bind_virq), L(event_channel_op, EVTCHNOP_bind_pirq, bind_pirq),
	L(event_channel_op, EVTCHNOP_bind_ipi, bind_ipi), L(event_channel_op, EVTCHNOP_close, port_only),
	L(event_channel_op, EVTCHNOP_send, port_only), L(event_channel_op, EVTCHNOP_unmask, port_only),
	L(event_channel_op, EVTCHNOP_status, status), L(event_channel_op, EVTCHNOP_bind_vcpu, bind_vcpu),
	L(event_channel_op, EVTCHNOP_reset, reset), L(event_channel_op, EVTCHNOP_init_control, init_control),
	L(event_channel_op, EVTCHNOP_expand_array, expand_array), L(event_channel_op, EVTCHNOP_set_priority, set_priority),
	L(vcpu_op, VCPUOP_register_runstate_memory_area, runstate), L(vcpu_op, VCPUOP_register_vcpu_time_memory_area, runstate),
	L(vcpu_op, VCPUOP_register_vcpu_info, vcpu_info), L(vcpu_op, VCPUOP_set_periodic_timer, periodic),
	L(vcpu_op, VCPUOP_set_singleshot_timer, singleshot),
	L(memory_op, XENMEM_increase_reservation, reservation), L(memory_op, XENMEM_decrease_reservation, reservation),
	L(memory_op, XENMEM_populate_physmap, reservation), L(memory_op, XENMEM_exchange, exchange),
	L(memory_op, XENMEM_memory_map, memory_map), L(memory_op, XENMEM_machine_memory_map, memory_map),
	L(memory_op, XENMEM_machphys_mapping, machphys),
	L(grant_table_op, GNTTABOP_map_grant_ref, map_grant), L(grant_table_op, GNTTABOP_unmap_grant_ref, unmap_grant),
	L(grant_table_op, GNTTABOP_setup_table, setup_table), L(grant_table_op, GNTTABOP_copy, grant_copy),
	L(grant_table_op, GNTTABOP_query_size, query_size), L(grant_table_op, GNTTABOP_set_version, grant_version),
	L(physdev_op, PHYSDEVOP_eoi, eoi), L(physdev_op, PHYSDEVOP_irq_status_query, irq_status),
	L(physdev_op, PHYSDEVOP_set_iopl, set_iopl), L(physdev_op, PHYSDEVOP_set_iobitmap, set_iobitmap),
	L(physdev_op, PHYSDEVOP_map_pirq, map_pirq), L(physdev_op, PHYSDEVOP_unmap_pirq, unmap_pirq),
	L(physdev_op, PHYSDEVOP_get_free_pirq, get_free_pirq),
	L(xen_version, XENVER_get_features, features),
	L(callback_op, CALLBACKOP_register, callback_register), L(nmi_op, XENNMI_register_callback, nmi_callback),
#undef L
};
/* clang-format on */

const struct block_member *trace_block_layout(unsigned hypercall, int subop)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].hypercall == hypercall && layouts[i].subop == subop)
			return layouts[i].member;
	return NULL;
}
