/*
 * A virtual machine on KVM: its descriptors, its memory, and what was measured of the
 * host (struct host_features). One per domain; nothing here is global.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "pvabi/pvabi.h"
#include "vmm/error.h"

/* What this host's KVM does, by measurement (probe.c); see the README's table of hosts. */
struct host_features {
	/* `syscall` at CPL 3 leaves CPL unchanged and faults on LSTAR: no hardware
	 * virtualisation below. */
	bool syscall_faults;
	/* KVM does not see our overwrites of present page-table entries. */
	bool shadow_paging;
	/* Guest code at CPL 3 reaches L4 slot 256. */
	bool slot256_usable;
	/* `cpuid` at CPL 3 shows the processor's values, whatever KVM_SET_CPUID2 said. */
	bool cpuid_native;
	/* vmcall or vmmcall at CPL 3 exits as KVM_EXIT_XEN: the instruction, else 0. */
	uint32_t vmcall;
	/* CR4.OSXSAVE and CR4.FSGSBASE can be set. */
	bool osxsave, fsgsbase;
	unsigned exit_ns; /* exception -> monitor -> VMM -> back to CPL 3 */
	unsigned op_ns;	  /* one operation (three instructions) of the monitor */
	/* Guest-visible TSC minus the host's, as read back. */
	uint64_t tsc_offset;
	int xen_hvm_caps; /* KVM_CAP_XEN_HVM */
	uint32_t tsc_khz;
};

struct machine {
	int kvm_fd, vm_fd;
	size_t vcpu_mmap_size;
	struct host_features host;
	uint8_t *memory; /* guest-physical 0.. */
	uint64_t memory_size;
	struct kvm_cpuid2 *supported_cpuid;
};

#define MACHINE_CPUID_MAX 256

/* Opens /dev/kvm and checks what cannot be done without. 0 or a negative errno
 * with a sentence that says what to do. */
int machine_open(struct machine *m, struct error *err);
/* Makes the VM with `size` bytes of lazily populated, zeroed memory. */
int machine_create(struct machine *m, uint64_t size, struct error *err);
/* Asks KVM to hand vmcall/vmmcall to us, as the Xen gate needs. */
int machine_enable_xen_hypercalls(struct machine *m);
void machine_destroy(struct machine *m);

/* Fills m->host by running a probe guest on a VM of its own. */
int host_probe(struct machine *m, struct error *err);

#endif
