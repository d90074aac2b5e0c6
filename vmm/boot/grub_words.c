/*
 * From text to statements: GRUB manual, "Shell-like scripting".
 */
#include "vmm/boot/grub_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- variables ---- */

static char **find(const struct grub_variables *v, const char *name, size_t len)
{
	for (unsigned i = 0; i < v->nr; i++)
		if (strlen(v->var[i].name) == len && !memcmp(v->var[i].name, name, len))
			return (char **)(size_t)&v->var[i].value;
	return NULL;
}

int grub_set(struct grub_variables *v, const char *name, size_t len, const char *value)
{
	char **there = find(v, name, len);
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	if (!there) {
		if (v->nr == GRUB_MAX_VARS || len > 64) {
			free(copy);
			return 0;
		}
		char *own = strndup(name, len);
		if (!own) {
			free(copy);
			return -ENOMEM;
		}
		v->var[v->nr].name = own;
		v->var[v->nr++].value = copy;
		return 0;
	}
	free(*there);
	*there = copy;
	return 0;
}

const char *grub_get(const struct grub_variables *v, const char *name, size_t len)
{
	char **there = find(v, name, len);

	return there ? *there : "";
}

void grub_variables_free(struct grub_variables *v)
{
	for (unsigned i = 0; i < v->nr; i++) {
		free(v->var[i].name);
		free(v->var[i].value);
	}
	v->nr = 0;
}

/* ---- words ---- */

struct word {
	char text[GRUB_MAX_WORD];
	unsigned len;
	bool any; /* there is one, if only "" */
	bool plain;
};

static void put(struct word *w, const char *s, size_t len)
{
	/* What is too long is cut: nothing real is. */
	if (len > GRUB_MAX_WORD - 1 - w->len)
		len = GRUB_MAX_WORD - 1 - w->len;
	memcpy(w->text + w->len, s, len);
	w->len += (unsigned)len;
	w->any = true;
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static int end_word(struct grub_statement *s, struct word *w)
{
	if (!w->any)
		return 0;
	/* More than anybody writes: the rest is left out. */
	if (s->nr < GRUB_MAX_WORDS) {
		char *copy = strndup(w->text, w->len);
		if (!copy)
			return -ENOMEM;
		s->plain[s->nr] = w->plain;
		s->word[s->nr++] = copy;
	}
	w->len = 0;
	w->any = false;
	w->plain = true;
	return 0;
}

/* Behind '$'. An unquoted value of several words makes several. */
static int variable(const char **text, const struct grub_variables *v, struct grub_statement *s,
		    struct word *w, bool quoted)
{
	const char *t = *text, *name;
	size_t len = 0;
	bool braces = *t == '{';

	name = t += braces;
	if (!braces && (*t == '?' || *t == '#' || *t == '*' || *t == '@'))
		len = 1;
	else
		while (name_char(t[len]))
			len++;
	if (braces && t[len] != '}') {
		put(w, "$", 1); /* no variable */
		return 0;
	}
	if (!len && !braces) {
		put(w, "$", 1);
		return 0;
	}
	*text = t + len + braces;
	const char *value = grub_get(v, name, len);
	w->plain = false;
	if (quoted) {
		put(w, value, strlen(value));
		return 0;
	}
	while (*value) {
		size_t n = strcspn(value, " \t\n");
		if (n)
			put(w, value, n);
		value += n;
		if (*value) {
			int rc = end_word(s, w);
			if (rc)
				return rc;
			w->plain = false;
		}
		value += strspn(value, " \t\n");
	}
	return 0;
}

/* Behind a '"'. */
static int double_quoted(const char **text, const struct grub_variables *v,
			 struct grub_statement *s, struct word *w)
{
	int rc = 0;

	put(w, "", 0);
	while (!rc && **text && **text != '"') {
		char c = *(*text)++;
		if (c == '\\' && **text && strchr("\"$\\\n", **text)) {
			c = *(*text)++;
			if (c != '\n')
				put(w, &c, 1);
		} else if (c == '$') {
			rc = variable(text, v, s, w, true);
		} else {
			put(w, &c, 1);
		}
	}
	*text += **text == '"';
	return rc;
}

static void single_quoted(const char **text, struct word *w)
{
	size_t n = strcspn(*text, "'");

	put(w, *text, n);
	*text += n;
	*text += **text == '\'';
}

int grub_statement_read(const char **text, const struct grub_variables *v, struct grub_statement *s)
{
	struct word w = {.plain = true};
	int rc = 0;

	memset(s, 0, sizeof(*s));
	s->end = GRUB_END_TEXT;
	while (!rc && **text) {
		char c = *(*text)++;
		if (c == '\n' || c == ';') {
			s->end = GRUB_END_LINE;
			break;
		}
		if (c == ' ' || c == '\t' || c == '\r') {
			rc = end_word(s, &w);
		} else if (c == '#' && !w.any) {
			*text += strcspn(*text, "\n");
		} else if (c == '{' && !w.any) {
			s->end = GRUB_END_OPEN;
			break;
		} else if (c == '}' && !w.any) {
			/* A statement of its own; it ends the one before it. */
			s->end = GRUB_END_LINE;
			if (s->nr)
				--*text;
			else
				put(&w, "}", 1);
			break;
		} else if (c == '\\') {
			w.plain = false;
			if (**text && *(*text)++ != '\n')
				put(&w, *text - 1, 1);
		} else if (c == '\'') {
			w.plain = false;
			single_quoted(text, &w);
		} else if (c == '"') {
			w.plain = false;
			rc = double_quoted(text, v, s, &w);
		} else if (c == '$') {
			rc = variable(text, v, s, &w, false);
		} else {
			put(&w, &c, 1);
		}
	}
	return rc ? rc : end_word(s, &w);
}

void grub_statement_free(struct grub_statement *s)
{
	for (unsigned i = 0; i < s->nr; i++)
		free(s->word[i]);
	s->nr = 0;
}
