/*
 * What a vcpu is. A part of pvabi.h, which has the rules of locking.
 */
#ifndef PVABI_VCPU_H
#define PVABI_VCPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pvabi/limits.h"
#include "pvabi/lock.h"
#include "pvabi/shared.h"
#include "pvabi/xen_abi.h"

struct domain;

/* vcpu.pause_flags: v runs only while none is set. */
#define VPF_DOWN     0x1u /* not initialised or VCPUOP_down */
#define VPF_BLOCKED  0x2u /* SCHEDOP_block, SCHEDOP_poll */
#define VPF_PAUSED   0x4u /* domain_pause() */
#define VPF_DEBUGGER 0x8u /* held by a debugger: the watchdogs wait, too */

enum vcpu_timer { TIMER_SINGLESHOT, TIMER_PERIODIC, TIMER_POLL, NR_VCPU_TIMERS };

/* vcpu.callback flags (callback.h: CALLBACKF_mask_events) and the traps that
 * disable events come from VGCF_* and TI_GET_IF. */
struct guest_callback {
	uint64_t eip; /* 0: none registered */
	bool mask_events;
};

/* What an entry of the guest's kernel and the hot hypercalls use comes first, and fits into a
 * page with the first of the traps: each page more is one more translation that the processor
 * has to find after every switch of page tables. Allocated at a page's beginning. */
struct vcpu {
	SHARED_PTR(struct domain) domain;
	unsigned id;

	/* The guest's registers while it is not running. rip/cs/rflags/rsp/ss are the
	 * guest's own (cs and ss with RPL 3; kernel and user are told apart by
	 * `kernel_mode`). rflags.IF is always set for the processor. */
	struct cpu_user_regs regs;
	bool kernel_mode;
	/* Xen: TRAP_syscall. The guest made a `syscall`, or a frame was put on its
	 * kernel's stack: Xen enters it by sysret. vcpu_deliver_events() gives regs the
	 * values that this leaves in rcx, r11, cs and ss, and clears the flag. */
	bool in_syscall;

	bool initialised; /* VCPUOP_initialise was done (vcpu 0: by the builder) */
	bool in_nmi;	  /* from NMI delivery until iret */
	_Atomic bool nmi_pending;
	/* The host wants v's thread: a long hypercall is to be interrupted as for an event
	 * (Xen: softirq_pending). Set by any thread, cleared by the host. */
	_Atomic bool wanted;
	_Atomic uint32_t pause_flags; /* VPF_* */

	/* Where the guest's vcpu_info lives: in shared_info, or where it was placed.
	 * Other threads read the pointer without a lock, with vcpu_info_get(); who
	 * moves it uses vcpu_info_set() and then marks everything pending there
	 * (Xen: common/domain.c, map_vcpu_info). The old place stays valid memory. */
	SHARED_PTR(struct vcpu_info) vcpu_info;
	uint64_t vcpu_info_mfn; /* INVALID_MFN while in shared_info */

	uint64_t guest_table;	   /* mfn of the kernel's L4 */
	uint64_t guest_table_user; /* mfn of the user L4, 0: none */
	uint64_t fs_base, gs_base_kernel, gs_base_user;
	uint64_t kernel_sp;
	uint64_t kernel_ss;
	uint64_t ctrlreg[8];	   /* virtual CR0 (TS, WP, ...), CR2 unused, CR4 as guest sees it */
	unsigned iopl;		   /* virtual IOPL (PHYSDEVOP_set_iopl) */
	_Atomic uint32_t tlb_time; /* domain.tlb_clock of its last flush: mm_flush.c */

	struct guest_callback event_callback, failsafe_callback, syscall_callback,
		syscall32_callback, sysenter_callback, nmi_callback;

	/* Written by v's thread only; others read with vcpu_runstate_get(). */
	struct vcpu_runstate_info runstate;
	_Atomic uint32_t runstate_seq;	/* odd while runstate is being written */
	bool runstate_dirty;		/* changed since it was published */
	_Atomic uint64_t runstate_told; /* of the time running, the most that was told */
	uint64_t runstate_area_va;	/* 0: none */

	bool in_multicall;
	/* hypercall_continue() was called, with these. */
	bool preempted;
	uint64_t rest_args[NR_HYPERCALL_ARGS];
	_Atomic uint64_t upcalls; /* delivered so far; written by v's thread */

	/* Deadlines in system time; 0: not armed. Written by v's thread or, for v not
	 * current, under `lock` followed by vcpu_kick. */
	_Atomic uint64_t timer[NR_VCPU_TIMERS];
	_Atomic uint64_t periodic_period; /* ns; 0: stopped */
	_Atomic uint64_t periodic_last;	  /* system time of its last tick */

	uint64_t hypercalls[64]; /* statistics: calls by number, entries of multicalls too */

	struct trap_info traps[256];

	/* ---- seldom used ---- */
	/* VGCF_i387_valid: the FXSAVE image to start with; the host loads it before v
	 * first runs, and clears the flag. Without it: the state after FNINIT. */
	bool fpu_valid;
	uint8_t fpu_ctxt[512];
	/* 0-3 addresses, 6 status, 7 control without the enable bits of breakpoints on
	 * I/O, which are emulated: they are in 5 (Xen: dr7_emul). */
	uint64_t debugreg[8];
	uint64_t iobmp_va; /* PHYSDEVOP_set_iobitmap */
	uint32_t iobmp_limit;

	uint64_t gdt_frames[GUEST_GDT_FRAMES]; /* mfns; 0 beyond gdt_ents */
	unsigned gdt_ents;
	uint64_t ldt_base; /* guest virtual address */
	unsigned ldt_ents;
	uint64_t ldt_frames[LDT_PAGES]; /* mfns of those that were used, see vcpu_ldt_map() */
	uint32_t ldt_mapped;		/* a bit for each of them */

	/* SCHEDOP_poll in progress: 0 none, port > 0 one port, -1 several ports
	 * (xen/sched.h: struct vcpu.poll_evtchn). */
	_Atomic int poll_evtchn;

	uint64_t time_area_va;			/* VCPUOP_register_vcpu_time_memory_area; 0: none */
	struct pv_lock time_lock;		/* writing vcpu_time_info; taken last */
	uint32_t time_version;			/* time_lock */
	evtchn_port_t virq_to_evtchn[NR_VIRQS]; /* evtchn_lock */

	void *host; /* the host's own part */
};

#endif
