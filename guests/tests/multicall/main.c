/*
 * Multicalls: each entry's result goes into the entry, errors do not stop the rest, a
 * bad list does; some calls are refused inside one.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Multicalls";

static struct multicall_entry calls[64];

static void entry(unsigned i, unsigned op, uint64_t a, uint64_t b)
{
	memset(&calls[i], 0, sizeof(calls[i]));
	calls[i].op = op;
	calls[i].args[0] = a;
	calls[i].args[1] = b;
	calls[i].result = 0x5555;
}

static void results(const char *what, unsigned nr, long rc)
{
	say_rc(what, rc);
	for (unsigned i = 0; i < nr; i++)
		say("  entry %u: %e", i, calls[i].result);
}

void guest_main(void)
{
	struct evtchn_send bad = {.port = 4096};

	say_rc("none", HCALL(multicall, calls, 0));
	say_rc("none at a bad address", HCALL(multicall, VA_UNMAPPED, 0));
	say_rc("none in Xen", HCALL(multicall, VA_XEN, 0));
	say_rc("one at a bad address", HCALL(multicall, VA_UNMAPPED, 1));
	say_rc("one in Xen", HCALL(multicall, VA_XEN, 1));
	say_rc("2^32 of them in Xen", HCALL(multicall, VA_XEN, 1ul << 32));
	entry(0, __HYPERVISOR_xen_version, XENVER_version, 0);
	entry(1, __HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint64_t)&bad);
	entry(2, __HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	entry(3, 63, 0, 0);
	entry(4, 64, 0, 0);
	entry(5, ~0u, 0, 0);
	entry(6, __HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint64_t)VA_UNMAPPED);
	calls[0].args[1] = 0;
	results("errors do not stop it", 7, HCALL(multicall, calls, 7));
	entry(0, __HYPERVISOR_multicall, (uint64_t)&calls[2], 1);
	entry(1, __HYPERVISOR_xen_version, XENVER_version, 0);
	entry(2, __HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	results("a multicall inside", 3, HCALL(multicall, calls, 2));
	/* Sleeping inside one. */
	entry(0, __HYPERVISOR_set_timer_op, system_time() + 5 * MS, 0);
	entry(1, __HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0);
	entry(2, __HYPERVISOR_sched_op, SCHEDOP_poll, 0);
	results("poll without a block", 3, HCALL(multicall, calls, 3));
	set_timer(0);
	/* The list's end is not memory: what comes before is done. */
	{
		uint8_t *last = page_alloc(), *page = page_alloc();
		struct multicall_entry *at =
			(struct multicall_entry *)(last + PAGE_SIZE - sizeof(*at));

		entry(0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		*at = calls[0];
		say_rc("unmap", map_page(page, 0, UVMF_INVLPG));
		say_rc("two, the second unmapped", HCALL(multicall, at, 2));
		say("  entry 0: %e", at->result);
		say_rc("read-only", page_readonly(last));
		say_rc("one on a read-only page", HCALL(multicall, at, 1));
	}
}
