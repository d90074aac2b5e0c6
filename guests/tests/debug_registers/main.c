/*
 * set_debugreg and get_debugreg: which registers, which addresses and which bits of
 * dr7; and a breakpoint that hits.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Debug registers";

static long set(unsigned reg, uint64_t val)
{
	return HCALL(set_debugreg, reg, val);
}

static volatile uint64_t watched;

static void touch(void *arg)
{
	(void)arg;
	watched = 1;
}

void guest_main(void)
{
	say("after the start: dr0 0x%lx, dr6 0x%lx, dr7 0x%lx", HCALL(get_debugreg, 0),
	    HCALL(get_debugreg, 6), HCALL(get_debugreg, 7));
	for (unsigned r = 0; r < 10; r++)
		say("dr%u = 0x1000: %e, reads 0x%lx", r, set(r, 0x1000), HCALL(get_debugreg, r));
	set(7, 0);
	set(6, 0);
	say_rc("dr0 in Xen", set(0, (uint64_t)VA_XEN));
	say_rc("dr0 not canonical", set(0, 1ul << 63));
	say_rc("dr1 at the last address", set(1, ~0ul));
	say_rc("dr6, upper half", set(6, 1ul << 32));
	say_rc("dr6, all below", set(6, 0xffffffff));
	say("dr6: 0x%lx", HCALL(get_debugreg, 6));
	say_rc("dr7, upper half", set(7, 1ul << 32));
	say_rc("dr7, GD", set(7, 1 << 13));
	say("dr7: 0x%lx", HCALL(get_debugreg, 7));
	say_rc("dr7, I/O breakpoint", set(7, 1 | 2 << 16));
	say("dr7: 0x%lx", HCALL(get_debugreg, 7));
	say_rc("dr7, 8 bytes", set(7, 1 | 9 << 16));
	say("dr7: 0x%lx", HCALL(get_debugreg, 7));
	say_rc("dr7, execute with a length", set(7, 1 | 4 << 16));
	say("dr7: 0x%lx", HCALL(get_debugreg, 7));
	set(6, 0);
	say_rc("a data breakpoint", set(0, (uint64_t)&watched));
	say_rc("dr7, write, 8 bytes", set(7, 3 | 9 << 16));
	say_trap("hit", trap_of(touch, NULL));
	say("dr6: 0x%lx", HCALL(get_debugreg, 6) & 0xf00f);
	say_rc("off", set(7, 0));
	say_trap("no hit", trap_of(touch, NULL));
}
