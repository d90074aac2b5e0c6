/*
 * A scenario's file, line by line: a table of first words.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/inject/inject.h"
#include "vmm/scenario/scenario.h"
#include "vmm/suggest.h"
#include "vmm/trace/trace.h"

#define MAX_FILE      (1u << 20)
#define DEFAULT_LIMIT 300000000000ull

struct reader {
	struct scenario *s;
	struct step *open_repeat;
	unsigned line;
};

typedef int (*parse_fn)(struct reader *r, const char *rest, struct error *err);

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory");
}

static int set_once(char **to, const char *value, const char *what, struct error *err)
{
	if (*to)
		return error_set(err, -EINVAL, "there is a '%s' already", what);
	if (!*value)
		return error_set(err, -EINVAL, "'%s' needs something behind it", what);
	*to = strdup(value);
	return *to ? 0 : no_memory(err);
}

static int add(struct text_list *to, const char *value, const char *what, struct error *err)
{
	if (!*value && strcmp(what, "vif"))
		return error_set(err, -EINVAL, "'%s' needs something behind it", what);
	return text_list_add(to, strdup(value)) ? 0 : no_memory(err);
}

/* A path is as seen from the scenario's folder. */
static char *file_path(const struct scenario *s, const char *path)
{
	const char *slash = strrchr(s->path, '/');
	char *p;

	if (*path == '/' || !slash)
		return strdup(path);
	return asprintf(&p, "%.*s/%s", (int)(slash - s->path), s->path, path) < 0 ? NULL : p;
}

static int parse_title(struct reader *r, const char *rest, struct error *err)
{
	return set_once(&r->s->title, rest, "title", err);
}

static int parse_why(struct reader *r, const char *rest, struct error *err)
{
	char *text;

	if (asprintf(&text, "%s%s%s", r->s->why ? r->s->why : "", r->s->why ? " " : "", rest) < 0)
		return no_memory(err);
	free(r->s->why);
	r->s->why = text;
	return 0;
}

static int parse_guest(struct reader *r, const char *rest, struct error *err)
{
	if (!strchr(rest, '/') || r->s->guest)
		return set_once(&r->s->guest, rest, "guest", err);
	r->s->guest = file_path(r->s, rest);
	return r->s->guest ? 0 : no_memory(err);
}

static int parse_ramdisk(struct reader *r, const char *rest, struct error *err)
{
	if (!*rest || r->s->ramdisk)
		return set_once(&r->s->ramdisk, rest, "ramdisk", err);
	r->s->ramdisk = file_path(r->s, rest);
	return r->s->ramdisk ? 0 : no_memory(err);
}

static int parse_module(struct reader *r, const char *rest, struct error *err)
{
	struct scenario *s = r->s;
	struct text_list w = {0};
	int rc = scenario_split(rest, &w);

	if (!rc && (!w.nr || w.nr > 2 || (w.nr == 2 && strcmp(w.text[1], "later"))))
		rc = error_set(err, -EINVAL,
			       "'module' takes a name or a path, and perhaps 'later'");
	else if (rc || s->nr_modules == SCENARIO_MAX_MODULES)
		rc = error_set(err, -EINVAL, "at most %d modules", SCENARIO_MAX_MODULES);
	if (!rc) {
		struct scenario_module *m = &s->module[s->nr_modules];

		m->later = w.nr == 2;
		m->name = strchr(w.text[0], '/') ? file_path(s, w.text[0]) : strdup(w.text[0]);
		if (m->name)
			s->nr_modules++;
		else
			rc = no_memory(err);
	}
	text_list_free(&w);
	return rc;
}

