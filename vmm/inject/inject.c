/*
 * Deciding about faults, and carrying out those that come by themselves.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/xenstore/local.h"
#include "pvabi/grant_table.h"
#include "vmm/inject/inject.h"
#include "vmm/trace/trace.h"
#include "vmm/vcpu.h"

#define MAX_WAIT_NS	10000000000ull
#define MAX_LATER	200000 /* events and grants that wait */
#define NS		1000000000ull
#define VIRTUAL_LOOK_NS 1000000ull /* virtual time tells nobody that it goes on */

struct state {
	struct inject_rule rule;
	char *text; /* ours */
	bool removed;
	uint64_t hits, taken;
	uint64_t next_tick; /* system time */
	size_t replayed;    /* of its hits */
};

/* What is to come: an event, or the end of a backend's use of a grant. */
struct later {
	struct later *next;
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
	struct state state[INJECT_MAX_RULES];
	unsigned nr;
	struct later *later, *last; /* by time */
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

/* ---- deciding ---- */

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, mix64. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static bool chance(const struct injector *in, unsigned rule, uint64_t n, double p)
{
	uint64_t r = mix(in->seed + mix(rule + 1) + n * 0x9e3779b97f4a7c15ull);

	return p >= 1 || (double)(r >> 11) * 0x1p-53 < p;
}

/* Is hit n (from 0) of the rule taken? */
static bool takes(struct injector *in, unsigned i, uint64_t n, uint64_t now)
{
	struct state *s = &in->state[i];
	const struct inject_rule *r = &s->rule;

	if (in->replaying && i < in->replay.nr_rules) {
		const struct inject_hits *h = &in->replay.hits[i];

		while (s->replayed < h->nr && h->n[s->replayed] < n)
			s->replayed++;
		return s->replayed < h->nr && h->n[s->replayed] == n;
	}
	return now >= r->after && (!r->until || now < r->until) && n >= r->skip &&
	       !((n - r->skip) % r->every) && (!r->count || s->taken < r->count) &&
	       chance(in, i, n, r->p);
}

static void log_header(struct injector *in)
{
	if (in->log)
		return;
	in->log = fopen(in->path, "we");
	if (!in->log)
		return;
	fprintf(in->log, "# xenolith faults 1\nseed %llu\n", (unsigned long long)in->seed);
	for (unsigned i = 0; i < in->nr; i++)
		fprintf(in->log, "rule %u %s\n", i, in->state[i].text);
}

static void put(void *arg, const char *name, const char *value, bool quoted)
{
	fprintf(arg, !strcmp(name, "text") ? " %s=\"%s\"" : " %s=%s", name, value);
}

static void log_hit(struct injector *in, unsigned rule, uint64_t n, const struct trace_record *r)
{
	char name[64];

	log_header(in);
	if (!in->log)
		return;
	trace_name(r, name, sizeof(name));
	fprintf(in->log, "hit %u %llu %llu.%09llu %s", rule, (unsigned long long)n,
		(unsigned long long)(r->end / NS), (unsigned long long)(r->end % NS), name);
	trace_arguments(r, put, in->log);
	fputc('\n', in->log);
}

static void make_record(struct trace_record *r, const struct probe_hit *hit)
{
	const struct vcpu *v = vcpu_current();

	memset(r, 0, sizeof(*r));
	r->end = hit->time;
	r->id = (uint16_t)hit->id;
	r->vcpu = v ? (uint16_t)v->id : TRACE_NO_VCPU;
	if (v) {
		r->rip = v->regs.rip;
		r->kernel_mode = v->kernel_mode;
	}
	memcpy(r->field, hit->field, probe_get(hit->id)->nr_fields * sizeof(r->field[0]));
	r->block_size =
		(uint8_t)(hit->block_size < PROBE_MAX_BLOCK ? hit->block_size : PROBE_MAX_BLOCK);
	if (r->block_size)
		memcpy(r->block, hit->block, r->block_size);
}

static bool decide(struct fault_host *h, struct domain *d, const struct probe_hit *hit,
		   struct fault *f)
{
	struct injector *in = (struct injector *)h;
	struct trace_record rec;
	char text[PROBE_MAX_BLOCK] = "";
	unsigned rule = 0;
	uint64_t taken = 0;
	bool found = false;

