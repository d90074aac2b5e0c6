/*
 * Text from JSON: tables with aligned columns, and durations that people read.
 */
#ifndef VMM_INSPECT_TEXT_H
#define VMM_INSPECT_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum column_kind {
	COL_PLAIN, /* as it is: numbers to the right, true is "yes", nothing is "-" */
	COL_NS,	   /* a duration in ns */
};

struct column {
	const char *key; /* a member of each row, with dots for members of members */
	const char *title;
	enum column_kind kind;
};

#define TEXT_NS_SIZE 24
/* "3.2 ms", "in the past" has a minus sign. */
char *text_ns(char buf[TEXT_NS_SIZE], int64_t ns);
/* Rows of an array; a column without a title ends them. Columns that no row has are left
 * out. Nothing is printed without rows. */
void text_table(FILE *f, const char *indent, const json_t *rows, const struct column *columns);
int64_t text_int(const json_t *j, const char *key);
/* "" for none. */
const char *text_str(const json_t *j, const char *key);
/* A guest's text may hold anything: what would move a terminal becomes '?'. The caller's to
 * free. Tables do that to their strings. */
char *text_safe(const char *s);
/* In quotes, such bytes escaped. */
void text_quoted(FILE *f, const char *s);

#endif