static int add_disk(struct reader *r, const char *rest, bool spare, struct error *err)
{
	struct scenario *s = r->s;
	struct scenario_disk *d = &s->disk[s->nr_disks];
	struct text_list w = {0};
	int rc = scenario_split(rest, &w);

	if (!rc && s->nr_disks == SCENARIO_MAX_DISKS)
		rc = error_set(err, -EINVAL, "at most %d disks", SCENARIO_MAX_DISKS);
	else if (rc || w.nr < 2 || w.nr > 3 ||
		 (strcmp(w.text[1], "empty") && scenario_size(w.text[1], &d->bytes)))
		rc = error_set(err, -EINVAL,
			       "a disk is DEVICE SIZE [OPTION,...], like 'xvda 16M ro,queues=2'");
	for (unsigned i = 0; !rc && i < s->nr_disks; i++)
		if (!strcmp(s->disk[i].dev, w.text[0]))
			rc = error_set(err, -EINVAL, "there is a disk '%s' already", w.text[0]);
	if (!rc && strchr(w.text[0], '/'))
		rc = error_set(err, -EINVAL, "'%s' is no device", w.text[0]);
	if (!rc) {
		d->spare = spare;
		d->dev = strdup(w.text[0]);
		d->spec = strdup(w.nr == 3 ? w.text[2] : "");
		s->nr_disks++;
		rc = d->dev && d->spec ? 0 : no_memory(err);
	}
	text_list_free(&w);
	return rc;
}

static int parse_disk(struct reader *r, const char *rest, struct error *err)
{
	return add_disk(r, rest, false, err);
}

static int parse_spare(struct reader *r, const char *rest, struct error *err)
{
	return add_disk(r, rest, true, err);
}

static int parse_option(struct reader *r, const char *rest, struct error *err)
{
	int rc;

	if (*rest != '-')
		return error_set(err, -EINVAL,
				 "'option' takes options of 'xenolith run', like --p2m=shuffle");
	rc = scenario_split(rest, &r->s->option);
	return rc ? error_set(err, rc, "a quote has no end") : 0;
}

static int parse_trace(struct reader *r, const char *rest, struct error *err)
{
	int rc = trace_what_check(rest, err);

	return rc ? rc : add(&r->s->trace, rest, "trace", err);
}

static int parse_inject(struct reader *r, const char *rest, struct error *err)
{
	struct inject_rule rule;
	int rc = inject_rule_parse(&rule, rest, err);

	if (rc)
		return rc;
	inject_rule_free(&rule);
	return add(&r->s->inject, rest, "inject", err);
}

static int parse_limit(struct reader *r, const char *rest, struct error *err)
{
	return scenario_time(rest, &r->s->limit)
		       ? error_set(err, -EINVAL, "'limit' takes a time like 90s, not '%s'", rest)
		       : 0;
}

static int add_expression(struct text_list *l, const char *word, const char *rest,
			  struct error *err)
{
	regex_t re;

	if (!*rest || regcomp(&re, rest, REG_EXTENDED | REG_NOSUB))
		return error_set(err, -EINVAL, "'%s' takes a regular expression, not '%s'", word,
				 rest);
	regfree(&re);
	return add(l, rest, word, err);
}

static int parse_allow(struct reader *r, const char *rest, struct error *err)
{
	return add_expression(&r->s->allow, "allow", rest, err);
}

static int parse_xfail(struct reader *r, const char *rest, struct error *err)
{
	size_t n = strcspn(rest, " \t");
	const char *reason = rest + n + strspn(rest + n, " \t");
	char kernel[128];

	if (!n || n >= sizeof(kernel) || !*reason)
		return error_set(err, -EINVAL,
				 "'xfail' takes a kernel's version, like 6.1.* or *, and a reason");
	memcpy(kernel, rest, n);
	kernel[n] = 0;
	int rc = add(&r->s->xfail_kernel, kernel, "xfail", err);
	return rc ? rc : add(&r->s->xfail_reason, reason, "xfail", err);
}

static int parse_xfail_message(struct reader *r, const char *rest, struct error *err)
{
	return add_expression(&r->s->xfail_message, "xfail-message", rest, err);
}

/* Words with one value, and words that may come again. */
static const struct {
	const char *word;
	size_t offset;
	bool list;
} values[] = {
	{"memory", offsetof(struct scenario, memory), false},
	{"maxmem", offsetof(struct scenario, maxmem), false},
	{"vcpus", offsetof(struct scenario, vcpus), false},
	{"maxvcpus", offsetof(struct scenario, maxvcpus), false},
	{"profile", offsetof(struct scenario, profile), false},
	{"p2m", offsetof(struct scenario, p2m), false},
	{"inject-seed", offsetof(struct scenario, inject_seed), false},
	{"cmdline", offsetof(struct scenario, cmdline), true},
	{"vif", offsetof(struct scenario, vif), true},
	{"pci", offsetof(struct scenario, pci), true},
};
#define NR_VALUES (sizeof(values) / sizeof(values[0]))

