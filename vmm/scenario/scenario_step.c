/*
 * Steps of a scenario: what the host does, and what is expected. One function a first word.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/scenario/scenario.h"
#include "vmm/trace/trace.h"

#define DEFAULT_WITHIN 180000000000ull

static const char *const exits[] = {"poweroff", "reboot",    "suspend", "crash",
				    "watchdog", "destroyed", "signal",	NULL};

static char *last_word(char *text)
{
	size_t n = strlen(text);

	while (n && text[n - 1] != ' ')
		n--;
	return text + n;
}

static void trim(char *text)
{
	size_t n = strlen(text);

	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		text[--n] = 0;
}

/* Cuts "within TIME" off the end. */
static int take_within(char *text, uint64_t *within, struct error *err)
{
	*within = DEFAULT_WITHIN;
	trim(text);
	char *value = last_word(text);
	if (value - text < 8 || strncmp(value - 7, "within ", 7) ||
	    (value - text > 8 && value[-8] != ' '))
		return 0;
	if (scenario_time(value, within))
		return error_set(err, -EINVAL, "'within %s': not a time like 500ms or 20s", value);
	value[-7] = 0;
	trim(text);
	return 0;
}

/* Cuts "at least N" and the like off the end. */
static int take_count(char *text, struct step *st, struct error *err)
{
	static const struct {
		const char *words;
		enum step_limit limit;
	} rows[] = {{"at least", AT_LEAST}, {"at most", AT_MOST}, {"exactly", EXACTLY}};
	char *value = last_word(text), *end;

	st->limit = AT_LEAST;
	st->n = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].words);

		if ((size_t)(value - text) < len + 2 ||
		    strncmp(value - len - 1, rows[i].words, len))
			continue;
		unsigned long n = strtoul(value, &end, 10);
		if (*end || end == value || n > 1000000)
			return error_set(err, -EINVAL, "'%s %s': not a number of records",
					 rows[i].words, value);
		st->limit = rows[i].limit;
		st->n = (unsigned)n;
		value[-(ptrdiff_t)len - 1] = 0;
		trim(text);
		break;
	}
	return 0;
}

static int take_regex(struct step *st, const char *text, struct error *err)
{
	char why[200];

	if (!*text)
		return error_set(err, -EINVAL, "a regular expression is missing");
	int rc = regcomp(&st->regex, text, REG_EXTENDED | REG_NOSUB);
	if (rc) {
		regerror(rc, &st->regex, why, sizeof(why));
		return error_set(err, -EINVAL, "'%s' is no regular expression: %s", text, why);
	}
	st->has_regex = true;
	st->regex_text = strdup(text);
	return st->regex_text ? 0 : -ENOMEM;
}

static int expect_console(struct step *st, char *text, bool no, struct error *err)
{
	st->kind = no ? STEP_NO_CONSOLE : STEP_CONSOLE;
	return take_regex(st, text, err);
}

static int expect_message(struct step *st, char *text, bool no, struct error *err)
{
	st->kind = STEP_MESSAGE;
	return no ? error_set(err, -EINVAL, "there is no 'expect no message'")
		  : take_regex(st, text, err);
}

static int expect_xenstore(struct step *st, char *text, bool no, struct error *err)
{
	char *value = strstr(text, " = ");

	st->kind = no ? STEP_NO_XENSTORE : STEP_XENSTORE;
	if (!*text || (no && value) || (!no && !value))
		return error_set(err, -EINVAL,
				 no ? "'expect no xenstore' takes a path"
				    : "'expect xenstore' takes PATH = REGEX");
	if (value)
		*value = 0;
	trim(text);
	st->text = strdup(text);
	if (!st->text)
		return -ENOMEM;
	return value ? take_regex(st, value + 3, err) : 0;
}

static int expect_trace(struct step *st, char *text, bool no, struct error *err)
{
	struct error why;

	st->kind = STEP_TRACE;
	int rc = take_count(text, st, err);
	if (rc)
		return rc;
	if (no) {
		st->limit = EXACTLY;
		st->n = 0;
	}
	if (trace_what_check(text, &why))
		return error_set(err, -EINVAL, "%s", why.text);
	st->text = strdup(text);
	return st->text ? 0 : -ENOMEM;
}

