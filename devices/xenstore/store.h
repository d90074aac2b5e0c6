/*
 * The tree of nodes, without clients: paths, values, permissions, generations
 * (Xen: docs/misc/xenstore.txt).
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

#define MAX_PERMS 16

struct xs_perm {
	uint16_t domid;
	uint8_t bits;
};

struct xs_perms {
	unsigned nr; /* [0] is the owner; its bits are everybody else's rights */
	struct xs_perm p[MAX_PERMS];
};

struct node {
	char *name;
	uint8_t *data;
	size_t len;
	struct xs_perms perms;
	uint64_t gen; /* changes with every change of the node or its list of children */
	struct node *parent, *children, *next;
};

struct store {
	struct node *root;
	uint64_t gen;
};

/* Values are copied. 0, -ENOMEM, -ENOENT, -EINVAL as said. */
int store_init(struct store *s);
void store_free(struct store *s);
int store_clone(struct store *to, const struct store *from);
struct node *store_find(const struct store *s, const char *path);
/* The nearest existing node on the way to path. */
struct node *store_nearest(const struct store *s, const char *path);
/* Makes the node and missing parents, which take the perms of the nearest
 * existing one with `owner` as owner unless that is 0. */
struct node *store_make(struct store *s, const char *path, uint16_t owner);
int store_set(struct store *s, struct node *n, const void *data, size_t len);
void store_set_perms(struct store *s, struct node *n, const struct xs_perms *perms);
/* With everything below. Not the root. */
void store_remove(struct store *s, struct node *n);
/* Nodes owned by a domain. */
unsigned store_count(const struct node *n, uint16_t domid);
/* May domid do `need` (XS_PERM_*) here? Domain 0 may do everything. */
bool perms_allow(const struct xs_perms *p, uint16_t domid, uint8_t need);
/* The node's absolute path into buf. */
void node_path(const struct node *n, char *buf, size_t size);

#endif
