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
	/* `cpuid` at CPL 3 shows the processor's features, whatever KVM_SET_CPUID2 said. */
	bool cpuid_native;
	/* It shows leaves of KVM_SET_CPUID2 that the processor does not have. */
	bool cpuid_kept;
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

struct io_space;

#define MACHINE_SLOTS 400 /* with those of memory fewer than any KVM has */

struct machine {
	int kvm_fd, vm_fd;
	size_t vcpu_mmap_size;
	struct host_features host;
	uint8_t *memory; /* guest-physical 0.. */
	uint64_t memory_size;
	struct kvm_cpuid2 *supported_cpuid;
	/* What answers where there is no memory; NULL: nobody. Somebody else's. */
	struct io_space *io;
	uint64_t slot_addr[MACHINE_SLOTS]; /* of machine_map()'s slots; 0: free */
	int memory_fd;			   /* of `memory`, at offset 0; -1: none */
	unsigned address_bits;		   /* of machine addresses */
};

#define MACHINE_CPUID_MAX 256

/* Opens /dev/kvm and checks what cannot be done without. 0 or a negative errno
 * with a sentence that says what to do. */
int machine_open(struct machine *m, struct error *err);
/* Makes the VM with `size` bytes of lazily populated, zeroed memory, but for a hole of
 * hole_size bytes at hole_start. `shared`: of a memfd, which others can map too. */
struct machine_memory {
	uint64_t size, hole_start, hole_size;
	bool shared;
};
int machine_create(struct machine *m, const struct machine_memory *mem, struct error *err);
/* Memory of ours at a place where there was none. 0 or negative errno. Any thread. */
int machine_map(struct machine *m, uint64_t addr, uint64_t size, void *memory, bool read_only);
/* What was mapped at addr. -ENOENT: nothing was. */
int machine_unmap(struct machine *m, uint64_t addr);
/* Event loop's thread or before it runs: KVM writes `fd` for each store of `bytes` (0: any width) to addr, where no memory is. */
int machine_notify(struct machine *m, uint64_t addr, unsigned bytes, int fd, bool on);
/* Frames' memory goes back to the host; it is read as zeros again. */
void machine_release(struct machine *m, uint64_t offset, uint64_t size);
/* Asks KVM to hand vmcall/vmmcall to us, as the Xen gate needs. */
int machine_enable_xen_hypercalls(struct machine *m);
void machine_destroy(struct machine *m);

/* Fills m->host by running a probe guest on a VM of its own. */
int host_probe(struct machine *m, struct error *err);

#endif
