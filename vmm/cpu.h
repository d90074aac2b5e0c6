/*
 * A KVM vcpu that carries a Xen vcpu: entering the guest, and finding out why it
 * came back. Knows the monitor and the host; knows nothing of hypercalls.
 */
#ifndef VMM_CPU_H
#define VMM_CPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <time.h>

#include "vmm/machine.h"
#include "vmm/monitor.h"

enum cpu_exit_kind {
	CPU_EXIT_TRAP,	     /* exception `vector` of the guest */
	CPU_EXIT_SYSCALL,    /* 64-bit `syscall`; rip behind it */
	CPU_EXIT_SYSCALL32,  /* from compatibility mode */
	CPU_EXIT_HYPERCALL,  /* vmcall/vmmcall; rip behind it */
	CPU_EXIT_IRET_FAULT, /* the guest's context could not be loaded */
	CPU_EXIT_KICK,	     /* nothing happened, or somebody asked for us */
	CPU_EXIT_FATAL,	     /* KVM cannot go on; cpu_exit.text says why */
	NR_CPU_EXITS
};

struct cpu_exit {
	enum cpu_exit_kind kind;
	unsigned vector;
	uint32_t error_code; /* FATAL: errno of KVM_RUN, 0 when the guest may have done it */
	uint64_t cr2;
	char text[160];
};

/* How the guest came out of its last entries, for the crash report. */
#define CPU_TRAIL 32

struct cpu_step {
	uint8_t kind, vector;
	bool kernel_mode;
	uint32_t error_code;
	uint64_t rip, rsp, cr2;
	uint64_t nr, arg; /* of a hypercall: its number and first argument */
};

/* Why a vcpu runs one instruction at a time. */
enum cpu_stepping {
	STEP_NOT,
	STEP_ONE,   /* it stops after the next */
	STEP_WATCH, /* until one accesses what is watched */
};

/* Instructions that show or take the flags. */
enum cpu_step_insn { STEP_INSN_OTHER, STEP_INSN_PUSHF, STEP_INSN_POPF };

/* What a vcpu's thread shows of itself to one who asked, at a moment when its registers
 * are in struct vcpu (vmm/inspect/look.h). */
struct cpu_look {
	struct cpu_user_regs regs;
	bool kernel_mode, in_nmi;
	uint64_t guest_table, guest_table_user;
	uint64_t fs_base, gs_base_kernel, gs_base_user, kernel_sp, cr0, cr2;
	uint64_t time; /* the domain's system time then */
	struct cpu_step trail[CPU_TRAIL];
	uint64_t nr_steps;
};

struct cpu {
	struct vcpu *vcpu;
	struct machine *machine;
	struct monitor *monitor;
	int fd;
	struct kvm_run *run;

	/* What must be loaded before the next entry. */
	bool started;	      /* segment registers were loaded once */
	bool at_monitor;      /* CPL is 0 in KVM's registers */
	bool sregs_dirty;     /* run->s.regs.sregs must be handed in */
	bool syscall_faulted; /* the last `syscall` came as a page fault at LSTAR */
	bool slept;	      /* since the last entry: loaded_cr3 may be stale */
	bool descriptors_dirty, debugregs_dirty, ts_dirty;
	struct kvm_sregs sregs; /* as KVM has them now */
	uint64_t loaded_cr3;

	/* Operations for the monitor before it returns to the guest. */
	uint64_t *ops;	   /* MON_OPS_MAX words */
	uint64_t *last_op; /* on the stack: op_iret, until it is replaced by op_exit */
	unsigned nr_ops;   /* words used */
	bool flush_all;

	/* Set by whoever holds it at rest, looked at by its thread: debugger.h. cpu_step.c */
	enum cpu_stepping stepping;
	bool trap_flag; /* this entry is with one: after an instruction there is a #DB */
	bool stepped;	/* that #DB came */
	enum cpu_step_insn step_insn;
	uint64_t step_rip;
	bool step_kernel, step_guest_tf; /* as before the entry */

