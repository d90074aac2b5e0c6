/*
 * Requests for faults in a running domain: see requests.c.
 */
#include <errno.h>

#include "vmm/control/control_internal.h"
#include "vmm/inject/inject.h"

/* {"rule": "blk_request fail=EIO p=0.1", "log": "/tmp/a"} -> {"number": 0, "seed": 42}; the
 * log is that of the first rule that the domain ever gets. */
int request_inject_add(struct call *call)
{
	struct guest *g = call->control->domain.guest;
	struct inject_options o = {0};
	const char *rule;
	int rc = call_args(call, "{s:s,s?s}", "rule", &rule, "log", &o.log);

	if (rc)
		return rc;
	if (!g->injector)
		g->injector = injector_create(g, call->control->loop,
					      call->control->domain.xenstore, &o, &call->err);
	rc = g->injector ? injector_add(g->injector, rule, &call->err) : -EINVAL;
	if (rc < 0)
		return rc;
	json_object_set_new(call->result, "number", json_integer(rc));
	json_object_set_new(call->result, "seed",
			    json_integer((json_int_t)injector_seed(g->injector)));
	return 0;
}

/* {"number": 0} (without it: all) -> {} */
int request_inject_remove(struct call *call)
{
	struct guest *g = call->control->domain.guest;
	int number = -1;
	int rc = call_args(call, "{s?i}", "number", &number);

	if (rc)
		return rc;
	rc = g->injector ? injector_remove(g->injector, number) : -ENOENT;
	return rc ? error_set(&call->err, rc, "it has no such rule") : 0;
}

static void add_row(void *arg, unsigned nr, const char *text, uint64_t hits, uint64_t taken)
{
	json_array_append_new(arg, json_pack("{s:i,s:s,s:I,s:I}", "number", (int)nr, "rule", text,
					     "hits", (json_int_t)hits, "taken", (json_int_t)taken));
}

/* {} -> {"rules": [{"number": 0, "rule": "...", "hits": 10, "taken": 1}]} */
int request_inject_list(struct call *call)
{
	struct guest *g = call->control->domain.guest;
	json_t *rules = json_array();
	int rc = call_args(call, "{}");

	if (rc) {
		json_decref(rules);
		return rc;
	}
	if (g->injector)
		injector_list(g->injector, add_row, rules);
	json_object_set_new(call->result, "rules", rules);
	return 0;
}
