/*
 * The watchdog: looks at a running domain twice a second and reports what stands still, with
 * who waits for whom: rings, events, xenstore states, grants. Each trouble is reported once
 * when it has lasted for its limit, and once when it is over.
 *
 * It counts time by a clock of its own that stands still while the domain is paused, while a
 * vcpu waits for a processor of the host, and while the event loop, which it runs in, was
 * kept from running.
 */
#ifndef VMM_INSPECT_WATCH_H
#define VMM_INSPECT_WATCH_H

#include <jansson.h>

#include "vmm/inspect/inspect.h"

struct event_loop;

#define WATCH_SECONDS	  10 /* by default, and its limits */
#define WATCH_SECONDS_MAX 3600
#define WATCH_TICK_NS	  500000000ull

/* l NULL: nobody calls watchdog_tick() but the caller. `by_option`: it runs on when nobody
 * asks for its reports. NULL: no memory or descriptors. In the loop's thread, or before. */
struct watchdog *watchdog_create(struct event_loop *l, const struct inspect_target *t,
				 unsigned seconds, bool by_option);
void watchdog_destroy(struct watchdog *w);
/* Looks, at CLOCK_MONOTONIC `now`. */
void watchdog_tick(struct watchdog *w, uint64_t now);
unsigned watchdog_seconds(const struct watchdog *w);

/* Reports behind number `after`, those that are still kept; *last is the newest's number.
 * [{"number": 3, "time": wall clock in s, "rule": "ring", "device": "vbd 51712 queue 0",
 *   "text": "...", "over": false}, ...] */
json_t *watchdog_reports(struct watchdog *w, uint64_t after, uint64_t *last);
/* Those that were reported and are not over. */
json_t *watchdog_troubles(struct watchdog *w);
/* fn is called after a report, in the loop's thread. One listener. */
void watchdog_listen(struct watchdog *w, void (*fn)(void *arg), void *arg);
/* Somebody wants reports: it goes on for a while. */
void watchdog_asked(struct watchdog *w);

#endif
