#include "vmm/trace/trace_raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool put(struct trace_sink *s, const struct trace_raw_item *item)
{
	return fwrite(item, sizeof(*item), 1, ((struct trace_file *)s)->f) == 1;
}

static bool record(struct trace_sink *s, const struct trace_record *r)
{
	return put(s, &(struct trace_raw_item){.kind = TRACE_RAW_RECORD, .record = *r});
}

static bool thread(struct trace_sink *s, unsigned number, const char *name)
{
	struct trace_raw_item item = {.kind = TRACE_RAW_THREAD, .thread = number};

	snprintf(item.name, sizeof(item.name), "%s", name);
	return put(s, &item);
}

static bool lost(struct trace_sink *s, unsigned number, uint64_t n)
{
	return put(s,
		   &(struct trace_raw_item){.kind = TRACE_RAW_LOST, .thread = number, .lost = n});
}

struct trace_sink *trace_raw_open(const struct trace_options *o, struct error *err)
{
	struct trace_file *t = trace_file_open(sizeof(*t), o->path, err);

	if (!t)
		return NULL;
	t->s.record = record;
	t->s.thread = thread;
	t->s.lost = lost;
	return &t->s;
}

int trace_raw_to_text(int fd, const char *path, struct error *err)
{
	struct trace_options o = {.path = path, .format = TRACE_TEXT};
	struct trace_sink *s = trace_text_open(&o, err);
	struct trace_raw_item item;
	bool fine = true;

	if (!s)
		return -EINVAL;
	for (off_t at = 0; fine && pread(fd, &item, sizeof(item), at) == (ssize_t)sizeof(item);
	     at += (off_t)sizeof(item))
		fine = item.kind == TRACE_RAW_THREAD ? s->thread(s, item.thread, item.name)
		       : item.kind == TRACE_RAW_LOST ? s->lost(s, item.thread, item.lost)
						     : s->record(s, &item.record);
	fine &= s->flush(s);
	s->close(s);
	return fine ? 0 : error_set(err, -EIO, "cannot write the trace %s", path);
}
