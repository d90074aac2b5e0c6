/*
 * "watch": reports of the watchdog, as they come.
 */
#include <errno.h>

#include "vmm/control/control_internal.h"
#include "vmm/inspect/watch.h"

static void forget(struct call *call)
{
	struct control *c = call->control;

	for (unsigned i = 0; i < c->nr_watching; i++)
		if (c->watching[i] == call) {
			c->watching[i] = c->watching[--c->nr_watching];
			return;
		}
}

static void answer(struct call *call, uint64_t after)
{
	struct watchdog *w = call->control->domain.guest->watchdog;
	uint64_t last;

	json_object_set_new(call->result, "reports", watchdog_reports(w, after, &last));
	json_put(call->result, "last", last);
	json_put(call->result, "seconds", watchdog_seconds(w));
}

static void on_report(void *arg)
{
	struct control *c = arg;

	while (c->nr_watching) {
		struct call *call = c->watching[--c->nr_watching];

		answer(call, (uint64_t)json_integer_value(json_object_get(call->args, "after")));
		call_done(call, 0);
	}
}

static int start(struct call *call, int seconds)
{
	struct control *c = call->control;
	struct guest *g = c->domain.guest;
	const struct inspect_target t = {.guest = g, .xenstore = c->domain.xenstore};

	if (seconds < 1 || seconds > WATCH_SECONDS_MAX)
		return error_set(&call->err, -EINVAL, "the watchdog takes 1 to %d seconds",
				 WATCH_SECONDS_MAX);
	if (!g->watchdog)
		g->watchdog = watchdog_create(c->loop, &t, (unsigned)seconds, false);
	if (!g->watchdog)
		return error_set(&call->err, -ENOMEM, "out of memory or descriptors");
	watchdog_listen(g->watchdog, on_report, c);
	watchdog_asked(g->watchdog);
	return 0;
}

/* {"seconds": of a watchdog that does not run yet} -> {"troubles": those that there are,
 * "last": number of the newest report, "seconds": N}, at once; {"after": N} -> {"reports":
 * those behind it, "last": ...} as soon as there are any. "ended" instead of them: how the
 * domain did. */
int request_watch(struct call *call)
{
	struct control *c = call->control;
	int seconds = WATCH_SECONDS;
	json_int_t after = -1;
	int rc = call_args(call, "{s?i, s?I}", "seconds", &seconds, "after", &after);

	if (!rc)
		rc = start(call, seconds);
	if (rc)
		return rc;
	struct watchdog *w = c->domain.guest->watchdog;
	uint64_t last;
	json_t *new = watchdog_reports(w, after < 0 ? UINT64_MAX : (uint64_t)after, &last);
	bool any = json_array_size(new);
	json_decref(new);
	if (after >= 0 && !any) {
		call->at_end = true;
		c->watching[c->nr_watching++] = call;
		return call_defer(call, forget, NULL);
	}
	answer(call, after < 0 ? UINT64_MAX : (uint64_t)after);
	json_object_set_new(call->result, "troubles", watchdog_troubles(w));
	return 0;
}
