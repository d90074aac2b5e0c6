/*
 * GRUB 2's grub.cfg: a script. Of its language so much is understood as grub-mkconfig and
 * people use: variables, if, menuentry, submenu, source. Functions and loops are skipped,
 * and a command that is not known is one that fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/boot_menu.h"
#include "vmm/boot/menu_bls.h"

#define MAX_DEPTH   32 /* of blocks in each other */
#define MAX_SOURCES 16 /* files in all */

struct script {
	struct boot_menu *m;
	const struct boot_files_source *files;
	struct grub_variables vars;
	unsigned depth, sources;
	bool halted; /* by a limit: nothing is read any more */
};

/* Where in the text, and in what. */
struct block {
	const char *text;
	struct boot_entry *entry; /* whose body this is, or NULL */
	int menu;
};

/* What ended a run of statements. */
enum stop { STOP_TEXT, STOP_CLOSE, STOP_ELSE, STOP_ELIF, STOP_FI };

static int run(struct script *s, struct block *b, bool execute, enum stop *stop);

static bool is(const struct grub_statement *st, unsigned i, const char *word)
{
	return i < st->nr && !strcmp(st->word[i], word);
}

static bool keyword(const struct grub_statement *st, const char *word)
{
	return st->nr && st->plain[0] && is(st, 0, word);
}

/* ---- conditions ---- */

static bool file_exists(struct script *s, const char *path, bool with_content)
{
	void *data;
	size_t size;
	int rc = s->files ? s->files->read(s->files->arg, boot_path_without_device(path), &data,
					   &size)
			  : -ENOENT;

	if (rc)
		return rc == -EISDIR || rc == -EFBIG;
	free(data);
	return size || !with_content;
}

/* The words of `test`, first to last - 1; only what is written in such files. */
static bool test(struct script *s, const struct grub_statement *st, unsigned first, unsigned last)
{
	bool negate = false, result = false;

	/* "a -o b" and "a -a b": from the left. */
	for (unsigned i = first; i < last; i++)
		if (is(st, i, "-o"))
			return test(s, st, first, i) || test(s, st, i + 1, last);
	for (unsigned i = first; i < last; i++)
		if (is(st, i, "-a"))
			return test(s, st, first, i) && test(s, st, i + 1, last);
	while (first < last && is(st, first, "!")) {
		negate = !negate;
		first++;
	}
	unsigned nr = last - first;
	const char *a = nr > 0 ? st->word[first] : "", *b = nr > 1 ? st->word[first + 1] : "",
		   *c = nr > 2 ? st->word[first + 2] : "";
	if (nr == 1)
		result = *a;
	else if (nr == 2 && !strcmp(a, "-n"))
		result = *b;
	else if (nr == 2 && !strcmp(a, "-z"))
		result = !*b;
	else if (nr == 2 && (!strcmp(a, "-f") || !strcmp(a, "-e") || !strcmp(a, "-s")))
		result = file_exists(s, b, a[1] == 's');
	else if (nr == 3 && (!strcmp(b, "=") || !strcmp(b, "==")))
		result = !strcmp(a, c);
	else if (nr == 3 && !strcmp(b, "!="))
		result = strcmp(a, c);
	else if (nr == 3 && !strcmp(b, "-eq"))
		result = atoi(a) == atoi(c);
	else if (nr == 3 && !strcmp(b, "-ne"))
		result = atoi(a) != atoi(c);
	return result != negate;
}

/* The command behind `if`, from word `first` on. */
static bool condition(struct script *s, const struct grub_statement *st, unsigned first)
{
	bool negate = is(st, first, "!"), result = false;

	first += negate;
	if (is(st, first, "["))
		result = test(s, st, first + 1, is(st, st->nr - 1, "]") ? st->nr - 1 : st->nr);
	else if (is(st, first, "test"))
		result = test(s, st, first + 1, st->nr);
	else if (is(st, first, "true"))
		result = true;
	return result != negate;
}

