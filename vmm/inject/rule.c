/*
 * Reading a rule.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/inject/inject.h"
#include "vmm/trace/trace.h"

#define MAX_WORDS 12
#define MAX_TIME  4e18 /* ns; a century, and the clocks have room for two of them */

bool inject_time(const char *text, int64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1},	  {"us", 1e3},	 {"ms", 1e6}, {"s", 1e9},
		     {"m", 60e9}, {"h", 3600e9}, {"", 1e9}};
	char *end;
	double n = strtod(text, &end);

	if (end == text || n != n || n > 1e9 || n < -1e9)
		return false;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit)) {
			n *= units[i].ns;
			if (n >= MAX_TIME || n <= -MAX_TIME)
				return false;
			*ns = (int64_t)n;
			return true;
		}
	return false;
}

static bool whole(const char *text, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 0);
	return *text && *text != '-' && !*end && !errno;
}

/* "EIO", "-EIO" or its number. */
static bool errno_of(const char *text, int64_t *value)
{
	char *end;

	if (*text == '-')
		text++;
	*value = -strtol(text, &end, 10);
	if (*text && !*end && *value < 0 && *value > -4096)
		return true;
	for (int e = 1; e < 134; e++) {
		const char *name = strerrorname_np(e);
		if (name && !strcmp(name, text)) {
			*value = -e;
			return true;
		}
	}
	return false;
}

static int bad_value(const char *action, const char *kind, const char *value, struct error *err)
{
	return error_set(err, -EINVAL, "'%s' takes %s, not '%s'", action,
			 !strcmp(kind, "TIME")	  ? "a time (10us, 5ms, 2s)"
			 : !strcmp(kind, "ERRNO") ? "an error (EIO, ENOMEM ...)"
						  : "a number",
			 value);
}

static int read_value(struct fault *f, const struct fault_point *p, const char *value,
		      struct error *err)
{
	const char *action = fault_kind_name(p->kind);
	char *end;

	f->kind = p->kind;
	f->has_value = value;
	f->value = 0;
	if (!value)
		return 0;
	if (!*p->value)
		return error_set(err, -EINVAL, "'%s' takes no value at %s", action,
				 probe_get(p->probe)->name);
	if (!strcmp(p->value, "TIME"))
		return inject_time(value, &f->value) && (f->value >= 0 || p->kind == FAULT_STEP)
			       ? 0
			       : bad_value(action, p->value, value, err);
	if (!strcmp(p->value, "ERRNO"))
		return errno_of(value, &f->value) ? 0 : bad_value(action, p->value, value, err);
	f->value = strtoll(value, &end, 0);
	return *value && !*end ? 0 : bad_value(action, p->value, value, err);
}

/* The action of a probe's, or a sentence with those that it has. */
static int read_action(struct inject_rule *r, const char *word, struct error *err)
{
	size_t len = strcspn(word, "=");
	char known[200] = "";

	for (unsigned i = 0; i < nr_fault_points; i++) {
		const struct fault_point *p = &fault_points[i];
		const char *name = fault_kind_name(p->kind);

		if (p->probe != r->probe)
			continue;
		if (strlen(name) == len && !strncmp(name, word, len))
			return read_value(&r->fault, p, word[len] ? word + len + 1 : NULL, err);
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 *known ? ", " : "", name);
	}
	return error_set(err, -EINVAL, "'%.*s' is nothing that can go wrong at %s (%s)", (int)len,
			 word, probe_get(r->probe)->name, known);
}

