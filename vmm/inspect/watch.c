/*
 * Troubles, reports and the clock of the watchdog. The rules are in watch_*.c.
 */
#include "vmm/inspect/watch_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/inspect.h"

#define MAX_TROUBLES 1024
#define KEPT_REPORTS 256
/* Without anybody who asks for reports it stops. */
#define UNASKED_NS 30000000000ull

struct trouble {
	struct trouble *next;
	char rule[16], what[WATCH_KEY], text[WATCH_TEXT];
	uint64_t sign, since;
	bool held; /* in this look */
	bool reported;
};

struct report {
	uint64_t number;
	int64_t time;
	char rule[16], what[WATCH_KEY], text[WATCH_TEXT];
	bool over;
};

static void report(struct watchdog *w, const struct trouble *t, bool over)
{
	struct report *r = &w->reports[w->nr_reports % KEPT_REPORTS];

	*r = (struct report){.number = ++w->nr_reports, .time = time(NULL), .over = over};
	strcpy(r->rule, t->rule);
	strcpy(r->what, t->what);
	if (over)
		snprintf(r->text, sizeof(r->text), "it goes on again");
	else
		strcpy(r->text, t->text);
	domain_log(w->target.guest->domain, LOG_WARN, "watchdog: %s: %s", r->what, r->text);
	if (w->listener)
		w->listener(w->listener_arg);
}

static struct trouble *find(struct watchdog *w, const char *rule, const char *what)
{
	struct trouble *t;
	unsigned nr = 0;

	for (t = w->troubles; t; t = t->next, nr++)
		if (!strcmp(t->rule, rule) && !strcmp(t->what, what))
			return t;
	t = nr < MAX_TROUBLES ? calloc(1, sizeof(*t)) : NULL;
	if (!t)
		return NULL;
	snprintf(t->rule, sizeof(t->rule), "%s", rule);
	snprintf(t->what, sizeof(t->what), "%s", what);
	t->next = w->troubles;
	w->troubles = t;
	return t;
}

void watch_hold(struct watchdog *w, const char *rule, const char *what, uint64_t sign,
		uint64_t clock, uint64_t limit, const char *fmt, ...)
{
	struct trouble *t = find(w, rule, what);
	va_list ap;

	if (!t)
		return;
	if (!t->since || t->sign != sign) {
		/* It moves. */
		if (t->reported)
			report(w, t, true);
		t->reported = false;
		t->sign = sign;
		t->since = clock;
	}
	t->held = true;
	if (t->reported || clock - t->since < limit)
		return;
	va_start(ap, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, ap);
	va_end(ap);
	t->reported = true;
	report(w, t, false);
}

/* What no rule held is over. */
static void sweep(struct watchdog *w, bool quietly)
{
	for (struct trouble **at = &w->troubles; *at;) {
		struct trouble *t = *at;

		if (t->held) {
			t->held = false;
			at = &t->next;
			continue;
		}
		*at = t->next;
		if (t->reported && !quietly)
			report(w, t, true);
		free(t);
	}
}

/* Some of its vcpus stand still for a debugger. */
static bool is_debugged(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu (d, v)
		if (atomic_load(&v->pause_flags) & VPF_DEBUGGER)
			return true;
	return false;
}

void watchdog_tick(struct watchdog *w, uint64_t now)
{
	struct domain *d = w->target.guest->domain;
	uint64_t gone = w->last_tick ? now - w->last_tick : 0;

	w->last_tick = now;
	if (atomic_load(&d->is_shut_down) || atomic_load(&w->target.guest->stop)) {
		sweep(w, true);
		return;
	}
	/* A loop that was late, on a busy host or a host that slept, proves nothing. */
	w->step = gone < 2 * WATCH_TICK_NS ? gone : 2 * WATCH_TICK_NS;
	if (d->pause_count || is_debugged(d))
		return;
	uint64_t had = watch_count_time(w);
	w->clock += had ? had : 1;
	json_t *devices = inspect_devices(&w->target, 0);
	watch_rings(w, devices);
	watch_events(w, devices);
	watch_states(w, devices);
	json_decref(devices);
	watch_grants(w);
	sweep(w, false);
}

/* ---- the event loop ---- */

static void set_timer(struct watchdog *w, bool on)
{
	const struct timespec tick = {on ? (time_t)(WATCH_TICK_NS / 1000000000) : 0,
				      on ? (long)(WATCH_TICK_NS % 1000000000) : 0};
	const struct itimerspec t = {tick, tick};

	if (w->loop)
		timerfd_settime(w->timer_fd, 0, &t, NULL);
	w->running = on;
}

static void on_timer(void *arg, uint32_t events)
{
	struct watchdog *w = arg;
	uint64_t n, now = inspect_now();

	if (read(w->timer_fd, &n, sizeof(n)) < 0)
		return;
	if (!w->by_option && now - w->asked > UNASKED_NS) {
		set_timer(w, false);
		return;
	}
	watchdog_tick(w, now);
}

struct watchdog *watchdog_create(struct event_loop *l, const struct inspect_target *t,
				 unsigned seconds, bool by_option)
{
	struct watchdog *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->target = *t;
	w->loop = l;
	w->by_option = by_option;
	w->seconds = seconds;
	w->limit = seconds * 1000000000ull;
	w->clock = 1;
	w->timer_fd = -1;
	w->reports = calloc(KEPT_REPORTS, sizeof(*w->reports));
	if (l)
		w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!w->reports ||
	    (l && (w->timer_fd < 0 || event_loop_add(l, w->timer_fd, EPOLLIN, on_timer, w)))) {
		watchdog_destroy(w);
		return NULL;
	}
	watchdog_asked(w);
	return w;
}

void watchdog_destroy(struct watchdog *w)
{
	if (!w)
		return;
	for (struct trouble *t = w->troubles; t; t = t->next)
		t->held = false;
	sweep(w, true);
	if (w->timer_fd >= 0) {
		event_loop_del(w->loop, w->timer_fd);
		close(w->timer_fd);
	}
	free(w->reports);
	free(w->rings);
	free(w);
}

unsigned watchdog_seconds(const struct watchdog *w)
{
	return w->seconds;
}

void watchdog_listen(struct watchdog *w, void (*fn)(void *arg), void *arg)
{
	w->listener = fn;
	w->listener_arg = arg;
}

void watchdog_asked(struct watchdog *w)
{
	w->asked = inspect_now();
	if (w->running)
		return;
	w->last_tick = 0;
	set_timer(w, true);
}

/* ---- what it has to tell ---- */

static json_t *json(const char *rule, const char *what, const char *text, bool over)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "rule", rule, "device", what, "text", text, "over",
			 over);
}

json_t *watchdog_reports(struct watchdog *w, uint64_t after, uint64_t *last)
{
	uint64_t from = w->nr_reports > KEPT_REPORTS ? w->nr_reports - KEPT_REPORTS : 0;
	json_t *all = json_array();

	for (uint64_t i = after > from ? after : from; i < w->nr_reports; i++) {
		const struct report *r = &w->reports[i % KEPT_REPORTS];
		json_t *j = json(r->rule, r->what, r->text, r->over);

		json_put(j, "number", r->number);
		json_put(j, "time", (uint64_t)r->time);
		json_array_append_new(all, j);
	}
	*last = w->nr_reports;
	return all;
}

json_t *watchdog_troubles(struct watchdog *w)
{
	json_t *all = json_array();

	for (const struct trouble *t = w->troubles; t; t = t->next)
		if (t->reported)
			json_array_append_new(all, json(t->rule, t->what, t->text, false));
	return all;
}
