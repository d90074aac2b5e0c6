/*
 * A node's children: in one message, or in parts when they do not fit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libxenstore/internal.h"

/* The names so far, each with its NUL, and the state of the node that they belong to. */
struct listing {
	char generation[24];
	char *names;
	unsigned int len;
};

/* Adds an answer: generation, NUL, names. An empty name ends the whole list; *last is
 * set. The node may have changed: then all begins again. */
static bool add_part(struct listing *l, const char *part, unsigned int len, bool *last)
{
	unsigned int at = (unsigned int)strlen(part) + 1;

	/* No names: the store would let us ask for ever. */
	if (at >= len || at > sizeof(l->generation)) {
		errno = EINVAL;
		return false;
	}
	if (l->len && strcmp(part, l->generation)) {
		l->len = 0;
		return true;
	}
	strcpy(l->generation, part);
	char *names = realloc(l->names, l->len + len - at);
	if (!names)
		return false;
	memcpy(names + l->len, part + at, len - at);
	l->names = names;
	l->len += len - at;
	*last = !names[l->len - 1] && (l->len == 1 || !names[l->len - 2]);
	if (*last)
		l->len--;
	return true;
}

static char **list_parts(struct xs_handle *h, xs_transaction_t t, const char *path,
			 unsigned int *num)
{
	struct listing l = {.len = 0};
	bool ok, last = false;
	char **list;

	do {
		char offset[MAX_STRLEN(l.len)];
		unsigned int len;
		snprintf(offset, sizeof(offset), "%u", l.len);
		char *part = request_pair(h, t, XS_DIRECTORY_PART, path, offset, strlen(offset) + 1,
					  &len);
		/* A store that does not know it: what its first answer was. */
		if (!part && errno == ENOSYS)
			errno = E2BIG;
		ok = part && add_part(&l, part, len, &last);
		free(part);
	} while (ok && !last);
	list = ok ? split_strings(l.names, l.len, num) : NULL;
	free(l.names);
	return list;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	unsigned int len;
	char *names = request_string(h, t, XS_DIRECTORY, path, &len);
	char **list;

	if (!names)
		return errno == E2BIG ? list_parts(h, t, path, num) : NULL;
	list = split_strings(names, len, num);
	free(names);
	return list;
}
