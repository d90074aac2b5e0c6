/*
 * The options of fault injection, for `run` and `create`.
 */
#include <errno.h>
#include <string.h>

#include "vmm/inject/inject.h"
#include "vmm/run_options.h"

int run_option_inject(void *into, const char *value, struct error *err)
{
	struct inject_options *o = &((struct run_options *)into)->inject;
	struct inject_rule r;
	int rc = inject_rule_parse(&r, value, err);

	if (rc)
		return rc;
	inject_rule_free(&r);
	if (o->nr_rules == INJECT_MAX_RULES)
		return error_set(err, -EINVAL, "option --inject: at most %d rules",
				 INJECT_MAX_RULES);
	o->rule[o->nr_rules++] = value;
	return 0;
}

int run_option_inject_seed(void *into, const char *value, struct error *err)
{
	struct inject_options *o = &((struct run_options *)into)->inject;
	unsigned long long n;
	int rc = option_number("inject-seed", "a number", value, 0, UINT64_MAX, &n, err);

	o->has_seed = !rc;
	o->seed = n;
	return rc;
}

int run_option_inject_log(void *into, const char *value, struct error *err)
{
	if (!*value)
		return error_set(err, -EINVAL, "option --inject-log needs a path");
	((struct run_options *)into)->inject.log = value;
	return 0;
}

int run_option_replay(void *into, const char *value, struct error *err)
{
	struct inject_replay r;
	int rc = inject_replay_load(&r, value, err);

	if (rc)
		return rc;
	inject_replay_free(&r);
	((struct run_options *)into)->inject.replay = value;
	return 0;
}
