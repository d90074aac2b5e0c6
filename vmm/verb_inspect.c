/*
 * `xenolith inspect`: asks a running domain, prints what it answers as text or JSON.
 */
#include <stdlib.h>

#include "vmm/inspect/inspect.h"
#include "vmm/verb_domain.h"

struct inspect_options {
	bool json;
};

static int parse_json(void *into, const char *value, struct error *err)
{
	((struct inspect_options *)into)->json = true;
	return 0;
}

static json_t *words(int nr, char **word)
{
	json_t *all = json_array();

	for (int i = 0; i < nr; i++) {
		json_t *w = json_string(word[i]);

		/* What is no text is nothing that can be meant. */
		json_array_append_new(all, w ? w : json_string("?"));
	}
	return all;
}

static int run_inspect(const struct verb *v, int argc, char **argv)
{
	struct inspect_options o = {0};
	int status, n = verb_parse_operands(v, argc, argv, &o, 2, 2 + INSPECT_MAX_ARGS, &status);
	struct error err;
	json_t *ok;

	if (n < 0)
		return status;
	const struct inspect_subject *s = inspect_find(argv[1], &err);
	if (!s || inspect_check(s, (unsigned)n - 2, &err))
		return bad_usage("%s", err.text);
	status = verb_ask(argv[0], "inspect",
			  json_pack("{s:s, s:o}", "what", s->name, "args", words(n - 2, argv + 2)),
			  &ok);
	if (status)
		return status;
	if (o.json) {
		json_dumpf(ok, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
	} else {
		s->print(stdout, ok);
	}
	json_decref(ok);
	return EXIT_OK;
}

static const struct option inspect_options[] = {
	{.name = "json", .help = "the same data as JSON", .parse = parse_json},
	{.name = NULL},
};

const struct verb verb_inspect = {
	.name = "inspect",
	.operands = "DOMAIN WHAT [ARG]...",
	.summary = "show a running domain's inner state",
	.more = "WHAT is one of\n"
		"  events                               event channels and who holds them\n"
		"  grants [all]                         grants in use, and by whom\n"
		"  rings [DEVICE]                       rings, and the requests in them\n"
		"  xenstore [PATH]                      tree, watches, transactions, quotas\n"
		"  vcpus [VCPU]                         states, times, registers, last exits\n"
		"  timers                               what is armed\n"
		"  p2m [PFN|FROM-TO]                    the guest's frames\n"
		"  pagetable VA [vcpu N] [kernel|user]  a walk through its page tables\n"
		"  frame MFN                            one machine frame, and who refers to it\n"
		"The domain is not stopped for it.\n",
	.options = inspect_options,
	.run = run_inspect,
};
