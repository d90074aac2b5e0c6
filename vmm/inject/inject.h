/*
 * Fault injection: rules say at which probes (pvabi/fault.h) what is to go wrong, and when.
 *
 *   WHAT[:CONDITION,...] ACTION[=VALUE] [p=0.1] [skip=N] [every=N|TIME] [count=N]
 *   [after=TIME] [until=TIME]
 *
 * WHAT and the conditions are those of a trace's filter (vmm/trace/trace.h); a table
 * (pvabi/faults.def) says which actions a probe knows. Of the hits that match, the first `skip`
 * are let through, then every N-th (1) is taken, with probability p (1), until there were
 * `count` (no limit), and only while the domain's system time is between `after` and `until`.
 * The rules of `tick` come by themselves, every TIME.
 *
 * Whether the n-th matching hit of a rule is taken depends on the seed, the rule and n alone. The
 * log has the seed, the rules and every n that was taken; a replay takes the same.
 */
#ifndef VMM_INJECT_INJECT_H
#define VMM_INJECT_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "pvabi/fault.h"
#include "vmm/error.h"

struct event_loop;
struct guest;
struct injector;
struct trace_filter;
struct xenstore;

#define INJECT_MAX_RULES 32

struct inject_rule {
	struct trace_filter *filter;
	const char *text; /* as given */
	enum probe_id probe;
	struct fault fault;
	double p;
	uint64_t skip, every, count; /* count 0: no limit */
	uint64_t after, until;	     /* ns of system time; until 0: no end */
	uint64_t period;	     /* of a tick, ns */
};

struct inject_options {
	const char *rule[INJECT_MAX_RULES];
	unsigned nr_rules;
	bool has_seed;
	uint64_t seed;
	const char *log;    /* NULL: <domain>.inject, only when something was injected */
	const char *replay; /* a log */
};

/* rule.c: 0, or -EINVAL and a sentence that names what is wrong in `text`. */
int inject_rule_parse(struct inject_rule *r, const char *text, struct error *err);
void inject_rule_free(struct inject_rule *r);
/* "100us", "2s", "-1h", "5" (s): ns. False: it is no time. */
bool inject_time(const char *text, int64_t *ns);
/* All points and what they know, for people. */
void inject_help(FILE *f);

/* inject.c: rules for a domain that does not run yet, or does. NULL and a sentence. The
 * store is for what memory pressure writes. Before the loop starts, or in its thread. */
struct injector *injector_create(struct guest *g, struct event_loop *l, struct xenstore *xs,
				 const struct inject_options *o, struct error *err);
/* How many faults there were, and where their list is; 0: there is none. */
uint64_t injector_taken(struct injector *i, const char **path);
/* One more rule while it runs. 0 (its number or more), or negative errno and a sentence. */
int injector_add(struct injector *i, const char *text, struct error *err);
/* No more of a rule; -1: of all. -ENOENT. */
int injector_remove(struct injector *i, int rule);
/* Rules with their hits and how many were taken. */
void injector_list(struct injector *i,
		   void (*fn)(void *arg, unsigned nr, const char *text, uint64_t hits,
			      uint64_t taken),
		   void *arg);
uint64_t injector_seed(const struct injector *i);
/* The domain's threads and the devices' are no more. */
void injector_destroy(struct injector *i);

/* replay.c: what a log says. 0, or negative errno and a sentence with the line. */
struct inject_replay {
	uint64_t seed;
	unsigned nr_rules;
	char *rule[INJECT_MAX_RULES];
	struct inject_hits {
		uint64_t *n; /* ascending */
		size_t nr;
	} hits[INJECT_MAX_RULES];
};
int inject_replay_load(struct inject_replay *r, const char *path, struct error *err);
void inject_replay_free(struct inject_replay *r);

#endif