/* Behind the statement `if ...`. `then` may be a statement of its own or a word. */
static int run_if(struct script *s, struct block *b, bool execute, struct grub_statement *st)
{
	bool taken = false, now = execute && condition(s, st, 1);
	enum stop stop;
	int rc;

	for (;;) {
		rc = run(s, b, now, &stop);
		taken |= now;
		if (rc || stop == STOP_FI || stop == STOP_TEXT || stop == STOP_CLOSE)
			return rc;
		now = execute && !taken;
		if (stop == STOP_ELIF) {
			struct grub_statement cond;
			rc = grub_statement_read(&b->text, &s->vars, &cond);
			now = !rc && now && condition(s, &cond, 0);
			grub_statement_free(&cond);
			if (rc)
				return rc;
		}
	}
}

/* ---- entries ---- */

/* Title and id of `menuentry TITLE [--class C] [--id ID] [$menuentry_id_option ID]`. */
static int name_entry(struct boot_entry *e, const struct grub_statement *st)
{
	int rc = 0;

	for (unsigned i = 1; !rc && i < st->nr; i++) {
		if (is(st, i, "--id") && i + 1 < st->nr) {
			i++;
			rc = boot_set(&e->id, st->word[i], strlen(st->word[i]));
		} else if (!strncmp(st->word[i], "--id=", 5)) {
			rc = boot_set(&e->id, st->word[i] + 5, strlen(st->word[i] + 5));
		} else if (is(st, i, "--class") || is(st, i, "--users") || is(st, i, "--hotkey") ||
			   is(st, i, "--source")) {
			i++;
		} else if (st->word[i][0] != '-' && !e->title[0]) {
			rc = boot_set(&e->title, st->word[i], strlen(st->word[i]));
		}
	}
	return rc;
}

/* A menuentry or a submenu: its body is run at once, which sets what it boots. */
static int run_entry(struct script *s, struct block *b, bool execute, struct grub_statement *st,
		     bool submenu)
{
	struct block body = {.text = b->text, .menu = b->menu};
	enum stop stop;
	int rc = 0;

	if (execute) {
		struct boot_entry *e = boot_menu_add(s->m, b->menu);
		if (!e) {
			s->halted = true;
			return s->m->problem[0] ? 0 : -ENOMEM;
		}
		e->is_submenu = submenu;
		rc = name_entry(e, st);
		if (submenu)
			body.menu = (int)s->m->nr - 1;
		else
			body.entry = e;
	}
	if (!rc)
		rc = run(s, &body, execute, &stop);
	b->text = body.text;
	return rc;
}

/* As GRUB hands arguments on (grub_create_loader_cmdline): one with blanks in quotes. */
static int join(char **out, const struct grub_statement *st, unsigned first)
{
	char line[BOOT_MAX_CMDLINE];
	size_t n = 0;

	for (unsigned i = first; i < st->nr; i++) {
		const char *quote = strpbrk(st->word[i], " \t") ? "\"" : "";
		int len = snprintf(line + n, sizeof(line) - n, "%s%s%s%s", i > first ? " " : "",
				   quote, st->word[i], quote);
		if (len < 0 || (size_t)len >= sizeof(line) - n) {
			n = sizeof(line) - 1; /* too long: whoever uses it will say so */
			break;
		}
		n += (size_t)len;
	}
	return boot_set(out, line, n);
}

int grub2_set_kernel(struct boot_entry *e, const struct grub_statement *st)
{
	unsigned i = 1;

	while (i < st->nr && !strncmp(st->word[i], "--", 2))
		i++;
	if (i >= st->nr)
		return 0;
	const char *path = boot_path_without_device(st->word[i]);
	int rc = boot_set(&e->kernel, path, strlen(path));
	return rc ? rc : join(&e->args, st, i + 1);
}

int grub2_add_initrds(struct boot_entry *e, const struct grub_statement *st)
{
	for (unsigned i = 1; i < st->nr && e->nr_initrds < BOOT_MAX_INITRDS; i++) {
		const char *path = boot_path_without_device(st->word[i]);
		char **to = &e->initrd[e->nr_initrds];
		if (!strncmp(path, "--", 2))
			continue;
		*to = NULL;
		if (boot_set(to, path, strlen(path)))
			return -ENOMEM;
		e->nr_initrds++;
	}
	return 0;
}

