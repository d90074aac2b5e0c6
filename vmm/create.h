/* `xenolith create`: from the settings to a domain that runs, and that is followed by the
 * next one when it reboots. create.c */
#ifndef VMM_CREATE_H
#define VMM_CREATE_H

#include "vmm/config/domain_settings.h"

struct create_options {
	struct run_options run; /* first: options that `run` has, too */
	char **argv;		/* of the verb, as it was typed */
	const char *file;
	const char **assignment; /* KEY=VALUE of the command line */
	unsigned nr_assignments;
	bool console, foreground, dryrun, debug, quiet;
};

/* enum exit_status, or what domain_run() returns. Prints its own messages. */
int domain_create_new(const struct create_options *o, struct domain_settings *s);

#endif
