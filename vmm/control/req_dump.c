/*
 * Requests for core dumps: see requests.c.
 */
#include <errno.h>

#include "vmm/control/control_internal.h"
#include "vmm/dump/core_dump.h"

/* {"path": absolute, "live": does it run meanwhile?} -> {}; it is written in the background:
 * dump-status */
int request_dump_core(struct call *call)
{
	struct control *c = call->control;
	const char *path;
	int live = 0, rc = call_args(call, "{s:s, s?b}", "path", &path, "live", &live);

	if (rc)
		return rc;
	if (*path != '/')
		return error_set(&call->err, -EINVAL, "the path of a core dump begins with '/'");
	return core_job_start(c->domain.guest, c->loop, path, live, &call->err);
}

/* {} -> {"running": true, "done": pages, "pages": of so many}; an error when it failed */
int request_dump_status(struct call *call)
{
	struct core_job_state s;
	int rc = call_args(call, "{}");

	if (rc)
		return rc;
	if (!core_job_look(call->control->domain.guest, &s))
		return error_set(&call->err, -ENOENT, "there was no core dump");
	if (s.rc) {
		call->err = s.err;
		return s.rc;
	}
	json_object_set_new(call->result, "running", json_boolean(s.running));
	json_object_set_new(call->result, "done", json_integer((json_int_t)s.done));
	json_object_set_new(call->result, "pages", json_integer((json_int_t)s.pages));
	return 0;
}
