/*
 * `xenolith help [VERB]`.
 */
#include "vmm/verb.h"

static const struct option no_options[] = {{.name = NULL}};

static int run(const struct verb *v, int argc, char **argv)
{
	const struct verb *about;
	int status;
	int n = verb_parse(v, argc, argv, NULL, 1, &status);

	if (n < 0)
		return status;
	if (!n) {
		usage_print(stdout);
		return EXIT_OK;
	}
	about = verb_find(argv[0]);
	if (!about)
		return EXIT_BAD_USAGE;
	verb_usage_print(about, stdout);
	return EXIT_OK;
}

const struct verb verb_help = {
	.name = "help",
	.operands = "[VERB]",
	.summary = "print the list of verbs, or all about one verb",
	.options = no_options,
	.run = run,
};
