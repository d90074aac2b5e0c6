/*
 * Nodes as a request sees and changes them, in a transaction or not: permissions,
 * quotas of sizes and numbers, watches of what is removed. Xen: tools/xenstore,
 * xenstored_core.c; its errors, also where it refuses half-way in a transaction, which
 * then can only be given up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

static bool valid_chars(const char *p)
{
	return p[strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@")] ==
	       0;
}

/* The limit is for what is behind /local/domain/N/, or else for all of it. */
bool path_is_valid(const struct xenstore *xs, const char *path)
{
	size_t len = strlen(path), own = 0;
	unsigned domid;
	int n = 0;

	if (path[0] != '/' || len >= PATH_SIZE || (len > 1 && path[len - 1] == '/') ||
	    strstr(path, "//"))
		return false;
	if (sscanf(path, "/local/domain/%5u/%n", &domid, &n) == 1)
		own = (size_t)n;
	return len <= own + (size_t)xs->quota.path_max && valid_chars(path);
}

void perms_adjust(struct xenstore *xs, struct xs_perms *p, uint64_t gen)
{
	for (unsigned i = 1; i < p->nr; i++) {
		if (p->p[i].ignored)
			continue;
		const struct store_domain *d = domain_find(xs, p->p[i].domid);
		p->p[i].ignored = !d || !d->exists || d->gen > gen;
	}
}

static uint8_t rights(const struct view *v, const struct xs_perms *p)
{
	return v->c ? perms_of(p, v->c->domid, v->c->target) : perms_of(p, 0, NO_TARGET);
}

int view_read(struct view *v, const char *path, struct node **n)
{
	struct seen *s;

	if (v->t) {
		int err = transaction_see(v, path, &s);
		if (err)
			return err;
		*n = s->node;
	} else {
		*n = store_find(&v->xs->store, path);
	}
	if (!*n)
		return ENOENT;
	perms_adjust(v->xs, &(*n)->perms, (*n)->gen);
	return 0;
}

static bool is_plain(int err)
{
	return err == 0 || err == ENOENT || err == EACCES;
}

/* Whether a node exists is told only to those who may do the same with the nearest
 * node above it. */
static int what_it_may_know(struct view *v, const char *path, uint8_t need, int err)
{
	char above[PATH_SIZE];
	struct node *n = NULL;
	int e;

	strcpy(above, path);
	do {
		path_parent(above, above);
		e = view_read(v, above, &n);
		if (!is_plain(e))
			return e;
	} while (e && strcmp(above, "/"));
	return n && rights(v, &n->perms) & need ? err : EACCES;
}

int view_get(struct view *v, const char *path, uint8_t need, struct node **n)
{
	int err;

	if (!path_is_valid(v->xs, path))
		return EINVAL;
	err = view_read(v, path, n);
	if (!err && (rights(v, &(*n)->perms) & need) == need)
		return 0;
	if (!is_plain(err))
		return err;
	return what_it_may_know(v, path, need, err ? err : EACCES);
}

/* A change that cannot be made: in a transaction there is no way back. */
static int refuse(struct view *v, int err)
{
	if (v->t)
		v->t->failed = true;
	return err;
}

static void count_nodes(struct view *v, uint32_t domid, int nodes)
{
	if (v->t)
		transaction_count(v->t, domid, nodes);
	else
		domain_count_nodes(v->xs, domid, nodes);
}

/* n was changed, or is new. What a transaction keeps is its client's. */
static void touch(struct view *v, struct node *n)
{
	n->gen = ++v->xs->gen;
	if (v->t) {
		transaction_seen(v->t, n->path)->modified = true;
		domain_charge_node(v->xs, v->c->domid, n, v->t->key + strlen(n->path));
	} else {
		domain_charge_node(v->xs, n->perms.p[0].domid, n, strlen(n->path));
	}
}

/* May a node of n's owner have this size, and so much more memory? */
static int check_size(struct view *v, size_t size, long more)
{
	if (!client_unprivileged(v->c))
		return 0;
	if (size >= (size_t)v->xs->quota.node_size)
		return refuse(v, ENOSPC);
	return more > 0 && domain_is_full(v->c->domain, more) ? refuse(v, EIO) : 0;
}

