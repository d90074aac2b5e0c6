/*
 * From characters to words.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "vmm/config/config_lex.h"

const char *config_word_name(enum config_word w)
{
	static const char *const names[] = {
		[WORD_KEY] = "a key",
		[WORD_NUMBER] = "a number",
		[WORD_STRING] = "a string",
		[WORD_NEWLINE] = "the end of the line",
		[WORD_ASSIGN] = "'='",
		[WORD_ADD] = "'+='",
		[WORD_OPEN] = "'['",
		[WORD_CLOSE] = "']'",
		[WORD_COMMA] = "','",
		[WORD_SEMICOLON] = "';'",
		[WORD_END] = "the end of the file",
	};

	return names[w];
}

int config_lex_error(struct config_lexer *l, unsigned line, unsigned column, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return error_set(l->err, -EINVAL, "%s:%u:%u: %s", l->source, line, column, text);
}

static bool more(const struct config_lexer *l)
{
	return l->at < l->end;
}

static char next(struct config_lexer *l)
{
	char c = *l->at++;

	if (c == '\n') {
		l->line++;
		l->column = 1;
	} else {
		l->column++;
	}
	return c;
}

static int bad_character(struct config_lexer *l)
{
	unsigned char c = (unsigned char)*l->at;

	if (c == '\r')
		return config_lex_error(l, l->line, l->column,
					"the line ends like a DOS text file's; xl takes UNIX line "
					"ends only (sed -i 's/\\r$//' changes them)");
	if (isupper(c))
		return config_lex_error(l, l->line, l->column,
					"'%c': keys are written in lower case, strings in quotes",
					c);
	if (c && strchr("+-.():{}%*/\\", c))
		return config_lex_error(l, l->line, l->column,
					"'%c' is not a part of the language; if this is Python "
					"code, xl does not run it any more: write the values out",
					c);
	if (isprint(c))
		return config_lex_error(l, l->line, l->column,
					"'%c' cannot stand here; is a string without quotes?", c);
	return config_lex_error(l, l->line, l->column, "a byte %#04x cannot stand here", c);
}

/* Keys and numbers: what `belongs` accepts. */
static int plain(struct config_lexer *l, enum config_word w, const char *belongs)
{
	const char *start = l->at;

	while (more(l) && *l->at && strchr(belongs, *l->at))
		next(l);
	l->word = w;
	l->text = strndup(start, (size_t)(l->at - start));
	return l->text ? 0 : error_set(l->err, -ENOMEM, "out of memory");
}

/* Digits of a numeric escape: 0, or -1 when there are not enough of them. */
static int digits(struct config_lexer *l, int base, int min, int max, unsigned *value)
{
	int n = 0;

	for (*value = 0; n < max && more(l) && isxdigit((unsigned char)*l->at); n++) {
		int c = tolower((unsigned char)*l->at);
		int d = c <= '9' ? c - '0' : c - 'a' + 10;
		if (d >= base)
			break;
		*value = *value * (unsigned)base + (unsigned)d;
		next(l);
	}
	return n < min ? -1 : 0;
}

/* What follows a backslash. */
static int escape(struct config_lexer *l, char *out)
{
	static const char letters[] = "abfnrtv\\'\"", meaning[] = "\a\b\f\n\r\t\v\\'\"";
	unsigned line = l->line, column = l->column - 1, value;
	const char *found;

	if (*l->at >= '0' && *l->at <= '7') {
		if (digits(l, 8, 1, 3, &value) || value > 255)
			value = 0;
	} else if (*l->at == 'x') {
		next(l);
		if (digits(l, 16, 2, 2, &value))
			return config_lex_error(l, line, column,
						"\\x needs two hexadecimal digits");
	} else {
		found = *l->at ? strchr(letters, *l->at) : NULL;
		if (!found)
			return config_lex_error(l, line, column,
						"there is no such escape as \\%c; a backslash is "
						"written \\\\",
						isprint((unsigned char)*l->at) ? *l->at : '?');
		next(l);
		value = (unsigned char)meaning[found - letters];
	}
	if (!value)
		return config_lex_error(l, line, column, "a string cannot hold a zero byte");
	*out = (char)value;
	return 0;
}

/* The bytes between the quotes; `at` is behind the first. -1: there is no second. */
static ssize_t string_length(const struct config_lexer *l, char quote)
{
	const char *p = l->at;

	for (; p < l->end && *p != '\n'; p++) {
		if (*p == quote)
			return p - l->at;
		if (*p == '\\' && p + 1 < l->end && p[1] != '\n')
			p++;
	}
	return -1;
}

static int string(struct config_lexer *l)
{
	unsigned line = l->line, column = l->column;
	char quote = next(l);
	ssize_t len = string_length(l, quote);
	size_t n = 0;

	if (len < 0)
		return config_lex_error(l, line, column,
					"this string has no end: %c is missing in its line", quote);
	/* It becomes no longer than it is written. */
	l->text = malloc((size_t)len + 1);
	if (!l->text)
		return error_set(l->err, -ENOMEM, "out of memory");
	for (const char *end = l->at + len; l->at < end;) {
		char c = next(l);
		if (!c)
			return config_lex_error(l, l->line, l->column - 1,
						"a string cannot hold a zero byte");
		if (c == '\\') {
			int rc = escape(l, &c);
			if (rc)
				return rc;
		}
		l->text[n++] = c;
	}
	next(l);
	l->text[n] = 0;
	l->word = WORD_STRING;
	return 0;
}

static int mark(struct config_lexer *l, enum config_word w)
{
	next(l);
	l->word = w;
	return 0;
}

int config_lex(struct config_lexer *l)
{
	free(l->text);
	l->text = NULL;
	while (more(l) && (*l->at == ' ' || *l->at == '\t'))
		next(l);
	if (more(l) && *l->at == '#')
		while (more(l) && *l->at != '\n')
			next(l);
	l->word_line = l->line;
	l->word_column = l->column;
	if (!more(l)) {
		l->word = WORD_END;
		return 0;
	}
	switch (*l->at) {
	case '\n':
		return mark(l, WORD_NEWLINE);
	case '=':
		return mark(l, WORD_ASSIGN);
	case '[':
		return mark(l, WORD_OPEN);
	case ']':
		return mark(l, WORD_CLOSE);
	case ',':
		return mark(l, WORD_COMMA);
	case ';':
		return mark(l, WORD_SEMICOLON);
	case '\'':
	case '"':
		return string(l);
	case '+':
		if (l->end - l->at > 1 && l->at[1] == '=') {
			next(l);
			return mark(l, WORD_ADD);
		}
		return bad_character(l);
	case 'a' ... 'z':
		return plain(l, WORD_KEY, "abcdefghijklmnopqrstuvwxyz0123456789_.");
	case '0' ... '9':
		return plain(l, WORD_NUMBER, "0123456789abcdefx");
	default:
		return bad_character(l);
	}
}
