/*
 * The tracer: probes into rings, rings into sessions.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pvabi/pvabi.h"
#include "vmm/trace/symbols.h"
#include "vmm/trace/trace_raw.h"
#include "vmm/trace/trace_ring.h"
#include "vmm/vcpu.h"

#define DRAIN_MS 20
/* A record may be stamped by now and be in its ring only then: whoever is sorted with it
 * waits so long. */
#define SETTLE_NS   2000000ull
#define SORT_MAX    65536u
#define TRACE_ENDED UINT64_MAX

const char *const trace_format_names[] = {"text", "json", "ctf", "raw", NULL};

struct session {
	struct trace_filter *filter;
	struct trace_sink *sink;
	struct symbols *symbols;
	unsigned threads_told;
	bool over; /* it can be written no more */
};

struct tracer {
	struct probe_host host; /* first */
	struct domain *domain;
	uint64_t id; /* of this tracer among all that the process ever had */
	struct trace_ring *_Atomic rings;
	_Atomic unsigned nr_rings;
	pthread_mutex_t ring_lock; /* of who adds one */
	int wake_fd;

	/* `lock` is held for all that follows. */
	pthread_mutex_t lock;
	struct session *session[TRACE_MAX_SESSIONS];
	bool has_thread, quit;
	pthread_t thread;
	uint64_t records, lost;
	const struct trace_record **sorted; /* SORT_MAX */
};

/* ---- probes: any thread ---- */

static __thread struct {
	uint64_t tracer; /* whose ring it is */
	struct trace_ring *ring;
} mine;

static struct trace_ring *my_ring(struct tracer *t)
{
	if (mine.tracer == t->id)
		return mine.ring;
	pthread_mutex_lock(&t->ring_lock);
	struct trace_ring *r = trace_ring_create(atomic_load(&t->nr_rings));
	if (r) {
		r->next = atomic_load(&t->rings);
		atomic_store(&t->rings, r);
		atomic_fetch_add(&t->nr_rings, 1);
	}
	pthread_mutex_unlock(&t->ring_lock);
	mine.tracer = t->id;
	mine.ring = r;
	return r;
}

static void on_hit(struct probe_host *h, struct domain *d, const struct probe_hit *hit)
{
	struct tracer *t = (struct tracer *)h;
	struct trace_ring *ring = my_ring(t);
	struct trace_record *r = ring ? trace_ring_begin(ring) : NULL;
	const struct vcpu *v = vcpu_current();
	unsigned nr = probe_get(hit->id)->nr_fields;

	if (!r)
		return;
	r->end = hit->time + hit->duration;
	r->duration = hit->duration;
	r->id = (uint16_t)hit->id;
	r->thread = (uint16_t)ring->number;
	r->vcpu = TRACE_NO_VCPU;
	r->rip = 0;
	r->kernel_mode = 0;
	if (v && v->domain == d) {
		r->vcpu = (uint16_t)v->id;
		r->rip = v->regs.rip;
		r->kernel_mode = v->kernel_mode;
	}
	memcpy(r->field, hit->field, nr * sizeof(r->field[0]));
	r->block_size =
		(uint8_t)(hit->block_size < PROBE_MAX_BLOCK ? hit->block_size : PROBE_MAX_BLOCK);
	if (r->block_size)
		memcpy(r->block, hit->block, r->block_size);
	if (trace_ring_end(ring) == TRACE_RING_RECORDS / 2)
		eventfd_write(t->wake_fd, 1);
}

/* ---- the tracer's thread, and who stops a session; `lock` is held ---- */

static void end_session(struct session *s)
{
	if (s->sink) {
		s->sink->flush(s->sink);
		s->sink->close(s->sink);
	}
	symbols_free(s->symbols);
	trace_filter_free(s->filter);
	free(s);
}