/* The quotas for `missing` nodes, the lowest of which is path. */
static int check_new(struct view *v, const char *path, unsigned missing, const struct node *top,
		     size_t len)
{
	size_t perms = node_size(top) - top->len - top->children_len, below = len;
	long memory = 0;
	char level[PATH_SIZE];

	if (!client_unprivileged(v->c))
		return 0;
	strcpy(level, path);
	for (unsigned i = 0; i < missing; i++) {
		if (v->c->domain->nodes + (v->t ? 0 : (int)i) >= v->xs->quota.nodes)
			return i ? refuse(v, ENOSPC) : ENOSPC;
		memory += (long)(perms + below + strlen(level));
		int err = check_size(v, perms + below, memory);
		if (err)
			return err;
		below = strlen(path_name(level)) + 1;
		path_parent(level, level);
	}
	return check_size(v, node_size(top) + below, 0);
}

static int add_node(struct view *v, struct node *parent, const char *path, const void *data,
		    size_t len)
{
	struct node *n = node_new(path, &parent->perms);

	if (!n)
		return ENOMEM;
	if (client_unprivileged(v->c))
		n->perms.p[0] = (struct xs_perm){v->c->domid, n->perms.p[0].bits, false};
	if (node_set_data(n, data, len) || node_add_child(parent, path_name(path))) {
		node_free(n);
		return refuse(v, ENOMEM);
	}
	if (v->t)
		transaction_seen(v->t, path)->node = n;
	else
		store_put(&v->xs->store, n);
	touch(v, n);
	touch(v, parent);
	count_nodes(v, n->perms.p[0].domid, 1);
	return 0;
}

int view_create(struct view *v, const char *path, const void *data, size_t len)
{
	char level[PATH_SIZE];
	struct node *top = NULL;
	unsigned missing = 0;
	int err;

	strcpy(level, path);
	do {
		path_parent(level, level);
		missing++;
		err = view_read(v, level, &top);
	} while (err == ENOENT && strcmp(level, "/"));
	if (err)
		return err;
	if (v->t)
		v->t->made_nodes = true;
	err = check_new(v, path, missing, top, len);
	size_t at = strcmp(level, "/") ? strlen(level) : 0;
	while (!err && missing--) {
		at += strcspn(path + at + 1, "/") + 1;
		memcpy(level, path, at);
		level[at] = 0;
		err = missing ? add_node(v, top, level, NULL, 0)
			      : add_node(v, top, level, data, len);
		if (!err)
			err = view_read(v, level, &top);
	}
	return err;
}

int view_set_data(struct view *v, struct node *n, const void *data, size_t len)
{
	int err = check_size(v, node_size(n) - n->len + len, (long)len - (long)n->len);

	if (err)
		return err;
	if (node_set_data(n, data, len))
		return refuse(v, ENOMEM);
	touch(v, n);
	return 0;
}

int view_set_perms(struct view *v, struct node *n, const struct xs_perms *perms)
{
	uint32_t owner = n->perms.p[0].domid;
	long more = ((long)perms->nr - (long)n->perms.nr) * 8;
	int err = check_size(v, (size_t)((long)node_size(n) + more), more);

	if (err)
		return err;
	if (node_set_perms(n, perms))
		return refuse(v, ENOMEM);
	count_nodes(v, owner, -1);
	count_nodes(v, n->perms.p[0].domid, 1);
	touch(v, n);
	return 0;
}

static void drop(struct view *v, struct node *n)
{
	v->xs->gen++;
	count_nodes(v, n->perms.p[0].domid, -1);
	domain_uncharge_node(v->xs, n);
	if (v->t) {
		struct seen *s = transaction_seen(v->t, n->path);
		s->node = NULL;
		s->modified = true;
	} else {
		store_take(&v->xs->store, n->path);
	}
	node_free(n);
}

/* The lower ones first. `path` has room for those below. */
static int remove_tree(struct view *v, char path[PATH_SIZE], bool top)
{
	size_t len = strlen(path);
	struct node *n;
	int err = view_read(v, path, &n);

	/* A child may be missing in a transaction that cannot succeed any more: somebody
	 * removed it outside, and only its parent was seen before. */
	if (err)
		return EIO;
	while (n->children_len) {
		snprintf(path + len, PATH_SIZE - len, "/%s", n->children);
		err = remove_tree(v, path, false);
		path[len] = 0;
		if (err)
			return err;
		node_remove_child(n, n->children);
	}
	watch_fire(v, path, !top, NULL);
	drop(v, n);
	return 0;
}

int view_remove(struct view *v, const char *path)
{
	char below[PATH_SIZE];
	struct node *parent;
	int err;

	path_parent(path, below);
	err = view_read(v, below, &parent);
	if (err)
		return err == ENOENT ? EINVAL : err;
	strcpy(below, path);
	err = remove_tree(v, below, true);
	if (err)
		return err;
	/* In such a transaction it may be the parent that was seen before the node was
	 * made. */
	if (!node_remove_child(parent, path_name(path)))
		return EIO;
	touch(v, parent);
	return 0;
}
