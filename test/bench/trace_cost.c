/*
 * What a trace costs the thread that passes its probes, without KVM: a hypercall that does
 * nothing (one probe) and an event that a vcpu sends itself (three), through pvabi's dispatcher
 * on a domain in plain memory.
 *
 *	trace_cost hypercall|event CALLS [WHAT]
 *
 * Without WHAT nothing is traced. It prints the thread's processor time for a call in ns. How
 * many instructions a call is, a simulator counts (test/bench/trace.sh): the difference of two
 * runs. Linked with pvabi's objects as they are, and with those that have no probes.
 */
#include <string.h>

#include "pvabi/hypercalls.h"
#include "test/bench/trace_bench.h"

static uint64_t nop[6] = {XENVER_version};
static uint64_t event[6] = {EVTCHNOP_send};

static void make_event(struct test_domain *t)
{
	struct evtchn_bind_ipi ipi = {.vcpu = 0};
	struct evtchn_send send;
	uint64_t va = test_put(t, &ipi, sizeof(ipi));

	if (HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, va))
		exit(1);
	test_read(t, va, &ipi, sizeof(ipi));
	send.port = ipi.port;
	event[1] = test_put(t, &send, sizeof(send));
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: trace_cost hypercall|event CALLS [WHAT]\n");
		return 2;
	}
	bool is_event = !strcmp(argv[1], "event");
	unsigned long calls = strtoul(argv[2], NULL, 10);
	struct test_domain *t = bench_domain(1);
	struct vcpu *v = t->d->vcpu[0];
	struct tracer *tracer = NULL;
	long wrong = 0;

	make_event(t);
	if (argc > 3) {
		tracer = tracer_create(t->d);
		bench_trace(tracer, argv[3], TRACE_RAW, "/dev/null");
	}
	uint64_t begin = bench_clock(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned long i = 0; i < calls; i++)
		wrong |= is_event ? hypercall_call(v, __HYPERVISOR_event_channel_op, event)
				  : hypercall_call(v, __HYPERVISOR_xen_version, nop) < 0;
	uint64_t ns = bench_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
	if (wrong) {
		fprintf(stderr, "a call failed\n");
		return 1;
	}
	printf("%.1f\n", (double)ns / (double)(calls ? calls : 1));
	tracer_destroy(tracer);
	test_domain_free(t);
	return 0;
}
