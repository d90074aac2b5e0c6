/*
 * The store as domain 0's own programs see it, for backends and the control verbs in
 * our process. Everything here runs in the event loop's thread, or before it starts.
 * Nodes that do not exist are made with their parents and take the permissions of the
 * nearest one that does, as xenstored does for domain 0.
 */
#ifndef DEVICES_XENSTORE_LOCAL_H
#define DEVICES_XENSTORE_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

struct xenstore;

/* 0, -EINVAL (a path that is none, a value that is too long), -ENOMEM. */
int xenstore_write(struct xenstore *xs, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Makes the node if there is none; it belongs to `owner`, whom nobody but `reader` may
 * read: n<owner>,r<reader>. */
int xenstore_mkdir(struct xenstore *xs, const char *path, uint16_t owner, uint16_t reader);
/* With everything below. 0, or -ENOENT. */
int xenstore_remove(struct xenstore *xs, const char *path);
/* The value, with a NUL behind it: the caller's to free. NULL: no such node, or no
 * memory. A guest's value may hold anything. */
char *xenstore_read(struct xenstore *xs, const char *path);
/* A decimal number up to `max`. 0, -ENOENT, -EINVAL (something else is there). */
int xenstore_read_number(struct xenstore *xs, const char *path, uint64_t max, uint64_t *value);
bool xenstore_exists(struct xenstore *xs, const char *path);

/* Does a domain watch the node or something below it? */
bool xenstore_watched_by(struct xenstore *xs, uint16_t domid, const char *path);

/* Calls fn soon after the node or anything below or above it changed (above: was
 * removed), once for any number of changes, and once for the registration. fn may do
 * everything that this header has, remove its own watch included. */
struct local_watch;
struct local_watch *xenstore_watch(struct xenstore *xs, const char *path, void (*fn)(void *arg),
				   void *arg);
void xenstore_unwatch(struct local_watch *w);

#endif
