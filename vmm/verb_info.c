/*
 * `xenolith info`: what this host can do for guests.
 */
#include "vmm/verb.h"

static const struct option no_options[] = {{.name = NULL}};

static int run(const struct verb *v, int argc, char **argv)
{
	int status;

	if (verb_parse(v, argc, argv, NULL, 0, &status) < 0)
		return status;
	return host_info_print(stdout);
}

const struct verb verb_info = {
	.name = "info",
	.operands = "",
	.summary = "print what this host's KVM can do for guests",
	.more = "The exit status is 1 when no guest can run here.\n",
	.options = no_options,
	.run = run,
};
