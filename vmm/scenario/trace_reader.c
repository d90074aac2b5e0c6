#include "vmm/scenario/trace_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/trace/trace_raw.h"

struct trace_reader {
	char *path;
	int fd;
	off_t at;
	const struct scenario *s;
	unsigned long *records;
	unsigned long faults;
	struct trace_filter **filter; /* by step; NULL: it is none of a trace */
};

struct trace_reader *trace_reader_open(const char *path, const struct scenario *s,
				       unsigned long *records)
{
	struct trace_reader *r = calloc(1, sizeof(*r));
	struct error err;

	if (!r)
		return NULL;
	probes_init();
	*r = (struct trace_reader){.path = strdup(path), .fd = -1, .s = s, .records = records};
	r->filter = calloc(s->nr_steps + 1, sizeof(*r->filter));
	for (unsigned i = 0; r->filter && i < s->nr_steps; i++) {
		const char *what = s->step[i].text;

		if (s->step[i].kind == STEP_TRACE)
			r->filter[i] = trace_filter_create(&what, 1, &err);
	}
	return r;
}

void trace_reader_poll(struct trace_reader *r)
{
	struct trace_raw_item item;

	if (r->fd < 0)
		r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	while (r->fd >= 0 && pread(r->fd, &item, sizeof(item), r->at) == (ssize_t)sizeof(item)) {
		r->at += (off_t)sizeof(item);
		r->faults += item.kind == TRACE_RAW_RECORD && item.record.id == PROBE_fault;
		for (unsigned i = 0; item.kind == TRACE_RAW_RECORD && i < r->s->nr_steps; i++)
			if (r->filter[i] && trace_filter_match(r->filter[i], &item.record))
				r->records[i]++;
	}
}

unsigned long trace_reader_faults(const struct trace_reader *r)
{
	return r->faults;
}

void trace_reader_text(struct trace_reader *r, const char *path)
{
	struct error err;

	if (r->fd >= 0)
		trace_raw_to_text(r->fd, path, &err);
}

void trace_reader_close(struct trace_reader *r)
{
	if (!r)
		return;
	for (unsigned i = 0; r->filter && i < r->s->nr_steps; i++)
		trace_filter_free(r->filter[i]);
	if (r->fd >= 0)
		close(r->fd);
	free(r->filter);
	free(r->path);
	free(r);
}
