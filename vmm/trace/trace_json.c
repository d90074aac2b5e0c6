/*
 * A trace as a timeline in Chrome's JSON format, which Perfetto and chrome://tracing open.
 * Every thread of ours is one of its threads; a record is a slice as long as it took.
 *
 * A request of a disk is more: an asynchronous event from when it was taken from its ring
 * slot to its answer, with what happened between; and arrows lead from the guest's send to the
 * request, and from the response to the event and the guest's upcall.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/pvabi.h"
#include "vmm/trace/symbols.h"
#include "vmm/trace/trace.h"

#define MAX_PORTS 4096 /* whose last event is remembered, by the port's last bits */

/* An arrow that has begun and whose end is not known yet. */
struct arrow {
	uint64_t id; /* 0: none */
};

struct json_sink {
	struct trace_file out; /* first */
	void (*close_file)(struct trace_sink *s);
	bool any;	 /* an event was written */
	uint64_t arrows; /* so far */
	struct arrow sent[MAX_PORTS], answered[MAX_PORTS];
};

static void begin(struct json_sink *t, const char *name, const char *category, const char *phase,
		  uint64_t time, unsigned pid, unsigned tid)
{
	fprintf(t->out.f,
		"%s{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"%s\",\"ts\":%" PRIu64
		".%03u,\"pid\":%u,\"tid\":%u",
		t->any ? ",\n" : "", name, category, phase, time / 1000, (unsigned)(time % 1000),
		pid, tid);
	t->any = true;
}

static void put(void *arg, const char *name, const char *value, bool quoted)
{
	struct json_sink *t = arg;

	fprintf(t->out.f, ",\"%s\":", name);
	if (quoted) {
		fputc('"', t->out.f);
		for (; *value; value++)
			fprintf(t->out.f, *value == '\\' || *value == '"' ? "\\%c" : "%c", *value);
		fputc('"', t->out.f);
	} else {
		fputs(value, t->out.f);
	}
}

static void arrow(struct json_sink *t, const struct trace_record *r, uint64_t id, const char *phase)
{
	begin(t, "path", "path", phase, r->end - r->duration, t->out.s.domain->domid, r->thread);
	fprintf(t->out.f, ",\"id\":%" PRIu64 "%s}", id, *phase == 'f' ? ",\"bp\":\"e\"" : "");
}

static void disk_request(struct json_sink *t, const struct trace_record *r)
{
	static const struct {
		enum probe_id id;
		const char *phase, *name;
	} steps[] = {
		{PROBE_blk_request, "b", "request"},
		{PROBE_blk_submit, "n", "host I/O"},
		{PROBE_blk_done, "n", "done"},
		{PROBE_blk_response, "e", "request"},
	};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].id != r->id)
			continue;
		begin(t, steps[i].name, "disk", steps[i].phase, r->end, t->out.s.domain->domid,
		      r->thread);
		fprintf(t->out.f,
			",\"id\":\"%" PRIu64 ".%" PRIu64 ".%" PRIx64
			"\",\"args\":{\"disk\":%" PRIu64,
			r->field[0], r->field[1], r->field[2], r->field[0]);
		trace_arguments(r, put, t);
		fputs("}}", t->out.f);
	}
}

/* The arrows between the guest and the backend. */
static void paths(struct json_sink *t, const struct trace_record *r)
{
	struct arrow *a;

	switch (r->id) {
	case PROBE_event_to_backend:
		a = &t->sent[r->field[0] % MAX_PORTS];
		a->id = ++t->arrows;
		arrow(t, r, a->id, "s");
		break;
	case PROBE_blk_request:
		/* Several requests may have come with one event. */
		a = &t->sent[r->field[7] % MAX_PORTS];
		if (a->id)
			arrow(t, r, a->id, "t");
		break;
	case PROBE_blk_notify:
		a = &t->answered[r->field[2] % MAX_PORTS];
		a->id = ++t->arrows;
		arrow(t, r, a->id, "s");
		break;
	case PROBE_event_pending:
		a = &t->answered[r->field[0] % MAX_PORTS];
		if (a->id)
			arrow(t, r, a->id, "t");
		break;
	case PROBE_upcall:
		/* It takes all that is pending. */
		for (unsigned i = 0; i < MAX_PORTS; i++)
			if (t->answered[i].id) {
				arrow(t, r, t->answered[i].id, "f");
				t->answered[i].id = 0;
			}
		break;
	default:
		break;
	}
}

static bool record(struct trace_sink *s, const struct trace_record *r)
{
	struct json_sink *t = (struct json_sink *)s;
	const struct probe_desc *p = probe_get(r->id);
	char name[64], where[128];

	trace_name(r, name, sizeof(name));
	begin(t, name, probe_category_name(p->category), "X", r->end - r->duration,
	      s->domain->domid, r->thread);
	fprintf(t->out.f, ",\"dur\":%" PRIu64 ".%03u,\"args\":{\"record\":%u", r->duration / 1000,
		(unsigned)(r->duration % 1000), r->id);
	if (r->vcpu != TRACE_NO_VCPU) {
		fprintf(t->out.f, ",\"rip\":\"%#" PRIx64 "\",\"mode\":\"%s\"", r->rip,
			r->kernel_mode ? "kernel" : "user");
		if (symbols_name(s->symbols, r->rip, where, sizeof(where)))
			put(t, "at", where, true);
	}
	trace_arguments(r, put, t);
	fputs("}}", t->out.f);
	disk_request(t, r);
	paths(t, r);
	return !ferror(t->out.f);
}

static bool thread(struct trace_sink *s, unsigned number, const char *name)
{
	struct json_sink *t = (struct json_sink *)s;

	begin(t, "thread_name", "", "M", 0, s->domain->domid, number);
	fprintf(t->out.f, ",\"args\":{\"name\":\"%s\"}}", name);
	if (!number) {
		begin(t, "process_name", "", "M", 0, s->domain->domid, 0);
		fputs(",\"args\":{\"name\":\"", t->out.f);
		for (const char *c = s->domain->name; *c; c++)
			fprintf(t->out.f, *c == '\\' || *c == '"' ? "\\%c" : "%c", *c);
		fputs("\"}}", t->out.f);
	}
	return !ferror(t->out.f);
}

static bool lost(struct trace_sink *s, unsigned number, uint64_t n)
{
	struct json_sink *t = (struct json_sink *)s;

	begin(t, "lost", "trace", "i",
	      s->domain->ops->system_time((struct domain *)(uintptr_t)s->domain), s->domain->domid,
	      number);
	fprintf(t->out.f, ",\"s\":\"t\",\"args\":{\"records\":%" PRIu64 "}}", n);
	return !ferror(t->out.f);
}

/* Both programs also read a list without its end: one that is looked at while it grows. */
static void close_json(struct trace_sink *s)
{
	struct json_sink *t = (struct json_sink *)s;

	fputs("\n],\"displayTimeUnit\":\"ns\"}\n", t->out.f);
	t->close_file(s);
}

struct trace_sink *trace_json_open(const struct trace_options *o, struct error *err)
{
	struct json_sink *t = trace_file_open(sizeof(*t), o->path, err);

	if (!t)
		return NULL;
	t->out.s.record = record;
	t->out.s.thread = thread;
	t->out.s.lost = lost;
	t->close_file = t->out.s.close;
	t->out.s.close = close_json;
	fputs("{\"traceEvents\":[\n", t->out.f);
	return &t->out.s;
}
