/*
 * From words to settings.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/config/config_lex.h"

static void value_free(struct config_value *v)
{
	if (!v)
		return;
	for (unsigned i = 0; i < v->nr_items; i++)
		value_free(v->item[i]);
	free(v->item);
	free(v->string);
	free(v);
}

void config_file_free(struct config_file *c)
{
	for (unsigned i = 0; i < c->nr; i++) {
		free(c->setting[i].key);
		value_free(c->setting[i].value);
	}
	free(c->setting);
	*c = (struct config_file){0};
}

static struct config_setting *find(const struct config_file *c, const char *key)
{
	for (unsigned i = 0; i < c->nr; i++)
		if (!strcmp(c->setting[i].key, key))
			return &c->setting[i];
	return NULL;
}

const struct config_setting *config_file_find(const struct config_file *c, const char *key)
{
	return find(c, key);
}

int config_error(struct error *err, const struct config_setting *s, const struct config_value *v,
		 const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_set(err, -EINVAL, "%s:%u:%u: %s", s->source, v ? v->line : s->line,
			 v ? v->column : s->column, text);
}

static int no_memory(struct config_lexer *l)
{
	return error_set(l->err, -ENOMEM, "out of memory");
}

/* ---- values ---- */

static int unexpected(struct config_lexer *l, const char *wanted)
{
	bool value_wanted = !strncmp(wanted, "a value", 7);

	if (l->word == WORD_KEY)
		return config_lex_error(l, l->word_line, l->word_column,
					"%s is expected here, not '%s'%s", wanted, l->text,
					value_wanted ? "; a string needs quotes" : "");
	return config_lex_error(l, l->word_line, l->word_column, "%s is expected here, not %s",
				wanted, config_word_name(l->word));
}

/* Reads words until one is no newline. */
static int skip_newlines(struct config_lexer *l)
{
	int rc = 0;

	while (!rc && l->word == WORD_NEWLINE)
		rc = config_lex(l);
	return rc;
}

static int append(struct config_lexer *l, struct config_value *list, struct config_value *v)
{
	/* Room comes in powers of two. */
	if (!(list->nr_items & (list->nr_items - 1))) {
		size_t room = list->nr_items ? 2 * (size_t)list->nr_items : 1;
		struct config_value **item = realloc(list->item, room * sizeof(*item));
		if (!item)
			return no_memory(l);
		list->item = item;
	}
	list->item[list->nr_items++] = v;
	return 0;
}

static int value(struct config_lexer *l, unsigned depth, struct config_value **out);

/* Behind '['. */
static int list(struct config_lexer *l, unsigned depth, struct config_value *v)
{
	int rc = config_lex(l);

	if (depth == CONFIG_NEST_MAX)
		return config_lex_error(l, v->line, v->column, "lists are nested too deeply here");
	for (;;) {
		if (!rc)
			rc = skip_newlines(l);
		if (rc)
			return rc;
		if (l->word == WORD_CLOSE)
			return 0;
		if (l->word == WORD_END)
			return config_lex_error(l, v->line, v->column,
						"this list has no end: ] is missing");
		struct config_value *item = NULL;
		rc = value(l, depth + 1, &item);
		if (!rc)
			rc = append(l, v, item);
		if (rc) {
			value_free(item);
			return rc;
		}
		rc = config_lex(l);
		if (!rc)
			rc = skip_newlines(l);
		if (rc || l->word == WORD_CLOSE)
			return rc;
		if (l->word == WORD_END)
			continue;
		if (l->word != WORD_COMMA)
			return unexpected(l, "',' or ']'");
		rc = config_lex(l);
	}
}

/* At the value's first word; at its last one afterwards. */
static int value(struct config_lexer *l, unsigned depth, struct config_value **out)
{
	struct config_value *v = calloc(1, sizeof(*v));
	int rc = 0;

	if (!v)
		return no_memory(l);
	v->line = l->word_line;
	v->column = l->word_column;
	if (l->word == WORD_STRING || l->word == WORD_NUMBER) {
		v->type = CONFIG_STRING;
		v->string = l->text;
		l->text = NULL;
	} else if (l->word == WORD_OPEN) {
		v->type = CONFIG_LIST;
		rc = list(l, depth, v);
	} else {
		rc = unexpected(l, depth ? "a value or ']'" : "a value");
	}
	if (rc)
		value_free(v);
	else
		*out = v;
	return rc;
}

/* ---- settings ---- */

