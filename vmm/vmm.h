/*
 * vmm: the program. This header is the folder's contract: what the command
 * line hands to the parts that do the work.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "devices/device.h"
#include "pvabi/pvabi.h"
#include "vmm/build.h"
#include "vmm/gdb/gdb.h"
#include "vmm/guest_devices.h"
#include "vmm/inject/inject.h"
#include "vmm/trace/trace.h"

/* Exit statuses of the program; xenolith.1 documents them. */
enum exit_status {
	EXIT_OK = 0,	      /* the guest powered off or rebooted */
	EXIT_HOST_FAILED = 1, /* KVM, memory or another service of the host failed us */
	EXIT_BAD_USAGE = 2,   /* bad options, or a file that cannot be used */
	EXIT_GUEST_CRASHED = 3,
	EXIT_TROUBLE = 4, /* `watch`: something stood still */
};

/* Where the hypervisor's part inside the guest does its work: ARCHITECTURE,
 * "the monitor". */
enum monitor_strength { MONITOR_AUTO, MONITOR_FORWARD, MONITOR_RESIDENT };

/* The instruction of a filled hypercall page. */
enum hypercall_gate { GATE_AUTO, GATE_SYSCALL, GATE_VMCALL };

#define MEMORY_MIN_MIB	 16ul
#define MEMORY_MAX_MIB	 (1ul << 20) /* 1 TiB */
#define MEMORY_DEF_MIB	 512ul
#define P2M_DEFAULT_SEED 1ull

/* What a caller of domain_run is told while it works; any of them may be NULL. */
struct run_hooks {
	void *arg;
	/* What is done now and may take long: "reading the kernel". */
	void (*doing)(void *arg, const char *what);
	/* The domain runs. Nothing is read of the options' kernel_data and ramdisk_data from
	 * now on. */
	void (*up)(void *arg, const char *name, unsigned domid);
	/* It has shut down, and nothing of it runs: where is its core dump to go? A path that
	 * stays valid, or NULL for none. */
	const char *(*core_dump)(void *arg, unsigned shutdown_code);
	/* The domain has shut down: is it to stay, without its vcpus, until somebody destroys
	 * it? Its devices, its store and its control are still served. */
	bool (*preserve)(void *arg, unsigned shutdown_code);
};

/* How a domain ended. */
struct run_result {
	bool ran;		/* it was up */
	bool shut_down;		/* by itself; else somebody or the host ended it */
	unsigned shutdown_code; /* SHUTDOWN_*, when it did */
	uint64_t lived;		/* ns from when it was up */
};

/* `xenolith run`. Strings belong to the caller and outlive domain_run(). */
#define MAX_QUOTAS 16

struct run_options {
	const char *kernel;  /* a readable file, not looked into yet */
	const char *ramdisk; /* the same; NULL: none */
	/* Their contents, where they are no files; then the two above only name them. */
	const void *kernel_data, *ramdisk_data;
	size_t kernel_size, ramdisk_size;
	const char *cmdline;	     /* never NULL; shorter than MAX_GUEST_CMDLINE */
	const char *name;	     /* never NULL or empty; no '/' */
	bool name_given;	     /* by the user */
	uint64_t memory_mib;	     /* MEMORY_MIN_MIB to MEMORY_MAX_MIB */
	uint64_t maxmem_mib;	     /* memory_mib to MEMORY_MAX_MIB */
	unsigned nr_vcpus;	     /* 1 to MAX_VCPUS: online at start */
	unsigned max_vcpus;	     /* nr_vcpus to MAX_VCPUS: that it can have */
	const char *cpus[MAX_VCPUS]; /* a list of the host's (cpu_list.h); NULL: any */
	bool has_uuid;
	uint8_t uuid[16];	  /* of the domain; random when there is none */
	uint32_t max_evtchn_port; /* 0: xl's default */
	int64_t time_offset;	  /* s that the guest's wall clock is ahead */
	struct grant_limits grants;
	const char *quota[MAX_QUOTAS]; /* NAME=N, for xenstore_quota() */
	unsigned nr_quotas;
	/* The memory map has the machine's holes, so that devices are reachable below 4 GiB;
	 * always with PCI functions (xl.cfg: e820_host). */
	unsigned e820_host; /* 0 or 1 */
	struct pci_defaults pci_defaults;
	const char *kernel_cache; /* a folder for kernels that were unpacked; NULL: none */
	unsigned huge_shift;	  /* log2 of the size of pages of the host's pool; 0: not of them */
	bool shared_memory;	  /* of a memfd: a device in another process may need it */
	const struct abi_profile *profile;
	enum p2m_order p2m;
	uint64_t p2m_seed; /* of P2M_SHUFFLE */
	enum monitor_strength monitor;
	enum hypercall_gate gate;
	bool stats;		/* print statistics when the guest has ended ... */
	const char *stats_file; /* ... to this file; NULL: to stderr */
	struct device_option device[MAX_GUEST_DEVICES];
	unsigned nr_devices;
	enum console_kind console;
	/* Of CONSOLE_FILE and CONSOLE_SOCKET, else NULL. A socket without a path is
	 * console.sock in the domain's runtime_dir, where `xenolith console` finds it. */
	const char *console_path;
	bool gdb;	 /* it has a server for gdb ... */
	bool gdb_nowait; /* ... that need not let it start */
	struct gdb_where gdb_where;
	bool virtual_time;
	uint32_t time_quantum; /* ns */
	bool traced;	       /* from its first instruction on */
	struct trace_options trace;
	struct inject_options inject;
	unsigned watch;		   /* seconds of the watchdog (vmm/inspect/watch.h); 0: none */
	bool paused;		   /* it starts when it is unpaused */
	const char *xenstore_path; /* NULL: xenstore.sock in the domain's runtime_dir */
	/* Messages up to this level go to stderr: LOG_WARN, less with --quiet
	 * (LOG_ERROR), more with each -v. */
	enum log_level log_level;
	struct run_hooks hooks;
};

/* "2M" or "1G" as log2 of its bytes. verb_run.c */
bool hugepages_parse(const char *value, unsigned *shift);

/* Runs one domain to its end: enum exit_status. Prints its own messages, each
 * line prefixed "xenolith: ". 128 + n when signal n ended it. `result` may be NULL.
 * May be called again for the next domain. run.c */
int domain_run(const struct run_options *o, struct run_result *result);

/* `xenolith info`: what this host can do, for people, on `out`.
 * enum exit_status: EXIT_HOST_FAILED when no guest could run here. probe_info.c */
int host_info_print(FILE *out);
/* abi_info.c: the implemented ABI, of one profile or (NULL) of all. */
struct abi_profile;
void abi_info_print(FILE *out, const struct abi_profile *only);

#endif
