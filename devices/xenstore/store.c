/*
 * The tree of nodes: see store.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/store.h"

static struct node *node_new(const char *name, size_t len)
{
	struct node *n = calloc(1, sizeof(*n));

	if (n && !(n->name = strndup(name, len))) {
		free(n);
		return NULL;
	}
	return n;
}

static void node_free(struct node *n)
{
	while (n->children) {
		struct node *c = n->children;
		n->children = c->next;
		node_free(c);
	}
	free(n->name);
	free(n->data);
	free(n);
}

int store_init(struct store *s)
{
	*s = (struct store){.root = node_new("", 0)};
	if (!s->root)
		return -ENOMEM;
	s->root->perms = (struct xs_perms){.nr = 1, .p = {{0, XS_PERM_READ}}};
	return 0;
}

void store_free(struct store *s)
{
	if (s->root)
		node_free(s->root);
	s->root = NULL;
}

static struct node *node_clone(const struct node *from, struct node *parent)
{
	struct node *n = node_new(from->name, strlen(from->name)), **tail;

	if (!n)
		return NULL;
	n->parent = parent;
	n->perms = from->perms;
	n->gen = from->gen;
	n->len = from->len;
	if (from->len && !(n->data = malloc(from->len)))
		goto fail;
	if (from->len)
		memcpy(n->data, from->data, from->len);
	tail = &n->children;
	for (const struct node *c = from->children; c; c = c->next) {
		if (!(*tail = node_clone(c, n)))
			goto fail;
		tail = &(*tail)->next;
	}
	return n;
fail:
	node_free(n);
	return NULL;
}

int store_clone(struct store *to, const struct store *from)
{
	to->gen = from->gen;
	to->root = node_clone(from->root, NULL);
	return to->root ? 0 : -ENOMEM;
}

static struct node *child(const struct node *n, const char *name, size_t len)
{
	for (struct node *c = n->children; c; c = c->next)
		if (!strncmp(c->name, name, len) && !c->name[len])
			return c;
	return NULL;
}

/* Walks as far as nodes exist; *rest is what is left of the path. */
static struct node *walk(const struct store *s, const char *path, const char **rest)
{
	struct node *n = s->root;

	while (*path == '/')
		path++;
	while (*path) {
		size_t len = strcspn(path, "/");
		struct node *c = child(n, path, len);
		if (!c)
			break;
		n = c;
		path += len;
		while (*path == '/')
			path++;
	}
	*rest = path;
	return n;
}

struct node *store_find(const struct store *s, const char *path)
{
	const char *rest;
	struct node *n = walk(s, path, &rest);

	return *rest ? NULL : n;
}

struct node *store_nearest(const struct store *s, const char *path)
{
	const char *rest;

	return walk(s, path, &rest);
}

struct node *store_make(struct store *s, const char *path, uint16_t owner)
{
	const char *rest;
	struct node *n = walk(s, path, &rest);

	while (*rest) {
		size_t len = strcspn(rest, "/");
		struct node *c = node_new(rest, len), **tail = &n->children;
		if (!c)
			return NULL;
		c->parent = n;
		c->perms = n->perms;
		if (owner)
			c->perms.p[0].domid = owner;
		c->gen = n->gen = ++s->gen;
		while (*tail)
			tail = &(*tail)->next;
		*tail = c;
		n = c;
		rest += len;
		while (*rest == '/')
			rest++;
	}
	return n;
}

int store_set(struct store *s, struct node *n, const void *data, size_t len)
{
	uint8_t *copy = NULL;

	if (len && !(copy = malloc(len)))
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	free(n->data);
	n->data = copy;
	n->len = len;
	n->gen = ++s->gen;
	return 0;
}

void store_set_perms(struct store *s, struct node *n, const struct xs_perms *perms)
{
	n->perms = *perms;
	n->gen = ++s->gen;
}

void store_remove(struct store *s, struct node *n)
{
	struct node **p = &n->parent->children;

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	n->parent->gen = ++s->gen;
	node_free(n);
}

unsigned store_count(const struct node *n, uint16_t domid)
{
	unsigned count = n->perms.p[0].domid == domid;

	for (const struct node *c = n->children; c; c = c->next)
		count += store_count(c, domid);
	return count;
}

bool perms_allow(const struct xs_perms *p, uint16_t domid, uint8_t need)
{
	if (domid == 0 || p->p[0].domid == domid)
		return true;
	for (unsigned i = 1; i < p->nr; i++)
		if (p->p[i].domid == domid)
			return (p->p[i].bits & need) == need;
	return (p->p[0].bits & need) == need;
}

void node_path(const struct node *n, char *buf, size_t size)
{
	if (!n->parent) {
		snprintf(buf, size, "/");
		return;
	}
	node_path(n->parent, buf, size);
	size_t len = strlen(buf);
	snprintf(buf + len, size - len, "%s%s", len > 1 ? "/" : "", n->name);
}
