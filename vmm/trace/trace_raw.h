/*
 * A trace as the program has it in memory, for this program to read again: `xenolith test`.
 * Not a format for others; it changes from version to version.
 */
#ifndef VMM_TRACE_TRACE_RAW_H
#define VMM_TRACE_TRACE_RAW_H

#include "vmm/trace/trace.h"

enum trace_raw_kind { TRACE_RAW_RECORD, TRACE_RAW_THREAD, TRACE_RAW_LOST };

/* The file is an array of these. */
struct trace_raw_item {
	uint32_t kind;
	uint32_t thread;
	uint64_t lost;
	char name[16];
	struct trace_record record;
};

struct trace_sink *trace_raw_open(const struct trace_options *o, struct error *err);
/* Writes what `fd` has as text to `path`. 0, or negative errno and a sentence. */
int trace_raw_to_text(int fd, const char *path, struct error *err);

#endif
