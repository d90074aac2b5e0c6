/*
 * set_trap_table: entries until one without an address, later tables add to earlier
 * ones, none clears them; and what is refused.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "set_trap_table";

static struct trap_info table[8];

static void ud2(void *arg)
{
	(void)arg;
	__asm__ volatile("ud2");
}

void guest_main(void)
{
	extern const char trap_stubs[];
	uint64_t stub6 = (uint64_t)(trap_stubs + 6 * STUB_SIZE);

	table[0] = (struct trap_info){.vector = 6, .cs = FLAT_KERNEL_CS, .address = stub6};
	say_rc("one entry", HCALL(set_trap_table, table));
	say_trap("ud2", trap_of(ud2, NULL));
	table[0].cs = 0;
	say_rc("selector 0", HCALL(set_trap_table, table));
	say_trap("ud2", trap_of(ud2, NULL));
	table[0].cs = FLAT_KERNEL_CS & ~3;
	say_rc("selector with RPL 0", HCALL(set_trap_table, table));
	say_trap("ud2", trap_of(ud2, NULL));
	table[0].cs = FLAT_KERNEL_CS;
	table[0].address = 0x8000000000000000ul;
	say_rc("not canonical", HCALL(set_trap_table, table));
	table[0].address = stub6;
	say_rc("good again", HCALL(set_trap_table, table));
	table[0].flags = 4;
	say_rc("that masks events", HCALL(set_trap_table, table));
	say_trap("ud2", trap_of(ud2, NULL));
	say("events masked: %u", this_cpu()->info->evtchn_upcall_mask);
	say_rc("at a bad address", HCALL(set_trap_table, VA_UNMAPPED));
	say_rc("in Xen", HCALL(set_trap_table, VA_XEN));
	say_rc("back", HCALL(set_trap_table, trap_table));
	say_trap("ud2", trap_of(ud2, NULL));
}
