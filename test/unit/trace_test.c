/* Traces: filters, names of what happened, rings that are full, symbols. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"
#include "vmm/trace/symbols.h"
#include "vmm/trace/trace.h"
#include "vmm/trace/trace_ring.h"

static struct test_domain *t;
static char path[64];

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	strcpy(path, "/tmp/trace-test-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
	test_domain_free(t);
}

static struct trace_record hypercall(unsigned nr, uint64_t a0, long result, const void *block,
				     size_t size)
{
	struct trace_record r = {.id = PROBE_hypercall,
				 .duration = 1500,
				 .vcpu = 1,
				 .rip = 0xffffffff81000000,
				 .kernel_mode = 1,
				 .field = {nr, a0, 0x1234, 0, 0, 0, 0, (uint64_t)result},
				 .block_size = (uint8_t)size};

	if (size)
		memcpy(r.block, block, size);
	return r;
}

static bool matches(const char *what, const struct trace_record *r)
{
	struct error err;
	struct trace_filter *f = trace_filter_create(&what, 1, &err);

	ck_assert_msg(f != NULL, "%s: %s", what, f ? "" : err.text);
	bool m = trace_filter_match(f, r);
	trace_filter_free(f);
	return m;
}

START_TEST(test_filters)
{
	const struct sched_poll poll = {.nr_ports = 3, .timeout = 77};
	const struct trace_record r =
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, -14, &poll, sizeof(poll));
	static const char *const yes[] = {
		"hypercall",
		"all",
		"event,hypercall",
		"hypercall:name=sched_op",
		"hypercall:nr=sched_op",
		"hypercall:nr=29",
		"hypercall:nr=29,op=poll,vcpu=1",
		"hypercall:result<0",
		"hypercall:result=-14",
		"hypercall:duration>=1500",
		"hypercall:duration<=1500,kernel=1",
		"hypercall:op~ol",
		"hypercall:op!=block",
		"hypercall:rip>0xffffffff80000000",
	};
	static const char *const no[] = {
		"event",
		"mmu,block",
		"hypercall:name=mmu_update",
		"hypercall:nr=mmu_update",
		"hypercall:op=block",
		"hypercall:result>0",
		"hypercall:vcpu=0",
		"hypercall:duration>1500",
		"hypercall:nr=29,op=poll,vcpu=0",
		"event,hypercall:port=3",
	};

	for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ck_assert_msg(matches(yes[i], &r), "%s", yes[i]);
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert_msg(!matches(no[i], &r), "%s", no[i]);
}
END_TEST

START_TEST(test_bad_filters)
{
	static const char *const wrong[] = {
		"",		     "nonsense",	"hypercall,",	     "hypercall:",
		"hypercall:result",  "hypercall:=3",	"hypercall:port=3",  "hypercall:result<x",
		"hypercall:result=", "hypercall:a0!3",	"hypercall:a0==3",   "hypercall:a0=1,",
		":a0=3",	     "hypercall;event", "hypercall:averylongfieldname=3",
	};
	struct error err;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err.text[0] = 0;
		ck_assert_msg(trace_what_check(wrong[i], &err) < 0, "%s", wrong[i]);
		ck_assert_msg(strlen(err.text) > 10, "%s: '%s'", wrong[i], err.text);
	}
}
END_TEST

static void collect(void *arg, const char *name, const char *value, bool quoted)
{
	char *buf = arg;

	sprintf(buf + strlen(buf), "%s=%s;", name, value);
}

START_TEST(test_names)
{
	const struct sched_poll poll = {.nr_ports = 3, .timeout = 77};
	const struct evtchn_bind_virq virq = {.virq = VIRQ_DEBUG, .vcpu = 1, .port = 9};
	struct trace_record r =
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, -14, &poll, sizeof(poll));
	char buf[1024] = "";

	probes_init();
	trace_name(&r, buf, sizeof(buf));
	ck_assert_str_eq(buf, "sched_op/poll");
	*buf = 0;
	trace_arguments(&r, collect, buf);
	ck_assert_str_eq(buf, "nr_ports=3;ports=0x0;timeout=77;result=-EFAULT;");
	r = hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, 0, &virq, sizeof(virq));
	*buf = 0;
	trace_arguments(&r, collect, buf);
	ck_assert_str_eq(buf, "virq=1;vcpu=1;port=9;result=0;");
	/* A block that is cut off: what is there. */
	r.block_size = 6;
	*buf = 0;
	trace_arguments(&r, collect, buf);
	ck_assert_str_eq(buf, "virq=1;result=0;");
	r = hypercall(__HYPERVISOR_sched_op, 99, -38, NULL, 0);
	trace_name(&r, buf, sizeof(buf));
	ck_assert_str_eq(buf, "sched_op");
	r = hypercall(63, 0, -38, NULL, 0);
	trace_name(&r, buf, sizeof(buf));
	ck_assert_str_eq(buf, "hypercall 63");
	r = hypercall(1000, 0, -38, NULL, 0);
	trace_name(&r, buf, sizeof(buf));
	ck_assert_str_eq(buf, "hypercall 1000");
	r = (struct trace_record){.id = PROBE_xs_request,
				  .field = {0, 2, 0, 5},
				  .block_size = 7,
				  .block = "a\0b\n\"\1\\"};
	*buf = 0;
	trace_arguments(&r, collect, buf);
	ck_assert_str_eq(buf, "connection=0;type=read;tx=0;req=5;text=a|b\\n\\042\\001\\134;");
}
END_TEST