static int set_initrds(struct boot_entry *e, const struct grub_statement *st)
{
	while (e->nr_initrds)
		free(e->initrd[--e->nr_initrds]);
	return grub2_add_initrds(e, st);
}

/* ---- other commands ---- */

static int set_variable(struct script *s, const char *assignment)
{
	size_t len = strcspn(assignment, "=");

	return assignment[len] ? grub_set(&s->vars, assignment, len, assignment + len + 1) : 0;
}

/* grubenv: lines NAME=VALUE behind a first one that is a comment. */
static int load_env(struct script *s, const struct grub_statement *st)
{
	const char *prefix = grub_get(&s->vars, "prefix", 6);
	char path[GRUB_MAX_WORD + 16];
	void *data;
	size_t size;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/grubenv", prefix);
	for (unsigned i = 1; i + 1 < st->nr; i++)
		if (is(st, i, "-f") || is(st, i, "--file"))
			snprintf(path, sizeof(path), "%s", st->word[i + 1]);
	if (!s->files ||
	    s->files->read(s->files->arg, boot_path_without_device(path), &data, &size))
		return 0;
	for (char *line = data; !rc && line;) {
		char *next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		/* next_entry is for one boot: GRUB removes it from the file, which is only read
		 * here, so that it would be for ever. */
		if (line[0] != '#' && strncmp(line, "next_entry=", 11))
			rc = set_variable(s, line);
		line = next;
	}
	free(data);
	return rc;
}

/* source, configfile: the other file's statements, here. */
static int run_source(struct script *s, struct block *b, const char *path)
{
	struct block there = {.entry = b->entry, .menu = b->menu};
	enum stop stop;
	void *data;
	size_t size;

	if (s->sources == MAX_SOURCES || !s->files ||
	    s->files->read(s->files->arg, boot_path_without_device(path), &data, &size))
		return 0;
	s->sources++;
	there.text = data;
	int rc = run(s, &there, true, &stop);
	free(data);
	return rc;
}

static int command(struct script *s, struct block *b, const struct grub_statement *st)
{
	const char *c = st->word[0];

	if (!strcmp(c, "set") && st->nr > 1)
		return set_variable(s, st->word[1]);
	if (!strcmp(c, "unset") && st->nr > 1)
		return grub_set(&s->vars, st->word[1], strlen(st->word[1]), "");
	if (!strcmp(c, "load_env"))
		return load_env(s, st);
	if (st->nr > 1 && (!strcmp(c, "source") || !strcmp(c, ".") || !strcmp(c, "configfile")))
		return run_source(s, b, st->word[1]);
	if (!strcmp(c, "blscfg") && s->files)
		return menu_bls(s->m, b->menu, s->files, &s->vars);
	if (b->entry && (!strcmp(c, "linux") || !strcmp(c, "linux16") || !strcmp(c, "linuxefi")))
		return grub2_set_kernel(b->entry, st);
	if (b->entry && (!strcmp(c, "initrd") || !strcmp(c, "initrd16") || !strcmp(c, "initrdefi")))
		return set_initrds(b->entry, st);
	if (strchr(c, '=') && c[0] != '=')
		return set_variable(s, c);
	return 0;
}

/* for, while, until: to their `done`, whatever is inside. */
static int skip_loop(struct script *s, struct block *b)
{
	struct grub_statement st;
	unsigned open = 1;
	int rc = 0;

	while (!rc && open) {
		rc = grub_statement_read(&b->text, &s->vars, &st);
		if (keyword(&st, "for") || keyword(&st, "while") || keyword(&st, "until"))
			open++;
		else if (keyword(&st, "done"))
			open--;
		bool end = st.end == GRUB_END_TEXT;
		grub_statement_free(&st);
		if (end)
			break;
	}
	return rc;
}

