/*
 * `xenolith version`.
 */
#include "vmm/verb.h"
#include "vmm/version.h"

static const struct option no_options[] = {{.name = NULL}};

static int run(const struct verb *v, int argc, char **argv)
{
	int status;

	if (verb_parse(v, argc, argv, NULL, 0, &status) < 0)
		return status;
	puts("xenolith " XENOLITH_VERSION);
	return EXIT_OK;
}

const struct verb verb_version = {
	.name = "version",
	.operands = "",
	.summary = "print the program's version",
	.options = no_options,
	.run = run,
};
