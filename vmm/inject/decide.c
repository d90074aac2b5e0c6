/*
 * Is a hit taken? And the list of those that were.
 */
#include <string.h>
#include <time.h>

#include "vmm/inject/inject_internal.h"

#define MAX_WAIT_NS 10000000000ull

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, mix64. */
uint64_t inject_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static bool chance(const struct injector *in, unsigned rule, uint64_t n, double p)
{
	uint64_t r = inject_mix(in->seed + inject_mix(rule + 1) + n * 0x9e3779b97f4a7c15ull);

	return p >= 1 || (double)(r >> 11) * 0x1p-53 < p;
}

/* Is hit n (from 0) of the rule taken? */
bool inject_takes(struct injector *in, unsigned i, uint64_t n, uint64_t now)
{
	struct inject_state *s = &in->state[i];
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

void inject_log_header(struct injector *in)
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

void inject_log_hit(struct injector *in, unsigned rule, uint64_t n, const struct trace_record *r)
{
	char name[64];

	inject_log_header(in);
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

bool inject_decide(struct fault_host *h, struct domain *d, const struct probe_hit *hit,
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
		struct inject_state *s = &in->state[i];

		if (s->removed || s->rule.probe != hit->id ||
		    !trace_filter_match(s->rule.filter, &rec))
			continue;
		uint64_t n = s->hits++;
		/* Of two rules the first that takes it; the second has seen it, too. */
		if (found || !inject_takes(in, i, n, hit->time))
			continue;
		found = true;
		taken = ++s->taken;
		rule = i;
		*f = s->rule.fault;
		inject_log_hit(in, i, n, &rec);
		snprintf(text, sizeof(text), "%s", s->text);
	}
	pthread_mutex_unlock(&in->lock);
	if (found)
		PROBE_HIT_BLOCK(d, fault, text, strlen(text), rule, taken);
	return found;
}

void inject_wait(struct fault_host *h, uint64_t ns)
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