	make_record(&rec, hit);
	pthread_mutex_lock(&in->lock);
	for (unsigned i = 0; i < in->nr; i++) {
		struct state *s = &in->state[i];

		if (s->removed || s->rule.probe != hit->id ||
		    !trace_filter_match(s->rule.filter, &rec))
			continue;
		uint64_t n = s->hits++;
		/* Of two rules the first that takes it; the second has seen it, too. */
		if (found || !takes(in, i, n, hit->time))
			continue;
		found = true;
		taken = ++s->taken;
		rule = i;
		*f = s->rule.fault;
		log_hit(in, i, n, &rec);
		snprintf(text, sizeof(text), "%s", s->text);
	}
	pthread_mutex_unlock(&in->lock);
	if (found)
		PROBE_HIT_BLOCK(d, fault, text, strlen(text), rule, taken);
	return found;
}

static void wait_ns(struct fault_host *h, uint64_t ns)
{
	struct injector *in = (struct injector *)h;
	uint64_t end = clock_now(&in->guest->clock) + (ns < MAX_WAIT_NS ? ns : MAX_WAIT_NS);
	const struct timespec t = {.tv_nsec = 1000000};

	if (in->guest->clock.is_virtual) {
		/* For a vcpu that is what it was; nobody else can wait in virtual time. */
		if (vcpu_current())
			clock_advance_to(&in->guest->clock, end);
		else
			nanosleep(&t, NULL);
		return;
	}
	/* In pieces: the domain may end meanwhile. */
	while (!atomic_load(&in->guest->stop)) {
		uint64_t now = clock_now(&in->guest->clock);

		if (now >= end)
			break;
		if (end - now < 1000000)
			nanosleep(&(struct timespec){.tv_nsec = (long)(end - now)}, NULL);
		else
			nanosleep(&t, NULL);
	}
}

static bool add_later(struct injector *in, uint64_t ns, const struct later *what)
{
	struct later *l = malloc(sizeof(*l)), **p = &in->later;

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

static void event_later(struct fault_host *h, evtchn_port_t port, uint64_t ns)
{
	add_later((struct injector *)h, ns, &(struct later){.number = port});
}

static bool release_later(struct fault_host *h, uint32_t ref, bool readonly, uint64_t ns)
{
	return add_later((struct injector *)h, ns,
			 &(struct later){.is_grant = true, .readonly = readonly, .number = ref});
}

static struct later *take_first(struct injector *in)
{
	struct later *l = in->later;

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
static void on_press(void *arg, uint32_t events)
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
		struct later *l = take_first(in);

		pthread_mutex_unlock(&in->lock);
		if (l->is_grant)
			grant_backend_release(in->domain, l->number, l->readonly);
		else
			fault_event(in->domain, l->number);
		free(l);
		pthread_mutex_lock(&in->lock);
	}
	for (unsigned i = 0; i < in->nr; i++) {
		struct state *s = &in->state[i];

		if (s->rule.probe != PROBE_tick || s->removed || s->next_tick > now)
			continue;
		s->next_tick = now + s->rule.period;
		uint64_t n = s->hits++;
		if (!takes(in, i, n, now))
			continue;
		struct trace_record rec = {
			.end = now, .id = PROBE_tick, .vcpu = TRACE_NO_VCPU, .field = {n}};
		struct fault f = s->rule.fault;
		uint64_t taken = ++s->taken;
		char text[PROBE_MAX_BLOCK];
		snprintf(text, sizeof(text), "%s", s->text);
		log_hit(in, i, n, &rec);
		pthread_mutex_unlock(&in->lock);
		PROBE_HIT_BLOCK(in->domain, fault, text, strlen(text), i, taken);
		carry_out(in, &f);
		pthread_mutex_lock(&in->lock);
	}
}

static void *injector_thread(void *arg)
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

/* ---- rules ---- */

static void arm(struct injector *in)
{
	for (unsigned id = 0; id < NR_PROBES; id++) {
		bool wanted = false;

		for (unsigned i = 0; i < in->nr; i++)
			wanted |= !in->state[i].removed && in->state[i].rule.probe == id;
		if (wanted)
			atomic_fetch_or(&in->domain->probe_armed[id], PROBE_FAULTY);
		else
			atomic_fetch_and(&in->domain->probe_armed[id], (uint8_t)~PROBE_FAULTY);
	}
}

int injector_add(struct injector *in, const char *text, struct error *err)
{
	char *copy = strdup(text);
	struct inject_rule r;
	int rc = copy ? inject_rule_parse(&r, copy, err) : error_set(err, -ENOMEM, "out of memory");

	if (!rc) {
		pthread_mutex_lock(&in->lock);
		if (in->nr == INJECT_MAX_RULES) {
			inject_rule_free(&r);
			rc = error_set(err, -ENOSPC, "there are %d rules already",
				       INJECT_MAX_RULES);
		} else {
			rc = (int)in->nr++;
			in->state[rc] = (struct state){
				.rule = r,
				.text = copy,
				.next_tick = r.after ? r.after
						     : clock_now(&in->guest->clock) + r.period};
			if (in->log)
				fprintf(in->log, "rule %d %s\n", rc, copy);
			arm(in);
			pthread_cond_signal(&in->changed);
		}
		pthread_mutex_unlock(&in->lock);
	}
	if (rc < 0)
		free(copy);
	return rc;
}

int injector_remove(struct injector *in, int rule)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&in->lock);
	for (int i = 0; i < (int)in->nr; i++)
		if (!in->state[i].removed && (rule == i || rule < 0)) {
			in->state[i].removed = true;
			rc = 0;
		}
	arm(in);
	pthread_mutex_unlock(&in->lock);
	return rc;
}

