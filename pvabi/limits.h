/*
 * Sizes and limits of the ABI. A part of pvabi.h.
 */
#ifndef PVABI_LIMITS_H
#define PVABI_LIMITS_H

#include "pvabi/xen_abi.h"

#define PAGE_SHIFT	  12
#define PAGE_SIZE	  4096UL
#define PAGE_MASK	  (~(PAGE_SIZE - 1))
#define MAX_VCPUS	  32 /* XEN_LEGACY_MAX_VCPUS: vcpu_info slots in shared_info */
#define INVALID_MFN	  (~0UL)
#define NR_HYPERCALL_ARGS 6

/* 64-bit guests address 4096 two-level ports (64 selector words of 64 bits). */
#define EVTCHN_2L_PORTS 4096

/* Interrupt lines of the machine's IO-APIC: the PIRQs of INTx. */
#define NR_GSIS 24
/* PIRQs that a domU may name: the lines and 32 more (Xen: common/domain.c,
 * extra_domU_irqs). With devices as many as Xen's option extra_guest_irqs may give:
 * domain_raise_pirqs(). A bit for each fits into the page of PHYSDEVOP_pirq_eoi_gmfn. */
#define DEFAULT_NR_PIRQS (NR_GSIS + 32)
#define NR_PIRQS	 2048

/* The flat ring-3 selectors that Xen gives a 64-bit guest, and Xen's part of
 * the GDT: arch-x86/xen-x86_64.h, arch-x86/xen.h (FIRST_RESERVED_GDT_*). */
#define GUEST_GDT_FRAMES FIRST_RESERVED_GDT_PAGE
#define LDT_PAGES	 16

/* The L4 slots that belong to Xen (arch-x86/xen-x86_64.h: HYPERVISOR_VIRT_*). */
#define XEN_L4_FIRST   256
#define XEN_L4_LAST    271
#define XEN_VIRT_START 0xffff800000000000UL
#define XEN_VIRT_END   0xffff880000000000UL /* exclusive */

#endif
