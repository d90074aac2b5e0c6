/*
 * Requests for traces of a running domain: see requests.c.
 */
#include <errno.h>
#include <string.h>

#include "vmm/control/control_internal.h"
#include "vmm/trace/trace.h"

/* {"what": ["block,event", ...], "path": "/tmp/a", "format": "json", "symbols": "/boot/..."}
 * -> {"session": 0} */
int request_trace_start(struct call *call)
{
	struct trace_options o = {0};
	const char *format = "text";
	json_t *what = NULL, *item;
	size_t i;
	int rc = call_args(call, "{s?o,s:s,s?s,s?s}", "what", &what, "path", &o.path, "format",
			   &format, "symbols", &o.symbols);

	if (rc)
		return rc;
	json_array_foreach(what, i, item)
	{
		if (i == sizeof(o.what) / sizeof(o.what[0]) || !json_is_string(item))
			return error_set(&call->err, -EINVAL,
					 "\"what\" is a list of up to 8 texts");
		o.what[o.nr_what++] = json_string_value(item);
	}
	while (o.format < NR_TRACE_FORMATS && strcmp(trace_format_names[o.format], format))
		o.format++;
	if (o.format == NR_TRACE_FORMATS)
		return error_set(&call->err, -EINVAL, "'%s' is no format of a trace", format);
	rc = tracer_start(call->control->domain.guest->tracer, &o, &call->err);
	if (rc < 0)
		return rc;
	json_object_set_new(call->result, "session", json_integer(rc));
	return 0;
}

/* {"session": 0} -> {"records": how many all traces had, "lost": and how many were lost} */
int request_trace_stop(struct call *call)
{
	struct tracer *t = call->control->domain.guest->tracer;
	struct trace_counts c;
	int session;
	int rc = call_args(call, "{s:i}", "session", &session);

	if (rc)
		return rc;
	tracer_stop(t, session);
	tracer_counts(t, &c);
	json_object_set_new(call->result, "records", json_integer((json_int_t)c.records));
	json_object_set_new(call->result, "lost", json_integer((json_int_t)c.lost));
	return 0;
}
