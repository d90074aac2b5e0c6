/*
 * Nodes and their values; transactions.
 */
#include <stdlib.h>

#include "libxenstore/internal.h"

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	return request_string(h, t, XS_READ, path, len);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	return done(request_pair(h, t, XS_WRITE, path, data, len, NULL));
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return done(request_string(h, t, XS_MKDIR, path, NULL));
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return done(request_string(h, t, XS_RM, path, NULL));
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	char *id = request_string(h, XBT_NULL, XS_TRANSACTION_START, "", NULL);
	xs_transaction_t t = id ? (xs_transaction_t)strtoul(id, NULL, 0) : XBT_NULL;

	free(id);
	return t;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	return done(request_string(h, t, XS_TRANSACTION_END, abort ? "F" : "T", NULL));
}
