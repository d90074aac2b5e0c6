/*
 * The store for those who debug it: the tree with owners and permissions, watches,
 * transactions, and what each domain has of its quotas.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "devices/inspect.h"
#include "devices/xenstore/xenstore.h"

/* An answer stays of a size that can be read. */
#define MAX_NODES 20000

/* Any bytes: those that are no text become '?'. */
static json_t *text(const void *bytes, size_t len)
{
	json_t *j = json_stringn(bytes, len);
	char plain[XENSTORE_PAYLOAD_MAX];

	if (j && !memchr(bytes, 0, len))
		return j;
	json_decref(j);
	if (len > sizeof(plain))
		len = sizeof(plain);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = ((const unsigned char *)bytes)[i];
		plain[i] = c < ' ' || c >= 0x7f ? '?' : (char)c;
	}
	return json_stringn(plain, len);
}

/* As xenstore-ls -p: "n0,r1". */
static json_t *perms_text(const struct xs_perms *p)
{
	char all[256] = "";

	for (unsigned i = 0; i < p->nr && strlen(all) + 20 < sizeof(all); i++)
		snprintf(all + strlen(all), 20, "%s%c%u", i ? "," : "",
			 "nrwb"[p->p[i].bits & (XS_PERM_READ | XS_PERM_WRITE)], p -> p[i].domid);
	return json_string(all);
}

struct walk {
	struct xenstore *xs;
	json_t *nodes;
	char path[PATH_SIZE];
};

static void add_nodes(struct walk *w)
{
	const struct node *n = store_find(&w->xs->store, w->path);
	size_t len = strlen(w->path), from = strcmp(w->path, "/") ? len : 0;

	if (!n || json_array_size(w->nodes) == MAX_NODES)
		return;
	json_array_append_new(w->nodes,
			      json_pack("{s:o, s:o, s:i, s:o}", "path", text(w->path, len), "value",
					text(n->len ? (const char *)n->data : "", n->len), "owner",
					(int)n->perms.p[0].domid, "permissions",
					perms_text(&n->perms)));
	for (size_t at = 0; at < n->children_len; at += strlen(n->children + at) + 1) {
		snprintf(w->path + from, sizeof(w->path) - from, "/%s", n->children + at);
		add_nodes(w);
		w->path[len] = 0;
	}
}

static void who_is(char name[48], const struct xenstore *xs, const struct client *c)
{
	if (c == xs->guest)
		snprintf(name, 48, "the guest");
	else if (c->domain)
		snprintf(name, 48, "domain %u", c->domid);
	else
		snprintf(name, 48, "a program");
}

static void add_client(struct xenstore *xs, const struct client *c, json_t *watches, json_t *txs)
{
	char who[48];

	who_is(who, xs, c);
	for (const struct watch *w = c->watches; w; w = w->next)
		json_array_append_new(watches, json_pack("{s:s, s:o, s:o}", "who", who, "path",
							 text(w->path, strlen(w->path)), "token",
							 text(w->token, strlen(w->token))));
	for (const struct transaction *t = c->transactions; t; t = t->next) {
		unsigned changed = 0;

		for (const struct seen *s = t->seen; s; s = s->next)
			changed += s->modified;
		json_array_append_new(txs, json_pack("{s:s, s:I, s:i, s:i, s:b}", "who", who, "id",
						     (json_int_t)t->id, "nodes_seen",
						     (int)t->nr_seen, "nodes_changed", (int)changed,
						     "failed", t->failed));
	}
}

static json_t *quota_use(const struct xenstore *xs, const struct store_domain *d)
{
	const struct quotas *q = &xs->quota;
	const struct client *c = d->client;
	const struct {
		const char *name;
		long used, limit;
	} rows[] = {
		{"nodes", d->nodes, q->nodes},
		{"watches", d->watches, q->watches},
		{"transactions", c ? c->nr_transactions : 0, q->transactions},
		{"outstanding", d->outstanding, q->outstanding},
		{"memory", d->memory, q->memory},
	};
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *j = json_pack("{s:i, s:s, s:I}", "domain", (int)d->domid, "quota",
				      rows[i].name, "used", (json_int_t)rows[i].used);

		/* Domain 0 has no limits. */
		if (d->domid)
			json_object_set_new(j, "limit", json_integer(rows[i].limit));
		json_array_append_new(all, j);
	}
	return all;
}

