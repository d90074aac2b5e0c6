/*
 * The nodes, without clients: a table from paths to values, permissions, names of
 * children and generations (Xen: docs/misc/xenstore.txt).
 */
#ifndef DEVICES_XENSTORE_STORE_H
#define DEVICES_XENSTORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* xs_wire.h has no names for these letters: n, r, w, b. */
#define XS_PERM_NONE  0
#define XS_PERM_READ  1
#define XS_PERM_WRITE 2
/* What only owners and domain 0 may: change permissions. */
#define XS_PERM_OWNER 4

struct xs_perm {
	uint32_t domid;
	uint8_t bits;
	bool ignored; /* the domain that was meant is gone */
};

struct xs_perms {
	unsigned nr; /* [0] is the owner; its bits are everybody else's rights */
	struct xs_perm *p;
};

/* Of a node that does not exist. */
#define NO_GENERATION UINT64_MAX

struct node {
	struct node *next; /* of its bucket */
	uint64_t gen;	   /* changes with every change of the node or its list of children */
	struct xs_perms perms;
	uint8_t *data;
	size_t len;
	char *children; /* names in the order of their making, each with its NUL */
	size_t children_len;
	/* Whose memory it is, and how much of it (domains.c). */
	uint32_t charged_to;
	size_t charged;
	char path[];
};

struct store {
	struct node **bucket;
	size_t nr_buckets, nr_nodes;
};

/* NULL, or -ENOMEM: no memory; the store is as before. */
struct node *node_new(const char *path, const struct xs_perms *perms);
struct node *node_copy(const struct node *n);
void node_free(struct node *n);
int node_set_data(struct node *n, const void *data, size_t len);
int node_set_perms(struct node *n, const struct xs_perms *perms);
int node_add_child(struct node *n, const char *name);
bool node_remove_child(struct node *n, const char *name); /* false: there is none */
/* As xenstored counts it: its record in the data base. */
size_t node_size(const struct node *n);
/* What is behind the last slash. */
const char *path_name(const char *path);
/* The parent's path into `to`, which may be `path` itself; of "/" it is "/". */
void path_parent(const char *path, char *to);

int store_init(struct store *s);
void store_free(struct store *s);
struct node *store_find(const struct store *s, const char *path);
/* Takes the node, in the place of one of the same path, which is freed. */
void store_put(struct store *s, struct node *n);
/* Out of the store; the caller's to free. NULL: there was none. */
struct node *store_take(struct store *s, const char *path);

int perms_copy(struct xs_perms *to, const struct xs_perms *from);
void perms_free(struct xs_perms *p);
/* What domid may do, XS_PERM_*; so may one whose target is the owner (target: that, or
 * UINT32_MAX). Domain 0 may do everything. */
uint8_t perms_of(const struct xs_perms *p, uint32_t domid, uint32_t target);

#endif
