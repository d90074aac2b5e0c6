/*
 * A request of the wire protocol, for the files that serve one.
 */
#ifndef DEVICES_XENSTORE_WIRE_H
#define DEVICES_XENSTORE_WIRE_H

#include "devices/xenstore/xenstore.h"

struct request {
	struct client *c;
	const struct xsd_sockmsg *h;
	const char *data; /* h->len bytes, not always text */
	size_t len;
	struct view v;
	char path[PATH_SIZE]; /* canonical: what request_path() found */
};

void reply(const struct request *r, const void *data, size_t len);
void reply_ok(const struct request *r);
/* The string that begins at *at; NULL when it does not end inside the payload. */
const char *next_string(const struct request *r, size_t *at);
/* How many NULs there are. */
unsigned count_strings(const struct request *r);
/* The payload is one string and its NUL; else NULL. */
const char *only_string(const struct request *r);
/* The absolute form of a path into r->path; false: it is too long to be one. */
bool request_path(struct request *r, const char *path);

/* wire_domain.c; 0 or a positive errno, like all handlers. */
int do_introduce(struct request *r);
int do_release(struct request *r);
int do_resume(struct request *r);
int do_set_target(struct request *r);
int do_get_domain_path(struct request *r);
int do_is_domain_introduced(struct request *r);
int do_control(struct request *r);

#endif