int xenstore_inspect(struct xenstore *xs, const char *path, json_t *out)
{
	struct walk w = {.xs = xs, .nodes = json_array()};
	json_t *watches = json_array(), *txs = json_array(), *quotas = json_array();

	if (strlen(path) < sizeof(w.path))
		strcpy(w.path, path);
	if (!*w.path || !store_find(&xs->store, w.path)) {
		json_decref(w.nodes);
		json_decref(watches);
		json_decref(txs);
		json_decref(quotas);
		return -ENOENT;
	}
	add_nodes(&w);
	for (const struct client *c = xs->clients; c; c = c->next)
		add_client(xs, c, watches, txs);
	for (const struct local_watch *l = xs->local.watches; l; l = l->next)
		if (!l->removed)
			json_array_append_new(
				watches, json_pack("{s:s, s:o, s:s}", "who", "a backend", "path",
						   text(l->path, strlen(l->path)), "token", ""));
	for (const struct store_domain *d = xs->domains; d; d = d->next) {
		json_t *one = d->exists ? quota_use(xs, d) : NULL;

		if (one)
			json_array_extend(quotas, one);
		json_decref(one);
	}
	json_object_set_new(out, "path", text(path, strlen(path)));
	json_object_set_new(out, "all_nodes", json_integer((json_int_t)xs->store.nr_nodes));
	json_object_set_new(out, "nodes", w.nodes);
	json_object_set_new(out, "watches", watches);
	json_object_set_new(out, "transactions", txs);
	json_object_set_new(out, "quotas", quotas);
	if (json_array_size(w.nodes) == MAX_NODES)
		json_object_set_new(out, "more", json_true());
	return 0;
}

/* ---- the guest's ring ---- */

static json_t *half_request(const struct client *c)
{
	struct xsd_sockmsg h;

	if (!c || !c->in_used)
		return NULL;
	json_t *j =
		json_pack("{s:s, s:I}", "where", "half of it came", "size", (json_int_t)c->in_used);
	if (c->in_used >= sizeof(h)) {
		memcpy(&h, c->in, sizeof(h));
		json_object_set_new(j, "id", json_integer(h.req_id));
		json_object_set_new(j, "message", json_integer(h.type));
	}
	return j;
}

/* Messages whose beginning is in the ring. */
static void add_messages(json_t *all, const volatile char *ring, uint32_t from, uint32_t to,
			 const char *where)
{
	struct xsd_sockmsg h;

	for (uint32_t at = from; to - at >= sizeof(h) && to - at <= XENSTORE_RING_SIZE;) {
		for (unsigned i = 0; i < sizeof(h); i++)
			((char *)&h)[i] = ring[MASK_XENSTORE_IDX(at + i)];
		json_array_append_new(all,
				      json_pack("{s:s, s:I, s:I, s:I}", "where", where, "id",
						(json_int_t)h.req_id, "message", (json_int_t)h.type,
						"size", (json_int_t)(sizeof(h) + h.len)));
		if (h.len > XENSTORE_PAYLOAD_MAX || sizeof(h) + h.len > to - at)
			return;
		at += (uint32_t)(sizeof(h) + h.len);
	}
}

static void put_ring(const struct store_domain *d, json_t *device, unsigned what)
{
	const volatile struct xenstore_domain_interface *r = d->ring;
	uint32_t req_prod = r->req_prod, req_cons = r->req_cons;
	uint32_t rsp_prod = r->rsp_prod, rsp_cons = r->rsp_cons;
	json_t *j = json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "ring", "", "kind",
			      "xenstore", "port", d->port, "req_prod", (json_int_t)req_prod,
			      "req_cons", (json_int_t)req_cons, "rsp_prod", (json_int_t)rsp_prod,
			      "rsp_cons", (json_int_t)rsp_cons, "waiting",
			      (json_int_t)(uint32_t)(req_prod - req_cons), "unread",
			      (json_int_t)(uint32_t)(rsp_prod - rsp_cons));
	const char *says = req_prod != req_cons	  ? "the guest waits for the store"
			   : rsp_prod != rsp_cons ? "the guest has answers to read"
						  : "idle";

	if (d->failed)
		says = "it is served no more: the guest broke its rules";
	else if (d->stalled)
		says = "the guest waits: it has as much outstanding as its quotas allow";
	json_object_set_new(j, "says", json_string(says));
	if (d->failed || d->stalled)
		json_object_set_new(j, "held", json_string(says));
	if (what & INSPECT_REQUESTS) {
		json_t *all = json_array(), *half = half_request(d->client);

		if (half)
			json_array_append_new(all, half);
		add_messages(all, r->req, req_cons, req_prod, "not taken");
		add_messages(all, r->rsp, rsp_cons, rsp_prod, "not read");
		json_object_set_new(j, "requests", all);
	}
	json_object_set_new(device, "rings", json_pack("[o]", j));
	if (what & INSPECT_GRANTS)
		inspect_grant(device, GNTTAB_RESERVED_XENSTORE, "ring");
}

void xenstore_inspect_ring(struct xenstore *xs, json_t *device, unsigned what)
{
	for (const struct store_domain *d = xs->domains; d; d = d->next)
		if (d->ring && d->client && d->client == xs->guest)
			put_ring(d, device, what);
}
