/*
 * Parsing and printing of option tables: see options.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/options.h"
#include "vmm/suggest.h"

#define HELP_COLUMN 26

static const struct option help_option = {.name = "help", .letter = 'h', .help = "print this text"};

static const struct option *find_long(const struct option *table, const char *name, size_t len)
{
	for (const struct option *o = table; o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	if (len == strlen(help_option.name) && !memcmp(help_option.name, name, len))
		return &help_option;
	return NULL;
}

static const struct option *find_short(const struct option *table, char letter)
{
	for (const struct option *o = table; o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return letter == help_option.letter ? &help_option : NULL;
}

static int unknown_long(const struct option *table, const char *word, size_t len, struct error *err)
{
	char name[64];
	struct suggestion s = {.word = name};

	snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), word);
	for (const struct option *o = table; o->name; o++)
		suggestion_offer(&s, o->name);
	suggestion_offer(&s, help_option.name);
	if (s.nearest)
		return error_set(err, -EINVAL, "unknown option --%s; did you mean --%s?", name,
				 s.nearest);
	return error_set(err, -EINVAL, "unknown option --%s", name);
}

/* `next`: the word after the option; *used is set when it was the argument. */
static int parse_long(const struct option *table, const char *word, const char *next, void *into,
		      bool *help, bool *used, struct error *err)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct option *o = find_long(table, word, len);

	if (!o)
		return unknown_long(table, word, len, err);
	if (value && !o->arg)
		return error_set(err, -EINVAL, "option --%s takes no argument", o->name);
	if (o == &help_option) {
		*help = true;
		return 0;
	}
	if (!value && o->arg && !o->arg_optional) {
		if (!next)
			return error_set(err, -EINVAL, "option --%s needs an argument: --%s=%s",
					 o->name, o->name, o->arg);
		value = next;
		*used = true;
	}
	return o->parse(into, value, err);
}

/* Letters may be joined: -vv. An argument is the rest of the word, or the next one. */
static int parse_letters(const struct option *table, const char *letters, const char *next,
			 void *into, bool *help, bool *used, struct error *err)
{
	for (; *letters && !*help; letters++) {
		const struct option *o = find_short(table, *letters);
		const char *value = NULL;
		int rc;

		if (!o)
			return error_set(err, -EINVAL, "unknown option -%c",
					 isprint((unsigned char)*letters) ? *letters : '?');
		if (o == &help_option) {
			*help = true;
			return 0;
		}
		if (o->arg && !o->arg_optional) {
			value = letters[1] ? letters + 1 : next;
			*used = !letters[1];
			if (!value)
				return error_set(err, -EINVAL,
						 "option -%c needs an argument: -%c %s", *letters,
						 *letters, o->arg);
		}
		rc = o->parse(into, value, err);
		if (rc || value)
			return rc;
	}
	return 0;
}

int options_parse(const struct option *table, int argc, char **argv, void *into, bool *help,
		  struct error *err)
{
	bool ended = false;
	int words = 0, rc = 0;

	*help = false;
	for (int i = 1; i < argc && !rc && !*help; i++) {
		char *a = argv[i];
		bool used = false;

		if (ended || a[0] != '-' || !a[1]) {
			argv[words++] = a;
		} else if (!strcmp(a, "--")) {
			ended = true;
		} else if (a[1] == '-') {
			rc = parse_long(table, a + 2, i + 1 < argc ? argv[i + 1] : NULL, into, help,
					&used, err);
			i += used;
		} else {
			rc = parse_letters(table, a + 1, i + 1 < argc ? argv[i + 1] : NULL, into,
					   help, &used, err);
			i += used;
		}
	}
	return rc ? rc : words;
}

static void print_one(const struct option *o, FILE *out)
{
	char left[64];
	const char *line = o->help;
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s--%s", o->letter ? '-' : ' ',
		     o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name);
	if (o->arg)
		snprintf(left + n, sizeof(left) - n, o->arg_optional ? "[=%s]" : "=%s", o->arg);
	fprintf(out, "%-*s", HELP_COLUMN, left);
	if (strlen(left) >= HELP_COLUMN)
		fprintf(out, "\n%*s", HELP_COLUMN, "");
	while (line) {
		const char *end = strchr(line, '\n');

		fprintf(out, "%.*s\n", end ? (int)(end - line) : (int)strlen(line), line);
		line = end ? end + 1 : NULL;
		if (line)
			fprintf(out, "%*s", HELP_COLUMN, "");
	}
}

void options_print(const struct option *table, FILE *out)
{
	for (const struct option *o = table; o->name; o++)
		print_one(o, out);
	print_one(&help_option, out);
}

int option_number(const char *option, const char *unit, const char *value, unsigned long long min,
		  unsigned long long max, unsigned long long *result, struct error *err)
{
	char *end = NULL;
	unsigned long long n = 0;

	errno = 0;
	/* strtoull would take blanks and a sign; a leading zero means nothing here. */
	if (isdigit((unsigned char)value[0]))
		n = strtoull(value, &end, value[0] == '0' && (value[1] | 0x20) == 'x' ? 16 : 10);
	if (!end || *end || errno || n < min || n > max)
		return error_set(err, -EINVAL, "option --%s takes %s from %llu to %llu, not '%s'",
				 option, unit, min, max, value);
	*result = n;
	return 0;
}

int option_choice(const char *option, const char *value, const char *const *choices,
		  struct error *err)
{
	char list[200] = "";
	size_t n = 0;

	for (int i = 0; choices[i]; i++)
		if (!strcmp(choices[i], value))
			return i;
	for (int i = 0; choices[i] && n < sizeof(list); i++)
		n += snprintf(list + n, sizeof(list) - n, "%s%s",
			      !i	       ? ""
			      : choices[i + 1] ? ", "
					       : " or ",
			      choices[i]);
	return error_set(err, -EINVAL, "option --%s takes %s, not '%s'", option, list, value);
}
