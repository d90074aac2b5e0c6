/*
 * The options of a trace, for `run`, `create` and `trace`.
 */
#include <errno.h>
#include <string.h>

#include "vmm/run_options.h"
#include "vmm/trace/trace_options.h"

int trace_option_what(struct trace_options *o, const char *value, struct error *err)
{
	if (o->nr_what == sizeof(o->what) / sizeof(o->what[0]))
		return error_set(err, -EINVAL, "option --trace: at most %zu of them",
				 sizeof(o->what) / sizeof(o->what[0]));
	o->what[o->nr_what++] = value;
	return trace_what_check(value, err);
}

int trace_option_file(struct trace_options *o, const char *value, struct error *err)
{
	size_t len = strlen(value);

	if (!len)
		return error_set(err, -EINVAL, "option --trace-file needs a path");
	o->path = value;
	if (!o->has_format)
		o->format = value[len - 1] == '/'			   ? TRACE_CTF
			    : len > 5 && !strcmp(value + len - 5, ".json") ? TRACE_JSON
									   : TRACE_TEXT;
	return 0;
}

int trace_option_format(struct trace_options *o, const char *value, struct error *err)
{
	int i = option_choice("trace-format", value, trace_format_names, err);

	if (i < 0)
		return i;
	o->format = i;
	o->has_format = true;
	return 0;
}

int trace_option_symbols(struct trace_options *o, const char *value, struct error *err)
{
	o->symbols = value;
	return run_check_file("symbols", value, err);
}

int run_option_trace(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->traced = true;
	return trace_option_what(&((struct run_options *)into)->trace, value, err);
}

/* With a file alone the usual categories are recorded. */
int run_option_trace_file(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->traced = true;
	return trace_option_file(&((struct run_options *)into)->trace, value, err);
}

int run_option_trace_format(void *into, const char *value, struct error *err)
{
	return trace_option_format(&((struct run_options *)into)->trace, value, err);
}

int run_option_symbols(void *into, const char *value, struct error *err)
{
	return trace_option_symbols(&((struct run_options *)into)->trace, value, err);
}
