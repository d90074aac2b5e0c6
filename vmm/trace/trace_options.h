/* The options of a trace: as an option's parse function, but for struct trace_options. */
#ifndef VMM_TRACE_TRACE_OPTIONS_H
#define VMM_TRACE_TRACE_OPTIONS_H

#include "vmm/trace/trace.h"

int trace_option_what(struct trace_options *o, const char *value, struct error *err);
int trace_option_file(struct trace_options *o, const char *value, struct error *err);
int trace_option_format(struct trace_options *o, const char *value, struct error *err);
int trace_option_symbols(struct trace_options *o, const char *value, struct error *err);

#endif
