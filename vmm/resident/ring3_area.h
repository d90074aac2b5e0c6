/*
 * The resident monitor at CPL 3, for hosts whose KVM interprets CPL 0: what its parts share.
 *
 * The handlers run natively at CPL 3 in the kernel's address space. What they work on is theirs
 * and ours: copies of struct domain and struct vcpu, the page_info array, the guest's memory.
 * The guest's kernel can write to all of it. So nothing of it is a pointer for our process,
 * which takes over a few fields when a vcpu leaves the guest, each looked at (ring3_exit.c), and
 * knows that page_info may say anything. User mode sees nothing of it: the L4 entries of these
 * slots lack _PAGE_USER in its tables (struct domain.kernel_slots).
 *
 * Ways in, without an exit: LSTAR is on a page of ours, so that a hypercall of the kernel's lands
 * there natively; a system call of user mode is a page fault there, and like all page faults and
 * general-protection faults goes through a gate, the few instructions at CPL 0 that load the
 * kernel's tables (ring3_gate.inc.S). Ways out: a jump, or for other tables a fault of ours
 * whose gate loads them. An exit to our process is a store to a page of machine addresses
 * where nothing is, with all registers in the frame.
 */
#ifndef VMM_RESIDENT_RING3_AREA_H
#define VMM_RESIDENT_RING3_AREA_H

#include "vmm/monitor_layout.h"
#include "vmm/resident/area.h"

/* L4 slot 270, one of those that the monitor at CPL 0 has for our process's memory. Byte 5 of
 * every address in it is 0x87, and of no other that code can run at. */
#define RING3_SLOT 270
#define RING3_BYTE 0x87
#ifdef __ASSEMBLER__
#define RING3_VA 0xffff870000000000
#else
#define RING3_VA 0xffff870000000000UL
#endif

/* A vcpu's part: the stub's code, the area, the page of exits, a page of the monitor's stack (the
 * gates' words are at its end), a stack, its struct vcpu. */
#define RING3_AREA_OFFSET  0x1000
#define RING3_EXIT_OFFSET  0x2000
#define RING3_GATE_OFFSET  0x3000
#define RING3_STACK_OFFSET 0x4000
#define RING3_STACK_END	   0x8000
#define RING3_VCPU_OFFSET  0x8000
#define RING3_STRIDE	   0x20000

/* In the area. */
#define R3_RSP	   0x00
#define R3_ENTRY   0x08
#define R3_OFF	   0x10
#define R3_KICK	   0x14
#define R3_LEAVING 0x18
#define R3_ZERO	   0x1c

/* The frame of an entry: struct cpu_user_regs up to ss, always here. */
#define R3_FRAME_SIZE	168
#define R3_FRAME_OFFSET (RING3_STACK_END - R3_FRAME_SIZE)

/* The gates' words: the last of the monitor's stack, which begins below them. */
#define GATE_WORDS	  0x100
#define GATE_KERNEL_CR3	  0x00
#define GATE_CR2	  0x08
#define GATE_CR3	  0x10 /* of the way out */
#define GATE_OUT	  0x18 /* its frame: rip, cs, rflags, rsp, ss */
#define GATE_PAGE_FAULT	  0x40 /* frames to go on with */
#define GATE_PROTECTION	  0x68
#define GATE_FRAME_OFFSET (0x1000 - GATE_WORDS) /* in the page */

/* What ring3_entry() answers. */
#define R3_FORWARD 0 /* not handled; the frame is as it was */
#define R3_RESUME  1 /* into the kernel with the frame */
#define R3_USER	   2 /* to user mode, by the gate */
#define R3_DONE	   3 /* handled, and the host is to look at the vcpu */

/* Offsets of exits in their page. */
#define R3_EXIT_FORWARD 0x00
#define R3_EXIT_DONE	0x08
#define R3_EXIT_CALL	0x10
#define R3_EXIT_EVENT	0x18 /* EVTCHNOP_send on this port: KVM does it */

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

#include "pvabi/pvabi.h"

#define RING3_IMAGE_VA	RING3_VA
#define RING3_DOMAIN_VA (RING3_VA + 0x10000000UL)
#define RING3_VCPUS_VA	(RING3_VA + 0x20000000UL)
#define RING3_PAGES_VA	(RING3_VA + 0x40000000UL)

