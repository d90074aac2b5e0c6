/*
 * Every way out of Xen leads through the event check: an upcall is made on the return
 * from any hypercall, of an error too, and the result is in rax when the callback has
 * returned. A kernel may so enable events with a store and make any call.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Upcalls at the return from each hypercall";

static const struct {
	const char *name;
	uint64_t nr;
	uint64_t args[4];
} calls[] = {
	{"set_trap_table", __HYPERVISOR_set_trap_table, {0x7f0000000000}},
	{"mmu_update", __HYPERVISOR_mmu_update, {0x7f0000000000, 1, 0, DOMID_SELF}},
	{"set_gdt", __HYPERVISOR_set_gdt, {0x7f0000000000, 1}},
	{"fpu_taskswitch", __HYPERVISOR_fpu_taskswitch, {0}},
	{"sched_op_compat", __HYPERVISOR_sched_op_compat, {SCHEDOP_yield}},
	{"sched_op_compat 9", __HYPERVISOR_sched_op_compat, {9}},
	{"get_debugreg", __HYPERVISOR_get_debugreg, {0}},
	{"update_descriptor", __HYPERVISOR_update_descriptor, {~0ul, 0}},
	{"memory_op", __HYPERVISOR_memory_op, {63, 0}},
	{"multicall", __HYPERVISOR_multicall, {0x7f0000000000, 1}},
	{"update_va_mapping", __HYPERVISOR_update_va_mapping, {0x7f0000000000, ~0ul, 0}},
	{"set_timer_op", __HYPERVISOR_set_timer_op, {0}},
	{"event_channel_op_compat", __HYPERVISOR_event_channel_op_compat, {0x7f0000000000}},
	{"xen_version", __HYPERVISOR_xen_version, {XENVER_version, 0}},
	{"console_io", __HYPERVISOR_console_io, {99, 0, 0}},
	{"grant_table_op", __HYPERVISOR_grant_table_op, {99, 0, 0}},
	{"vm_assist", __HYPERVISOR_vm_assist, {9, 9}},
	{"vcpu_op", __HYPERVISOR_vcpu_op, {VCPUOP_is_up, 1, 0}},
	{"set_segment_base", __HYPERVISOR_set_segment_base, {9, 0}},
	{"mmuext_op", __HYPERVISOR_mmuext_op, {0x7f0000000000, 1, 0, DOMID_SELF}},
	{"sched_op", __HYPERVISOR_sched_op, {SCHEDOP_yield, 0}},
	{"sched_op poll", __HYPERVISOR_sched_op, {SCHEDOP_poll, 0x7f0000000000}},
	{"callback_op", __HYPERVISOR_callback_op, {9, 0}},
	{"event_channel_op", __HYPERVISOR_event_channel_op, {EVTCHNOP_send, 0x7f0000000000}},
	{"event_channel_op 99", __HYPERVISOR_event_channel_op, {99, 0}},
	{"physdev_op", __HYPERVISOR_physdev_op, {99, 0}},
	{"hvm_op", __HYPERVISOR_hvm_op, {99, 0}},
	{"nmi_op", __HYPERVISOR_nmi_op, {9, 0}},
	{"11", 11, {0}},
	{"63", 63, {0}},
	{"2^32 + 17", (1ul << 32) + 17, {0}},
	{"-1", -1, {0}},
};

static unsigned mask_inside;
static uint64_t rax;

static void upcall(struct frame *f)
{
	rax = f->rax;
	mask_inside = this_cpu()->info->evtchn_upcall_mask;
	event_upcall_default(f);
}

void guest_main(void)
{
	struct cpu *c = this_cpu();
	volatile struct vcpu_info *i = c->info;
	unsigned bad = 0;

	event_upcall = upcall;
	for (unsigned n = 0; n < ARRAY_SIZE(calls); n++) {
		const uint64_t *a = calls[n].args;
		unsigned upcalls = c->upcalls, after;
		long off, on;

		off = hypercall6(calls[n].nr, a[0], a[1], a[2], a[3], 0, 0);
		if (c->upcalls != upcalls)
			say("%s: an upcall although they are off", calls[n].name);
		i->evtchn_upcall_pending = 1;
		i->evtchn_upcall_mask = 0;
		on = hypercall6(calls[n].nr, a[0], a[1], a[2], a[3], 0, 0);
		after = i->evtchn_upcall_mask;
		events_off();
		/* Of two failing or idempotent calls. */
		bad += on != off;
		say("%s: upcalls %u, mask inside %u, after %u, result %e", calls[n].name,
		    c->upcalls - upcalls, mask_inside, after, on);
	}
	say("other results than without upcalls: %u", bad);
	/* The callback comes after the call, so the frame holds its result. */
	for (unsigned n = 0; n < 100; n++) {
		i->evtchn_upcall_pending = 1;
		i->evtchn_upcall_mask = 0;
		HCALL(xen_version, 99, 0);
		events_off();
		if (rax == (uint64_t)-38)
			break; /* an interrupt of Xen's may have delivered it before the call */
	}
	say("rax inside: %e", (long)rax);
}
