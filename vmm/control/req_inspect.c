/*
 * "inspect": what vmm/inspect shows of the domain. Registers of vcpus that run come later,
 * when their threads have shown them: see vmm/inspect/look.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "vmm/control/control_internal.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/look.h"

/* Calls that wait for vcpus. There is one a peer at most. */
struct look_waits {
	struct guest *guest;
	int timer_fd;
	struct call *call[CONTROL_MAX_PEERS];
	unsigned nr;
};

static int answer(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	const struct inspect_target t = {.guest = cd->guest, .xenstore = cd->xenstore};
	const char *what = NULL, *word[INSPECT_MAX_ARGS];
	json_t *args = NULL, *out;
	int rc = call_args(call, "{s:s, s?o}", "what", &what, "args", &args);
	size_t nr = json_array_size(args);

	if (!rc && args && (!json_is_array(args) || nr > INSPECT_MAX_ARGS))
		rc = error_set(&call->err, -EINVAL, "\"args\" is no list of up to %d words",
			       INSPECT_MAX_ARGS);
	for (size_t i = 0; !rc && i < nr; i++) {
		word[i] = json_string_value(json_array_get(args, i));
		if (!word[i])
			rc = error_set(&call->err, -EINVAL,
				       "\"args\" has something else than words");
	}
	if (!rc)
		rc = inspect_fill(&t, what, (unsigned)nr, word, &out, &call->err);
	if (rc)
		return rc;
	json_object_update(call->result, out);
	json_decref(out);
	return 0;
}

/* ---- waiting for vcpus ---- */

static void forget(struct call *call)
{
	struct look_waits *w = call->later;

	for (unsigned i = 0; i < w->nr; i++)
		if (w->call[i] == call) {
			w->call[i] = w->call[--w->nr];
			return;
		}
}

static void answer_all(struct look_waits *w)
{
	while (w->nr) {
		struct call *call = w->call[--w->nr];

		call_done(call, answer(call));
	}
}

static void on_look(void *arg, uint32_t events)
{
	struct look_waits *w = arg;
	eventfd_t n;

	eventfd_read(atomic_load(&w->guest->look_fd), &n);
	if (look_complete(w->guest))
		answer_all(w);
}

static void on_time(void *arg, uint32_t events)
{
	struct look_waits *w = arg;
	uint64_t n;

	if (read(w->timer_fd, &n, sizeof(n)) > 0)
		answer_all(w);
}

static struct look_waits *look_waits_get(struct control *c)
{
	struct look_waits *w = c->looks;

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->guest = c->domain.guest;
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->timer_fd < 0 || look_ask(w->guest) ||
	    event_loop_add(c->loop, w->timer_fd, EPOLLIN, on_time, w) ||
	    event_loop_add(c->loop, atomic_load(&w->guest->look_fd), EPOLLIN, on_look, w)) {
		if (w->timer_fd >= 0) {
			event_loop_del(c->loop, w->timer_fd);
			close(w->timer_fd);
		}
		free(w);
		return NULL;
	}
	return c->looks = w;
}

void look_waits_free(struct control *c)
{
	if (!c->looks)
		return;
	close(c->looks->timer_fd);
	free(c->looks);
	c->looks = NULL;
}

static int look_first(struct call *call)
{
	const struct itimerspec limit = {.it_value = {LOOK_MS / 1000, LOOK_MS % 1000 * 1000000}};
	struct look_waits *w = look_waits_get(call->control);

	if (!w || look_ask(w->guest))
		return error_set(&call->err, -ENOMEM, "out of memory or descriptors");
	if (look_complete(w->guest))
		return answer(call);
	timerfd_settime(w->timer_fd, 0, &limit, NULL);
	w->call[w->nr++] = call;
	return call_defer(call, forget, w);
}

/* {"what": "pagetable", "args": ["0xffff...", "user"]} -> as the subject has it */
int request_inspect(struct call *call)
{
	const char *what = json_string_value(json_object_get(call->args, "what"));
	struct error err;
	const struct inspect_subject *s = what ? inspect_find(what, &err) : NULL;

	return s && s->of_vcpus ? look_first(call) : answer(call);
}
