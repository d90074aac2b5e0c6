/*
 * Watches: who wants to know of changes under which path, and who may. Xen:
 * tools/xenstore/xenstored_watch.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"
#include "pvabi/fault.h"

#define LATE_NS 100000000

bool path_is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	if (!strcmp(top, "/"))
		return path[0] == '/';
	return !strncmp(path, top, n) && (path[n] == '/' || !path[n]);
}

const char *watch_shown(const struct watch *w, const char *path)
{
	return strncmp(path, w->path, w->prefix) ? path : path + w->prefix;
}

static bool may_read(const struct client *c, const struct xs_perms *p)
{
	return p && perms_of(p, c->domid, c->target) & XS_PERM_READ;
}

static struct xs_perms *perms_at(struct xenstore *xs, const char *path)
{
	struct node *n = store_find(&xs->store, path);

	if (!n)
		return NULL;
	perms_adjust(xs, &n->perms, n->gen);
	return &n->perms;
}

static void tell(struct client *c, struct pending *cause, const char *path, const char *token)
{
	struct domain *d = xenstore_probed(c->xs);
	struct fault f;
	bool faulty = false;

	if (d) {
		PROBE_HIT_BLOCK(d, xs_event, path, strlen(path), c->number);
		faulty = FAULT_AT_BLOCK(d, xs_event, &f, path, strlen(path), c->number);
	}
	if (faulty && f.kind == FAULT_DROP)
		return;
	bool late = faulty && f.kind == FAULT_DELAY;
	if ((late || c->late) &&
	    event_hold(c, path, token, late ? (uint64_t)fault_value(&f, LATE_NS) : 0))
		return;
	client_event(c, cause, path, token);
	if (faulty && f.kind == FAULT_DUPLICATE)
		client_event_again(c, cause, path, token);
}

static void fire_for(struct client *c, struct pending *cause, const char *path, bool exact)
{
	for (const struct watch *w = c->watches; w; w = w->next)
		if (exact ? !strcmp(path, w->path) : path_is_below(path, w->path))
			tell(c, cause, watch_shown(w, path), w->token);
}

void watch_fire(struct view *v, const char *path, bool exact, const struct xs_perms *old)
{
	struct pending *cause = client_unprivileged(v->c) ? v->c->now : NULL;
	const struct xs_perms *own, *parents = NULL;
	char parent[PATH_SIZE];

	if (v->t) {
		struct seen *s = transaction_seen(v->t, path);
		if (s)
			s->exact = exact && (s->exact || !s->fires);
		if (s)
			s->fires = true;
		else
			v->t->failed = true;
		return;
	}
	own = perms_at(v->xs, path);
	path_parent(path, parent);
	if (own)
		parents = perms_at(v->xs, parent);
	for (struct client *c = v->xs->clients; c; c = c->next)
		if (c->watches && (may_read(c, old) || may_read(c, own) || may_read(c, parents)))
			fire_for(c, cause, path, exact);
	local_fire(v->xs, path, exact);
}

struct xs_perms *special_perms(struct xenstore *xs, const char *name)
{
	if (!strcmp(name, "@introduceDomain"))
		return &xs->introduce_perms;
	if (!strcmp(name, "@releaseDomain"))
		return &xs->release_perms;
	return NULL;
}

void watch_fire_special(struct xenstore *xs, const char *name)
{
	for (struct client *c = xs->clients; c; c = c->next)
		if (may_read(c, special_perms(xs, name)))
			fire_for(c, NULL, name, true);
	local_fire(xs, name, true);
}

int watch_add(struct client *c, const char *path, const char *token, size_t prefix)
{
	long memory = (long)(strlen(path) + strlen(token));

	for (struct watch *w = c->watches; w; w = w->next)
		if (!strcmp(w->path, path) && !strcmp(w->token, token))
			return EEXIST;
	/* One more than the quota says: it is compared before it is counted. */
	if (client_unprivileged(c) && c->domain->watches > c->xs->quota.watches)
		return E2BIG;
	if (domain_is_full(c->domain, memory))
		return ENOMEM;
	struct watch *w = calloc(1, sizeof(*w));
	if (!w || !(w->path = strdup(path)) || !(w->token = strdup(token))) {
		if (w)
			free(w->path);
		free(w);
		return ENOMEM;
	}
	w->prefix = prefix;
	*c->watch_tail = w;
	c->watch_tail = &w->next;
	if (client_unprivileged(c))
		c->domain->watches++;
	domain_charge(c->domain, memory);
	return 0;
}

static void unlink_watch(struct client *c, struct watch **p)
{
	struct watch *w = *p;

	*p = w->next;
	if (!w->next)
		c->watch_tail = p;
	if (client_unprivileged(c))
		c->domain->watches--;
	domain_charge(c->domain, -(long)(strlen(w->path) + strlen(w->token)));
	free(w->path);
	free(w->token);
	free(w);
}

int watch_remove(struct client *c, const char *path, const char *token)
{
	for (struct watch **p = &c->watches; *p; p = &(*p)->next)
		if (!strcmp((*p)->path, path) && !strcmp((*p)->token, token)) {
			unlink_watch(c, p);
			return 0;
		}
	return ENOENT;
}

void watch_remove_all(struct client *c)
{
	while (c->watches)
		unlink_watch(c, &c->watches);
}
