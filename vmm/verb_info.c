/*
 * `xenolith info`: what this host can do for guests, and what guests find here.
 */
#include "pvabi/pvabi.h"
#include "vmm/verb.h"

struct info_options {
	bool abi;
};

static int parse_abi(void *into, const char *value, struct error *err)
{
	((struct info_options *)into)->abi = true;
	return 0;
}

static const struct option info_options[] = {
	{.name = "abi",
	 .help = "print the hypercalls and operations that are implemented,\n"
		 "in all ABI profiles or in PROFILE",
	 .parse = parse_abi},
	{.name = NULL},
};

static int run(const struct verb *v, int argc, char **argv)
{
	struct info_options o = {0};
	const struct abi_profile *only = NULL;
	int status, n = verb_parse(v, argc, argv, &o, 1, &status);

	if (n < 0)
		return status;
	if (!o.abi)
		return n ? bad_usage("info takes no operand without --abi")
			 : host_info_print(stdout);
	if (n) {
		const char *names[NR_PROFILES + 1] = {NULL};
		struct error err;

		for (unsigned i = 0; i < NR_PROFILES; i++)
			names[i] = abi_profile_get(i)->name;
		int i = option_choice("abi", argv[0], names, &err);
		if (i < 0)
			return bad_usage("%s", err.text);
		only = abi_profile_get(i);
	}
	abi_info_print(stdout, only);
	return EXIT_OK;
}

const struct verb verb_info = {
	.name = "info",
	.operands = "[PROFILE]",
	.summary = "print what this host's KVM can do for guests, or the ABI that they find",
	.more = "Without --abi the exit status is 1 when no guest can run here.\n",
	.options = info_options,
	.run = run,
};
