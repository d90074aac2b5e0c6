/*
 * What was put off, and what comes by itself: a thread does it when it is due.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "devices/xenstore/local.h"
#include "pvabi/grant_table.h"
#include "vmm/inject/inject_internal.h"

#define MAX_LATER	200000	   /* events and grants that wait */
#define VIRTUAL_LOOK_NS 1000000ull /* virtual time tells nobody that it goes on */

static bool add_later(struct injector *in, uint64_t ns, const struct inject_later *what)
{
	struct inject_later *l = malloc(sizeof(*l)), **p = &in->later;

	if (!l)
		return false;
	*l = *what;
	l->due = clock_now(&in->guest->clock) + ns;
	pthread_mutex_lock(&in->lock);
	bool added = in->nr_later < MAX_LATER;
	if (added) {
		/* Most come in their order; a storm has many. */
		if (in->last && in->last->due <= l->due)
			p = &in->last->next;
		while (*p && (*p)->due <= l->due)
			p = &(*p)->next;
		l->next = *p;
		*p = l;
		if (!l->next)
			in->last = l;
		in->nr_later++;
		pthread_cond_signal(&in->changed);
	}
	pthread_mutex_unlock(&in->lock);
	if (!added)
		free(l);
	return added;
}

void inject_event_later(struct fault_host *h, evtchn_port_t port, uint64_t ns)
{
	add_later((struct injector *)h, ns, &(struct inject_later){.number = port});
}

bool inject_release_later(struct fault_host *h, uint32_t ref, bool readonly, uint64_t ns)
{
	return add_later(
		(struct injector *)h, ns,
		&(struct inject_later){.is_grant = true, .readonly = readonly, .number = ref});
}

struct inject_later *inject_take_first(struct injector *in)
{
	struct inject_later *l = in->later;

	in->later = l->next;
	if (!in->later)
		in->last = NULL;
	in->nr_later--;
	return l;
}

/* ---- what comes by itself ---- */

static void spurious(struct injector *in, int64_t port)
{
	if (port > 0) {
		fault_event(in->domain, (evtchn_port_t)port);
		return;
	}
	for (unsigned p = 1; p < in->domain->nr_evtchns; p++)
		fault_event(in->domain, p);
}

/* Xen: domain_set_time_offset. */
static void step_clock(struct injector *in, int64_t ns)
{
	atomic_fetch_add(&in->guest->wall_step, ns);
	domain_wallclock_update(in->domain);
}

/* In the loop's thread: the target goes down, and at the next tick back. */
void inject_on_press(void *arg, uint32_t events)
{
	struct injector *in = arg;
	char path[64], *text;
	eventfd_t mib;

	if (eventfd_read(in->press_fd, &mib))
		return;
	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", in->domain->domid);
	text = xenstore_read(in->xenstore, path);
	int64_t kib = text ? strtoll(text, NULL, 10) : 0;
	free(text);
	if (in->pressed)
		kib = in->target_kib;
	else
		in->target_kib = kib;
	if (!in->pressed)
		kib -= (int64_t)mib << 10;
	in->pressed = !in->pressed;
	if (kib > 0)
		xenstore_write(in->xenstore, path, "%lld", (long long)kib);
}

static void carry_out(struct injector *in, const struct fault *f)
{
	switch (f->kind) {
	case FAULT_SPURIOUS:
		spurious(in, fault_value(f, 0));
		break;
	case FAULT_STEP:
		step_clock(in, fault_value(f, (int64_t)NS));
		break;
	case FAULT_STALL:
	case FAULT_STEAL:
		/* The vcpu's own thread does it when it leaves the guest. */
		atomic_store(f->kind == FAULT_STALL ? &in->guest->stall_ns : &in->guest->steal_ns,
			     (uint64_t)fault_value(f, 100000000));
		if (in->guest->cpu[0])
			cpu_kick(in->guest->cpu[0]);
		break;
	case FAULT_PRESSURE:
		eventfd_write(in->press_fd, (eventfd_t)fault_value(f, 16));
		break;
	default:
		break;
	}
}

static uint64_t first_due(struct injector *in)
{
	uint64_t due = in->later ? in->later->due : UINT64_MAX;

	for (unsigned i = 0; i < in->nr; i++)
		if (in->state[i].rule.probe == PROBE_tick && !in->state[i].removed &&
		    in->state[i].next_tick < due)
			due = in->state[i].next_tick;
	return due;
}

/* `lock` is held, and is given back meanwhile. */
static void run_due(struct injector *in, uint64_t now)
{
	while (in->later && in->later->due <= now) {
		struct inject_later *l = inject_take_first(in);

		pthread_mutex_unlock(&in->lock);
		if (l->is_grant)
			grant_backend_release(in->domain, l->number, l->readonly);
		else
			fault_event(in->domain, l->number);
		free(l);
		pthread_mutex_lock(&in->lock);
	}
	for (unsigned i = 0; i < in->nr; i++) {
		struct inject_state *s = &in->state[i];

		if (s->rule.probe != PROBE_tick || s->removed || s->next_tick > now)
			continue;
		s->next_tick = now + s->rule.period;
		uint64_t n = s->hits++;
		if (!inject_takes(in, i, n, now))
			continue;
		struct trace_record rec = {
			.end = now, .id = PROBE_tick, .vcpu = TRACE_NO_VCPU, .field = {n}};
		struct fault f = s->rule.fault;
		uint64_t taken = ++s->taken;
		char text[PROBE_MAX_BLOCK];
		snprintf(text, sizeof(text), "%s", s->text);
		inject_log_hit(in, i, n, &rec);
		pthread_mutex_unlock(&in->lock);
		PROBE_HIT_BLOCK(in->domain, fault, text, strlen(text), i, taken);
		carry_out(in, &f);
		pthread_mutex_lock(&in->lock);
	}
}

void *inject_thread(void *arg)
{
	struct injector *in = arg;

	pthread_mutex_lock(&in->lock);
	while (!in->quit) {
		uint64_t now = clock_now(&in->guest->clock), due = first_due(in);

		if (due <= now) {
			run_due(in, now);
			continue;
		}
		/* System time runs as fast as the monotonic clock. */
		uint64_t ns = in->guest->clock.is_virtual ? VIRTUAL_LOOK_NS
			      : due - now < NS		  ? due - now
							  : NS;
		struct timespec t;
		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_nsec += (long)ns;
		t.tv_sec += t.tv_nsec / (long)NS;
		t.tv_nsec %= (long)NS;
		pthread_cond_timedwait(&in->changed, &in->lock, &t);
	}
	pthread_mutex_unlock(&in->lock);
	return NULL;
}
