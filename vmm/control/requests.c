/*
 * The requests that a control socket takes, one row each. What the arguments are stands
 * with the handlers.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"

static const struct request requests[] = {
	{"info", request_info},
	{"pause", request_pause},
	{"unpause", request_unpause},
	{"shutdown", request_shutdown},
	{"destroy", request_destroy},
	{"wait", request_wait},
	{"sysrq", request_sysrq},
	{"trigger", request_trigger},
	{"debug-keys", request_debug_keys},
	{"mem-set", request_mem_set},
	{"vcpu-set", request_vcpu_set},
	{"vcpu-pin", request_vcpu_pin},
	{"gdb", request_gdb},
	{"dump-core", request_dump_core},
	{"dump-status", request_dump_status},
	{"rename", request_rename},
	{"log", request_log},
	{"inspect", request_inspect},
	{"watch", request_watch},
	{"device-attach", request_device_attach},
	{"device-detach", request_device_detach},
	{"device-list", request_device_list},
	{"media-insert", request_media_insert},
	{"trace-start", request_trace_start},
	{"trace-stop", request_trace_stop},
	{"inject-add", request_inject_add},
	{"inject-remove", request_inject_remove},
	{"inject-list", request_inject_list},
};

const struct request *request_find(const char *name)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (!strcmp(requests[i].name, name))
			return &requests[i];
	return NULL;
}

int call_args(struct call *call, const char *fmt, ...)
{
	json_error_t e;
	va_list ap;

	va_start(ap, fmt);
	int rc = json_vunpack_ex(call->args, &e, JSON_STRICT, fmt, ap);
	va_end(ap);
	return rc ? error_set(&call->err, -EINVAL, "bad arguments: %s", e.text) : 0;
}

json_t *json_text(const char *text)
{
	json_t *j = json_string(text);

	if (j)
		return j;
	char *plain = strdup(text);
	for (char *p = plain; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	j = plain ? json_string(plain) : NULL;
	free(plain);
	return j ? j : json_string("");
}
