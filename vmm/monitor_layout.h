/*
 * Where the monitor lives in every guest address space, and the numbers that
 * monitor.S and the C side share. Slots as Xen divides its own range
 * (xen/arch/x86/include/asm/config.h): 256 M2P, 261 the monitor, 262.. a direct
 * map of machine memory.
 */
#ifndef VMM_MONITOR_LAYOUT_H
#define VMM_MONITOR_LAYOUT_H

/* I/O ports of the monitor's exits. A guest at CPL 3 can never reach a port. */
#define MON_PORT_TRAP	   0xa0 /* + vector 0..31 */
#define MON_PORT_SYSCALL   0xc0
#define MON_PORT_SYSCALL32 0xc1
#define MON_PORT_DONE	   0xc2 /* a list of operations is finished */
/* Of the resident monitor (vmm/resident). */
#define MON_PORT_CALL  0xc3 /* it asks for something */
#define MON_PORT_FILL  0xc4 /* page fault of its own */
#define MON_PORT_EVENT 0xc8 /* EVTCHNOP_send on the event-channel port in eax: KVM does it */

#define MON_SLOT_M2P	   256
#define MON_SLOT_M2P_LOW   257 /* hosts whose CPL 3 cannot reach slot 256 */
#define MON_SLOT_TEXT	   261
#define MON_SLOT_DIRECTMAP 262

#ifdef __ASSEMBLER__
#define MON_TEXT_VA 0xffff828000000000
#else
#define MON_TEXT_VA 0xffff828000000000UL
#endif

/* Selectors: Xen's own in FIRST_RESERVED_GDT_PAGE (arch-x86/xen-x86_64.h has
 * the flat ring-3 ones at 0xe023, 0xe02b, 0xe033). */
#define MON_CS	0xe008
#define MON_DS	0xe010
#define MON_TSS 0xe040
#define MON_LDT 0xe050

#define MON_TRAP_STUB_SIZE 4

#ifndef __ASSEMBLER__
#include <stdint.h>

#define MON_IDT_VA	 (MON_TEXT_VA + 0x100000UL)
#define MON_DIRECTMAP_VA 0xffff830000000000UL
#define MON_VCPU_VA	 (MON_TEXT_VA + 0x200000UL) /* + id * MON_VCPU_STRIDE */

/* One vcpu's area. */
#define MON_VCPU_STRIDE	 0x40000UL
#define MON_GDT_OFFSET	 0x00000UL /* 16 pages: 14 of the guest's, then ours */
#define MON_LDT_OFFSET	 0x10000UL /* 16 pages */
#define MON_TSS_OFFSET	 0x20000UL
#define MON_IST_OFFSET	 0x21000UL /* 1 page a stack: IST 1..3 */
#define MON_STACK_OFFSET 0x30000UL
#define MON_STACK_SIZE	 0x10000UL
/* Behind it are words of the resident monitor at CPL 3 (ring3_area.h). */
#define MON_STACK_TOP (MON_STACK_OFFSET + MON_STACK_SIZE - 0x100)

/* The image (monitor_image.S), position independent, and its entry points in it. */
extern const uint8_t monitor_image[], monitor_image_end[];
extern const uint8_t monitor_trap_stubs[]; /* MON_TRAP_STUB_SIZE each, 32 of them */
extern const uint8_t monitor_lstar[], monitor_cstar[];
extern const uint8_t monitor_ops[], monitor_ops_end[];
extern const uint8_t monitor_op_touch[], monitor_op_invlpg[], monitor_op_cr3[], monitor_op_exit[],
	monitor_op_iret[], monitor_op_iretq[];
/* vmm/resident/entry.inc.S */
extern const uint8_t monitor_res_syscall[], monitor_res_page_fault[], monitor_res_protection[],
	monitor_res_bell[], monitor_res_timer[],
	monitor_res_leave[], monitor_res_iretq[], monitor_res_leave_sysret[], monitor_res_sysretq[],
	monitor_res_done[], monitor_res_copy[], monitor_res_end[];

/* Address in the guest of a label of the image. */
static inline uint64_t monitor_va(const uint8_t *label)
{
	return MON_TEXT_VA + (uint64_t)(label - monitor_image);
}
#endif

#endif