static int statement(struct script *s, struct block *b, bool execute, struct grub_statement *st)
{
	enum stop stop;

	if (keyword(st, "if"))
		return run_if(s, b, execute, st);
	if (keyword(st, "for") || keyword(st, "while") || keyword(st, "until"))
		return skip_loop(s, b);
	if (st->end == GRUB_END_OPEN) {
		if (keyword(st, "menuentry"))
			return run_entry(s, b, execute && !b->entry, st, false);
		if (keyword(st, "submenu"))
			return run_entry(s, b, execute && !b->entry, st, true);
		/* A function is not called, any other block just one. */
		return run(s, b, execute && !keyword(st, "function"), &stop);
	}
	return execute && st->nr ? command(s, b, st) : 0;
}

/* The words `then`, `else` and `do` may have a command behind them. */
static void drop_first(struct grub_statement *st)
{
	free(st->word[0]);
	st->nr--;
	memmove(st->word, st->word + 1, st->nr * sizeof(st->word[0]));
	memmove(st->plain, st->plain + 1, st->nr * sizeof(st->plain[0]));
}

static int run_statements(struct script *s, struct block *b, bool execute, enum stop *stop)
{
	struct grub_statement st;
	const char *start;
	int rc = 0;

	for (;;) {
		start = b->text;
		rc = grub_statement_read(&b->text, &s->vars, &st);
		start += strspn(start, " \t\r\n;");
		if (keyword(&st, "then")) {
			drop_first(&st);
			start += 4;
			start += strspn(start, " \t\r\n;");
		}
		bool end = st.end == GRUB_END_TEXT && !st.nr, stopped = true;
		if (rc || end)
			*stop = STOP_TEXT;
		else if (st.nr && st.plain[0] && st.word[0][0] == '}')
			*stop = STOP_CLOSE;
		else if (keyword(&st, "fi"))
			*stop = STOP_FI;
		else if (keyword(&st, "else") || keyword(&st, "elif"))
			*stop = is(&st, 0, "else") ? STOP_ELSE : STOP_ELIF;
		else
			stopped = false;
		if (stopped && !rc && !end) {
			/* What follows in the same statement is read once more. */
			b->text = start;
			b->text += *stop == STOP_CLOSE ? 1 : *stop == STOP_FI ? 2 : 4;
		}
		if (!stopped)
			rc = statement(s, b, execute, &st);
		grub_statement_free(&st);
		if (rc || stopped || s->halted)
			return rc;
	}
}

static int run(struct script *s, struct block *b, bool execute, enum stop *stop)
{
	*stop = STOP_TEXT;
	if (s->depth == MAX_DEPTH) {
		snprintf(s->m->problem, sizeof(s->m->problem), "it is nested too deeply");
		s->halted = true;
		return 0;
	}
	s->depth++;
	int rc = run_statements(s, b, execute, stop);
	s->depth--;
	return rc;
}

int boot_menu_grub2(struct boot_menu *m, const char *text, const char *path,
		    const struct boot_files_source *files)
{
	struct script *s = calloc(1, sizeof(*s));
	struct block b = {.text = text, .menu = -1};
	const char *slash = strrchr(path, '/');
	char *prefix = strndup(path, slash ? (size_t)(slash - path) : 0);
	enum stop stop = STOP_CLOSE;
	int rc = s && prefix ? 0 : -ENOMEM;

	if (!rc) {
		s->m = m;
		s->files = files;
		rc = grub_set(&s->vars, "prefix", 6, prefix);
	}
	/* What GRUB sets itself; a platform name that Debian's files know. */
	if (!rc)
		rc = grub_set(&s->vars, "grub_platform", 13, "xen");
	if (!rc)
		rc = grub_set(&s->vars, "grub_cpu", 8, "x86_64");
	if (!rc)
		rc = grub_set(&s->vars, "feature_menuentry_id", 20, "y");
	if (!rc)
		rc = grub_set(&s->vars, "feature_default_font_path", 25, "y");
	/* A '}' too many ends nothing. */
	while (!rc && stop != STOP_TEXT && !s->halted)
		rc = run(s, &b, true, &stop);
	if (!rc)
		rc = boot_set(&m->chosen, grub_get(&s->vars, "default", 7),
			      strlen(grub_get(&s->vars, "default", 7)));
	if (s)
		grub_variables_free(&s->vars);
	free(s);
	free(prefix);
	return rc;
}