static const struct {
	const char *word;
	parse_fn parse;
} rows[] = {
	{"title", parse_title},	  {"why", parse_why},
	{"guest", parse_guest},	  {"ramdisk", parse_ramdisk},
	{"module", parse_module}, {"disk", parse_disk},
	{"spare", parse_spare},	  {"option", parse_option},
	{"trace", parse_trace},	  {"limit", parse_limit},
	{"inject", parse_inject}, {"allow", parse_allow},
	{"xfail", parse_xfail},	  {"xfail-message", parse_xfail_message},
};
#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static int add_step(struct reader *r, const char *word, const char *rest, struct error *err)
{
	struct scenario *s = r->s;

	if (s->nr_steps == SCENARIO_MAX_STEPS)
		return error_set(err, -EINVAL, "at most %d steps", SCENARIO_MAX_STEPS);
	struct step *st = &s->step[s->nr_steps++];
	st->line = r->line;
	int rc = scenario_step_parse(st, word, rest, err);
	if (rc)
		return rc;
	s->nr_trace_steps += st->kind == STEP_TRACE;
	if (st->kind == STEP_REPEAT) {
		if (r->open_repeat)
			return error_set(err, -EINVAL, "a 'repeat' within a 'repeat'");
		r->open_repeat = st;
	} else if (st->kind == STEP_END) {
		if (!r->open_repeat)
			return error_set(err, -EINVAL, "an 'end' without a 'repeat'");
		st->partner = (unsigned)(r->open_repeat - s->step);
		r->open_repeat->partner = s->nr_steps - 1;
		r->open_repeat = NULL;
	}
	return 0;
}

static int unknown_word(const char *word, struct error *err)
{
	struct suggestion g = {.word = word};

	for (size_t i = 0; i < NR_ROWS; i++)
		suggestion_offer(&g, rows[i].word);
	for (size_t i = 0; i < NR_VALUES; i++)
		suggestion_offer(&g, values[i].word);
	suggestion_offer(&g, "expect");
	suggestion_offer(&g, "script");
	return error_set(err, -EINVAL, "'%s' is no word of a scenario%s%s%s", word,
			 g.nearest ? "; did you mean '" : "; docs/scenarios.md lists them",
			 g.nearest ? g.nearest : "", g.nearest ? "'?" : "");
}

static int parse_line(struct reader *r, char *line, struct error *err)
{
	size_t n = strcspn(line, " \t");
	char *rest = line + n + strspn(line + n, " \t");

	line[n] = 0;
	if (scenario_is_step(line))
		return add_step(r, line, rest, err);
	for (size_t i = 0; i < NR_ROWS; i++)
		if (!strcmp(rows[i].word, line))
			return rows[i].parse(r, rest, err);
	for (size_t i = 0; i < NR_VALUES; i++) {
		void *to = (char *)r->s + values[i].offset;

		if (!strcmp(values[i].word, line))
			return values[i].list ? add(to, rest, line, err)
					      : set_once(to, rest, line, err);
	}
	return unknown_word(line, err);
}

/* The lines below `script` that are indented, or empty. */
static int parse_script(struct reader *r, const char **at, struct error *err)
{
	const char *p = *at;

	if (r->s->script)
		return error_set(err, -EINVAL, "there is a 'script' already");
	while (*p == ' ' || *p == '\t' || *p == '\n') {
		p += strcspn(p, "\n");
		p += *p == '\n';
		r->line++;
	}
	r->s->script = strndup(*at, (size_t)(p - *at));
	*at = p;
	return r->s->script ? 0 : no_memory(err);
}

