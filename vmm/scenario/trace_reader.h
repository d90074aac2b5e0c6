/* A trace in the raw format, read while it is written. */
#ifndef VMM_SCENARIO_TRACE_READER_H
#define VMM_SCENARIO_TRACE_READER_H

#include "vmm/scenario/scenario.h"

struct trace_reader;

/* `path` need not be there yet. The records that match the filter of step i are counted in
 * records[i]. NULL: no memory. */
struct trace_reader *trace_reader_open(const char *path, const struct scenario *s,
				       unsigned long *records);
/* Takes in what is there. */
void trace_reader_poll(struct trace_reader *r);
/* Faults that were injected. */
unsigned long trace_reader_faults(const struct trace_reader *r);
/* Writes it all as text. */
void trace_reader_text(struct trace_reader *r, const char *path);
void trace_reader_close(struct trace_reader *r);

#endif
