/*
 * Lists of strings in payloads, and paths.
 */
#include <stdlib.h>
#include <string.h>

#include "libxenstore/internal.h"

unsigned int count_strings(const char *s, unsigned int len)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < len; i++)
		n += !s[i];
	return n;
}

char **split_strings(const char *s, unsigned int len, unsigned int *num)
{
	unsigned int n = count_strings(s, len);

	/* Also what has no NUL at its end is a string. */
	if (len && s[len - 1])
		n++;
	char **list = malloc(n * sizeof(*list) + len + 1);
	if (!list)
		return NULL;
	char *at = (char *)(list + n);
	memcpy(at, s, len);
	at[len] = 0;
	for (unsigned int i = 0; i < n; i++) {
		list[i] = at;
		at += strlen(at) + 1;
	}
	*num = n;
	return list;
}

/* "/" is the parent of nothing but itself, as in Xen's. */
bool xs_path_is_subpath(const char *parent, const char *child)
{
	size_t len = strlen(parent);

	return !strncmp(parent, child, len) && (!child[len] || child[len] == '/');
}
