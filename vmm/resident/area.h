/*
 * The resident monitor: what a vcpu's part of it in the guest (entry.inc.S, guest/) and our
 * process (resident.c) share. The offsets are for assembly.
 *
 * Hot exceptions and hypercalls are handled inside the guest's address space, at CPL 0, by
 * pvabi's own handlers, compiled once more without a C library. They run on the guest's page
 * tables; our process's memory is in Xen's part of those (pvabi/shared.h), for CPL 0 only,
 * and what is not there yet is mapped when it is touched. What they need of the host they
 * ask for by an exit (a "call"), and what they do not handle goes the way of the forwarding
 * monitor, with the registers as the guest had them.
 */
#ifndef VMM_RESIDENT_AREA_H
#define VMM_RESIDENT_AREA_H

#include "vmm/monitor_layout.h"

/* In the vcpu's area of the monitor, behind its TSS. */
#define MON_RESIDENT_OFFSET (MON_TSS_OFFSET + 0x800)

#define RES_SCRATCH   0x00
#define RES_STACK_TOP 0x08
#define RES_ENTRY     0x10
#define RES_FRAME     0x18
#define RES_SELF      0x20
#define RES_CR2	      0x28
#define RES_OFF	      0x30
#define RES_KICK      0x34

/* Frame of an entry: struct cpu_user_regs up to ss. */
#define RES_FRAME_VECTOR   124 /* entry_vector; 0 of a page fault's upper half: see below */
#define RES_VECTOR_GP	   13
#define RES_VECTOR_PF	   14
#define RES_VECTOR_SYSCALL 0x100
#define RES_VECTOR_BELL	   0x101
#define RES_VECTOR_TIMER   0x102

/* What resident_entry() answers. */
#define RES_FORWARD 0 /* not handled: the exit of the forwarding monitor */
#define RES_RESUME  1 /* into the guest with the frame */
#define RES_DONE    2 /* handled, and the host is to look at the vcpu */
#define RES_SYSRET  3 /* as RES_RESUME, and a sysret loads all of the frame */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvabi/shared.h"

struct clock;
struct cpu;
struct vcpu;
struct domain;

/* ns by which a timer may be late so that its host need not be asked (Xen: common/timer.c,
 * timer_slop). */
#define RES_TIMER_SLOP 50000

/* What is asked of the host: struct host_ops, by number. */
enum resident_call {
	RES_CALL_VCPU_KICK,
	RES_CALL_DESCRIPTORS_CHANGED,
	RES_CALL_DEBUGREGS_CHANGED,
	RES_CALL_TLB_FLUSH,
	RES_CALL_FRAMES_RELEASED,
	RES_CALL_LOCK_WAIT,
	RES_CALL_LOCK_WAKE,
	RES_CALL_SHUTDOWN,
	RES_CALL_CRASH,
	RES_CALL_LOG,
	NR_RES_CALLS
};

/* What was handled inside the guest. */
struct resident_counts {
	uint64_t syscalls, hypercalls, page_faults, pt_writes, privileged, forwarded, calls, fills;
	uint64_t bells; /* that came */
};

struct resident_area {
	uint64_t scratch;   /* the guest's rsp at `syscall` */
	uint64_t stack_top; /* the monitor's stack */
	uint64_t entry;	    /* resident_entry() */
	uint64_t frame;	    /* of the entry that is being handled */
	uint64_t self;	    /* the guest's address of this */
	uint64_t cr2;
	uint32_t off;  /* everything is forwarded */
	uint32_t kick; /* the host wants the vcpu: no way into the guest */
	/* ---- up to here known to assembly ---- */
	SHARED_PTR(struct vcpu) vcpu;
	SHARED_PTR(_Atomic uint32_t) pci_address; /* what the guest last wrote to port 0xcf8 */
	SHARED_PTR(const struct clock) clock;
	uint64_t armed;	    /* system time when the host looks at the vcpu's timers anyway, or with
			     * own_timer a bell comes; 0: never */
	uint64_t cr3;	    /* while a handler runs: what is loaded */
	uint64_t copy;	    /* monitor_res_copy() */
	uint32_t own_timer; /* handlers set the time of a bell themselves */
	uint64_t look_at;   /* system time when the host is to account for what the vcpu waited */
	uint32_t to_ring;   /* vcpus with events */
	SHARED_PTR(struct cpu) cpu;
	uint32_t bells; /* vmm/bell.h: there are some; 2: who rings may wait for what follows */
	uint32_t eoi; /* bit 0, KVM's: the bell that it just delivered ends when this is cleared */
	uint64_t call, arg[4], result;
	struct resident_counts count;
};

#define RES_AT(field, offset) \
	_Static_assert(offsetof(struct resident_area, field) == (offset), #field)
RES_AT(scratch, RES_SCRATCH);
RES_AT(stack_top, RES_STACK_TOP);
RES_AT(entry, RES_ENTRY);
RES_AT(frame, RES_FRAME);
RES_AT(self, RES_SELF);
RES_AT(cr2, RES_CR2);
RES_AT(off, RES_OFF);
RES_AT(kick, RES_KICK);
_Static_assert(sizeof(struct resident_area) <= 0x800, "it shares a page with the TSS");
#endif

#endif
