/*
 * xenstored, embedded: domains, clients with their watches and transactions, over one
 * store. Everything runs in the event loop's thread, or before it starts.
 * Internal to devices/xenstore; device.h has what the VMM calls.
 */
#ifndef DEVICES_XENSTORE_XENSTORE_H
#define DEVICES_XENSTORE_XENSTORE_H

#include "devices/device.h"
#include "devices/xenstore/store.h"

/* Bytes that may wait for a program that does not read. */
#define QUOTA_OUT_REQUESTS 16384  /* no further request is taken */
#define QUOTA_OUT_EVENTS   262144 /* it is disconnected */

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define PATH_SIZE   (XENSTORE_ABS_PATH_MAX + 1)

#define NO_TARGET UINT32_MAX

#define EVENT_BUCKETS 64

/* What an unprivileged domain may have; control.c has the names and the defaults. */
struct quotas {
	int nodes, watches, transactions, outstanding, transaction_nodes, memory, node_size,
		path_max, permissions;
	int soft_memory;
};

/* A domain, from when it was first named. It is kept when the domain goes. */
struct store_domain {
	struct store_domain *next;
	struct xenstore *xs;
	uint32_t domid;
	bool exists;
	uint64_t gen;		 /* of the store when it came; a node's permissions that are
				  * older were meant for another */
	struct client *client;	 /* NULL: not introduced */
	_Atomic bool shuts_down; /* another thread says so */
	bool shut_down;		 /* @releaseDomain was fired for that */
	int nodes, watches, outstanding;
	long memory;
	bool soft_reported, hard_reported;
	bool stalled;	 /* a quota stopped its requests */
	unsigned period; /* of the connection: what is left of an earlier one does not count */

	/* ring.c; domain NULL: domain 0, or one that only gave its name */
	struct domain *domain;
	uint64_t ring_mfn;
	struct xenstore_domain_interface *ring;
	int port, event_fd;
	bool bound;   /* notifications go to the guest */
	bool serving; /* answers of now are seen to */
	bool failed;  /* the guest broke the ring's rules: it is served no more */
};

struct watch {
	struct watch *next;
	char *path; /* absolute, or @special */
	char *token;
	size_t prefix; /* of path, not shown to a client that gave a relative one */
};

/* A request of a guest whose answer or events are not all delivered. */
struct pending {
	unsigned refs;
	struct store_domain *d;
	unsigned period;
};

struct message {
	struct message *next;
	struct message *alike;	 /* the next of its bucket: an event */
	struct pending *request; /* NULL: nobody's quota */
	size_t len;
	uint8_t bytes[]; /* header and payload */
};

/* A node that a transaction has seen. */
struct seen {
	struct seen *next;
	uint64_t gen;	     /* of the node then, or NO_GENERATION */
	struct xs_perms old; /* its permissions then; nr 0: there was no node */
	struct node *node;   /* the transaction's own; NULL: there is none */
	bool modified;
	bool fires, exact; /* watches, at the end */
	char path[];
};

struct node_count {
	struct node_count *next;
	uint32_t domid;
	int nodes; /* more or less than before */
};

struct transaction {
	struct transaction *next;
	uint32_t id;
	size_t key; /* what a node's path is longer by: xenstored's "GENERATION/" */
	unsigned nr_seen;
	struct seen *seen, **tail; /* in the order of the first access */
	struct node_count *counts;
	bool made_nodes;
	bool failed; /* it can only be given up */
};

