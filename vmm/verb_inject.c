/*
 * `xenolith inject`: faults in a domain that runs.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/inject/inject.h"
#include "vmm/verb_domain.h"

struct inject_verb {
	bool list;
	bool remove;
	int number; /* -1: all */
};

static int parse_list(void *into, const char *value, struct error *err)
{
	((struct inject_verb *)into)->list = true;
	return 0;
}

static int parse_remove(void *into, const char *value, struct error *err)
{
	struct inject_verb *o = into;
	unsigned long long n;

	o->remove = true;
	o->number = -1;
	if (!strcmp(value, "all"))
		return 0;
	int rc = option_number("remove", "a rule's number or all", value, 0, INJECT_MAX_RULES - 1,
			       &n, err);
	if (!rc)
		o->number = (int)n;
	return rc;
}

static const struct option options[] = {
	{.name = "list",
	 .letter = 'l',
	 .help = "show its rules, and how often each was taken",
	 .parse = parse_list},
	{.name = "remove",
	 .letter = 'r',
	 .arg = "N",
	 .help = "no more of rule N, or of all",
	 .parse = parse_remove},
	{.name = NULL},
};

static int list(const char *domain)
{
	json_t *ok, *item;
	size_t i;
	int status = verb_ask(domain, "inject-list", NULL, &ok);

	if (status != EXIT_OK)
		return status;
	printf("%3s %10s %10s  %s\n", "No", "Matches", "Injected", "Rule");
	json_array_foreach(json_object_get(ok, "rules"), i, item)
		printf("%3lld %10lld %10lld  %s\n", (long long)info_int(item, "number"),
		       (long long)info_int(item, "hits"), (long long)info_int(item, "taken"),
		       info_text(item, "rule"));
	json_decref(ok);
	return EXIT_OK;
}

static int run(const struct verb *v, int argc, char **argv)
{
	struct inject_verb o = {0};
	struct error err;
	char log[PATH_MAX], dir[PATH_MAX - 80];
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 1 + INJECT_MAX_RULES, &status);

	if (n < 0)
		return status;
	for (int i = 1; i < n; i++) {
		struct inject_rule r;

		if (inject_rule_parse(&r, argv[i], &err))
			return bad_usage("%s", err.text);
		inject_rule_free(&r);
	}
	if (n == 1 && !o.list && !o.remove)
		return bad_usage("which rule? See 'xenolith help inject'");
	/* The domain's process may have another working directory. */
	snprintf(log, sizeof(log), "%s/%.64s.faults", getcwd(dir, sizeof(dir)) ? dir : "/tmp",
		 argv[0]);
	status = EXIT_OK;
	if (o.remove)
		status = verb_ask(argv[0], "inject-remove",
				  o.number < 0 ? json_object()
					       : json_pack("{s:i}", "number", o.number),
				  NULL);
	for (int i = 1; status == EXIT_OK && i < n; i++)
		status = verb_ask(argv[0], "inject-add", json_pack("{s:s,s:s}", "rule", argv[i], "log", log), NULL);
	return status == EXIT_OK && o.list ? list(argv[0]) : status;
}

static void more(FILE *f)
{
	fprintf(f, "A RULE is 'WHAT[:CONDITION,...] ACTION[=VALUE] [p=0.1] [skip=N] [every=N] "
		   "[count=N]\n"
		   "[after=TIME] [until=TIME]'. Conditions are those of 'xenolith help trace'. "
		   "What can go\n"
		   "wrong where:\n");
	inject_help(f);
	fprintf(f, "Examples:\n"
		   "  xenolith inject NAME 'blk_request:op=write fail=EIO p=0.01'\n"
		   "  xenolith inject NAME 'event_pending:port=12 drop count=1'\n"
		   "  xenolith inject NAME 'hypercall:name=grant_table_op fail=ENOMEM every=10'\n"
		   "  xenolith inject NAME 'tick spurious every=10ms'\n");
}

const struct verb verb_inject = {
	.name = "inject",
	.operands = "DOMAIN [RULE...]",
	.summary = "make things go wrong in a domain",
	.print_more = more,
	.options = options,
	.run = run,
};