/* Puts what was there before `v`. */
static int join(struct config_lexer *l, const struct config_setting *s, struct config_value *old,
		struct config_value *v)
{
	if (old->type != v->type)
		return config_lex_error(
			l, v->line, v->column, "+= cannot join a %s to the %s of %s:%u",
			v->type == CONFIG_LIST ? "list" : "string",
			old->type == CONFIG_LIST ? "list" : "string", s->source, s->line);
	if (v->type == CONFIG_STRING) {
		char *both = malloc(strlen(old->string) + strlen(v->string) + 1);
		if (!both)
			return no_memory(l);
		strcpy(both, old->string);
		strcat(both, v->string);
		free(v->string);
		v->string = both;
		return 0;
	}
	for (unsigned i = 0; i < v->nr_items; i++) {
		int rc = append(l, old, v->item[i]);
		if (rc)
			return rc;
		v->item[i] = NULL;
	}
	free(v->item);
	v->item = old->item;
	v->nr_items = old->nr_items;
	old->item = NULL;
	old->nr_items = 0;
	return 0;
}

/* Takes key and v over. */
static int store(struct config_lexer *l, struct config_file *c, struct config_setting *new)
{
	struct config_setting *s = find(c, new->key);
	int rc = 0;

	if (s && new->added)
		rc = join(l, s, s->value, new->value);
	if (!rc && !s && c->nr == CONFIG_KEYS_MAX)
		rc = config_lex_error(l, new->line, new->column, "more than %d keys",
				      CONFIG_KEYS_MAX);
	if (!rc && !s && c->nr == c->room) {
		unsigned room = c->room ? 2 * c->room : 16;
		s = realloc(c->setting, room * sizeof(*s));
		if (s) {
			c->setting = s;
			c->room = room;
			s = NULL;
		} else {
			rc = no_memory(l);
		}
	}
	if (rc) {
		free(new->key);
		value_free(new->value);
		return rc;
	}
	if (s) {
		free(s->key);
		value_free(s->value);
	} else {
		s = &c->setting[c->nr++];
	}
	*s = *new;
	return 0;
}

static int not_assigned(struct config_lexer *l, const struct config_setting *s)
{
	static const char *const python[] = {"import", "from",	"def", "if",   "for",
					     "else",   "print", "try", "while"};

	for (size_t i = 0; i < sizeof(python) / sizeof(python[0]); i++)
		if (!strcmp(s->key, python[i]))
			return config_lex_error(l, s->line, s->column,
						"'%s' looks like Python code, which xl does not "
						"run any more: write the values out",
						s->key);
	return config_lex_error(l, l->word_line, l->word_column,
				"'=' is expected behind '%s', not %s", s->key,
				l->word == WORD_KEY ? "another word" : config_word_name(l->word));
}

static int assignment(struct config_lexer *l, struct config_file *c)
{
	struct config_setting s = {
		.key = l->text,
		.source = l->source,
		.line = l->word_line,
		.column = l->word_column,
	};

	l->text = NULL;
	int rc = config_lex(l);
	if (!rc && l->word != WORD_ASSIGN && l->word != WORD_ADD)
		rc = not_assigned(l, &s);
	if (!rc) {
		s.added = l->word == WORD_ADD;
		rc = config_lex(l);
	}
	if (!rc)
		rc = value(l, 0, &s.value);
	if (rc) {
		free(s.key);
		return rc;
	}
	rc = store(l, c, &s);
	if (!rc)
		rc = config_lex(l);
	if (!rc && l->word != WORD_NEWLINE && l->word != WORD_SEMICOLON && l->word != WORD_END)
		rc = unexpected(l, "the end of the line or ';'");
	return rc;
}

int config_file_parse(struct config_file *c, const char *source, const char *text, size_t len,
		      struct error *err)
{
	struct config_lexer l = {
		.source = source,
		.at = text,
		.end = text + len,
		.line = 1,
		.column = 1,
		.err = err,
	};
	int rc;

	if (len > CONFIG_FILE_MAX)
		return error_set(err, -EFBIG, "%s: too big for a configuration file", source);
	do {
		rc = config_lex(&l);
		if (rc || l.word == WORD_NEWLINE || l.word == WORD_SEMICOLON || l.word == WORD_END)
			continue;
		rc = l.word == WORD_KEY ? assignment(&l, c) : unexpected(&l, "a key");
	} while (!rc && l.word != WORD_END);
	free(l.text);
	return rc;
}

int config_file_read(struct config_file *c, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(CONFIG_FILE_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;
	int rc = 0;

	while (fd >= 0 && text && n > 0 && len <= CONFIG_FILE_MAX) {
		n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		rc = error_set(err, -errno, "cannot read the configuration '%s': %s", path,
			       strerror(errno));
	else if (!text)
		rc = error_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = config_file_parse(c, path, text, len, err);
	if (fd >= 0)
		close(fd);
	free(text);
	return rc;
}
