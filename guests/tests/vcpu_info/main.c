/*
 * VCPUOP_register_vcpu_info: a vcpu's vcpu_info moves to the guest's own memory with
 * everything that was pending; and what is refused. Linux does this for every vcpu.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Placing vcpu_info";

static uint8_t page[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));
static evtchn_port_t recv, send;

static long place(unsigned vcpu, uint64_t mfn, uint32_t offset, uint32_t rsvd)
{
	struct vcpu_register_vcpu_info r = {.mfn = mfn, .offset = offset, .rsvd = rsvd};

	return HCALL(vcpu_op, VCPUOP_register_vcpu_info, vcpu, &r);
}

static void second(void *arg)
{
	struct cpu *c = this_cpu();

	(void)arg;
	events_on();
	events_off();
	say("vcpu 1: upcalls %u, taken %u", c->upcalls, event_count[recv]);
}

void guest_main(void)
{
	struct cpu *c = this_cpu();
	uint64_t mfn = mfn_of(page), time;
	struct vcpu_info *info = (struct vcpu_info *)(page + 64);

	say_rc("across the page's end", place(0, mfn, PAGE_SIZE - 63, 0));
	say_rc("at the page's end", place(0, mfn, PAGE_SIZE, 0));
	say_rc("offset 2^32 - 64", place(0, mfn, ~0u - 63, 0));
	say_rc("not aligned", place(0, mfn, 4, 0));
	say_rc("no such frame", place(0, 1ul << 40, 0, 0));
	say_rc("a page table", place(0, mfn_of(pte_of(page, 1)), 0, 0));
	say_rc("vcpu 4", place(4, mfn, 0, 0));
	say_rc("at a bad address", HCALL(vcpu_op, VCPUOP_register_vcpu_info, 0, VA_UNMAPPED));

	recv = evtchn_loop(&send);
	evtchn_unmask(recv);
	evtchn_send(send);
	time = system_time();
	say_rc("good", place(0, mfn, 64, ~0u));
	say("mask %u, pending %u, selector 0x%lx", info->evtchn_upcall_mask,
	    info->evtchn_upcall_pending, info->evtchn_pending_sel);
	say("the old one: mask %u", c->info->evtchn_upcall_mask);
	c->info = info;
	say("time goes on: %d", system_time() >= time);
	events_on();
	events_off();
	say("upcalls %u, taken %u", c->upcalls, event_count[recv]);
	say_rc("a second time", place(0, mfn, 128, 0));
	say_rc("its page becomes read-only", page_readonly(page));
	say_rc("and a table", mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0));
	page_writable(page);
	/* For a vcpu that is not up. */
	evtchn_bind_vcpu(recv, 1);
	say_rc("of vcpu 1", place(1, mfn, 256, 0));
	cpu_of(1)->info = (struct vcpu_info *)(page + 256);
	evtchn_send(send);
	info = cpu_of(1)->info;
	say("vcpu 1: pending %u, selector 0x%lx, mask %u", info->evtchn_upcall_pending,
	    info->evtchn_pending_sel ? 1ul : 0ul, info->evtchn_upcall_mask);
	if (vcpu_start(1, second, NULL))
		fail("vcpu 1");
	vcpu_wait(1);
}
