/*
 * Permissions, in the protocol one string each: a letter and the domain.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libxenstore/internal.h"

/* By the bits XS_PERM_READ and XS_PERM_WRITE. */
static const char letters[] = "nrwb";

bool xs_strings_to_perms(struct xs_permissions *perms, unsigned int num, const char *strings)
{
	for (unsigned int i = 0; i < num; i++) {
		const char *letter = *strings ? strchr(letters, *strings) : NULL;
		char *end = NULL;
		long id = letter ? strtol(strings + 1, &end, 0) : 0;
		if (!letter || !strings[1] || *end) {
			errno = EINVAL;
			return false;
		}
		perms[i].perms = (unsigned int)(letter - letters);
		perms[i].id = (unsigned int)id;
		strings = end + 1;
	}
	return true;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
					  unsigned int *num)
{
	struct xs_permissions *perms;
	unsigned int len;
	char *strings = request_string(h, t, XS_GET_PERMS, path, &len);

	if (!strings)
		return NULL;
	unsigned int n = count_strings(strings, len);
	perms = malloc((n + !n) * sizeof(*perms));
	if (perms && !xs_strings_to_perms(perms, n, strings)) {
		free(perms);
		perms = NULL;
		errno = EINVAL;
	}
	free(strings);
	if (perms)
		*num = n;
	return perms;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
			struct xs_permissions *perms, unsigned int num_perms)
{
	char strings[XENSTORE_PAYLOAD_MAX];
	size_t used = 0;

	for (unsigned int i = 0; i < num_perms; i++) {
		unsigned int p = perms[i].perms & ~(unsigned int)XS_PERM_IGNORE;
		if (p > (XS_PERM_READ | XS_PERM_WRITE)) {
			errno = EINVAL;
			return false;
		}
		int n = snprintf(strings + used, sizeof(strings) - used, "%c%i", letters[p],
				 (int)perms[i].id);
		if ((size_t)n >= sizeof(strings) - used) {
			errno = E2BIG;
			return false;
		}
		used += (size_t)n + 1;
	}
	return done(request_pair(h, t, XS_SET_PERMS, path, strings, used, NULL));
}
