/*
 * callback_op and the older set_callbacks: which callbacks can be registered,
 * with which addresses and flags.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Registering callbacks";

static long reg(uint16_t type, uint64_t address, uint16_t flags)
{
	struct callback_register r = {.type = type, .flags = flags, .address = address};

	return HCALL(callback_op, CALLBACKOP_register, &r);
}

static long unreg(uint16_t type)
{
	struct callback_unregister u = {.type = type};

	return HCALL(callback_op, CALLBACKOP_unregister, &u);
}

extern const char entry_event[], entry_failsafe[], entry_syscall[], entry_nmi[];

void guest_main(void)
{
	static const char *const names[] = {"event", "failsafe", "syscall",   "3",
					    "nmi",   "sysenter", "syscall32", "7"};
	uint64_t odd = 0x8000000000001000ul;

	for (unsigned t = 0; t < ARRAY_SIZE(names); t++) {
		say("%s: %e, flags 0xffff %e", names[t], reg(t, 0xffffffff80100000ul, 0),
		    reg(t, 0xffffffff80100000ul, 0xffff));
		say("%s: address 0 %e, not canonical %e, unregister %e", names[t], reg(t, 0, 0),
		    reg(t, odd, 0), unreg(t));
	}
	say_rc("sysenter (deprecated)", reg(CALLBACKTYPE_sysenter, 0xffffffff80100000ul, 0));
	say_rc("65535", reg(65535, 0, 0));
	say_rc("register at a bad address", HCALL(callback_op, CALLBACKOP_register, VA_UNMAPPED));
	say_rc("unregister at a bad address",
	       HCALL(callback_op, CALLBACKOP_unregister, VA_UNMAPPED));
	say_rc("number 2", HCALL(callback_op, 2, NULL));
	say_rc("number -1", HCALL(callback_op, -1, NULL));
	say_rc("set_callbacks, not canonical", HCALL(set_callbacks, odd, odd, odd));
	say_rc("set_callbacks", HCALL(set_callbacks, entry_event, entry_failsafe, entry_syscall));
}
