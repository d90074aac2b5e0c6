/*
 * xenstored, embedded: clients with their watches and transactions over one
 * store. Everything runs in the event loop's thread, or before it starts.
 * Internal to devices/xenstore; device.h has what the VMM calls.
 */
#ifndef DEVICES_XENSTORE_XENSTORE_H
#define DEVICES_XENSTORE_XENSTORE_H

#include "devices/device.h"
#include "devices/xenstore/store.h"

/* Quotas of an unprivileged client, xenstored's defaults. */
#define QUOTA_NODES	   1000
#define QUOTA_ENTRY	   2048
#define QUOTA_WATCHES	   128
#define QUOTA_TRANSACTIONS 10
/* Bytes of answers and events that may wait for a client that does not read. */
#define QUOTA_OUT_REQUESTS 16384  /* no further request is taken */
#define QUOTA_OUT_EVENTS   262144 /* events are lost */

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define PATH_SIZE   (XENSTORE_ABS_PATH_MAX + 1)

struct watch {
	struct watch *next;
	char *path; /* absolute, or @special */
	char *token;
	size_t prefix; /* of path, not shown to a client that gave a relative one */
};

struct client;

struct access {
	struct access *next;
	uint64_t gen; /* of the node when it was first seen; 0: there was none */
	char path[];
};

enum change_kind { CHANGE_WRITE, CHANGE_MKDIR, CHANGE_RM, CHANGE_PERMS };

struct change {
	struct change *next;
	enum change_kind kind;
	char *path;
	uint8_t *data;
	size_t len;
	struct xs_perms perms;
};

struct transaction {
	struct transaction *next;
	uint32_t id;
	struct store store; /* the client's private copy */
	struct access *seen;
	struct change *changes, **tail;
};

struct client {
	struct client *next;
	struct xenstore *xs;
	uint16_t domid;
	/* Called when out[] begins to fill and when an event was lost; NULL: nobody cares. */
	void (*wake)(struct client *c);
	void *wake_arg;
	bool overrun; /* an event was lost */
	struct watch *watches;
	unsigned nr_watches;
	struct transaction *transactions;
	unsigned nr_transactions;
	uint8_t in[MESSAGE_MAX];
	size_t in_used;
	uint8_t *out; /* what is not delivered yet */
	size_t out_len, out_size;
};

/* A watch of our own process (local.c). */
struct local_watch {
	struct local_watch *next;
	struct xenstore *xs;
	char *path;
	void (*fn)(void *arg);
	void *arg;
	bool fired;
	bool removed; /* freed when no function runs */
};

struct xenstore {
	struct event_loop *loop;
	struct store store;
	struct {
		struct local_watch *watches;
		int event_fd;
		bool running; /* a watch's function */
	} local;
	struct client *clients;
	struct client *guest;
	uint32_t next_transaction;
	struct listener *listener; /* socket.c; NULL: no socket */

	/* ring.c */
	bool serving;
	struct domain *domain;
	struct xenstore_domain_interface *ring;
	int port, event_fd;
	bool failed; /* the guest broke the ring's rules: it is served no more */
};

/* client.c */
struct client *client_new(struct xenstore *xs, uint16_t domid);
void client_free(struct client *c);
/* Appends a message for the client; events are dropped past their quota. */
void client_send(struct client *c, const struct xsd_sockmsg *h, const void *data, bool event);
/* Takes bytes of requests; answers every complete one. Returns how many were taken
 * (fewer when too much waits to be read), or -EPROTO for a payload too long. */
long client_take(struct client *c, const uint8_t *buf, size_t len);
bool client_may_request(const struct client *c);
/* The first n bytes that waited are delivered. */
void client_sent(struct client *c, size_t n);

/* wire.c: one request. data has h->len bytes. */
void wire_request(struct client *c, const struct xsd_sockmsg *h, const uint8_t *data);

/* transaction.c */
struct transaction *transaction_start(struct client *c);
struct transaction *transaction_find(struct client *c, uint32_t id);
/* -EAGAIN: somebody changed what was seen. Fires watches of what was changed. */
int transaction_end(struct client *c, struct transaction *t, bool commit);
void transaction_free(struct client *c, struct transaction *t);
/* Remembers that `path` was looked at. */
int transaction_saw(struct transaction *t, const char *path);
int transaction_log(struct transaction *t, enum change_kind kind, const char *path,
		    const void *data, size_t len, const struct xs_perms *perms);

/* watch.c: -EEXIST, -ENOENT, -E2BIG (quota), -EINVAL. */
int watch_add(struct client *c, const char *path, const char *token, size_t prefix);
int watch_remove(struct client *c, const char *path, const char *token);
void watch_remove_all(struct client *c);
/* path changed: everybody who watches it or one above. below: also watches on
 * what was under it (it is gone). */
void watch_fire(struct xenstore *xs, const char *path, bool below);

/* path is `top` or under it. */
bool path_is_below(const char *path, const char *top);

/* socket.c: before the store's clients are freed, without the loop's thread. */
void listener_destroy(struct listener *l);

/* local.c */
int local_init(struct xenstore *xs);
void local_destroy(struct xenstore *xs);
void local_fire(struct xenstore *xs, const char *path, bool below);
/* Calls the functions of the watches that fired. */
void local_run(struct xenstore *xs);

/* tree.c */
int tree_build(struct xenstore *xs, const struct xenstore_domain *xd);

#endif