#define RING3_PORTS 1024 /* those above are the host's */

/* Of the domain. The handlers' lock is domain.lock here; our process holds it, too, when it holds
 * its own. */
struct ring3_domain {
	struct domain domain;
	struct abi_profile profile;
	/* Ports of backends whose eventfd KVM has; and how often they were sent on since our
	 * process looked. */
	_Atomic uint32_t rings[RING3_PORTS / 32];
	_Atomic uint32_t sent[RING3_PORTS];
};

struct ring3_area {
	uint64_t rsp;	/* the guest's at `syscall` */
	uint64_t entry; /* ring3_entry() */
	uint32_t off;	/* everything is forwarded */
	uint32_t kick;	/* the host wants the vcpu */
	uint32_t leaving;
	uint32_t zero;
	/* ---- up to here known to assembly ---- */
	uint64_t lstar;	      /* where `syscall` lands */
	uint64_t load_cr3;    /* ring3_cr3() */
	uint64_t cr3;	      /* while a handler runs: what is loaded */
	uint32_t pci_address; /* what was written to port 0xcf8; bit 0: it was */
	uint32_t gs;	      /* bit 16: the user's GS is to be the selector below it */
	uint32_t timer_set;   /* vcpu.timer[TIMER_SINGLESHOT] was written to */
	uint64_t armed;	      /* as resident_area.armed */
	uint64_t deadline;    /* of that timer, as known here */
	uint32_t left_at;     /* mm_tlb_now() when the guest was last gone on with */
	uint32_t sent;	      /* something was counted in ring3_domain.sent */
	uint32_t unused;      /* a frame given back lost its last reference */
	uint32_t crashed;     /* a handler found that the domain cannot go on */
	uint32_t call, arg;   /* enum ring3_call */
	struct resident_counts count;
};

enum ring3_call { RING3_CALL_LOCK_WAIT, RING3_CALL_LOCK_WAKE, RING3_CALL_TLB_FLUSH };

#define R3_AT(field, offset) _Static_assert(offsetof(struct ring3_area, field) == (offset), #field)
R3_AT(rsp, R3_RSP);
R3_AT(entry, R3_ENTRY);
R3_AT(off, R3_OFF);
R3_AT(kick, R3_KICK);
R3_AT(leaving, R3_LEAVING);
R3_AT(zero, R3_ZERO);
_Static_assert(sizeof(struct ring3_area) <= 0x1000, "a page");
_Static_assert(sizeof(struct vcpu) <= RING3_STRIDE - RING3_VCPU_OFFSET, "it is in the block");
_Static_assert(offsetof(struct cpu_user_regs, es) == R3_FRAME_SIZE, "what is pushed");

struct ring3_iret {
	uint64_t rip, cs, rflags, rsp, ss;
};

struct ring3_gate {
	uint64_t kernel_cr3, cr2, cr3;
	struct ring3_iret out, page_fault, protection;
};
_Static_assert(offsetof(struct ring3_gate, kernel_cr3) == GATE_KERNEL_CR3 &&
		       offsetof(struct ring3_gate, cr2) == GATE_CR2 &&
		       offsetof(struct ring3_gate, cr3) == GATE_CR3 &&
		       offsetof(struct ring3_gate, out) == GATE_OUT &&
		       offsetof(struct ring3_gate, page_fault) == GATE_PAGE_FAULT &&
		       offsetof(struct ring3_gate, protection) == GATE_PROTECTION,
	       "as assembly has them");

static inline uint64_t ring3_block_va(unsigned vcpu)
{
	return RING3_VCPUS_VA + (uint64_t)vcpu * RING3_STRIDE;
}

/* ring3_stub.S: a vcpu's page of code at CPL 3, and in it */
extern const uint8_t ring3_stub[], ring3_stub_end[], ring3_syscall[], ring3_page_fault[],
	ring3_protection[], ring3_cr3[], ring3_leave[], ring3_leave_end[];
/* The handlers (ring3/): linked to RING3_IMAGE_VA; the first bytes are ring3_entry(). */
extern const uint8_t ring3_image[], ring3_image_end[];
/* ring3_gate.inc.S */
extern const uint8_t monitor_gate_out[], monitor_gate_page_fault[], monitor_gate_protection[],
	monitor_gates_end[], monitor_gate_forward_pf[], monitor_gate_forward_gp[];
#endif

#endif
