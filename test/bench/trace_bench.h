/* What the trace's measurements share: a domain in plain memory whose clock is the host's. */
#ifndef TEST_BENCH_TRACE_BENCH_H
#define TEST_BENCH_TRACE_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pvabi/pvabi.h"
#include "test/unit/test_domain.h"
#include "vmm/trace/trace.h"

static inline uint64_t bench_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t bench_time(struct domain *d)
{
	return bench_clock(CLOCK_MONOTONIC);
}

static inline struct test_domain *bench_domain(unsigned nr_vcpus)
{
	static struct host_ops ops;
	struct test_domain *t = test_domain_new(nr_vcpus, PROFILE_XEN_4_17);

	ops = *t->d->ops;
	ops.system_time = bench_time;
	t->d->ops = &ops;
	return t;
}

/* A session that writes `what` to `path`; the program ends when there can be none. */
static inline int bench_trace(struct tracer *t, const char *what, enum trace_format format,
			      const char *path)
{
	struct trace_options o = {
		.what = {what}, .nr_what = 1, .path = path, .format = format, .has_format = true};
	struct error err;
	int session = tracer_start(t, &o, &err);

	if (session < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return session;
}

#endif
