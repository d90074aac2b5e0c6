/*
 * A fault of KVM on hosts that interpret CPL 0, seen once in some hundred boots under
 * heavy load and never on demand: the monitor's iretq was carried out with the guest's rsp
 * instead of the monitor's, so that the guest went on at whatever five words its own stack
 * began with. The first thing it does there faults. It is recognised by that, and the entry
 * is made once more.
 */
#ifndef VMM_CPU_STRAY_H
#define VMM_CPU_STRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "pvabi/xen_abi.h"

/* `entered` was to be loaded and `now` faulted; stack: the five words at entered->rsp. True
 * when `now` is what an iretq makes of these, and no frame that a guest would make for
 * itself (Linux's sync_core() returns to itself by an iretq of its own). */
bool cpu_iret_strayed(const struct cpu_user_regs *entered, const struct cpu_user_regs *now,
		      const uint64_t stack[5]);

#endif