static int expect_exit(struct step *st, char *text, bool no, struct error *err)
{
	bool known = false;

	st->kind = STEP_EXIT;
	for (unsigned i = 0; exits[i]; i++)
		known |= !strcmp(text, exits[i]);
	if (no || !known)
		return error_set(err, -EINVAL,
				 "'expect exit' takes poweroff, reboot, suspend, crash, watchdog, "
				 "destroyed or signal");
	st->text = strdup(text);
	return st->text ? 0 : -ENOMEM;
}

static int step_expect(struct step *st, const char *rest, struct error *err)
{
	static const struct {
		const char *word;
		int (*parse)(struct step *st, char *text, bool no, struct error *err);
	} rows[] = {
		{"console ", expect_console}, {"xenstore ", expect_xenstore},
		{"trace ", expect_trace},     {"message ", expect_message},
		{"exit ", expect_exit},
	};
	bool no = !strncmp(rest, "no ", 3);
	int rc = -EINVAL;

	rest += no ? 3 : 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].word);
		char *text;

		if (strncmp(rest, rows[i].word, len))
			continue;
		text = strdup(rest + len + strspn(rest + len, " \t"));
		if (!text)
			return -ENOMEM;
		rc = take_within(text, &st->within, err);
		if (!rc)
			rc = rows[i].parse(st, text, no, err);
		free(text);
		return rc;
	}
	return error_set(err, rc,
			 "'expect' takes [no] console, xenstore, trace, message or exit, not '%s'",
			 rest);
}

static int step_do(struct step *st, const char *rest, struct error *err)
{
	int rc;

	st->kind = STEP_DO;
	if (!strncmp(rest, "fails ", 6)) {
		st->outcome = MUST_FAIL;
		rest += 6;
	} else if (!strncmp(rest, "maybe ", 6)) {
		st->outcome = MAY_FAIL;
		rest += 6;
	}
	rc = scenario_split(rest, &st->word);
	if (rc == -EINVAL)
		return error_set(err, rc, "a quote has no end");
	return rc ? rc : scenario_action_check(&st->word, err);
}

static int step_at(struct step *st, const char *rest, struct error *err)
{
	size_t len = strcspn(rest, " \t");
	char time[24];

	if (len < sizeof(time)) {
		memcpy(time, rest, len);
		time[len] = 0;
		rest += len + strspn(rest + len, " \t");
	}
	if (len >= sizeof(time) || scenario_time(time, &st->at) || strncmp(rest, "do ", 3))
		return error_set(err, -EINVAL,
				 "'at' takes a time like 2s, then 'do' and an action");
	return step_do(st, rest + 3 + strspn(rest + 3, " \t"), err);
}

static int step_wait(struct step *st, const char *rest, struct error *err)
{
	st->kind = STEP_WAIT;
	return scenario_time(rest, &st->within)
		       ? error_set(err, -EINVAL, "'wait' takes a time like 500ms, not '%s'", rest)
		       : 0;
}

static int step_repeat(struct step *st, const char *rest, struct error *err)
{
	char *end;
	unsigned long n = strtoul(rest, &end, 10);

	st->kind = STEP_REPEAT;
	st->n = (unsigned)n;
	return *end || end == rest || !n || n > 100000
		       ? error_set(err, -EINVAL,
				   "'repeat' takes a number from 1 to 100000, not '%s'", rest)
		       : 0;
}

static int step_end(struct step *st, const char *rest, struct error *err)
{
	st->kind = STEP_END;
	return *rest ? error_set(err, -EINVAL, "'end' stands alone") : 0;
}

static const struct {
	const char *word;
	int (*parse)(struct step *st, const char *rest, struct error *err);
} steps[] = {
	{"expect", step_expect}, {"do", step_do},	  {"at", step_at},
	{"wait", step_wait},	 {"repeat", step_repeat}, {"end", step_end},
};

bool scenario_is_step(const char *word)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(steps[i].word, word))
			return true;
	return false;
}

int scenario_step_parse(struct step *st, const char *word, const char *rest, struct error *err)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(steps[i].word, word)) {
			int rc = steps[i].parse(st, rest, err);

			return rc == -ENOMEM ? error_set(err, rc, "out of memory") : rc;
		}
	return error_set(err, -EINVAL, "'%s' is no step", word);
}
