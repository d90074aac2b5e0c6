/*
 * Between the watchdog and its rules. Internal to vmm/inspect.
 */
#ifndef VMM_INSPECT_WATCH_INTERNAL_H
#define VMM_INSPECT_WATCH_INTERNAL_H

#include "vmm/inspect/watch.h"

#define WATCH_KEY  96
#define WATCH_TEXT 300

/* What a rule remembers of a ring between two looks. */
struct ring_memory {
	char key[WATCH_KEY];
	bool seen;
	uint32_t req_cons, rsp_prod;
	/* The port's counters when these last moved. */
	uint32_t sent, raised;
	bool sent_known;
};

struct vcpu_memory {
	uint64_t clock;	      /* counts while it runs, or while it is blocked */
	uint64_t ran, wanted; /* processor time, and that with what it waited for one */
	bool known;
};

#define WATCH_GROWTHS 12

struct watchdog {
	struct inspect_target target;
	struct event_loop *loop;
	int timer_fd;
	bool by_option, running;
	unsigned seconds;
	uint64_t limit; /* the same in ns */
	uint64_t last_tick, clock, step;
	uint64_t asked; /* CLOCK_MONOTONIC */
	void (*listener)(void *arg);
	void *listener_arg;

	struct trouble *troubles;
	struct report *reports;
	uint64_t nr_reports; /* ever */

	struct ring_memory *rings;
	unsigned nr_rings;
	struct vcpu_memory vcpu[MAX_VCPUS];
	struct {
		uint64_t next; /* look, by the clock */
		unsigned grew;
		uint64_t first, last;
		bool known;
		uint64_t unknown;
		char refs[80];
	} grants;
};

/* A rule says in every look in which it is so: `what` stands still, with this `sign` of how
 * it stands. When it was so with the same sign for `limit` ns of `clock` it is reported. */
void watch_hold(struct watchdog *w, const char *rule, const char *what, uint64_t sign,
		uint64_t clock, uint64_t limit, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

/* Counts the vcpus' clocks on; returns the part of the step in which none of them waited
 * for a processor. First in every look. */
uint64_t watch_count_time(struct watchdog *w);
void watch_rings(struct watchdog *w, const json_t *devices);
void watch_events(struct watchdog *w, const json_t *devices);
void watch_states(struct watchdog *w, const json_t *devices);
void watch_grants(struct watchdog *w);

#endif