/* Every row of the catalogue can be shown, whatever its fields are. */
START_TEST(test_all_probes)
{
	static const uint64_t values[] = {0, 1, 5, 1000, UINT64_MAX};
	char buf[2048];

	probes_init();
	for (unsigned id = 0; id < NR_PROBES; id++)
		for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			struct trace_record r = {.id = (uint16_t)id,
						 .block_size = PROBE_MAX_BLOCK};

			for (unsigned f = 0; f < PROBE_MAX_FIELDS; f++)
				r.field[f] = values[i];
			memset(r.block, (int)values[i], sizeof(r.block));
			*buf = 0;
			trace_arguments(&r, collect, buf);
			ck_assert_uint_ge(strlen(buf), 4);
		}
}
END_TEST

/* What the domain does while a session runs is in its file, and nothing of before and after. */
START_TEST(test_session)
{
	struct trace_options o = {.what = {"hypercall:op=poll"}, .nr_what = 1, .path = path};
	struct tracer *tr = tracer_create(t->d);
	struct sched_poll poll = {.nr_ports = 200};
	uint64_t va = test_put(t, &poll, sizeof(poll));
	struct trace_counts counts;
	struct error err;
	char line[512];

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_poll, va), -22);
	ck_assert_int_eq(t->d->probe_armed[PROBE_hypercall], 0);
	int session = tracer_start(tr, &o, &err);
	ck_assert_int_eq(session, 0);
	ck_assert_int_eq(t->d->probe_armed[PROBE_hypercall], PROBE_TRACED);
	ck_assert_int_eq(t->d->probe_armed[PROBE_pt_update], 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_poll, va), -22);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0), 0);
	tracer_stop(tr, session);
	ck_assert_int_eq(t->d->probe_armed[PROBE_hypercall], 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_poll, va), -22);
	tracer_counts(tr, &counts);
	ck_assert_uint_eq(counts.lost, 0);
	tracer_destroy(tr);
	FILE *f = fopen(path, "re");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_ptr_nonnull(
		strstr(line, "hypercall sched_op/poll nr_ports=200 ports=0x0 timeout=0 = -EINVAL"));
	ck_assert_ptr_null(fgets(line, sizeof(line), f));
	fclose(f);
}
END_TEST

START_TEST(test_session_limits)
{
	struct trace_options o = {.path = path};
	struct tracer *tr = tracer_create(t->d);
	struct error err;

	for (int i = 0; i < TRACE_MAX_SESSIONS; i++)
		ck_assert_int_eq(tracer_start(tr, &o, &err), i);
	ck_assert_int_lt(tracer_start(tr, &o, &err), 0);
	tracer_stop(tr, 1);
	ck_assert(tracer_is_over(tr, 1));
	ck_assert(!tracer_is_over(tr, 2));
	ck_assert_int_eq(tracer_start(tr, &o, &err), 1);
	tracer_stop(tr, 77);
	tracer_stop(tr, -1);
	o.path = "/nonexistent/file";
	tracer_stop(tr, 0);
	ck_assert_int_lt(tracer_start(tr, &o, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/file"));
	tracer_destroy(tr);
}
END_TEST

START_TEST(test_full_ring)
{
	struct trace_ring *r = trace_ring_create(0);

	for (unsigned i = 0; i < TRACE_RING_RECORDS + 5; i++) {
		struct trace_record *rec = trace_ring_begin(r);
		if (rec) {
			rec->end = i;
			trace_ring_end(r);
		}
	}
	ck_assert_uint_eq(r->lost, 5);
	ck_assert_uint_eq(trace_ring_peek(r, 0)->end, 0);
	ck_assert_uint_eq(trace_ring_peek(r, TRACE_RING_RECORDS - 1)->end, TRACE_RING_RECORDS - 1);
	ck_assert_ptr_null(trace_ring_peek(r, TRACE_RING_RECORDS));
	trace_ring_drop(r, 2);
	ck_assert_uint_eq(trace_ring_peek(r, 0)->end, 2);
	ck_assert_ptr_nonnull(trace_ring_begin(r));
	trace_ring_destroy(r);
}
END_TEST

START_TEST(test_symbols)
{
	struct error err;
	char name[64];
	uint64_t va;
	FILE *f = fopen(path, "we");

	fputs("0000000000000000 A absolute\nffffffff81000100 T two\nffffffff81000000 t one\n", f);
	fclose(f);
	struct symbols *s = symbols_load(path, &err);
	ck_assert_ptr_nonnull(s);
	ck_assert(symbols_name(s, 0xffffffff81000000, name, sizeof(name)));
	ck_assert_str_eq(name, "one");
	ck_assert(symbols_name(s, 0xffffffff810000ff, name, sizeof(name)));
	ck_assert_str_eq(name, "one+0xff");
	ck_assert(symbols_name(s, 0xffffffff81000101, name, sizeof(name)));
	ck_assert_str_eq(name, "two+0x1");
	ck_assert(!symbols_name(s, 0xffffffff80ffffff, name, sizeof(name)));
	ck_assert(!symbols_name(s, 0xffffffff91000000, name, sizeof(name)));
	ck_assert(!symbols_name(NULL, 1, name, sizeof(name)));
	ck_assert_int_eq(symbols_find(s, "two", &va), 0);
	ck_assert_uint_eq(va, 0xffffffff81000100);
	ck_assert_int_lt(symbols_find(s, "three", &va), 0);
	symbols_free(s);
	f = fopen(path, "we");
	fputs("this is no map\n", f);
	fclose(f);
	ck_assert_ptr_null(symbols_load(path, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "System.map"));
	ck_assert_ptr_null(symbols_load("/nonexistent", &err));
	/* This program is an ELF file with symbols. */
	s = symbols_load("/proc/self/exe", &err);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(symbols_find(s, "main", &va), 0);
	symbols_free(s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_filters,	  test_bad_filters, test_names, test_all_probes, test_session,
		test_session_limits, test_full_ring,   test_symbols,
	};

	return RUN_TESTS("trace", setup, teardown, tests);
}
