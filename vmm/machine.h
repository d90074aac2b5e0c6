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

#define MACHINE_FILES 24
#define MACHINE_SLOTS 400 /* with those of memory fewer than any KVM has */

struct machine {
	int kvm_fd, vm_fd;
	size_t vcpu_mmap_size;
	struct host_features host;
	uint8_t *memory; /* guest-physical 0.. */
	uint64_t memory_size;
	uint64_t hole_start, hole_size; /* bytes of it that are no memory of the machine */
	struct kvm_cpuid2 *supported_cpuid;
	/* What answers where there is no memory; NULL: nobody. Somebody else's. */
	struct io_space *io;
	uint64_t slot_addr[MACHINE_SLOTS]; /* of machine_map()'s slots; 0: free */
	int memory_fd;			   /* of `memory`, at offset 0; -1: none */
	uint64_t fd_size;		   /* that it has of it, from the beginning */
	unsigned huge_shift; /* fd's pages are of the host's pool of huge pages; 0: not */
	/* Parts that are private mappings of files: no zeros are behind what is released. */
	struct machine_file {
		uint64_t from, to;
	} file[MACHINE_FILES];
	unsigned nr_files;
	unsigned address_bits; /* of machine addresses */
	bool bells;	       /* bell.h */
	bool bell_timers;      /* they come at set times, too */
};

#define MACHINE_CPUID_MAX 256

/* Opens /dev/kvm and checks what cannot be done without. 0 or a negative errno
 * with a sentence that says what to do. */
int machine_open(struct machine *m, struct error *err);
/* Makes the VM with `size` bytes of lazily populated, zeroed memory, but for a hole of
 * hole_size bytes at hole_start. RAM is up to ram_end; behind it only little of the memory
 * will be used. `shared`: RAM is of a memfd, which others can map too. huge_shift: RAM is made
 * of the host's pool of pages of that size; 0: of what huge pages the host makes by itself. */
struct machine_memory {
	uint64_t size, ram_end, hole_start, hole_size;
	bool shared;
	bool scattered; /* neighbours in RAM are not used together: small pages */
	unsigned huge_shift;
};
int machine_create(struct machine *m, const struct machine_memory *mem, struct error *err);
/* Gives it to KVM, which takes some ms for each 10 GiB where it shadows page tables. Before a
 * vcpu runs; any thread. */
int machine_show_memory(struct machine *m, struct error *err);
/* Memory of ours at a place where there was none. 0 or negative errno. Any thread. */
int machine_map(struct machine *m, uint64_t addr, uint64_t size, void *memory, bool read_only);
/* What was mapped at addr. -ENOENT: nothing was. */
int machine_unmap(struct machine *m, uint64_t addr);
/* Event loop's thread or before it runs: KVM writes `fd` for each store of `bytes` (0: any width)
 * to addr, where no memory is. */
int machine_notify(struct machine *m, uint64_t addr, unsigned bytes, int fd, bool on);
/* The same for each store of this 32-bit value to an I/O port. Any thread. */
int machine_event(struct machine *m, uint16_t io_port, uint32_t value, int fd, bool on);
/* The same for a store of 4 bytes to an address that is no memory. */
int machine_memory_event(struct machine *m, uint64_t addr, uint32_t value, int fd, bool on);
/* machine_memory.c */
int machine_memory_reserve(struct machine *m, const struct machine_memory *mem, struct error *err);
/* Frames' memory goes back to the host; it is read as zeros again. Of the pool of huge pages
 * only machine_release_huge() gives something back: one page, of which nothing is used. */
void machine_release(struct machine *m, uint64_t offset, uint64_t size);
void machine_release_huge(struct machine *m, uint64_t offset);
/* Is there memory for what was released? Else the pool has none left. */
bool machine_take_back(struct machine *m, uint64_t offset, uint64_t size);
/* Whole pages, which nobody has looked at yet, become `size` bytes of a file, privately, or
 * what is at `pages`, where zeros are left. Before the vcpus run. False: this memory is
 * not of a kind for that; copy. */
bool machine_place_file(struct machine *m, uint64_t offset, uint64_t size, int fd, uint64_t at);
bool machine_place_pages(struct machine *m, uint64_t offset, uint64_t size, void *pages);
/* Asks KVM to hand vmcall/vmmcall to us, as the Xen gate needs. */
int machine_enable_xen_hypercalls(struct machine *m);
void machine_destroy(struct machine *m);

#endif