struct client {
	struct client *next;
	struct xenstore *xs;
	struct store_domain *domain; /* NULL: a program, which is domain 0 */
	unsigned number;	     /* for the trace: 0 the guest's ring */
	uint32_t domid;
	uint32_t target; /* whose rights it has, too, or NO_TARGET */
	/* Called when output begins to wait and when there is too much. NULL: nobody cares. */
	void (*wake)(struct client *c);
	void *wake_arg;
	bool overrun; /* too much waits */
	struct watch *watches, **watch_tail;
	struct transaction *transactions;
	int nr_transactions;
	uint32_t next_transaction;
	uint8_t in[MESSAGE_MAX];
	size_t in_used;
	struct message *out, **out_tail;
	/* The events among them, to find equal ones; oldest first. */
	struct {
		struct message *first, **last;
	} events[EVENT_BUCKETS];
	struct late_event *late, *late_tail; /* event_late.c */
	unsigned nr_late;
	size_t out_sent;     /* of the first message */
	size_t out_len;	     /* bytes that wait, in all */
	struct pending *now; /* the request that is being served */
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
	uint64_t gen;
	struct quotas quota;
	struct xs_perms introduce_perms, release_perms; /* of the special watches */
	struct store_domain *domains;
	struct {
		struct local_watch *watches;
		int event_fd;
		bool running; /* a watch's function */
	} local;
	struct client *clients;
	unsigned nr_connections;   /* so far */
	struct client *guest;	   /* of the domain that the store is for */
	struct listener *listener; /* socket.c; NULL: no socket */
	int late_fd;		   /* event_late.c: a timer; -1: none */
};

/* How a request sees the store; c NULL: our own process, which is domain 0. */
struct view {
	struct xenstore *xs;
	struct client *c;
	struct transaction *t; /* NULL: the store itself */
};

/* Whose probes the store's messages are; NULL: nobody's yet. */
static inline struct domain *xenstore_probed(const struct xenstore *xs)
{
	return xs->guest && xs->guest->domain ? xs->guest->domain->domain : NULL;
}

/* ---- client.c ---- */
struct client *client_new(struct xenstore *xs, struct store_domain *d);
void client_free(struct client *c);
static inline bool client_unprivileged(const struct client *c)
{
	return c && c->domid != 0;
}
/* The answer to a request: an error (positive errno) or a payload. Payloads that are
 * too long become E2BIG. */
void client_reply(struct client *c, const struct xsd_sockmsg *h, const void *data, size_t len);
void client_error(struct client *c, const struct xsd_sockmsg *h, int err);
/* An event, unless an equal one waits, or the domain's memory is used up. cause: whose
 * request it comes from. */
void client_event(struct client *c, struct pending *cause, const char *path, const char *token);
/* One more, though an equal one waits: a fault. */
void client_event_again(struct client *c, struct pending *cause, const char *path,
			const char *token);
/* Takes bytes of requests; answers every complete one. Returns how many were taken
 * (fewer when too much waits to be read), or -EPROTO for a payload too long. */
long client_take(struct client *c, const uint8_t *buf, size_t len);
bool client_may_request(const struct client *c);
/* What waits, in pieces: the next piece's length. client_sent() takes it, or a part, away. */
size_t client_output(const struct client *c, const uint8_t **p);
void client_sent(struct client *c, size_t n);
/* As new: no watches, transactions, output, half a request. */
void client_reset(struct client *c);

/* ---- wire.c: one request. data has h->len bytes. ---- */
void wire_request(struct client *c, const struct xsd_sockmsg *h, const uint8_t *data);

/* ---- view.c ---- */
/* 0 and the node, which is valid until the next change; else positive: ENOENT, ENOMEM,
 * ENOSPC (too many nodes in a transaction). */
int view_read(struct view *v, const char *path, struct node **n);
/* The node as view_read, when the client may do `need` with it; else what it may know. */
int view_get(struct view *v, const char *path, uint8_t need, struct node **n);
/* Makes the node, which is not there, and its parents. */
int view_create(struct view *v, const char *path, const void *data, size_t len);
int view_set_data(struct view *v, struct node *n, const void *data, size_t len);
int view_set_perms(struct view *v, struct node *n, const struct xs_perms *perms);
/* With everything below, each node's watches fired. Not "/". */
int view_remove(struct view *v, const char *path);
/* Marks permissions for domains that are gone. */
void perms_adjust(struct xenstore *xs, struct xs_perms *p, uint64_t gen);
bool path_is_valid(const struct xenstore *xs, const char *path);

/* ---- transaction.c ---- */
struct transaction *transaction_start(struct client *c);
struct transaction *transaction_find(const struct client *c, uint32_t id);
/* ENOMEM (it failed before), ENOSPC (too many nodes), EAGAIN: somebody changed what was
 * seen. Fires watches of what was changed. Frees it in any case. */