static int by_time(const void *a, const void *b)
{
	const struct trace_record *x = *(const struct trace_record *const *)a;
	const struct trace_record *y = *(const struct trace_record *const *)b;

	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static void tell_threads(struct tracer *t, struct session *s)
{
	unsigned nr = atomic_load(&t->nr_rings);

	if (s->threads_told == nr)
		return;
	for (struct trace_ring *r = atomic_load(&t->rings); r; r = r->next)
		if (r->number >= s->threads_told && r->number < nr)
			s->over |= !s->sink->thread(s->sink, r->number, r->name);
	s->threads_told = nr;
}

static void give(struct tracer *t, const struct trace_record *r)
{
	for (unsigned i = 0; i < TRACE_MAX_SESSIONS; i++) {
		struct session *s = t->session[i];

		if (!s || s->over || !trace_filter_match(s->filter, r))
			continue;
		tell_threads(t, s);
		s->over |= !s->sink->record(s->sink, r);
	}
}

static void tell_losses(struct tracer *t)
{
	for (struct trace_ring *r = atomic_load(&t->rings); r; r = r->next) {
		uint64_t n = atomic_load(&r->lost) - r->lost_told;

		if (!n)
			continue;
		r->lost_told += n;
		t->lost += n;
		for (unsigned i = 0; i < TRACE_MAX_SESSIONS; i++) {
			struct session *s = t->session[i];

			if (s && !s->over) {
				tell_threads(t, s);
				s->over |= !s->sink->lost(s->sink, r->number, n);
			}
		}
	}
}

/* Hands on what was over by `until`. Records stay in their rings until they are written. */
static void drain(struct tracer *t, uint64_t until)
{
	size_t nr;

	do {
		nr = 0;
		for (struct trace_ring *r = atomic_load(&t->rings); r; r = r->next) {
			const struct trace_record *rec;

			for (r->taken = 0; nr < SORT_MAX && (rec = trace_ring_peek(r, r->taken)) &&
					   rec->end <= until;
			     r->taken++)
				t->sorted[nr++] = rec;
		}
		qsort(t->sorted, nr, sizeof(t->sorted[0]), by_time);
		for (size_t i = 0; i < nr; i++)
			give(t, t->sorted[i]);
		t->records += nr;
		for (struct trace_ring *r = atomic_load(&t->rings); r; r = r->next) {
			trace_ring_drop(r, r->taken);
			r->taken = 0;
		}
	} while (nr == SORT_MAX);
	tell_losses(t);
	for (unsigned i = 0; i < TRACE_MAX_SESSIONS; i++)
		if (t->session[i] && !t->session[i]->over)
			t->session[i]->over |= !t->session[i]->sink->flush(t->session[i]->sink);
}

/* Which probes anybody wants. */
static void arm(struct tracer *t)
{
	for (unsigned id = 0; id < NR_PROBES; id++) {
		bool wanted = false;

		for (unsigned i = 0; i < TRACE_MAX_SESSIONS; i++)
			wanted |= t->session[i] && !t->session[i]->over &&
				  trace_filter_wants(t->session[i]->filter, id);
		if (wanted)
			atomic_fetch_or(&t->domain->probe_armed[id], PROBE_TRACED);
		else
			atomic_fetch_and(&t->domain->probe_armed[id], (uint8_t)~PROBE_TRACED);
	}
}

static void *tracer_thread(void *arg)
{
	struct tracer *t = arg;
	struct pollfd p = {.fd = t->wake_fd, .events = POLLIN};

	pthread_mutex_lock(&t->lock);
	while (!t->quit) {
		eventfd_t n;

		pthread_mutex_unlock(&t->lock);
		if (poll(&p, 1, DRAIN_MS) > 0)
			eventfd_read(t->wake_fd, &n);
		pthread_mutex_lock(&t->lock);
		uint64_t now = t->domain->ops->system_time(t->domain);
		bool over = false;
		drain(t, now > SETTLE_NS ? now - SETTLE_NS : 0);
		for (unsigned i = 0; i < TRACE_MAX_SESSIONS; i++)
			over |= t->session[i] && t->session[i]->over;
		if (over)
			arm(t);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* ---- sessions ---- */

struct tracer *tracer_create(struct domain *d)
{
	static _Atomic uint64_t tracers;
	struct tracer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	probes_init();
	t->host.hit = on_hit;
	t->domain = d;
	t->id = atomic_fetch_add(&tracers, 1) + 1;
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->ring_lock, NULL);
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->sorted = calloc(SORT_MAX, sizeof(t->sorted[0]));
	if (t->wake_fd < 0 || !t->sorted) {
		free(t->sorted);
		free(t);
		return NULL;
	}
	d->probe_host = &t->host;
	return t;
}

static int start_thread(struct tracer *t, struct error *err)
{
	if (t->has_thread)
		return 0;
	int rc = pthread_create(&t->thread, NULL, tracer_thread, t);
	if (rc)
		return error_set(err, -rc, "no thread for the trace: %s", strerror(rc));
	pthread_setname_np(t->thread, "tracer");
	t->has_thread = true;
	return 0;
}

static int open_session(struct session *s, struct tracer *t, const struct trace_options *o,
			struct error *err)
{
	s->filter = trace_filter_create(o->what, o->nr_what, err);
	if (!s->filter)
		return -EINVAL;
	if (o->symbols && !(s->symbols = symbols_load(o->symbols, err)))
		return -EINVAL;
	s->sink = o->format == TRACE_CTF    ? trace_ctf_open(o, t->domain, err)
		  : o->format == TRACE_JSON ? trace_json_open(o, err)
		  : o->format == TRACE_RAW  ? trace_raw_open(o, err)
					    : trace_text_open(o, err);
	if (!s->sink)
		return -EINVAL;
	s->sink->symbols = s->symbols;
	s->sink->domain = t->domain;
	return 0;
}

int tracer_start(struct tracer *t, const struct trace_options *o, struct error *err)
{
	struct session *s = calloc(1, sizeof(*s));
	int number = 0;
	int rc = s ? open_session(s, t, o, err) : error_set(err, -ENOMEM, "out of memory");

	pthread_mutex_lock(&t->lock);
	while (!rc && number < TRACE_MAX_SESSIONS && t->session[number])
		number++;
	if (!rc && number == TRACE_MAX_SESSIONS)
		rc = error_set(err, -EBUSY, "there are %d traces already", TRACE_MAX_SESSIONS);
	if (!rc)
		rc = start_thread(t, err);
	if (!rc) {
		/* What was before is not its. */
		drain(t, t->domain->ops->system_time(t->domain));
		t->session[number] = s;
		arm(t);
	}
	pthread_mutex_unlock(&t->lock);
	if (rc && s)
		end_session(s);
	return rc ? rc : number;
}

void tracer_stop(struct tracer *t, int session)
{
	pthread_mutex_lock(&t->lock);
	struct session *s =
		session >= 0 && session < TRACE_MAX_SESSIONS ? t->session[session] : NULL;
	if (s) {
		drain(t, TRACE_ENDED);
		t->session[session] = NULL;
		arm(t);
		end_session(s);
	}
	pthread_mutex_unlock(&t->lock);
}

bool tracer_is_over(struct tracer *t, int session)
{
	pthread_mutex_lock(&t->lock);
	bool over = session < 0 || session >= TRACE_MAX_SESSIONS || !t->session[session] ||
		    t->session[session]->over;
	pthread_mutex_unlock(&t->lock);
	return over;
}

void tracer_counts(struct tracer *t, struct trace_counts *c)
{
	pthread_mutex_lock(&t->lock);
	drain(t, TRACE_ENDED);
	*c = (struct trace_counts){t->records, t->lost};
	pthread_mutex_unlock(&t->lock);
}

void tracer_destroy(struct tracer *t)
{
	if (!t)
		return;
	for (int i = 0; i < TRACE_MAX_SESSIONS; i++)
		tracer_stop(t, i);
	if (t->has_thread) {
		pthread_mutex_lock(&t->lock);
		t->quit = true;
		pthread_mutex_unlock(&t->lock);
		eventfd_write(t->wake_fd, 1);
		pthread_join(t->thread, NULL);
	}
	t->domain->probe_host = NULL;
	for (struct trace_ring *r = t->rings, *next; r; r = next) {
		next = r->next;
		trace_ring_destroy(r);
	}
	close(t->wake_fd);
	free(t->sorted);
	free(t);
}