static int read_trigger(struct inject_rule *r, const char *word, struct error *err)
{
	const char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	int64_t t;
	char *end;
	bool ok = value && *++value;

	if (!strncmp(word, "p=", 2)) {
		r->p = strtod(value, &end);
		ok = ok && !*end && r->p >= 0 && r->p <= 1;
	} else if (ok && len == 4 && !strncmp(word, "skip", 4)) {
		ok = whole(value, &r->skip);
	} else if (ok && len == 5 && !strncmp(word, "count", 5)) {
		ok = whole(value, &r->count) && r->count;
	} else if (ok && len == 5 && !strncmp(word, "every", 5) && r->probe == PROBE_tick) {
		ok = inject_time(value, &t) && t >= 100000;
		r->period = (uint64_t)t;
	} else if (ok && len == 5 && !strncmp(word, "every", 5)) {
		ok = whole(value, &r->every) && r->every;
	} else if (ok && len == 5 && !strncmp(word, "after", 5)) {
		ok = inject_time(value, &t) && t >= 0;
		r->after = (uint64_t)t;
	} else if (ok && len == 5 && !strncmp(word, "until", 5)) {
		ok = inject_time(value, &t) && t > 0;
		r->until = (uint64_t)t;
	} else {
		return error_set(err, -EINVAL,
				 "'%s' is none of p=0.1, skip=N, every=N, count=N, after=TIME and "
				 "until=TIME",
				 word);
	}
	return ok ? 0 : error_set(err, -EINVAL, "'%s': the value is wrong", word);
}

static int read_words(struct inject_rule *r, char **word, unsigned nr, struct error *err)
{
	char *name = strndup(word[0], strcspn(word[0], ":"));
	const char *what = word[0];
	int rc = -EINVAL;

	probes_init();
	for (unsigned i = 0; name && i < nr_fault_points && rc; i++)
		if (!strcmp(probe_get(fault_points[i].probe)->name, name)) {
			r->probe = fault_points[i].probe;
			rc = 0;
		}
	if (rc)
		error_set(err, rc,
			  "nothing can go wrong at '%s'; 'xenolith help inject' lists the points",
			  name ? name : "");
	free(name);
	if (!rc && nr < 2)
		rc = error_set(err, -EINVAL, "what is to go wrong at '%s'?", what);
	if (!rc && !(r->filter = trace_filter_create(&what, 1, err)))
		rc = -EINVAL;
	if (!rc)
		rc = read_action(r, word[1], err);
	for (unsigned i = 2; !rc && i < nr; i++)
		rc = read_trigger(r, word[i], err);
	if (!rc && r->probe == PROBE_tick && !r->period)
		rc = error_set(err, -EINVAL, "a tick needs every=TIME (at least 100us)");
	return rc;
}

int inject_rule_parse(struct inject_rule *r, const char *text, struct error *err)
{
	char *copy = strdup(text), *rest = copy, *word[MAX_WORDS], *w;
	unsigned nr = 0;
	int rc;

	*r = (struct inject_rule){.text = text, .p = 1, .every = 1};
	while (copy && nr < MAX_WORDS && (w = strsep(&rest, " \t")))
		if (*w)
			word[nr++] = w;
	if (!copy)
		rc = error_set(err, -ENOMEM, "out of memory");
	else if (!nr || rest)
		rc = error_set(err, -EINVAL, nr ? "it has too many words" : "it is empty");
	else
		rc = read_words(r, word, nr, err);
	free(copy);
	if (rc) {
		char why[sizeof(err->text)];

		snprintf(why, sizeof(why), "%s", err->text);
		inject_rule_free(r);
		return error_set(err, rc, "rule '%s': %s", text, why);
	}
	return 0;
}

void inject_rule_free(struct inject_rule *r)
{
	trace_filter_free(r->filter);
	r->filter = NULL;
}

void inject_help(FILE *f)
{
	probes_init();
	for (unsigned i = 0; i < nr_fault_points; i++) {
		const struct fault_point *p = &fault_points[i];
		bool first = !i || p[-1].probe != p->probe;
		char action[40];

		snprintf(action, sizeof(action), "%s%s%s", fault_kind_name(p->kind),
			 *p->value ? "=" : "", p->value);
		fprintf(f, "  %-15s %-20s %s\n", first ? probe_get(p->probe)->name : "", action,
			p->effect);
	}
}
