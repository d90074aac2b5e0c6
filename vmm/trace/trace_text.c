/*
 * A trace as text, a line a record:
 *
 *   TIME vVCPU K|U RIP category name argument=value ... (DURATION)
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/pvabi.h"
#include "vmm/trace/symbols.h"
#include "vmm/trace/trace.h"

#define MAX_THREADS 512

struct text_sink {
	struct trace_file out; /* first */
	char name[MAX_THREADS][16];
};

static void put(void *arg, const char *name, const char *value, bool quoted)
{
	FILE *f = arg;

	if (!strcmp(name, "text"))
		fprintf(f, " \"%s\"", value);
	else if (!strcmp(name, "result"))
		fprintf(f, " = %s", value);
	else
		fprintf(f, " %s=%s", name, value);
}

static bool record(struct trace_sink *s, const struct trace_record *r)
{
	struct text_sink *t = (struct text_sink *)s;
	char where[128] = "", name[64];

	fprintf(t->out.f, "%6" PRIu64 ".%09" PRIu64 " ", r->end / 1000000000, r->end % 1000000000);
	if (r->vcpu == TRACE_NO_VCPU) {
		fprintf(t->out.f, "%-15s ", r->thread < MAX_THREADS ? t->name[r->thread] : "");
	} else {
		if (!symbols_name(s->symbols, r->rip, where, sizeof(where)))
			snprintf(where, sizeof(where), "%" PRIx64, r->rip);
		fprintf(t->out.f, "v%u %c %s ", r->vcpu, r->kernel_mode ? 'K' : 'U', where);
	}
	trace_name(r, name, sizeof(name));
	fprintf(t->out.f, "%s %s", probe_category_name(probe_get(r->id)->category), name);
	trace_arguments(r, put, t->out.f);
	if (r->duration)
		fprintf(t->out.f, " (%" PRIu64 ".%03u us)", r->duration / 1000,
			(unsigned)(r->duration % 1000));
	return fputc('\n', t->out.f) != EOF;
}

static bool thread(struct trace_sink *s, unsigned number, const char *name)
{
	if (number < MAX_THREADS)
		snprintf(((struct text_sink *)s)->name[number], 16, "%s", name);
	return true;
}

static bool lost(struct trace_sink *s, unsigned number, uint64_t n)
{
	struct text_sink *t = (struct text_sink *)s;

	return fprintf(t->out.f,
		       "# %" PRIu64 " records of thread '%s' were lost: too many at a time\n", n,
		       number < MAX_THREADS ? t->name[number] : "") >= 0;
}

struct trace_sink *trace_text_open(const struct trace_options *o, struct error *err)
{
	struct text_sink *t = trace_file_open(sizeof(*t), o->path, err);

	if (!t)
		return NULL;
	t->out.s.record = record;
	t->out.s.thread = thread;
	t->out.s.lost = lost;
	return &t->out.s;
}
