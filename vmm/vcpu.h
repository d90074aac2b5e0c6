/*
 * The vcpu thread: sleeps, timers, entries, and what each exit leads to.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include "vmm/clock.h"
#include "vmm/cpu.h"
#include "vmm/emulate/emulate.h"
#include "vmm/guest_devices.h"
#include "vmm/log_ring.h"
#include "vmm/quiesce.h"

struct console;
struct debugger; /* gdb/debugger.h */
struct gdb_server;
struct core_job; /* dump/core_dump.h */
struct injector;
struct tracer;
struct watchdog;

/* The VMM's part of a domain: domain.host. */
struct guest {
	struct domain *domain;
	struct machine *machine;
	struct monitor monitor;
	struct clock clock;
	int64_t time_offset; /* s that the wall clock is ahead of the host's */
	struct cpu *cpu[MAX_VCPUS];
	struct emulate_env emulate;
	uint64_t emulated[MAX_VCPUS][NR_EMULATE_COUNTS]; /* each by its vcpu's thread */
	struct port_latches latches;
	struct cpuid_policy cpuid;
	uint64_t xcr0[MAX_VCPUS];
	struct console *console;
	struct guest_devices devices;
	struct debugger *_Atomic debugger; /* NULL: none was ever asked for */
	struct quiesce quiesce; /* of virtual time */
	struct tracer *tracer;
	struct injector *injector;  /* NULL: nothing was ever to go wrong */
	_Atomic int64_t wall_step;  /* ns that the wall clock was made to step */
	_Atomic uint64_t stall_ns;  /* that vcpu 0 is to stand still */
	_Atomic uint64_t steal_ns;  /* the same, and the guest is told */
	enum log_level log_level; /* of messages on stderr */
	struct log_ring log;	  /* its lock also covers domain.name */
	uint64_t frames_returned; /* to the host, ever; domain.lock */
	bool small_pages;	  /* the host makes no huge pages for the guest any more */
	struct core_job *core_job;	   /* the loop's thread's */
	struct gdb_server *_Atomic gdb;	   /* the same; gdb/gdb.h */
	_Atomic bool ended; /* the vcpus' threads are no more */
	_Atomic bool stop;	  /* all vcpu threads are to end */
	int end_fd;		  /* eventfd: written when `stop` was set */
	_Atomic int look_fd;	  /* eventfd: written when a vcpu was looked at; 0: none */
	struct watchdog *watchdog; /* vmm/inspect/watch.h; NULL: none. The loop's thread */
	_Atomic bool host_failed; /* KVM could not go on; `failure` says why */
	char failure[200];
	struct vcpu *_Atomic crash_vcpu; /* was running when the domain crashed */
};

static inline struct guest *domain_guest(const struct domain *d)
{
	return d->host;
}

extern const struct host_ops vmm_host_ops; /* host_ops.c */
/* The vcpu whose thread this is, or NULL. */
struct vcpu *vcpu_current(void);

/* pthread start routine; arg: struct cpu. */
void *vcpu_thread(void *arg);
/* Ends all vcpus' threads soon. Any thread. */
void guest_stop(struct guest *g);

/* steal.c: by c's thread. What its vcpu waited for a processor since the last look is
 * accounted to its runstate, every few milliseconds at most and, by steal_rest(), when it
 * is to rest after a longer run; steal_skip() leaves out what went by while it slept. */
void steal_start(struct cpu *c);
void steal_account(struct cpu *c);
void steal_rest(struct cpu *c);
/* System time when a vcpu that stays in the guest should come out for it. */
uint64_t steal_look_at(const struct cpu *c);
void steal_skip(struct cpu *c);
void steal_stop(struct cpu *c);

/* trap.c: what an exception of the guest leads to. */
void trap_handle(struct cpu *c, const struct cpu_exit *x);

#endif
