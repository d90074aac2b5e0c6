/*
 * The program: finds the verb and runs it.
 */
#include <errno.h>
#include <string.h>

#include "vmm/verb.h"

/* The two verbs that other programs have as options. */
static const char *verb_of_option(const char *arg)
{
	if (!strcmp(arg, "-h") || !strcmp(arg, "--help"))
		return "help";
	if (!strcmp(arg, "-V") || !strcmp(arg, "--version"))
		return "version";
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *v;
	const char *name;
	int status;

	if (argc < 2) {
		usage_print(stderr);
		return EXIT_BAD_USAGE;
	}
	name = argv[1];
	if (name[0] == '-') {
		name = verb_of_option(name);
		if (!name)
			return bad_usage("a verb comes first, not '%s'; 'xenolith help' lists them",
					 argv[1]);
	}
	v = verb_find(name);
	if (!v)
		return EXIT_BAD_USAGE;
	status = v->run(v, argc - 1, argv + 1);
	if ((fflush(stdout) || ferror(stdout)) && status == EXIT_OK) {
		fprintf(stderr, "xenolith: cannot write the output: %s\n", strerror(errno));
		status = EXIT_HOST_FAILED;
	}
	return status;
}
