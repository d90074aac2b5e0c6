/*
 * vcpu_op: what it takes to bring up a vcpu, what is refused, and that a vcpu which
 * went down comes up again where it was.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "vcpu_op: initialise, up, down, is_up";

static struct vcpu_guest_context context;
static volatile unsigned rounds;

static void runs(void *arg)
{
	(void)arg;
	for (;;) {
		rounds++;
		HCALL(vcpu_op, VCPUOP_down, this_cpu()->id, 0);
	}
}

static long op(int cmd, unsigned vcpu, void *arg)
{
	return HCALL(vcpu_op, cmd, vcpu, arg);
}

static void refused(const char *what)
{
	say_rc(what, op(VCPUOP_initialise, 2, &context));
	vcpu_context(&context, 2, runs, NULL);
}

void guest_main(void)
{
	struct vcpu_get_physid physid;

	say_rc("is_up 0", op(VCPUOP_is_up, 0, NULL));
	say_rc("is_up 1", op(VCPUOP_is_up, 1, NULL));
	say_rc("is_up 4", op(VCPUOP_is_up, 4, NULL));
	say_rc("is_up -1", op(VCPUOP_is_up, ~0u, NULL));
	say_rc("up 1, not initialised", op(VCPUOP_up, 1, NULL));
	say_rc("down 1, not initialised", op(VCPUOP_down, 1, NULL));
	say_rc("initialise 0", op(VCPUOP_initialise, 0, &context));
	say_rc("initialise 4", op(VCPUOP_initialise, 4, &context));
	say_rc("initialise 1 from a bad address", op(VCPUOP_initialise, 1, VA_UNMAPPED));
	say_rc("number 8 of 1", op(8, 1, NULL));
	say_rc("number 100 of 1", op(100, 1, NULL));
	say_rc("number -1 of 0", op(-1, 0, NULL));

	vcpu_context(&context, 2, runs, NULL);
	context.ctrlreg[3] = xen_pfn_to_cr3(mfn_of(&context));
	refused("cr3 is a page of data");
	context.ctrlreg[3] = xen_pfn_to_cr3(0xffffffffful);
	refused("cr3 beyond memory");
	context.ctrlreg[3] = xen_pfn_to_cr3(mfn_of(pte_of(start_info, 1)));
	refused("cr3 is an L1 table");
	context.gdt_ents = 513 * 14;
	refused("too many GDT entries");
	context.gdt_ents = 512;
	context.gdt_frames[0] = mfn_of(&context);
	refused("the GDT is a writable page");
	context.user_regs.rip = 0x8000000000000000ul;
	refused("rip is not canonical");
	context.kernel_sp = 0x8000000000000000ul;
	refused("kernel_sp is not canonical");
	context.event_callback_eip = 0x8000000000000000ul;
	refused("event callback is not canonical");
	say_rc("once more", op(VCPUOP_initialise, 2, &context));
	say_rc("is_up 2", op(VCPUOP_is_up, 2, NULL));

	say_rc("start 1", vcpu_start(1, runs, NULL));
	vcpu_wait(1);
	say("rounds: %u", rounds);
	say_rc("initialise 1 again", op(VCPUOP_initialise, 1, &context));
	say_rc("down 1, which is down", op(VCPUOP_down, 1, NULL));
	say_rc("up 1", op(VCPUOP_up, 1, NULL));
	vcpu_wait(1);
	say("rounds: %u", rounds);
	say_rc("up 0, which is up", op(VCPUOP_up, 0, NULL));
	say_rc("up 4", op(VCPUOP_up, 4, NULL));
	say_rc("down 4", op(VCPUOP_down, 4, NULL));
	/* Virtual processors are pinned nowhere: -EINVAL. */
	say_rc("get_physid 0", op(VCPUOP_get_physid, 0, &physid) ? -22 : 0);
	say_rc("get_physid at a bad address", op(VCPUOP_get_physid, 4, VA_UNMAPPED));
}
