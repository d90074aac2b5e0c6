/*
 * What is expected of a scene, and what must never be on a guest's console.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/scenario/scene.h"
#include "vmm/scenario/trace_reader.h"

#define POLL_MS 30

/* A kernel that has found something wrong with itself, and `check` in a script. */
#define BAD_LINES                                                                    \
	"BUG:|Oops|WARNING: |Call Trace|general protection|: segfault|Kernel panic|" \
	"INFO: task .* blocked|detected stall|soft lockup|UBSAN|KASAN|^FAIL: |"      \
	"insmod: can't"

/* What a script found wrong is excused by an expression that says so only: one for the kernel's
 * complaints, like `.*`, does not mean it. */
static bool is_allowed(const struct text_list *l, const char *line)
{
	bool fail = !strncmp(line, "FAIL: ", 6);

	for (unsigned i = 0; i < l->nr; i++)
		if ((!fail || strstr(l->text[i], "FAIL")) && scenario_matches(l->text[i], line))
			return true;
	return false;
}

static void judge_line(struct scene *sc, const char *line)
{
	static regex_t bad;
	static bool compiled;

	if (!compiled)
		compiled = !regcomp(&bad, BAD_LINES, REG_EXTENDED | REG_NOSUB);
	if (!regexec(&bad, line, 0, NULL, 0) && !is_allowed(&sc->s->allow, line))
		scene_fail(sc, 0, "on the console: %s", line);
	for (unsigned i = 0; i < sc->s->nr_steps; i++) {
		const struct step *st = &sc->s->step[i];

		if (st->kind == STEP_NO_CONSOLE && !regexec(&st->regex, line, 0, NULL, 0))
			scene_fail(sc, st->line, "on the console: %s", line);
	}
}

void scene_judge_console(struct scene *sc, bool all)
{
	while (sc->judged < sc->console_len) {
		char *line = sc->console + sc->judged;
		char *end = strchr(line, '\n');

		if (!end && !all)
			break;
		if (end)
			*end = 0;
		judge_line(sc, line);
		sc->judged += strlen(line) + (end ? 1 : 0);
		if (end)
			*end = '\n';
	}
}

/* Looks for a line from the last one that was found. */
static bool console_has(struct scene *sc, const struct step *st)
{
	size_t at = sc->expected;

	while (at < sc->console_len) {
		char *line = sc->console + at, *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) : strlen(line);

		if (end)
			*end = 0;
		bool found = !regexec(&st->regex, line, 0, NULL, 0);
		if (end)
			*end = '\n';
		at += len + (end ? 1 : 0);
		if (found) {
			sc->expected = at;
			return true;
		}
	}
	return false;
}

static bool store_has(struct scene *sc, const struct step *st, char *value, size_t size)
{
	char *word = scene_word(sc, st->text), *path = word ? scene_store_path(sc, word) : NULL;
	int rc = path ? scene_store_read(sc, path, value, size) : -ENOMEM;

	free(word);
	free(path);
	if (rc)
		snprintf(value, size, "(%s)", strerror(-rc));
	if (st->kind == STEP_NO_XENSTORE)
		return rc == -ENOENT;
	return !rc && !regexec(&st->regex, value, 0, NULL, 0);
}

static bool messages_have(const struct scene *sc, const struct step *st)
{
	char path[4200], line[1024];
	bool found = false;

	snprintf(path, sizeof(path), "%s/messages.log", sc->dir);
	FILE *f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		found = !regexec(&st->regex, line, 0, NULL, 0);
	}
	if (f)
		fclose(f);
	return found;
}

static unsigned long records(const struct scene *sc, const struct step *st)
{
	return sc->records[st - sc->s->step];
}

static bool holds(struct scene *sc, const struct step *st, char *value, size_t size)
{
	switch (st->kind) {
	case STEP_CONSOLE:
		return console_has(sc, st);
	case STEP_MESSAGE:
		return messages_have(sc, st);
	case STEP_XENSTORE:
	case STEP_NO_XENSTORE:
		return store_has(sc, st, value, size);
	case STEP_TRACE:
		return st->limit != AT_LEAST || records(sc, st) >= st->n;
	case STEP_EXIT:
		return sc->ended;
	default:
		return true;
	}
}

static int missed(struct scene *sc, const struct step *st, const char *value)
{
	const char *why = sc->ended ? "before the guest ended" : "in time";

	switch (st->kind) {
	case STEP_CONSOLE:
		return scene_fail(sc, st->line, "no /%s/ on the console %s", st->regex_text, why);
	case STEP_MESSAGE:
		return scene_fail(sc, st->line, "xenolith did not say /%s/ %s", st->regex_text,
				  why);
	case STEP_XENSTORE:
		return scene_fail(sc, st->line, "%s was never /%s/; last it was '%s'", st->text,
				  st->regex_text, value);
	case STEP_NO_XENSTORE:
		return scene_fail(sc, st->line, "%s is still there: '%s'", st->text, value);
	case STEP_TRACE:
		return scene_fail(sc, st->line, "%lu records of '%s', and not %u %s",
				  records(sc, st), st->text, st->n, why);
	default:
		return scene_fail(sc, st->line, "the guest did not end in time");
	}
}

int scene_expect(struct scene *sc, const struct step *st)
{
	uint64_t end = scene_now() + st->within * sc->host->patience;
	char value[256] = "";

	if (end > sc->deadline)
		end = sc->deadline;
	while (!holds(sc, st, value, sizeof(value))) {
		bool ended = sc->ended;

		if (scene_failed(sc))
			return -1;
		scene_pump(sc, POLL_MS);
		if (ended || scene_now() > end) {
			/* What was said last has been read by now. */
			if (holds(sc, st, value, sizeof(value)))
				break;
			return missed(sc, st, value);
		}
	}
	if (st->kind == STEP_EXIT && strcmp(sc->how, st->text))
		return scene_fail(sc, st->line, "the guest's end is '%s', not '%s'", sc->how,
				  st->text);
	return scene_failed(sc) ? -1 : 0;
}

/* A scenario whose fault never came has tested nothing. */
bool scene_wants_faults(const struct scenario *s)
{
	for (unsigned i = 0; i < s->nr_steps; i++)
		if (s->step[i].kind == STEP_DO && !strcmp(s->step[i].word.text[0], "inject"))
			return true;
	return s->inject.nr;
}

/* The lists have those that no vcpu or request passes by, too. */
static bool faults_listed(const struct scene *sc)
{
	static const char *const names[] = {"injected.log", "guest.faults"};
	char path[4200], line[1024];
	bool found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", sc->dir, names[i]);
		FILE *f = fopen(path, "re");
		while (f && !found && fgets(line, sizeof(line), f))
			found = !strncmp(line, "hit ", 4);
		if (f)
			fclose(f);
	}
	return found;
}

void scene_expect_end(struct scene *sc)
{
	if (scene_wants_faults(sc->s) && !trace_reader_faults(sc->trace) && !faults_listed(sc))
		scene_fail(sc, 0, "no fault was injected");
	for (unsigned i = 0; i < sc->s->nr_steps; i++) {
		const struct step *st = &sc->s->step[i];

		if (st->kind == STEP_TRACE && st->limit != AT_LEAST &&
		    (records(sc, st) > st->n || (st->limit == EXACTLY && records(sc, st) < st->n)))
			scene_fail(sc, st->line, "%lu records of '%s', and not %s %u",
				   records(sc, st), st->text,
				   st->limit == EXACTLY ? "exactly" : "at most", st->n);
	}
}