int transaction_end(struct client *c, struct transaction *t, bool commit);
void transaction_free(struct client *c, struct transaction *t);
struct seen *transaction_seen(const struct transaction *t, const char *path);
/* Looks at a node for the first time. 0, or positive: ENOMEM, ENOSPC, and t has failed. */
int transaction_see(struct view *v, const char *path, struct seen **s);
void transaction_count(struct transaction *t, uint32_t domid, int nodes);

/* ---- watch.c: positive EEXIST, ENOENT, E2BIG (quota), ENOMEM ---- */
int watch_add(struct client *c, const char *path, const char *token, size_t prefix);
int watch_remove(struct client *c, const char *path, const char *token);
void watch_remove_all(struct client *c);
/* path changed: everybody is told who watches it or (not when `exact`) one above, and
 * may read it or its parent, or could with `old` permissions (NULL: none). In a
 * transaction it is only noted. */
void watch_fire(struct view *v, const char *path, bool exact, const struct xs_perms *old);
/* @introduceDomain, @releaseDomain. */
void watch_fire_special(struct xenstore *xs, const char *name);
/* NULL: no special watch with permissions. */
struct xs_perms *special_perms(struct xenstore *xs, const char *name);
/* What path is for a client that gave a relative one. */
const char *watch_shown(const struct watch *w, const char *path);
/* path is `top` or under it. */
bool path_is_below(const char *path, const char *top);

/* ---- event_late.c: events that a fault holds back ---- */
/* The event comes in `ns`, or behind those that are held already. False: it is not held, and
 * none is any more, or the domain's memory is used up. */
bool event_hold(struct client *c, const char *path, const char *token, uint64_t ns);
void events_forget(struct client *c);

/* ---- domains.c ---- */
/* NULL: unknown. */
struct store_domain *domain_find(const struct xenstore *xs, uint32_t domid);
/* A domain that exists; NULL: no memory. */
struct store_domain *domain_add(struct xenstore *xs, uint32_t domid);
void domains_free(struct xenstore *xs);
/* Its connection begins; fires @introduceDomain. 0, -ENOMEM. */
int domain_introduce(struct store_domain *d);
/* Its connection, its nodes and its permissions end; fires @releaseDomain. */
void domain_release(struct store_domain *d);
/* What xenstore_domain_shut_down() asked for, in the loop's thread. */
void domain_shut_down(struct store_domain *d);
void domain_count_nodes(struct xenstore *xs, uint32_t domid, int nodes);
/* Has the memory of a node counted for `domid` as it is now. n->charged 0: not yet. */
void domain_charge_node(struct xenstore *xs, uint32_t domid, struct node *n, size_t key);
void domain_uncharge_node(struct xenstore *xs, struct node *n);
void domain_charge(struct store_domain *d, long bytes);
/* More memory is not for d (NULL: nobody). */
bool domain_is_full(struct store_domain *d, long more);
struct pending *pending_new(struct store_domain *d);
void pending_put(struct pending *p);

/* ---- control.c ---- */
void quotas_init(struct quotas *q);
/* The answer is in *text, to be freed; NULL: "OK". Positive errno. */
int control_command(struct xenstore *xs, const char *data, size_t len, char **text);

/* ---- ring.c ---- */
/* Serves d's ring from now on; 0, -EINVAL (no such page), -ENOMEM. */
int ring_open(struct store_domain *d);
void ring_close(struct store_domain *d);
/* As new, for a guest that begins again. */
void ring_reset(struct store_domain *d);
void ring_notify(struct store_domain *d);

/* socket.c: before the store's clients are freed, without the loop's thread. */
void listener_destroy(struct listener *l);

/* local.c */
int local_init(struct xenstore *xs);
void local_destroy(struct xenstore *xs);
void local_fire(struct xenstore *xs, const char *path, bool exact);
/* Calls the functions of the watches that fired. */
void local_run(struct xenstore *xs);

/* tree.c */
/* What is there before any domain. */
int tree_start(struct xenstore *xs);
int tree_build(struct xenstore *xs, const struct xenstore_domain *xd);

#endif
