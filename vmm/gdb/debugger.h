/*
 * A debugger's hold on a domain, without gdb's protocol: stopping and resuming vcpus, single
 * steps, breakpoints, watchpoints, and access to memory and registers of vcpus at rest.
 *
 * Stops are asked for by any thread; everything else is done by one thread, the event
 * loop's. A vcpu is held by VPF_DEBUGGER and is at rest soon after. Whoever stops, and each
 * vcpu that comes to rest, writes `event_fd`.
 */
#ifndef VMM_GDB_DEBUGGER_H
#define VMM_GDB_DEBUGGER_H

#include "vmm/vcpu.h"

enum stop_reason {
	STOPPED_NOT,
	STOPPED_ASKED, /* by the user */
	STOPPED_BREAK, /* at a software breakpoint */
	STOPPED_HWBREAK,
	STOPPED_WRITE, /* addr was accessed: watchpoints */
	STOPPED_READ,
	STOPPED_ACCESS,
	STOPPED_STEP,
	STOPPED_CRASH, /* the domain has; its vcpus do not run any more */
};

struct stop {
	enum stop_reason reason;
	uint64_t addr;
};

/* As gdb's Z packets number them. */
enum break_kind { BREAK_SW, BREAK_HW, WATCH_WRITE, WATCH_READ, WATCH_ACCESS, NR_BREAK_KINDS };

/* Breakpoints are `int3` in the guest's memory, which stay where they are when the page is
 * mapped elsewhere. Watchpoints are linear addresses: as long as there are any, the vcpus
 * run one instruction at a time and what each is about to access is compared. No debug
 * register is used: those of a guest at CPL 3 do not work on all hosts (HOSTS: they are kept
 * and never hit), and the guest's own stay untouched. */
struct breakpoint {
	enum break_kind kind;
	uint64_t va;
	uint32_t len;	/* of what is watched */
	uint64_t maddr; /* of an int3 */
	uint8_t byte;	/* that it replaced */
};

#define DEBUGGER_MAX_BREAKS    4096 /* of all kinds */
#define DEBUGGER_MAX_WATCHES   64
#define DEBUGGER_MAX_WATCH_LEN 4096

struct debugger {
	struct guest *guest;
	int event_fd;
	pthread_mutex_t lock; /* VPF_DEBUGGER and `first`; last */
	/* By the loop's thread. */
	bool held;	     /* all vcpus have been at rest since debugger_stop() */
	uint64_t held_since; /* system time */
	bool step_events;    /* single steps take events, too */
	struct breakpoint *bp;
	unsigned nr_bp;
	unsigned nr_watches;
	bool user_watches; /* some are in user space */
	/* By the thread of the vcpu, read when it is at rest. */
	struct stop stop[MAX_VCPUS];
	struct stop coming[MAX_VCPUS]; /* of the instruction that is entered, if it completes */
	int first;		       /* vcpu that stopped first, -1: nobody yet */
};

/* NULL: no memory or no descriptor. */
struct debugger *debugger_create(struct guest *g);
/* The vcpus' threads have ended, or never ran. */
void debugger_destroy(struct debugger *d);

/* Nothing runs soon. Any thread. */
void debugger_stop(struct debugger *d);
/* Is everything at rest, after debugger_stop()? Sets `held`. */
bool debugger_at_rest(struct debugger *d);

enum resume_action { RESUME_NOT, RESUME_RUN, RESUME_STEP };
/* Lets them go on, by vcpu. False: nothing runs, as something had happened on one of those
 * before, which was not told yet: see debugger_next_stop(). */
bool debugger_resume(struct debugger *d, const enum resume_action action[MAX_VCPUS]);
/* The vcpus' threads have ended: memory and registers are what is left. */
static inline bool debugger_is_dead(const struct debugger *d)
{
	return atomic_load(&d->guest->ended);
}
/* What stopped the domain; the vcpu's number. Forgets it. STOPPED_ASKED when nothing
 * happened: of vcpu `preferred`, or of another when that is down. */
unsigned debugger_next_stop(struct debugger *d, unsigned preferred, struct stop *s);
/* Takes everything back and lets the domain go on. `held`, or no vcpu ever ran. */
void debugger_release(struct debugger *d);

/* break.c. By the tables that v uses now. -EFAULT: it is not mapped, or not the guest's;
 * -ENOSPC; -EINVAL. Inserting what is there, and removing what is not, changes nothing. */
int debugger_insert(struct debugger *d, struct vcpu *v, enum break_kind kind, uint64_t va,
		    uint64_t len);
int debugger_remove(struct debugger *d, enum break_kind kind, uint64_t va, uint64_t len);
void debugger_remove_all(struct debugger *d);
/* The breakpoint whose int3 is at machine address `maddr`; NULL. */
const struct breakpoint *debugger_find_int3(const struct debugger *d, uint64_t maddr);

/* memory.c. Bytes of v's address space; user tables lack the kernel, then its own are used.
 * How many could be accessed. Breakpoints are not seen, and stay. Writes go through the
 * frames whatever the tables say; frames that are page tables or descriptors in use, and
 * Xen's own, cannot be written: what we know of them would be wrong. */
size_t debugger_read(struct debugger *d, struct vcpu *v, uint64_t va, void *buf, size_t len);
size_t debugger_write(struct debugger *d, struct vcpu *v, uint64_t va, const void *buf, size_t len);
/* The machine address of va. False: there is nothing. */
bool debugger_translate(const struct vcpu *v, uint64_t va, uint64_t *maddr);
bool debugger_may_write(const struct domain *d, uint64_t mfn);

/* watch.c */
void watch_prepare(struct debugger *d, struct vcpu *v);

/* ---- called by the vcpus' threads; all of them when g->debugger is set ---- */
/* Is this exit not the guest's doing, but a step's or a breakpoint's? Before it is handled. */
bool debugger_made(const struct debugger *d, const struct cpu *c, const struct cpu_exit *x);
/* An exception: was it the debugger's? Else it is the guest's. */
bool debugger_trap(struct debugger *d, struct cpu *c, const struct cpu_exit *x);
/* Around an entry, when c->stepping. */
void debugger_enter(struct debugger *d, struct cpu *c);
void debugger_left(struct debugger *d, struct cpu *c, const struct cpu_exit *x);
/* Is v to be entered without looking for its events? */
bool debugger_holds_events(const struct debugger *d, const struct cpu *c);
/* It is held, and is at rest now. */
void debugger_rested(struct debugger *d, struct cpu *c);

/* "kernel", "user", "blocked", "down" */
const char *debugger_vcpu_does(const struct vcpu *v);

#endif
