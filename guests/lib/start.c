/* From the first instruction to guest_main(), and the end. */
#include "guests/lib/guest.h"

struct start_info *start_info;
struct shared_info *shared_info;

static uint8_t shared_info_page[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));

bool is_dom0(void)
{
	return start_info->flags & SIF_INITDOMAIN;
}

/* The old call is in every Xen. */
void shut_down(unsigned reason)
{
	HCALL(sched_op_compat, SCHEDOP_shutdown, reason);
}

void guest_end(void)
{
	/* Emulated machines leave their emulator at a reboot, not at a power-off. */

	say("end");
	for (;;)
		shut_down(is_dom0() ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
}

void guest_start(struct start_info *si);

void guest_start(struct start_info *si)
{
	start_info = si;
	if (map_page(shared_info_page, si->shared_info | PTE_LEAF | PTE_RW | PTE_D, UVMF_INVLPG))
		__builtin_trap();
	shared_info = (struct shared_info *)shared_info_page;
	cpu_of(0)->info = &shared_info->vcpu_info[0];
	console_init();
	traps_init();
	events_init();
	note("%s", guest_title);
	say("start");
	guest_main();
	guest_end();
}