	/* Whoever wants this vcpu sets `kick` first, then looks at in_guest. */
	_Atomic bool kick;
	_Atomic bool in_guest;
	_Atomic bool at_rest;	     /* a pause flag keeps it from running */
	_Atomic uint32_t entries;    /* counts entries to the guest */
	_Atomic bool remote_flush;   /* another vcpu wants all translations gone */
	_Atomic uint32_t sleep_word; /* futex: 1 while asleep */
	pthread_t thread;
	pid_t tid;
	timer_t timer;
	volatile bool signalled; /* since the timer was armed; set by the signal's handler */
	bool went_on;		 /* in this entry: the guest ran, and goes on after an access */
	unsigned re_kicks;	 /* in this entry: kicks put off for a breakpoint (cpu_enter.c) */
	uint64_t timer_fired, timer_gap; /* the last deadline that came, and from the one before */
	bool timer_ahead;     /* when none is set, the next is armed where it is expected */
	uint64_t timer_armed; /* deadline in system time that cpu_arm_timer has, 0: none */

	struct cpu_step trail[CPU_TRAIL]; /* a ring: nr_steps % CPU_TRAIL is the oldest */
	uint64_t nr_steps;

	/* Somebody asks for a look by counting `wanted` up and kicking; its thread writes
	 * `look` and then `done`. */
	_Atomic uint32_t look_wanted, look_done;
	struct cpu_look look;

	/* steal.c */
	int steal_fd;	     /* -1: this kernel does not tell */
	uint64_t steal_seen; /* ns, as read last */
	uint64_t steal_next; /* system time of the next look */
	unsigned steal_none; /* looks since something was stolen */

	/* Statistics. */
	uint64_t exits[NR_CPU_EXITS];
	uint64_t hypercall_exits[NR_HYPERCALLS]; /* of its kernel, by number */
	uint64_t traps[32];
	uint64_t first_entry; /* CLOCK_MONOTONIC, ns */
	uint64_t kvm_runs, touches, flushes, mmio_exits;
	uint64_t strays;	/* entries that the host made at a wrong place (cpu_stray.h) */
	uint64_t polls, blocks; /* times that it slept in SCHEDOP_poll, in SCHEDOP_block */
	_Atomic uint64_t kicks; /* signals that others sent it */
};

#define MON_OPS_MAX 4096

/* Makes the KVM vcpu. `cpuid`: for KVM_SET_CPUID2. */
int cpu_create(struct cpu *c, struct machine *m, struct monitor *mon, struct vcpu *v,
	       const struct kvm_cpuid2 *cpuid, struct error *err);
void cpu_destroy(struct cpu *c);
/* To be called in the thread that will run c, before cpu_enter. */
int cpu_thread_init(struct cpu *c, struct error *err);
/* Runs the guest from v->regs until something is to be done; then v->regs holds the guest's
 * registers again. cpu_enter returns at once with CPU_EXIT_KICK when c->kick is set. */
void cpu_enter(struct cpu *c, struct cpu_exit *x);
/* Runs the pending operations without entering the guest. */
void cpu_run_ops(struct cpu *c);
/* Queues operations. */
void cpu_op_touch(struct cpu *c, uint64_t maddr);
void cpu_op_invlpg(struct cpu *c, uint64_t va);
/* The guest set XCR0 (KVM_SET_XCRS). */
int cpu_set_xcr0(struct cpu *c, uint64_t xcr0);
/* Around an entry with the trap flag, of which the guest sees nothing: before it with
 * regs as they are to be entered, and after it. cpu_step.c */
void cpu_step_begin(struct cpu *c);
void cpu_step_end(struct cpu *c, const struct cpu_exit *x);
/* Has an instruction been done since cpu_step_begin()? When the exit was served. */
bool cpu_step_done(struct cpu *c);
/* Makes c leave the guest soon, or not enter it. Any thread. */
void cpu_kick(struct cpu *c);
/* Sleeps until cpu_kick, or for ns nanoseconds. By c's thread. */
#define CPU_SLEEP_FOREVER UINT64_MAX
void cpu_sleep(struct cpu *c, uint64_t ns);
/* The running guest is kicked in ns nanoseconds (0: never). */
void cpu_arm_timer(struct cpu *c, uint64_t ns);
/* c->remote_flush was set and c then kicked: waits until it does not run with translations that it
 * had at the call. It may have been here and gone on already. */
void cpu_wait_flushed(struct cpu *c);
/* The signal that cpu_kick uses: install once per process. */
void cpu_install_kick_handler(void);

static inline struct cpu *vcpu_cpu(const struct vcpu *v)
{
	return v->host;
}

#endif
