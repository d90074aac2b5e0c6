/*
 * The hypercall page that Xen filled for the guest: each call's entry is at 32 times
 * its number, and results are as by a `syscall` of its own.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "The hypercall page";

extern uint8_t hypercall_page[];

static long call(unsigned nr, uint64_t a, uint64_t b)
{
	long rc;
	void *at = hypercall_page + 32 * nr;

	__asm__ volatile("call *%[at]"
			 : "=a"(rc), "+D"(a), "+S"(b)
			 : [at] "r"(at)
			 : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory");
	return rc;
}

void guest_main(void)
{
	unsigned filled = 0;

	say("xen_version: %d", call(__HYPERVISOR_xen_version, XENVER_version, 0) ==
				       HCALL(xen_version, XENVER_version, 0));
	say_rc("sched_op yield", call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0));
	say_rc("event_channel_op, bad address",
	       call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint64_t)VA_UNMAPPED));
	say_rc("number 60", call(60, 0, 0));
	say_rc("number 63", call(63, 0, 0));
	for (unsigned i = 0; i < 64; i++)
		if (hypercall_page[32 * i] != 0xcc && hypercall_page[32 * i])
			filled++;
	say("entries: %u", filled);
	say("first bytes of entry 17: %02x %02x %02x %02x", hypercall_page[32 * 17],
	    hypercall_page[32 * 17 + 1], hypercall_page[32 * 17 + 2], hypercall_page[32 * 17 + 3]);
}
