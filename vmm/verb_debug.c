/*
 * Verbs for those who debug a guest: debug-keys, trigger.
 */
#include <stdlib.h>

#include "vmm/verb_domain.h"

static int run_debug_keys(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 2, 2, &status);

	return n < 0 ? status
		     : verb_ask(argv[0], "debug-keys", json_pack("{s:s}", "keys", argv[1]), NULL);
}

const struct verb verb_debug_keys = {
	.name = "debug-keys",
	.operands = "DOMAIN KEYS",
	.summary = "show a domain's inner state in its log",
	.more = "Each letter of KEYS is a key of Xen's: q the domain and its vcpus, each of\n"
		"which is sent VIRQ_DEBUG, so that Linux tells its own view; e event channels;\n"
		"r run states; h all keys. 'xenolith dmesg DOMAIN' has what they show.\n",
	.options = no_options,
	.run = run_debug_keys,
};

static int run_trigger(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 2, 3, &status);
	unsigned long long vcpu = 0;
	struct error err;

	if (n < 0)
		return status;
	if (n == 3 && option_number("VCPU", "a number", argv[2], 0, MAX_VCPUS - 1, &vcpu, &err))
		return bad_usage("'%s' is not the number of a vcpu", argv[2]);
	return verb_ask(argv[0], "trigger",
			json_pack("{s:s,s:i}", "trigger", argv[1], "vcpu", (int)vcpu), NULL);
}

const struct verb verb_trigger = {
	.name = "trigger",
	.operands = "DOMAIN nmi [VCPU]",
	.summary = "send a vcpu (0) of a domain an NMI",
	.options = no_options,
	.run = run_trigger,
};