void injector_list(struct injector *in,
		   void (*fn)(void *arg, unsigned nr, const char *text, uint64_t hits,
			      uint64_t taken),
		   void *arg)
{
	pthread_mutex_lock(&in->lock);
	for (unsigned i = 0; i < in->nr; i++)
		if (!in->state[i].removed)
			fn(arg, i, in->state[i].text, in->state[i].hits, in->state[i].taken);
	pthread_mutex_unlock(&in->lock);
}

uint64_t injector_taken(struct injector *in, const char **path)
{
	uint64_t n = 0;

	pthread_mutex_lock(&in->lock);
	for (unsigned i = 0; i < in->nr; i++)
		n += in->state[i].taken;
	if (in->log)
		fflush(in->log);
	*path = in->path;
	pthread_mutex_unlock(&in->lock);
	return n;
}

uint64_t injector_seed(const struct injector *in)
{
	return in->seed;
}

static uint64_t random_seed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return mix((uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec + ((uint64_t)getpid() << 40)) %
	       1000000000;
}

static int add_rules(struct injector *in, const struct inject_options *o, struct error *err)
{
	int rc = 0;

	if (o->replay) {
		rc = inject_replay_load(&in->replay, o->replay, err);
		if (rc)
			return rc;
		in->replaying = true;
		in->seed = in->replay.seed;
		for (unsigned i = 0; rc >= 0 && i < in->replay.nr_rules; i++)
			rc = injector_add(in, in->replay.rule[i], err);
	}
	for (unsigned i = 0; rc >= 0 && i < o->nr_rules; i++)
		rc = injector_add(in, o->rule[i], err);
	return rc < 0 ? rc : 0;
}

struct injector *injector_create(struct guest *g, struct event_loop *l, struct xenstore *xs,
				 const struct inject_options *o, struct error *err)
{
	struct injector *in = calloc(1, sizeof(*in));
	pthread_condattr_t a;
	int rc = 0;

	if (!in) {
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	probes_init();
	in->guest = g;
	in->domain = g->domain;
	in->loop = l;
	in->xenstore = xs;
	in->host = (struct fault_host){.decide = decide,
				       .event_later = event_later,
				       .release_later = release_later,
				       .wait = wait_ns};
	in->seed = o->has_seed ? o->seed : random_seed();
	snprintf(in->path, sizeof(in->path), o->log ? "%s" : "%s.faults",
		 o->log ? o->log : g->domain->name);
	pthread_mutex_init(&in->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&in->changed, &a);
	g->domain->fault_host = &in->host;
	in->press_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (in->press_fd < 0 || event_loop_add(l, in->press_fd, EPOLLIN, on_press, in)) {
		error_set(err, -EMFILE, "no descriptor for the faults");
		injector_destroy(in);
		return NULL;
	}
	rc = add_rules(in, o, err);
	/* A log that was asked for is there also when nothing happened. */
	if (!rc && o->log) {
		log_header(in);
		if (!in->log)
			rc = error_set(err, -errno, "cannot write %s: %s", o->log, strerror(errno));
	}
	if (!rc) {
		rc = -pthread_create(&in->thread, NULL, injector_thread, in);
		in->started = !rc;
		if (rc)
			error_set(err, rc, "no thread for the faults: %s", strerror(-rc));
		else
			pthread_setname_np(in->thread, "faults");
	}
	if (rc) {
		injector_destroy(in);
		return NULL;
	}
	return in;
}

void injector_destroy(struct injector *in)
{
	if (!in)
		return;
	if (in->started) {
		pthread_mutex_lock(&in->lock);
		in->quit = true;
		pthread_cond_signal(&in->changed);
		pthread_mutex_unlock(&in->lock);
		pthread_join(in->thread, NULL);
	}
	injector_remove(in, -1);
	if (in->press_fd >= 0) {
		event_loop_del(in->loop, in->press_fd);
		close(in->press_fd);
	}
	in->domain->fault_host = NULL;
	/* No backend may hold a grant when all are gone. */
	while (in->later) {
		struct later *l = take_first(in);

		if (l->is_grant)
			grant_backend_release(in->domain, l->number, l->readonly);
		free(l);
	}
	for (unsigned i = 0; i < in->nr; i++) {
		inject_rule_free(&in->state[i].rule);
		free(in->state[i].text);
	}
	if (in->log)
		fclose(in->log);
	inject_replay_free(&in->replay);
	free(in);
}
