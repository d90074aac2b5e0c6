/*
 * How a run ended, for its user, for those who wait for it, and for who called it.
 */
#include "pvabi/grant_table.h"
#include "vmm/report.h"
#include "vmm/run_internal.h"
#include "vmm/trace/trace.h"

int run_outcome(struct run *r)
{
	struct guest *g = &r->guest;
	struct domain *d = g->domain;
	int by = atomic_load(&r->ended_by);

	if (atomic_load(&g->host_failed)) {
		fprintf(stderr, "xenolith: the host failed: %s\n", g->failure);
		report_vcpus(stderr, g);
		return EXIT_HOST_FAILED;
	}
	if (!atomic_load(&d->is_shut_down))
		return by > 0 ? 128 + by : EXIT_OK;
	if (d->shutdown_code == SHUTDOWN_poweroff || d->shutdown_code == SHUTDOWN_reboot ||
	    d->shutdown_code == SHUTDOWN_suspend || d->shutdown_code == SHUTDOWN_soft_reset) {
		run_say(r, LOG_INFO, report_shutdown_name(d->shutdown_code));
		if (r->o->log_level >= LOG_INFO)
			report_grants(stderr, d);
		return EXIT_OK;
	}
	report_crash(stderr, g);
	report_grants(stderr, d);
	return EXIT_GUEST_CRASHED;
}

/* For those who wait for the end. */
const char *run_how_it_ended(const struct run *r)
{
	static const char *const reasons[] = {
		[SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
		[SHUTDOWN_suspend] = "suspend",	  [SHUTDOWN_crash] = "crash",
		[SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft_reset",
	};
	const struct domain *d = r->guest.domain;

	if (atomic_load(&r->guest.host_failed))
		return "host_failed";
	if (d && atomic_load(&d->is_shut_down))
		return d->shutdown_code < sizeof(reasons) / sizeof(reasons[0])
			       ? reasons[d->shutdown_code]
			       : "shutdown";
	return atomic_load(&r->ended_by) > 0 ? "signal" : "destroyed";
}

/* A backend that has ended holds nothing any more. */
void run_check_grants(struct run *r)
{
	const struct active_grant *g;
	grant_ref_t ref = GNTTAB_NR_RESERVED_ENTRIES;

	for (; (g = grant_next_in_use(r->guest.domain, &ref)); ref++)
		if (g->domid == 0 && r->o->log_level >= LOG_WARN)
			fprintf(stderr, "xenolith: grant %u is held by a backend that has ended\n",
				ref);
}

void run_fill_result(const struct run *r, struct run_result *result)
{
	const struct domain *d = r->guest.domain;

	*result = (struct run_result){.ran = r->up != 0};
	if (!r->up)
		return;
	result->lived = stats_now() - r->up;
	result->shut_down = !atomic_load(&r->guest.host_failed) && atomic_load(&d->is_shut_down);
	result->shutdown_code = d->shutdown_code;
}

/* Whoever reads the trace is not to take it for the whole. */
void run_tell_losses(struct run *r)
{
	struct trace_counts c;
	char text[160];

	tracer_counts(r->guest.tracer, &c);
	if (!c.lost)
		return;
	snprintf(text, sizeof(text),
		 "%llu records of the trace were lost, beside %llu that were not: too many at a "
		 "time; ask for less",
		 (unsigned long long)c.lost, (unsigned long long)c.records);
	run_say(r, LOG_WARN, text);
}

void run_tell_faults(struct run *r)
{
	const char *path;
	char text[512];
	uint64_t n = r->guest.injector ? injector_taken(r->guest.injector, &path) : 0;

	if (!r->guest.injector)
		return;
	if (n)
		snprintf(text, sizeof(text),
			 "%llu faults were injected (seed %llu); again with --replay %.300s",
			 (unsigned long long)n,
			 (unsigned long long)injector_seed(r->guest.injector), path);
	else
		snprintf(text, sizeof(text), "no fault was injected: nothing matched the rules");
	run_say(r, LOG_WARN, text);
}
