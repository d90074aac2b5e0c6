/*
 * What the host does to a guest: xenolith's own verbs, and a few things beside them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdint.h>

#include <xen/io/xs_wire.h>

#include "vmm/scenario/scene.h"
#include "vmm/suggest.h"

/* word[0] is the action's name; all have been filled in. A shell's status; negative errno. */
typedef int (*action_fn)(struct scene *sc, char *const *word, unsigned nr);

static int do_write(struct scene *sc, char *const *w, unsigned nr)
{
	char *path = scene_store_path(sc, w[1]);
	int rc = path ? scene_store_change(sc, XS_WRITE, path, nr > 2 ? w[2] : "",
					   nr > 2 ? strlen(w[2]) : 0)
		      : -ENOMEM;

	free(path);
	return rc;
}

static int do_rm(struct scene *sc, char *const *w, unsigned nr)
{
	char *path = scene_store_path(sc, w[1]);
	int rc = path ? scene_store_change(sc, XS_RM, path, NULL, 0) : -ENOMEM;

	free(path);
	return rc;
}

static int do_chmod(struct scene *sc, char *const *w, unsigned nr)
{
	char *path = scene_store_path(sc, w[1]), perms[256];
	size_t len = 0;

	for (unsigned i = 2; i < nr && len < sizeof(perms); i++)
		len += (size_t)snprintf(perms + len, sizeof(perms) - len, "%s", w[i]) + 1;
	int rc = path && len <= sizeof(perms)
			 ? scene_store_change(sc, XS_SET_PERMS, path, perms, len)
			 : -EINVAL;
	free(path);
	return rc;
}

static int do_input(struct scene *sc, char *const *w, unsigned nr)
{
	for (unsigned i = 1; i < nr; i++)
		if (write(sc->console_in, w[i], strlen(w[i])) < 0 ||
		    write(sc->console_in, i + 1 < nr ? " " : "\n", 1) < 0)
			return -errno;
	return 0;
}

static int do_resize(struct scene *sc, char *const *w, unsigned nr)
{
	char path[4200];
	uint64_t bytes;

	if (scenario_size(w[2], &bytes))
		return -EINVAL;
	snprintf(path, sizeof(path), "%s/%s.img", sc->dir, w[1]);
	return truncate(path, (off_t)bytes) ? -errno : 0;
}

static int do_kill(struct scene *sc, char *const *w, unsigned nr)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = {{"TERM", SIGTERM},
		    {"INT", SIGINT},
		    {"KILL", SIGKILL},
		    {"STOP", SIGSTOP},
		    {"CONT", SIGCONT}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, w[1]))
			return kill(sc->domain, rows[i].number) ? -errno : 0;
	return -EINVAL;
}

/* The operands of xenolith's verbs follow the domain. */
static int do_verb(struct scene *sc, char *const *w, unsigned nr)
{
	char *argv[40] = {(char *)sc->host->program, w[0], "guest"};

	if (nr + 3 > sizeof(argv) / sizeof(argv[0]))
		return -E2BIG;
	for (unsigned i = 1; i < nr; i++)
		argv[i + 2] = w[i];
	return scene_call(sc, argv);
}

/* A disk by its name, where it is one of the scenario's. */
static int do_attach(struct scene *sc, char *const *w, unsigned nr)
{
	char *words[40], *spec[40] = {NULL};
	int rc = 0;

	if (nr > sizeof(words) / sizeof(words[0]))
		return -E2BIG;
	memcpy(words, w, nr * sizeof(*w));
	for (unsigned i = 1; i < nr; i++)
		for (unsigned k = 0; k < sc->s->nr_disks; k++)
			if (!strcmp(w[i], sc->s->disk[k].dev)) {
				spec[i] = scene_disk_spec(sc, &sc->s->disk[k]);
				rc = spec[i] ? rc : -ENOMEM;
				words[i] = spec[i];
			}
	rc = rc ? rc : do_verb(sc, words, nr);
	for (unsigned i = 1; i < nr; i++)
		free(spec[i]);
	return rc;
}

