/*
 * Distance between words: insertions, deletions, substitutions and swaps of
 * neighbours (optimal string alignment), enough for typing errors.
 */
#include <string.h>

#include "vmm/suggest.h"

#define WORD_MAX 24 /* longer words are nobody's slip */

static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] =
				min(min(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min(row[j], up2[j - 2] + 1);
		}
	}
	return rows[na % 3][nb];
}

void suggestion_offer(struct suggestion *s, const char *name)
{
	size_t typed = strlen(s->word);
	unsigned d = distance(s->word, name);

	/* The beginning of a name is as good as a slip in it. */
	if (typed >= 2 && !strncmp(s->word, name, typed))
		d = 1;
	/* One letter in three may be wrong. */
	if (d > 1 + typed / 4 || d >= typed)
		return;
	if (!s->nearest || d < s->distance) {
		s->nearest = name;
		s->distance = d;
	}
}
