/*
 * The options of a model: see pci_options.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/pci_options.h"

struct reading {
	const struct pci_option *o;
	const char *value; /* NULL: there is no "=value" */
	void *to;
	char *err;
	size_t errlen;
};

static int read_flag(struct reading *r)
{
	bool *to = r->to;

	if (!r->value || !strcmp(r->value, "1"))
		*to = true;
	else if (!strcmp(r->value, "0"))
		*to = false;
	else
		return snprintf(r->err, r->errlen, "%s is 0 or 1, not '%s'", r->o->key, r->value),
		       -EINVAL;
	return 0;
}

static int read_number(struct reading *r)
{
	const struct pci_option *o = r->o;
	const char *v = r->value ? r->value : "";
	unsigned long n = 0;
	char *end = NULL;

	errno = 0;
	if (*v >= '0' && *v <= '9')
		n = strtoul(v, &end, 0);
	if (!end || *end || errno || n < o->min || n > o->max) {
		snprintf(r->err, r->errlen, "%s is %u to %u, not '%s'", o->key, o->min, o->max, v);
		return -EINVAL;
	}
	*(unsigned *)r->to = (unsigned)n;
	return 0;
}

static int read_choice(struct reading *r)
{
	const char *c = r->o->choices, *v = r->value ? r->value : "";

	for (unsigned i = 0; *c; i++) {
		size_t len = strcspn(c, "|");

		if (strlen(v) == len && !strncmp(c, v, len)) {
			*(unsigned *)r->to = i;
			return 0;
		}
		c += len + (c[len] == '|');
	}
	snprintf(r->err, r->errlen, "%s is one of %s, not '%s'", r->o->key, r->o->choices, v);
	return -EINVAL;
}

static int read_string(struct reading *r)
{
	char **to = r->to;

	if (!r->value || !*r->value) {
		snprintf(r->err, r->errlen, "%s needs a value", r->o->key);
		return -EINVAL;
	}
	free(*to);
	*to = strdup(r->value);
	if (!*to)
		snprintf(r->err, r->errlen, "out of memory");
	return *to ? 0 : -ENOMEM;
}

static int (*const readers[])(struct reading *) = {
	[PCI_OPTION_FLAG] = read_flag,
	[PCI_OPTION_NUMBER] = read_number,
	[PCI_OPTION_CHOICE] = read_choice,
	[PCI_OPTION_STRING] = read_string,
};

/* "a, b, c": what there is. */
static void unknown(const struct pci_option *table, const char *key, char *err, size_t errlen)
{
	int n = snprintf(err, errlen, "unknown option '%s' (there are", key);

	for (const struct pci_option *o = table; o->key; o++)
		if (n >= 0 && (size_t)n < errlen)
			n += snprintf(err + n, errlen - (size_t)n, "%s %s", o == table ? "" : ",",
				      o->key);
	if (n >= 0 && (size_t)n < errlen)
		snprintf(err + n, errlen - (size_t)n, ")");
}

static int read_one(const struct pci_option *table, void *into, char *word, char *err,
		    size_t errlen)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = 0;
	for (const struct pci_option *o = table; o->key; o++)
		if (!strcmp(o->key, word)) {
			struct reading r = {.o = o, .value = value, .err = err, .errlen = errlen};

			r.to = (uint8_t *)into + o->offset;
			return readers[o->kind](&r);
		}
	unknown(table, word, err, errlen);
	return -EINVAL;
}

int pci_options_parse(const struct pci_option *table, void *into, const char *text, char *err,
		      size_t errlen)
{
	char *copy = strdup(text ? text : ""), *rest = copy, *word;
	int rc = 0;

	if (!copy) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	while (!rc && (word = strsep(&rest, ","))) {
		word += strspn(word, " \t");
		if (*word)
			rc = read_one(table, into, word, err, errlen);
	}
	free(copy);
	return rc;
}

void pci_options_free(const struct pci_option *table, void *into)
{
	for (const struct pci_option *o = table; o->key; o++)
		if (o->kind == PCI_OPTION_STRING) {
			char **s = (char **)((uint8_t *)into + o->offset);

			free(*s);
			*s = NULL;
		}
}
