/*
 * The console's ring for those who debug it.
 */
#include <jansson.h>

#include "devices/console_internal.h"
#include "devices/inspect.h"

void console_inspect(struct console *c, json_t *device, unsigned what)
{
	pthread_mutex_lock(&c->lock);
	volatile struct xencons_interface *r = c->ring;
	uint32_t out_prod = r ? r->out_prod : 0, out_cons = r ? r->out_cons : 0;
	uint32_t in_prod = r ? r->in_prod : 0, in_cons = r ? r->in_cons : 0;
	bool full = console_host_waits(c) && out_prod - out_cons > queue_room(&c->out);
	uint32_t typed = queue_used(&c->in);
	pthread_mutex_unlock(&c->lock);

	if (!r)
		return;
	bool bad = out_prod - out_cons > sizeof(r->out) || in_prod - in_cons > sizeof(r->in);
	json_t *j = json_pack(
		"{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "ring", "", "kind",
		"console", "port", c->port, "req_prod", (json_int_t)out_prod, "req_cons",
		(json_int_t)out_cons, "rsp_prod", (json_int_t)in_prod, "rsp_cons",
		(json_int_t)in_cons, "waiting", (json_int_t)(uint32_t)(out_prod - out_cons),
		"unread", (json_int_t)(uint32_t)(in_prod - in_cons), "typed_ahead",
		(json_int_t)typed, "says",
		bad		       ? "the guest's indexes make no sense"
		: full		       ? "the guest waits: nobody reads the console"
		: out_prod != out_cons ? "the guest waits for the backend to take output"
		: in_prod != in_cons   ? "the guest has input to read"
				       : "idle");
	if (full)
		json_object_set_new(j, "held", json_string("nobody reads the console"));
	json_object_set_new(device, "rings", json_pack("[o]", j));
	if (what & INSPECT_GRANTS)
		inspect_grant(device, GNTTAB_RESERVED_CONSOLE, "ring");
}
