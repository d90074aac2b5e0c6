/*
 * Domains: which there are, what each has in the store, and its coming and going. Xen:
 * tools/xenstore/xenstored_domain.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/xenstore/xenstore.h"

struct store_domain *domain_find(const struct xenstore *xs, uint32_t domid)
{
	struct store_domain *d = xs->domains;

	while (d && d->domid != domid)
		d = d->next;
	return d;
}

struct store_domain *domain_add(struct xenstore *xs, uint32_t domid)
{
	struct store_domain *d = domain_find(xs, domid);

	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return NULL;
		d->xs = xs;
		d->domid = domid;
		d->port = d->event_fd = -1;
		d->next = xs->domains;
		xs->domains = d;
	}
	if (!d->exists)
		d->gen = xs->gen;
	d->exists = true;
	return d;
}

void domains_free(struct xenstore *xs)
{
	while (xs->domains) {
		struct store_domain *d = xs->domains;
		xs->domains = d->next;
		if (d->event_fd >= 0)
			close(d->event_fd);
		free(d);
	}
}

int domain_introduce(struct store_domain *d)
{
	int rc = ring_open(d);

	if (rc)
		return rc;
	d->client = client_new(d->xs, d);
	if (!d->client) {
		ring_close(d);
		return -ENOMEM;
	}
	d->shut_down = false;
	watch_fire_special(d->xs, "@introduceDomain");
	return 0;
}

/* What belongs to the domain goes with all that is below it. */
static void remove_nodes_of(struct view *v, char path[PATH_SIZE], uint32_t domid)
{
	const struct node *n = store_find(&v->xs->store, path);
	size_t len = strlen(path), from = strcmp(path, "/") ? len : 0;
	char name[PATH_SIZE];

	if (n && n->perms.p[0].domid == domid && from) {
		view_remove(v, path);
		return;
	}
	for (size_t at = 0; n && at < n->children_len;) {
		/* It may be gone afterwards, and the list have moved. */
		snprintf(name, sizeof(name), "%s", n->children + at);
		snprintf(path + from, PATH_SIZE - from, "/%s", name);
		remove_nodes_of(v, path, domid);
		path[len] = 0;
		if (at < n->children_len && !strcmp(n->children + at, name))
			at += strlen(name) + 1;
	}
}

static void forget_in(struct xs_perms *p, uint32_t domid)
{
	unsigned kept = 1;

	if (p->p[0].domid == domid)
		p->p[0].domid = 0;
	for (unsigned i = 1; i < p->nr; i++)
		if (p->p[i].domid != domid)
			p->p[kept++] = p->p[i];
	p->nr = kept;
}

void domain_release(struct store_domain *d)
{
	struct view v = {.xs = d->xs};
	char path[PATH_SIZE] = "/";

	for (struct client *c = d->xs->clients; c; c = c->next)
		if (c->target == d->domid)
			c->target = NO_TARGET;
	if (d->client) {
		ring_close(d);
		client_free(d->client);
		d->client = NULL;
	}
	if (d->nodes > 0)
		remove_nodes_of(&v, path, d->domid);
	forget_in(&d->xs->introduce_perms, d->domid);
	forget_in(&d->xs->release_perms, d->domid);
	d->exists = false;
	d->nodes = d->outstanding = 0;
	d->memory = 0;
	d->period++;
	watch_fire_special(d->xs, "@releaseDomain");
}

void xenstore_domain_shut_down(struct xenstore *xs, domid_t domid)
{
	struct store_domain *d = domain_find(xs, domid);

	if (!d || d->event_fd < 0)
		return;
	atomic_store(&d->shuts_down, true);
	eventfd_write(d->event_fd, 1);
}

void domain_shut_down(struct store_domain *d)
{
	if (!atomic_exchange(&d->shuts_down, false) || !d->client || d->shut_down)
		return;
	d->shut_down = true;
	watch_fire_special(d->xs, "@releaseDomain");
}

void xenstore_domain_gone(struct xenstore *xs, domid_t domid)
{
	struct store_domain *d = domain_find(xs, domid);

	if (d && d->client)
		domain_release(d);
	else if (d && domid)
		d->exists = false;
}

void domain_count_nodes(struct xenstore *xs, uint32_t domid, int nodes)
{
	struct store_domain *d = domain_find(xs, domid);

	if (d)
		d->nodes += nodes;
}

/* ---- memory: a guest above the limit is not heard any more ---- */

static void report(struct store_domain *d, long memory)
{
	const struct quotas *q = &d->xs->quota;

	if (!d->domid || !d->domain)
		return;
	if (q->memory && memory >= q->memory && !d->hard_reported) {
		d->hard_reported = true;
		domain_log(d->domain, LOG_WARN,
			   "xenstore: domain %u has used up its memory of %d bytes (quota memory)",
			   d->domid, q->memory);
	} else if (q->soft_memory && memory >= q->soft_memory && !d->soft_reported) {
		d->soft_reported = true;
		domain_log(d->domain, LOG_INFO, "xenstore: domain %u uses more than %d bytes",
			   d->domid, q->soft_memory);
	} else if (memory < q->soft_memory / 2) {
		d->hard_reported = d->soft_reported = false;
	}
}

bool domain_is_full(struct store_domain *d, long more)
{
	if (!d || !d->domid || !d->xs->quota.memory)
		return false;
	report(d, d->memory + more);
	return d->memory + more >= d->xs->quota.memory;
}

void domain_charge(struct store_domain *d, long bytes)
{
	if (!d)
		return;
	d->memory += bytes;
	report(d, d->memory);
	if (bytes < 0 && d->stalled)
		ring_notify(d);
}

void domain_uncharge_node(struct xenstore *xs, struct node *n)
{
	if (n->charged)
		domain_charge(domain_find(xs, n->charged_to), -(long)n->charged);
	n->charged = 0;
}

void domain_charge_node(struct xenstore *xs, uint32_t domid, struct node *n, size_t key)
{
	domain_uncharge_node(xs, n);
	n->charged_to = domid;
	n->charged = node_size(n) + key;
	domain_charge(domain_find(xs, domid), (long)n->charged);
}

/* ---- outstanding requests ---- */

struct pending *pending_new(struct store_domain *d)
{
	struct pending *p = malloc(sizeof(*p));

	if (p) {
		*p = (struct pending){.refs = 1, .d = d, .period = d->period};
		d->outstanding++;
	}
	return p;
}

void pending_put(struct pending *p)
{
	if (!p || --p->refs)
		return;
	if (p->period == p->d->period) {
		p->d->outstanding--;
		if (p->d->stalled)
			ring_notify(p->d);
	}
	free(p);
}
