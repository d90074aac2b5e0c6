/*
 * Timers: each one that is armed, and its deadline from now.
 */
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

static void add(json_t *all, int vcpu, const char *name, uint64_t deadline, uint64_t period,
		uint64_t now)
{
	if (!deadline)
		return;
	json_t *j = json_pack("{s:s, s:I, s:I}", "timer", name, "deadline", (json_int_t)deadline,
			      "in_ns", (json_int_t)(deadline - now));

	if (vcpu >= 0)
		json_object_set_new(j, "vcpu", json_integer(vcpu));
	if (period)
		json_put(j, "period_ns", period);
	json_array_append_new(all, j);
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	struct domain *d = t->guest->domain;
	uint64_t now = d->ops->system_time(d);
	json_t *all = json_array();
	struct vcpu *v;

	for_each_vcpu (d, v) {
		add(all, (int)v->id, "singleshot", atomic_load(&v->timer[TIMER_SINGLESHOT]), 0,
		    now);
		add(all, (int)v->id, "periodic", atomic_load(&v->timer[TIMER_PERIODIC]),
		    atomic_load(&v->periodic_period), now);
		/* What is left of a poll that an event ended means nothing. */
		if (atomic_load(&v->poll_evtchn))
			add(all, (int)v->id, "poll", atomic_load(&v->timer[TIMER_POLL]), 0, now);
	}
	for (unsigned i = 0; i < sizeof(d->watchdog) / sizeof(d->watchdog[0]); i++)
		add(all, -1, i ? "watchdog 2" : "watchdog 1", atomic_load(&d->watchdog[i].deadline),
		    0, now);
	json_put(out, "system_time", now);
	json_object_set_new(out, "timers", all);
	return 0;
}

static void print(FILE *f, const json_t *j)
{
	static const struct column timers[] = {
		{"timer", "timer", COL_PLAIN},
		{"vcpu", "vcpu", COL_PLAIN},
		{"in_ns", "in", COL_NS},
		{"period_ns", "period", COL_NS},
		{0},
	};
	char now[TEXT_NS_SIZE];

	fprintf(f, "%zu timers are armed; the domain's system time is %s\n",
		json_array_size(json_object_get(j, "timers")),
		text_ns(now, text_int(j, "system_time")));
	text_table(f, "", json_object_get(j, "timers"), timers);
}

const struct inspect_subject inspect_timers = {
	.name = "timers",
	.operands = "",
	.summary = "armed timers and how far away their deadlines are",
	.fill = fill,
	.print = print,
};
