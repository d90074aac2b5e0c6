/*
 * How many records a second reach a file without any being lost:
 *
 *	trace_rate FORMAT FILE [THREADS [FIRST]]
 *
 * Threads pass probes at a rate that is kept; it is half as much again each time, until
 * records are lost. Prints "RATE RECORDS LOST" of each second, so that the last line but
 * one is the answer, or the last, when there was no faster rate to be had.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "test/bench/trace_bench.h"

#define MAX_THREADS 16
#define SLICE	    1000000ull /* ns: so often a thread looks at the time */
#define LAST	    20000000u  /* no faster */

static struct domain *domain;
static unsigned per_slice;
static pthread_barrier_t together;
/* Threads that did not keep up: the machine is the limit, not the trace. */
static _Atomic unsigned slow;

/* As it is with guests: calls with a block of arguments, and events. */
static void pass(unsigned i)
{
	const struct evtchn_send send = {.port = 4};

	if (i & 1)
		PROBE_HIT(domain, event_pending, 4, 0, i, 0);
	else
		PROBE_HIT_BLOCK(domain, hypercall, &send, sizeof(send),
				__HYPERVISOR_event_channel_op, EVTCHNOP_send, 0xffffffff81000000ull,
				0, 0, 0, 0, 0);
}

static void *producer(void *arg)
{
	pthread_barrier_wait(&together);
	uint64_t begin = bench_clock(CLOCK_MONOTONIC), next = begin;

	for (unsigned slice = 0; slice < 1000; slice++) {
		for (unsigned i = 0; i < per_slice; i++)
			pass(i);
		next += SLICE;
		uint64_t now = bench_clock(CLOCK_MONOTONIC);
		if (now < next)
			usleep((useconds_t)((next - now) / 1000));
	}
	if (bench_clock(CLOCK_MONOTONIC) - begin > 1500 * SLICE)
		atomic_fetch_add(&slow, 1);
	return NULL;
}

static struct trace_counts second(unsigned threads)
{
	struct tracer *t = domain->probe_host ? (struct tracer *)domain->probe_host : NULL;
	pthread_t id[MAX_THREADS];
	struct trace_counts before, after;

	tracer_counts(t, &before);
	pthread_barrier_init(&together, NULL, threads);
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&id[i], NULL, producer, NULL);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	pthread_barrier_destroy(&together);
	tracer_counts(t, &after);
	return (struct trace_counts){after.records - before.records, after.lost - before.lost};
}

int main(int argc, char **argv)
{
	unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
	unsigned rate = argc > 4 ? (unsigned)atoi(argv[4]) : 40000;
	int format = 0;

	while (argc > 2 && trace_format_names[format] &&
	       strcmp(trace_format_names[format], argv[1]))
		format++;
	if (argc < 3 || !trace_format_names[format] || !threads || threads > MAX_THREADS || !rate) {
		fprintf(stderr, "usage: trace_rate text|json|ctf|raw FILE [THREADS [FIRST]]\n");
		return 2;
	}
	struct test_domain *t = bench_domain(1);
	struct tracer *tracer = tracer_create(t->d);
	struct trace_counts c;

	domain = t->d;
	do {
		int session = bench_trace(tracer, "all", (enum trace_format)format, argv[2]);

		per_slice = rate / 1000 / threads;
		c = second(threads);
		tracer_stop(tracer, session);
		printf("%u %lu %lu\n", per_slice * threads * 1000, (unsigned long)c.records,
		       (unsigned long)c.lost);
		fflush(stdout);
		rate += rate / 2;
	} while (!c.lost && !atomic_load(&slow) && rate < LAST);
	tracer_destroy(tracer);
	test_domain_free(t);
	return 0;
}