static const struct {
	const char *name;
	unsigned min; /* operands */
	action_fn run;
} actions[] = {
	{"pause", 0, do_verb},		 {"unpause", 0, do_verb},
	{"shutdown", 0, do_verb},	 {"reboot", 0, do_verb},
	{"destroy", 0, do_verb},	 {"sysrq", 1, do_verb},
	{"trigger", 1, do_verb},	 {"debug-keys", 1, do_verb},
	{"mem-set", 1, do_verb},	 {"vcpu-set", 1, do_verb},
	{"vcpu-pin", 2, do_verb},	 {"block-attach", 1, do_attach},
	{"block-detach", 1, do_verb},	 {"cd-insert", 2, do_verb},
	{"cd-eject", 1, do_verb},	 {"network-attach", 0, do_verb},
	{"network-detach", 1, do_verb},	 {"inject", 1, do_verb},
	{"pci-attach", 1, do_verb},	 {"pci-detach", 1, do_verb},
	{"xenstore-write", 1, do_write}, {"xenstore-rm", 1, do_rm},
	{"xenstore-chmod", 2, do_chmod}, {"input", 1, do_input},
	{"resize", 2, do_resize},	 {"kill", 1, do_kill},
};
#define NR_ACTIONS (sizeof(actions) / sizeof(actions[0]))

int scenario_action_check(const struct text_list *words, struct error *err)
{
	struct suggestion g = {.word = words->nr ? words->text[0] : ""};
	uint64_t bytes;

	if (!words->nr)
		return error_set(err, -EINVAL, "'do' needs an action");
	for (size_t i = 0; i < NR_ACTIONS; i++) {
		suggestion_offer(&g, actions[i].name);
		if (strcmp(actions[i].name, words->text[0]))
			continue;
		if (words->nr - 1 < actions[i].min)
			return error_set(err, -EINVAL, "'%s' needs %u operand%s", actions[i].name,
					 actions[i].min, actions[i].min == 1 ? "" : "s");
		if (actions[i].run == do_resize && scenario_size(words->text[2], &bytes))
			return error_set(err, -EINVAL, "'%s' is no size like 64M", words->text[2]);
		return 0;
	}
	return error_set(err, -EINVAL, "there is no action '%s'%s%s%s", words->text[0],
			 g.nearest ? "; did you mean '" : "; docs/scenarios.md lists them",
			 g.nearest ? g.nearest : "", g.nearest ? "'?" : "");
}

char *scene_word(const struct scene *sc, const char *word)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		return NULL;
	while (*word) {
		if (!strncmp(word, "{domid}", 7)) {
			fprintf(f, "%u", sc->domid);
			word += 7;
		} else if (!strncmp(word, "{dir}", 5)) {
			fputs(sc->dir, f);
			word += 5;
		} else {
			fputc(*word++, f);
		}
	}
	fclose(f);
	return out;
}

char *scene_store_path(const struct scene *sc, const char *path)
{
	char *p = NULL;
	int n = 0;

	if (*path == '/')
		return strdup(path);
	if (!strncmp(path, "backend/", 8)) {
		size_t kind = strcspn(path + 8, "/");

		n = asprintf(&p, "/local/domain/0/backend/%.*s/%u%s", (int)kind, path + 8,
			     sc->domid, path + 8 + kind);
	} else {
		n = asprintf(&p, "/local/domain/%u/%s", sc->domid, path);
	}
	return n < 0 ? NULL : p;
}

static bool outcome_fits(const struct step *st, int rc)
{
	return st->outcome == MAY_FAIL || (rc == 0) == (st->outcome == MUST_SUCCEED);
}

int scene_do(struct scene *sc, const struct step *st)
{
	char *word[40] = {NULL};
	unsigned nr = st->word.nr;
	int rc = nr > 40 ? -E2BIG : -ENOSYS;

	if (sc->ended)
		return scene_fail(sc, st->line, "the guest has ended (%s) before '%s'", sc->how,
				  st->word.text[0]);
	for (unsigned i = 0; i < nr && i < 40; i++)
		if (!(word[i] = scene_word(sc, st->word.text[i])))
			rc = -ENOMEM;
	for (size_t i = 0; i < NR_ACTIONS && rc == -ENOSYS; i++)
		if (!strcmp(actions[i].name, word[0]))
			rc = actions[i].run(sc, word, nr);
	for (unsigned i = 0; i < nr && i < 40; i++)
		free(word[i]);
	if (outcome_fits(st, rc) || scene_failed(sc))
		return scene_failed(sc) ? -1 : 0;
	if (rc < 0)
		return scene_fail(sc, st->line, "'%s' failed: %s", st->word.text[0], strerror(-rc));
	return rc ? scene_fail(sc, st->line, "'%s' ended with status %d: see actions.log",
			       st->word.text[0], rc)
		  : scene_fail(sc, st->line, "'%s' succeeded, and should have failed",
			       st->word.text[0]);
}
