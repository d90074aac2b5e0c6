/*
 * The small pieces of a scenario's lines: words, times, sizes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/scenario/scenario.h"

#define MAX_NS (3600ull * 1000000000ull * 24)

bool text_list_add(struct text_list *l, char *text)
{
	char **t = text ? realloc(l->text, (l->nr + 1) * sizeof(*t)) : NULL;

	if (!t) {
		free(text);
		return false;
	}
	l->text = t;
	t[l->nr++] = text;
	return true;
}

void text_list_free(struct text_list *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		free(l->text[i]);
	free(l->text);
	*l = (struct text_list){0};
}

int scenario_time(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"min", 60000000000}};
	char *end;

	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name)) {
			if (n > MAX_NS / units[i].ns)
				return -EINVAL;
			*ns = n * units[i].ns;
			return 0;
		}
	return -EINVAL;
}

int scenario_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "kmgt";
	char *end;
	unsigned shift = 0;

	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		return -EINVAL;
	if (*end) {
		const char *l = strchr(letters, tolower((unsigned char)*end));

		if (!l || end[1])
			return -EINVAL;
		shift = 10 * (unsigned)(l - letters + 1);
	}
	if (n > (1ull << 50) >> shift)
		return -EINVAL;
	*bytes = n << shift;
	return 0;
}

/* The next word, or NULL at the end of the text or (*rc) when there is none for another
 * reason. */
static char *next_word(const char **at, int *rc)
{
	const char *p = *at;
	size_t used = 0;

	while (isspace((unsigned char)*p))
		p++;
	*at = p;
	if (!*p)
		return NULL;
	char *word = malloc(strlen(p) + 1);
	if (!word) {
		*rc = -ENOMEM;
		return NULL;
	}
	while (*p && !isspace((unsigned char)*p)) {
		char quote = *p;

		if (quote != '\'' && quote != '"') {
			word[used++] = *p++;
			continue;
		}
		const char *end = strchr(++p, quote);
		if (!end) {
			free(word);
			*rc = -EINVAL;
			return NULL;
		}
		memcpy(word + used, p, (size_t)(end - p));
		used += (size_t)(end - p);
		p = end + 1;
	}
	word[used] = 0;
	*at = p;
	return word;
}

int scenario_split(const char *text, struct text_list *words)
{
	char *w;
	int rc = 0;

	while ((w = next_word(&text, &rc)))
		if (!text_list_add(words, w))
			return -ENOMEM;
	return rc;
}

bool scenario_matches(const char *regex, const char *text)
{
	regex_t re;

	if (regcomp(&re, regex, REG_EXTENDED | REG_NOSUB))
		return false;
	bool found = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return found;
}
