/*
 * Command-line options from a table: a row says all about an option, and both
 * the parsing and the usage text come from the rows.
 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "vmm/error.h"

struct option {
	const char *name;  /* without the dashes; NULL ends the table */
	char letter;	   /* of the short form, 0: none */
	const char *arg;   /* its argument's name for the usage; NULL: takes none */
	bool arg_optional; /* only as --name=ARG */
	const char *help;  /* lines separated by '\n' */
	/* value is NULL when there is none. 0, or negative errno and a sentence. */
	int (*parse)(void *into, const char *value, struct error *err);
};

/* Parses argv[1] to argv[argc - 1] in any order; `--` ends the options. Words that
 * are no options are moved to the front of argv, from argv[0]. Returns their
 * number, or negative errno and a sentence; *help is set, and the rest not
 * looked at, when -h or --help is met. */
int options_parse(const struct option *table, int argc, char **argv, void *into, bool *help,
		  struct error *err);
/* The usage lines of all options, -h included. */
void options_print(const struct option *table, FILE *out);

/* Helpers for parse functions. All name the option in their sentence. */

/* A whole number, decimal or 0x..., within the limits. */
int option_number(const char *option, const char *unit, const char *value, unsigned long long min,
		  unsigned long long max, unsigned long long *result, struct error *err);
/* The index of value in a NULL-terminated list, or -EINVAL. */
int option_choice(const char *option, const char *value, const char *const *choices,
		  struct error *err);

#endif
