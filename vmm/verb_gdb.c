/*
 * `xenolith gdb`: a running domain gets a server for gdb.
 */
#include "vmm/verb_domain.h"

struct gdb_options {
	bool detach;
};

static int parse_detach(void *into, const char *value, struct error *err)
{
	((struct gdb_options *)into)->detach = true;
	return 0;
}

static int run_gdb(const struct verb *v, int argc, char **argv)
{
	struct gdb_options o = {.detach = false};
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 1, &status);
	json_t *ok;

	if (n < 0)
		return status;
	status = verb_ask(argv[0], "gdb", json_pack("{s:b}", "detach", o.detach), &ok);
	if (status)
		return status;
	if (info_bool(ok, "attached"))
		fprintf(stderr,
			"xenolith: a debugger is attached to it; 'xenolith gdb --detach %s' sends "
			"it "
			"away\n",
			argv[0]);
	if (!o.detach)
		printf("gdb -ex 'target remote %s' VMLINUX\n", info_text(ok, "remote"));
	json_decref(ok);
	return EXIT_OK;
}

static const struct option options[] = {
	{.name = "detach",
	 .letter = 'd',
	 .help = "send the debugger away that is attached; the domain goes on",
	 .parse = parse_detach},
	{.name = NULL},
};

const struct verb verb_gdb = {
	.name = "gdb",
	.operands = "DOMAIN",
	.summary = "let gdb attach to a domain",
	.more = "Prints the command that attaches. VMLINUX is the kernel with its symbols.\n"
		"The domain stops when gdb comes, and goes on when it leaves. Domains that\n"
		"were started with --gdb wait for it before their first instruction.\n",
	.options = options,
	.run = run_gdb,
};
