/*
 * vm_assist: every type on and off, and what does not exist.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "vm_assist";

void guest_main(void)
{
	for (unsigned type = 0; type < 10; type++)
		say("type %u: on %e, off %e", type, HCALL(vm_assist, VMASST_CMD_enable, type),
		    HCALL(vm_assist, VMASST_CMD_disable, type));
	for (unsigned type = 31; type < 34; type++)
		say("type %u: on %e, off %e", type, HCALL(vm_assist, VMASST_CMD_enable, type),
		    HCALL(vm_assist, VMASST_CMD_disable, type));
	say_rc("type 64", HCALL(vm_assist, VMASST_CMD_enable, 64));
	say_rc("type 2^32 - 1", HCALL(vm_assist, VMASST_CMD_enable, ~0u));
	say_rc("command 2", HCALL(vm_assist, 2, 0));
	say_rc("command -1", HCALL(vm_assist, ~0u, 0));
}
