/*
 * The verbs of the command line. Each is one file that defines one struct verb;
 * verbs.c has the table.
 */
#ifndef VMM_VERB_H
#define VMM_VERB_H

#include <stdio.h>

#include "vmm/options.h"
#include "vmm/vmm.h"

struct verb {
	const char *name;
	const char *operands; /* for the usage line: "KERNEL", or "" */
	const char *summary;  /* one line */
	const char *more;     /* for `help VERB`, whole lines; may be NULL */
	const struct option *options;
	/* argv[0] is the verb's name. enum exit_status. */
	int (*run)(const struct verb *v, int argc, char **argv);
};

extern const struct verb verb_run, verb_create, verb_info, verb_help, verb_version;

/* All verbs; NULL ends the table. */
extern const struct verb *const verbs[];

/* NULL after a message when there is none of that name. */
const struct verb *verb_find(const char *name);

/* Parses v's options into `into`; operands come to argv[0] and on. Returns how
 * many, or -1 when nothing is left to do but to exit with *status: help was
 * printed, or a message about bad usage (more than max_operands is one). */
int verb_parse(const struct verb *v, int argc, char **argv, void *into, int max_operands,
	       int *status);

void usage_print(FILE *out);				/* the program's */
void verb_usage_print(const struct verb *v, FILE *out); /* the verb's, in full */

/* Prints "xenolith: " and the sentence to stderr; returns EXIT_BAD_USAGE. */
int bad_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
