#include "vmm/json.h"
#include "vmm/inspect/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

char *text_ns(char buf[TEXT_NS_SIZE], int64_t ns)
{
	static const struct {
		int64_t unit;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}};
	const char *sign = ns < 0 ? "-" : "";
	int64_t n = ns < 0 ? (ns == INT64_MIN ? INT64_MAX : -ns) : ns;

	if (n >= 3600 * units[0].unit) {
		snprintf(buf, TEXT_NS_SIZE, "%s%" PRId64 " h %" PRId64 " min", sign,
			 n / (3600 * units[0].unit), n / (60 * units[0].unit) % 60);
		return buf;
	}
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (n >= units[i].unit) {
			snprintf(buf, TEXT_NS_SIZE, "%s%.1f %s", sign,
				 (double)n / (double)units[i].unit, units[i].name);
			return buf;
		}
	snprintf(buf, TEXT_NS_SIZE, "%s%" PRId64 " ns", sign, n);
	return buf;
}

int64_t text_int(const json_t *j, const char *key)
{
	return json_integer_value(json_member(j, key));
}

const char *text_str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_member(j, key));

	return s ? s : "";
}

/* The bytes of a control character at s, of ASCII or of those from U+0080 to U+009F; 0: it is
 * none. */
static unsigned control_length(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0)
		return 2;
	return u[0] && (u[0] < ' ' || u[0] == 0x7f);
}

char *text_safe(const char *s)
{
	char *safe = strdup(s);

	for (char *p = safe; p && *p; p++)
		for (unsigned n = control_length(p); n--;)
			p[n] = '?';
	return safe;
}

void text_quoted(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned n = control_length(s);

		for (unsigned i = 0; i < n; i++)
			fprintf(f, "\\x%02x", (unsigned char)s[i]);
		if (n)
			s += n - 1;
		else
			fprintf(f, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	}
	fputc('"', f);
}

/* A cell's text; the caller's to free. */
static char *cell(const json_t *row, const struct column *c)
{
	const json_t *v = json_member(row, c->key);
	char buf[TEXT_NS_SIZE], *all = NULL;
	size_t i;
	json_t *e;

	if (json_is_string(v))
		return text_safe(json_string_value(v));
	if (json_is_integer(v)) {
		if (c->kind == COL_NS)
			return strdup(text_ns(buf, json_integer_value(v)));
		snprintf(buf, sizeof(buf), "%lld", (long long)json_integer_value(v));
		return strdup(buf);
	}
	if (json_is_array(v) && json_array_size(v)) {
		size_t size;
		FILE *f = open_memstream(&all, &size);

		json_array_foreach((json_t *)v, i, e)
		{
			fputs(i ? " " : "", f);
			if (json_is_string(e))
				fputs(json_string_value(e), f);
			else
				fprintf(f, "%lld", (long long)json_integer_value(e));
		}
		fclose(f);
		return all;
	}
	return strdup(json_is_true(v) ? "yes" : "-");
}

struct layout {
	bool used, right;
	size_t width;
};

static void print_row(FILE *f, const char *gap, const struct column *c, const struct layout *l,
		      unsigned nr, char *const *cells)
{
	unsigned last = 0;

	for (unsigned i = 0; i < nr; i++)
		if (l[i].used)
			last = i;
	for (unsigned i = 0; i < nr; i++) {
		const char *s = cells ? cells[i] : c[i].title;

		if (!l[i].used)
			continue;
		/* Nothing follows the last one. */
		if (i == last && !l[i].right)
			fprintf(f, "%s%s", gap, s);
		else
			fprintf(f, l[i].right ? "%s%*s" : "%s%-*s", gap, (int)l[i].width, s);
		gap = "  ";
	}
	fputc('\n', f);
}

void text_table(FILE *f, const char *indent, const json_t *rows, const struct column *columns)
{
	size_t nr_rows = json_array_size(rows), r;
	unsigned nr = 0;
	json_t *row;

	while (columns[nr].title)
		nr++;
	if (!nr_rows)
		return;
	struct layout *l = calloc(nr, sizeof(*l));
	char **cells = calloc(nr_rows * nr, sizeof(*cells));
	if (!l || !cells)
		goto out;
	for (unsigned i = 0; i < nr; i++)
		l[i].width = strlen(columns[i].title);
	json_array_foreach((json_t *)rows, r, row)
	{
		for (unsigned i = 0; i < nr; i++) {
			const json_t *v = json_member(row, columns[i].key);
			char *s = cells[r * nr + i] = cell(row, &columns[i]);

			l[i].used |= v && !json_is_null(v);
			l[i].right |= json_is_integer(v);
			if (s && strlen(s) > l[i].width)
				l[i].width = strlen(s);
		}
	}
	print_row(f, indent, columns, l, nr, NULL);
	for (r = 0; r < nr_rows; r++)
		print_row(f, indent, columns, l, nr, cells + r * nr);
out:
	for (r = 0; cells && r < nr_rows * nr; r++)
		free(cells[r]);
	free(cells);
	free(l);
}
