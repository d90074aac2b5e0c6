/*
 * The Xen public headers, in one place and in one interface version.
 *
 * Every structure and number of the ABI comes from here (Debian package
 * libxen-dev); nothing of it is retyped elsewhere in the tree.
 */
#ifndef PVABI_XEN_ABI_H
#define PVABI_XEN_ABI_H

#include <stddef.h>
#include <stdint.h>

/* The calls of toolstacks, too, and with them the latest version, 0x00040e00. */
#define __XEN_TOOLS__ 1

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

_Static_assert(sizeof(struct cpu_user_regs) == 200, "xen-x86_64.h");
_Static_assert(sizeof(struct vcpu_info) == 64, "xen.h");
_Static_assert(sizeof(struct vcpu_time_info) == 32, "xen.h");
_Static_assert(sizeof(struct trap_info) == 16, "arch-x86/xen.h");
_Static_assert(sizeof(struct vcpu_guest_context) == 5168, "arch-x86/xen.h");
_Static_assert(sizeof(struct multicall_entry) == 64, "xen.h");
_Static_assert(sizeof(struct mmuext_op) == 24, "xen.h");

#endif
