/*
 * Transactions: copies of the nodes that were seen, with their generations. The end
 * compares these with the store of now, and puts what was changed there. Xen:
 * tools/xenstore/xenstored_transaction.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

struct transaction *transaction_find(const struct client *c, uint32_t id)
{
	for (struct transaction *t = c->transactions; t; t = t->next)
		if (t->id == id)
			return t;
	return NULL;
}

struct transaction *transaction_start(struct client *c)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->key = (size_t)snprintf(NULL, 0, "%llu/", (unsigned long long)++c->xs->gen);
	t->tail = &t->seen;
	do {
		t->id = ++c->next_transaction;
	} while (!t->id || transaction_find(c, t->id));
	t->next = c->transactions;
	c->transactions = t;
	c->nr_transactions++;
	return t;
}

static void seen_free(struct xenstore *xs, struct seen *s)
{
	if (s->node)
		domain_uncharge_node(xs, s->node);
	node_free(s->node);
	perms_free(&s->old);
	free(s);
}

static void transaction_unlink(struct client *c, struct transaction *t)
{
	struct transaction **p = &c->transactions;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	c->nr_transactions--;
}

static void transaction_drop(struct client *c, struct transaction *t)
{
	while (t->seen) {
		struct seen *s = t->seen;
		t->seen = s->next;
		seen_free(c->xs, s);
	}
	while (t->counts) {
		struct node_count *n = t->counts;
		t->counts = n->next;
		free(n);
	}
	free(t);
}

void transaction_free(struct client *c, struct transaction *t)
{
	transaction_unlink(c, t);
	transaction_drop(c, t);
}

struct seen *transaction_seen(const struct transaction *t, const char *path)
{
	struct seen *s = t->seen;

	while (s && strcmp(s->path, path))
		s = s->next;
	return s;
}

static struct seen *seen_new(struct view *v, const char *path)
{
	struct node *n = store_find(&v->xs->store, path);
	size_t size = strlen(path) + 1;
	struct seen *s = calloc(1, sizeof(*s) + size);

	if (!s)
		return NULL;
	memcpy(s->path, path, size);
	s->gen = NO_GENERATION;
	if (!n)
		return s;
	perms_adjust(v->xs, &n->perms, n->gen);
	s->gen = n->gen;
	if (perms_copy(&s->old, &n->perms) || !(s->node = node_copy(n))) {
		seen_free(v->xs, s);
		return NULL;
	}
	domain_charge_node(v->xs, v->c->domid, s->node, v->t->key + size - 1);
	return s;
}

int transaction_see(struct view *v, const char *path, struct seen **out)
{
	struct transaction *t = v->t;
	struct seen *s = transaction_seen(t, path);

	if (!s) {
		bool many = client_unprivileged(v->c) &&
			    t->nr_seen >= (unsigned)v->xs->quota.transaction_nodes;
		s = many ? NULL : seen_new(v, path);
		if (!s) {
			t->failed = true;
			return many ? ENOSPC : ENOMEM;
		}
		*t->tail = s;
		t->tail = &s->next;
		t->nr_seen++;
	}
	*out = s;
	return 0;
}

void transaction_count(struct transaction *t, uint32_t domid, int nodes)
{
	struct node_count *n = t->counts;

	while (n && n->domid != domid)
		n = n->next;
	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n) {
			t->failed = true;
			return;
		}
		n->domid = domid;
		n->next = t->counts;
		t->counts = n;
	}
	n->nodes += nodes;
}

static bool too_many_nodes(const struct client *c, const struct transaction *t)
{
	if (!t->made_nodes || !client_unprivileged(c))
		return false;
	for (const struct node_count *n = t->counts; n; n = n->next) {
		const struct store_domain *d = n->domid ? domain_find(c->xs, n->domid) : NULL;
		if (d && d->nodes + n->nodes >= c->xs->quota.nodes)
			return true;
	}
	return false;
}

static bool conflicts(const struct xenstore *xs, const struct transaction *t)
{
	for (const struct seen *s = t->seen; s; s = s->next) {
		const struct node *n = store_find(&xs->store, s->path);
		if ((n ? n->gen : NO_GENERATION) != s->gen)
			return true;
	}
	return false;
}

/* Puts a node in the store, or takes it out, as the transaction left it. */
static void apply(struct view *v, struct seen *s)
{
	struct node *n = store_find(&v->xs->store, s->path);

	if (n)
		domain_uncharge_node(v->xs, n);
	if (s->node) {
		n = s->node;
		s->node = NULL;
		n->gen = ++v->xs->gen;
		store_put(&v->xs->store, n);
		domain_charge_node(v->xs, n->perms.p[0].domid, n, strlen(n->path));
	} else if (n) {
		node_free(store_take(&v->xs->store, s->path));
	}
	if (s->fires)
		watch_fire(v, s->path, s->exact, s->old.nr ? &s->old : NULL);
}

int transaction_end(struct client *c, struct transaction *t, bool commit)
{
	struct view v = {.xs = c->xs, .c = c};
	int err = 0;

	transaction_unlink(c, t);
	if (commit)
		err = t->failed		     ? ENOMEM
		      : too_many_nodes(c, t) ? ENOSPC
		      : conflicts(c->xs, t)  ? EAGAIN
					     : 0;
	if (commit && !err) {
		for (struct seen *s = t->seen; s; s = s->next)
			if (s->modified)
				apply(&v, s);
		for (const struct node_count *n = t->counts; n; n = n->next)
			domain_count_nodes(c->xs, n->domid, n->nodes);
	}
	transaction_drop(c, t);
	return err;
}