static int parse_text(struct reader *r, const char *text, struct error *err)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = strndup(text, len);
		int rc = 0;

		if (!line)
			return no_memory(err);
		r->line++;
		text += len + (text[len] == '\n');
		while (len && isspace((unsigned char)line[len - 1]))
			line[--len] = 0;
		char *first = line + strspn(line, " \t");
		if (!strcmp(first, "script"))
			rc = parse_script(r, &text, err);
		else if (*first && *first != '#')
			rc = parse_line(r, first, err);
		free(line);
		if (rc)
			return rc;
	}
	r->line++;
	return r->open_repeat ? error_set(err, -EINVAL, "a 'repeat' without its 'end'") : 0;
}

/* What a scenario must have, and what does not go together. */
static int check(struct reader *r, struct error *err)
{
	struct scenario *s = r->s;

	if (!s->title)
		return error_set(err, -EINVAL, "a scenario needs a 'title'");
	if (!s->guest && !(s->guest = strdup("linux-cloud")))
		return no_memory(err);
	if (s->ramdisk && (s->script || s->nr_modules))
		return error_set(err, -EINVAL,
				 "'script' and 'module' are for the ramdisk that is made, and this "
				 "scenario has a 'ramdisk' of its own");
	if (s->nr_trace_steps + s->trace.nr > 6)
		return error_set(err, -EINVAL, "at most 6 traces");
	return 0;
}

struct scenario *scenario_parse(const char *path, const char *text, struct error *err)
{
	struct scenario *s = calloc(1, sizeof(*s));
	struct reader r = {.s = s};
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t len = strlen(base);
	struct error why = {""};
	int rc;

	if (!s) {
		no_memory(err);
		return NULL;
	}
	s->limit = DEFAULT_LIMIT;
	s->path = strdup(path);
	s->name = strndup(base, len > 4 && !strcmp(base + len - 4, ".scn") ? len - 4 : len);
	s->step = calloc(SCENARIO_MAX_STEPS, sizeof(*s->step));
	rc = s->path && s->name && s->step ? parse_text(&r, text, &why) : no_memory(&why);
	if (!rc)
		rc = check(&r, &why);
	if (!rc)
		return s;
	error_set(err, rc, "%s:%u: %s", path, r.line, why.text);
	scenario_free(s);
	return NULL;
}

struct scenario *scenario_read(const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	struct scenario *s = NULL;
	char *text = malloc(MAX_FILE + 1);

	if (!f || !text) {
		error_set(err, -EINVAL, "cannot read %s: %s", path, strerror(f ? ENOMEM : errno));
	} else {
		size_t n = fread(text, 1, MAX_FILE + 1, f);

		if (ferror(f))
			error_set(err, -EINVAL, "cannot read %s: %s", path, strerror(errno));
		else if (n > MAX_FILE || memchr(text, 0, n))
			error_set(err, -EINVAL, "%s is no scenario: %s", path,
				  n > MAX_FILE ? "it is longer than 1 MiB" : "it has zero bytes");
		else {
			text[n] = 0;
			s = scenario_parse(path, text, err);
		}
	}
	free(text);
	if (f)
		fclose(f);
	return s;
}

void scenario_free(struct scenario *s)
{
	char **const strings[] = {&s->path,    &s->name,   &s->title,  &s->why,	       &s->guest,
				  &s->ramdisk, &s->memory, &s->maxmem, &s->vcpus,      &s->maxvcpus,
				  &s->profile, &s->p2m,	   &s->script, &s->inject_seed};
	struct text_list *const lists[] = {
		&s->cmdline, &s->vif,	&s->pci,	  &s->option,	    &s->inject,
		&s->trace,   &s->allow, &s->xfail_kernel, &s->xfail_reason, &s->xfail_message};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free(*strings[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		text_list_free(lists[i]);
	for (unsigned i = 0; i < s->nr_modules; i++)
		free(s->module[i].name);
	for (unsigned i = 0; i < s->nr_disks; i++) {
		free(s->disk[i].dev);
		free(s->disk[i].spec);
	}
	for (unsigned i = 0; s->step && i < s->nr_steps; i++) {
		struct step *st = &s->step[i];

		free(st->text);
		free(st->regex_text);
		text_list_free(&st->word);
		if (st->has_regex)
			regfree(&st->regex);
	}
	free(s->step);
	free(s);
}
