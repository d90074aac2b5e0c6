/*
 * Recognising an entry that went to the wrong place.
 */
#include "vmm/cpu_stray.h"

/* The code selectors that 64-bit PV guests run on: Xen's flat ones, and those of the
 * guest's or (as `mov %cs` shows them on such hosts) of the host's own table. */
static bool is_code_selector(uint16_t cs)
{
	switch (cs | 3) {
	case FLAT_RING3_CS64:
	case FLAT_RING3_CS32:
	case 0x13:
	case 0x23:
	case 0x33:
		return true;
	default:
		return false;
	}
}

bool cpu_iret_strayed(const struct cpu_user_regs *entered, const struct cpu_user_regs *now,
		      const uint64_t stack[5])
{
	if (now->cs == entered->cs || is_code_selector(now->cs))
		return false;
	return now->rip == stack[0] && now->cs == ((uint16_t)stack[1] | 3) &&
	       now->rsp == stack[3] && now->ss == ((uint16_t)stack[4] | 3);
}
