/*
 * Fault injection, between its files: inject.c (rules, and their life), decide.c (is a hit
 * taken?), later.c (what comes by itself, and what was put off).
 */
#ifndef VMM_INJECT_INJECT_INTERNAL_H
#define VMM_INJECT_INJECT_INTERNAL_H

#include <pthread.h>

#include "vmm/inject/inject.h"
#include "vmm/trace/trace.h"
#include "vmm/vcpu.h"

#define NS 1000000000ull

/* A rule that the domain has or had. */
struct inject_state {
	struct inject_rule rule;
	char *text; /* ours */
	bool removed;
	uint64_t hits, taken;
	uint64_t next_tick; /* system time */
	size_t replayed;    /* of its hits */
};

/* What is to come: an event, or the end of a backend's use of a grant. */
struct inject_later {
	struct inject_later *next;
	uint64_t due; /* system time */
	bool is_grant, readonly;
	uint32_t number; /* of the port or the grant */
};

struct injector {
	struct fault_host host; /* first */
	struct guest *guest;
	struct domain *domain;
	uint64_t seed;
	bool replaying;
	struct inject_replay replay;
	char path[4096];

	pthread_mutex_t lock; /* of all that follows; nothing of pvabi's is called with it */
	pthread_cond_t changed;
	struct inject_state state[INJECT_MAX_RULES];
	unsigned nr;
	struct inject_later *later, *last; /* by time */
	unsigned nr_later;
	FILE *log;
	bool quit, started;
	pthread_t thread;

	/* The loop's. */
	struct event_loop *loop;
	struct xenstore *xenstore;
	int press_fd;
	bool pressed; /* memory/target is lower than it was */
	int64_t target_kib;
};

/* ---- decide.c ---- */
uint64_t inject_mix(uint64_t z);
/* Is hit n (from 0) of rule i taken? `lock` is held. */
bool inject_takes(struct injector *in, unsigned i, uint64_t n, uint64_t now);
/* `lock` is held: the log begins, unless it has; a hit in it. */
void inject_log_header(struct injector *in);
void inject_log_hit(struct injector *in, unsigned rule, uint64_t n, const struct trace_record *r);
/* Of the fault_host. */
bool inject_decide(struct fault_host *h, struct domain *d, const struct probe_hit *hit,
		   struct fault *f);
void inject_wait(struct fault_host *h, uint64_t ns);

/* ---- later.c ---- */
/* Of the fault_host. */
void inject_event_later(struct fault_host *h, evtchn_port_t port, uint64_t ns);
bool inject_release_later(struct fault_host *h, uint32_t ref, bool readonly, uint64_t ns);
/* The first of what was put off, out of the list; `lock` is held. */
struct inject_later *inject_take_first(struct injector *in);
/* In the loop's thread: memory pressure begins, and ends. */
void inject_on_press(void *arg, uint32_t events);
/* The thread of what comes by itself. */
void *inject_thread(void *arg);

#endif
