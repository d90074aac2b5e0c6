/*
 * Requests for debuggers: see requests.c.
 */
#include <errno.h>

#include "vmm/control/control_internal.h"
#include "vmm/gdb/gdb.h"

/* {"detach": true: whoever is there is sent away} -> {"remote": for gdb's target remote,
 * "attached": is somebody there?} */
int request_gdb(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	struct gdb_server *s;
	int detach = 0, rc = call_args(call, "{s?b}", "detach", &detach);

	if (rc)
		return rc;
	if (!cd->gdb_server)
		return error_set(&call->err, -ENOSYS, "it has no server for gdb");
	rc = cd->gdb_server(cd->arg, &s, &call->err);
	if (rc)
		return rc;
	if (detach)
		gdb_server_drop_client(s);
	json_object_set_new(call->result, "remote", json_text(gdb_server_where(s)));
	json_object_set_new(call->result, "attached", json_boolean(gdb_server_has_client(s)));
	return 0;
}
