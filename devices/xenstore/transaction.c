/*
 * Transactions: a private copy of the store, a list of what was seen in it and
 * one of what was changed. The end compares what was seen with the store of now
 * and does the changes again there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

struct transaction *transaction_find(struct client *c, uint32_t id)
{
	for (struct transaction *t = c->transactions; t; t = t->next)
		if (t->id == id)
			return t;
	return NULL;
}

struct transaction *transaction_start(struct client *c)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (!t || store_clone(&t->store, &c->xs->store)) {
		free(t);
		return NULL;
	}
	do {
		t->id = ++c->xs->next_transaction;
	} while (!t->id || transaction_find(c, t->id));
	t->tail = &t->changes;
	t->next = c->transactions;
	c->transactions = t;
	c->nr_transactions++;
	return t;
}

void transaction_free(struct client *c, struct transaction *t)
{
	for (struct transaction **p = &c->transactions; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			c->nr_transactions--;
			break;
		}
	while (t->seen) {
		struct access *a = t->seen;
		t->seen = a->next;
		free(a);
	}
	while (t->changes) {
		struct change *ch = t->changes;
		t->changes = ch->next;
		free(ch->path);
		free(ch->data);
		free(ch);
	}
	store_free(&t->store);
	free(t);
}

int transaction_saw(struct transaction *t, const char *path)
{
	const struct node *n = store_find(&t->store, path);
	size_t size = strlen(path) + 1;

	for (const struct access *a = t->seen; a; a = a->next)
		if (!strcmp(a->path, path))
			return 0;
	struct access *a = malloc(sizeof(*a) + size);
	if (!a)
		return -ENOMEM;
	memcpy(a->path, path, size);
	a->gen = n ? n->gen + 1 : 0; /* generation 0 is a node's, too */
	a->next = t->seen;
	t->seen = a;
	return 0;
}

int transaction_log(struct transaction *t, enum change_kind kind, const char *path,
		    const void *data, size_t len, const struct xs_perms *perms)
{
	struct change *ch = calloc(1, sizeof(*ch));

	if (!ch || !(ch->path = strdup(path)) || (len && !(ch->data = malloc(len)))) {
		if (ch)
			free(ch->path);
		free(ch);
		return -ENOMEM;
	}
	ch->kind = kind;
	ch->len = len;
	if (len)
		memcpy(ch->data, data, len);
	if (perms)
		ch->perms = *perms;
	*t->tail = ch;
	t->tail = &ch->next;
	return 0;
}

static bool unchanged(const struct xenstore *xs, const struct transaction *t)
{
	for (const struct access *a = t->seen; a; a = a->next) {
		const struct node *n = store_find(&xs->store, a->path);
		if ((n ? n->gen + 1 : 0) != a->gen)
			return false;
	}
	return true;
}

static void apply(struct client *c, const struct change *ch)
{
	struct store *s = &c->xs->store;
	struct node *n;

	switch (ch->kind) {
	case CHANGE_WRITE:
		n = store_make(s, ch->path, c->domid);
		if (n)
			store_set(s, n, ch->data, ch->len);
		break;
	case CHANGE_MKDIR:
		store_make(s, ch->path, c->domid);
		break;
	case CHANGE_RM:
		n = store_find(s, ch->path);
		if (n && n->parent)
			store_remove(s, n);
		break;
	case CHANGE_PERMS:
		n = store_find(s, ch->path);
		if (n)
			store_set_perms(s, n, &ch->perms);
		break;
	}
	watch_fire(c->xs, ch->path, ch->kind == CHANGE_RM);
}

int transaction_end(struct client *c, struct transaction *t, bool commit)
{
	int rc = 0;

	if (commit && !unchanged(c->xs, t))
		rc = -EAGAIN;
	else if (commit)
		for (const struct change *ch = t->changes; ch; ch = ch->next)
			apply(c, ch);
	transaction_free(c, t);
	return rc;
}
