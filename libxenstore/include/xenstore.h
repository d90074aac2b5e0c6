/*
 * libxenstore: programs' way to a xenstore.
 *
 * The functions and their meaning are those of Xen 4.17's libxenstore, so programs may
 * be compiled with either. What returns a pointer or a bool returns NULL or false on
 * failure and sets errno: to the store's own answer, E2BIG for a request that is longer
 * than the protocol allows, or EPIPE, EBADF or EINVAL when the connection is lost.
 * All functions but those that close may be called on one handle by several threads.
 */
#ifndef XENSTORE_H
#define XENSTORE_H

#include "xenstore_lib.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xs_handle;
typedef uint32_t xs_transaction_t;

/* A request outside of any transaction; also what xs_transaction_start() returns when it
 * fails. */
#define XBT_NULL 0

/* Flags of xs_open(). The first two have no effect any more. */
#define XS_OPEN_READONLY   (1UL << 0)
#define XS_OPEN_SOCKETONLY (1UL << 1)
/* Events of a watch are not seen after its xs_unwatch(), even if they came before. A token
 * may then not be used for a path and one below it at the same time. */
#define XS_UNWATCH_FILTER (1UL << 2)

/* Connects to $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket (/var/run/xenstored/socket),
 * else the kernel's device in a guest, /dev/xen/xenbus. */
struct xs_handle *xs_open(unsigned long flags);
/* NULL is allowed. */
void xs_close(struct xs_handle *h);
/* In the child after fork(): frees the handle, and leaves the parent's connection alone. */
void xs_daemon_destroy_postfork(struct xs_handle *h);

/* Former names of xs_open(0) and xs_close(). */
struct xs_handle *xs_daemon_open(void);
struct xs_handle *xs_daemon_open_readonly(void);
struct xs_handle *xs_domain_open(void);
void xs_daemon_close(struct xs_handle *h);

/* The names of a node's children: one array of *num strings, the caller's to free() in one
 * piece. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num);
/* The value with a NUL behind it, the caller's to free(). *len, which does not count that
 * NUL, is set unless len is NULL. */
void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len);
/* Makes the node, and those above it, when they do not exist. */
bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len);
/* True also if the node exists already. */
bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path);
/* Removes the node and everything below it. */
bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path);

/* The first of the *num entries names the owner and what every domain may do that no other
 * entry names; the others say it for one domain each. The caller's to free(). */
struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
					  unsigned int *num);
bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
			struct xs_permissions *perms, unsigned int num_perms);
/* Always false: there is no such request any more. */
bool xs_restrict(struct xs_handle *h, unsigned domid);

/* What others change is not seen in a transaction, nor the other way round. */
xs_transaction_t xs_transaction_start(struct xs_handle *h);
/* False with EAGAIN: something changed meanwhile, nothing is done, begin again. */
bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort);

/* An event is sent for each change of the node or of one below it, and one at once. The
 * first call starts a thread that reads the connection. */
bool xs_watch(struct xs_handle *h, const char *path, const char *token);
bool xs_unwatch(struct xs_handle *h, const char *path, const char *token);
/* Readable while events wait. For poll() only; it belongs to the handle. */
int xs_fileno(struct xs_handle *h);
/* The next event: [XS_WATCH_PATH] and [XS_WATCH_TOKEN], the caller's to free() in one
 * piece. xs_check_watch() does not wait: NULL with EAGAIN when there is none. */
char **xs_check_watch(struct xs_handle *h);
char **xs_read_watch(struct xs_handle *h, unsigned int *num);

/* For toolstacks. */
bool xs_introduce_domain(struct xs_handle *h, unsigned int domid, unsigned long mfn,
			 unsigned int eventchn);
bool xs_set_target(struct xs_handle *h, unsigned int domid, unsigned int target);
bool xs_resume_domain(struct xs_handle *h, unsigned int domid);
bool xs_release_domain(struct xs_handle *h, unsigned int domid);
bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid);
/* The caller's to free(). */
char *xs_get_domain_path(struct xs_handle *h, unsigned int domid);

/* child is parent or, written as a path, below it. The two are only compared as text. */
bool xs_path_is_subpath(const char *parent, const char *child);

/* A command to the store itself, with its arguments (each with a NUL) in data. The answer
 * is the caller's to free(). The second is a former name. */
char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len);
char *xs_debug_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len);

/* The event channel on which a domain waits for requests to suspend; -1: none. */
int xs_suspend_evtchn_port(int domid);

#ifdef __cplusplus
}
#endif

#endif
