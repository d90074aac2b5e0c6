/*
 * The wire protocol: one row a message type, with what is checked for all of
 * them in one place (Xen: docs/misc/xenstore.txt, io/xs_wire.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

/* A request being served. */
struct request {
	struct client *c;
	const struct xsd_sockmsg *h;
	const char *data; /* h->len bytes, not always text */
	size_t len;
	struct transaction *t; /* NULL: none */
	struct store *store;   /* the transaction's or the real one */
	char path[PATH_SIZE];  /* canonical, of the first string, for F_PATH rows */
	bool relative;
};

#define F_PATH		 0x1 /* the payload begins with a path and its NUL */
#define F_PRIVILEGED	 0x2 /* domain 0's only */
#define F_NO_TRANSACTION 0x4

static void reply(const struct request *r, const void *data, size_t len)
{
	struct xsd_sockmsg h = *r->h;

	h.len = (uint32_t)len;
	client_send(r->c, &h, data, false);
}

static void reply_ok(const struct request *r)
{
	reply(r, "OK", 3);
}

static void reply_error(const struct request *r, int err)
{
	struct xsd_sockmsg h = *r->h;
	const char *s = "EINVAL";

	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (xsd_errors[i].errnum == err)
			s = xsd_errors[i].errstring;
	h.type = XS_ERROR;
	h.len = (uint32_t)strlen(s) + 1;
	client_send(r->c, &h, s, false);
}

/* The string that begins at *at; NULL when it does not end inside the payload. */
static const char *next_string(const struct request *r, size_t *at)
{
	const char *s = r->data + *at;
	const char *end = *at < r->len ? memchr(s, 0, r->len - *at) : NULL;

	if (!end)
		return NULL;
	*at += (size_t)(end - s) + 1;
	return s;
}

static bool valid_chars(const char *p)
{
	return p[strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@")] ==
	       0;
}

/* Absolute and checked (xenstored: canonicalize(), is_valid_nodename()). */
static int canonical(const struct client *c, const char *in, char out[PATH_SIZE], bool *relative)
{
	size_t len = strlen(in);

	*relative = in[0] != '/' && in[0] != '@';
	if (!len || len > (*relative ? XENSTORE_REL_PATH_MAX : XENSTORE_ABS_PATH_MAX) ||
	    !valid_chars(in) || strstr(in, "//") || (len > 1 && in[len - 1] == '/'))
		return EINVAL;
	int n = *relative ? snprintf(out, PATH_SIZE, "/local/domain/%u/%s", c->domid, in)
			  : snprintf(out, PATH_SIZE, "%s", in);
	return n < PATH_SIZE ? 0 : EINVAL;
}

/* The node, when it is there and may be used so. */
static int lookup(struct request *r, uint8_t need, struct node **out)
{
	struct node *n = store_find(r->store, r->path);

	if (r->t && transaction_saw(r->t, r->path))
		return ENOMEM;
	/* Whether a node exists is told only to those who may see its parent. */
	if (!n)
		return perms_allow(&store_nearest(r->store, r->path)->perms, r->c->domid, need)
			       ? ENOENT
			       : EACCES;
	if (!perms_allow(&n->perms, r->c->domid, need))
		return EACCES;
	*out = n;
	return 0;
}

static void changed(struct request *r, bool below)
{
	if (!r->t)
		watch_fire(r->c->xs, r->path, below);
}

static int log_change(struct request *r, enum change_kind k, const void *data, size_t len,
		      const struct xs_perms *p)
{
	return r->t ? -transaction_log(r->t, k, r->path, data, len, p) : 0;
}

/* Makes the node when it is missing, within the quota. */
static int make(struct request *r, struct node **out)
{
	int err = lookup(r, XS_PERM_WRITE, out);

	if (err != ENOENT)
		return err;
	if (r->c->domid && store_count(r->store->root, r->c->domid) >= QUOTA_NODES)
		return ENOSPC;
	*out = store_make(r->store, r->path, r->c->domid);
	return *out ? 0 : ENOMEM;
}

static int do_read(struct request *r)
{
	struct node *n;
	int err = lookup(r, XS_PERM_READ, &n);

	if (!err)
		reply(r, n->data, n->len);
	return err;
}

static int do_write(struct request *r)
{
	size_t at = 0;
	struct node *n;

	next_string(r, &at);
	if (r->c->domid && r->len - at > QUOTA_ENTRY)
		return ENOSPC;
	int err = make(r, &n);
	if (!err)
		err = log_change(r, CHANGE_WRITE, r->data + at, r->len - at, NULL);
	if (!err)
		err = -store_set(r->store, n, r->data + at, r->len - at);
	if (err)
		return err;
	reply_ok(r);
	changed(r, false);
	return 0;
}

static int do_mkdir(struct request *r)
{
	bool had = store_find(r->store, r->path);
	struct node *n;
	int err = make(r, &n);

	if (err)
		return err;
	if (!had) {
		err = log_change(r, CHANGE_MKDIR, NULL, 0, NULL);
		if (err)
			return err;
	}
	reply_ok(r);
	if (!had)
		changed(r, false);
	return 0;
}

static int do_rm(struct request *r)
{
	struct node *n;
	int err = lookup(r, XS_PERM_WRITE, &n);

	if (err == ENOENT) {
		/* Removing what is not there succeeds when its parent is. */
		char *slash = strrchr(r->path, '/');
		char parent[PATH_SIZE];
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - r->path), r->path);
		if (!store_find(r->store, parent[0] ? parent : "/"))
			return ENOENT;
		reply_ok(r);
		return 0;
	}
	if (err)
		return err;
	if (!n->parent)
		return EINVAL;
	err = log_change(r, CHANGE_RM, NULL, 0, NULL);
	if (err)
		return err;
	store_remove(r->store, n);
	reply_ok(r);
	changed(r, true);
	return 0;
}

static char *children(const struct node *n, size_t *len)
{
	char *buf, *p;

	*len = 0;
	for (const struct node *c = n->children; c; c = c->next)
		*len += strlen(c->name) + 1;
	p = buf = malloc(*len + 1);
	for (const struct node *c = buf ? n->children : NULL; c; c = c->next)
		p = stpcpy(p, c->name) + 1;
	return buf;
}

static int do_directory(struct request *r)
{
	struct node *n;
	size_t len;
	int err = lookup(r, XS_PERM_READ, &n);

	if (err)
		return err;
	char *buf = children(n, &len);
	if (!buf)
		return ENOMEM;
	if (len > XENSTORE_PAYLOAD_MAX)
		err = E2BIG;
	else
		reply(r, buf, len);
	free(buf);
	return err;
}

/* A generation, then as many whole names from the offset on as fit; an empty one
 * ends the list. */
static int do_directory_part(struct request *r)
{
	char out[XENSTORE_PAYLOAD_MAX];
	struct node *n;
	size_t at = 0, len;

	next_string(r, &at);
	const char *off = next_string(r, &at);
	if (!off)
		return EINVAL;
	size_t offset = strtoul(off, NULL, 10);
	int err = lookup(r, XS_PERM_READ, &n);
	if (err)
		return err;
	char *buf = children(n, &len);
	if (!buf)
		return ENOMEM;
	size_t used = (size_t)snprintf(out, sizeof(out), "%llu", (unsigned long long)n->gen) + 1;
	bool all = true;
	while (offset < len) {
		size_t one = strlen(buf + offset) + 1;
		if (used + one + 1 > sizeof(out)) {
			all = false;
			break;
		}
		memcpy(out + used, buf + offset, one);
		used += one;
		offset += one;
	}
	if (all)
		out[used++] = 0;
	free(buf);
	reply(r, out, used);
	return 0;
}

/* By XS_PERM_* bits: none, read, write, both. */
static const char letters[] = "nrwb";

static int do_get_perms(struct request *r)
{
	char out[MAX_PERMS * 8];
	size_t used = 0;
	struct node *n;
	int err = lookup(r, XS_PERM_READ, &n);

	if (err)
		return err;
	for (unsigned i = 0; i < n->perms.nr; i++)
		used += (size_t)snprintf(out + used, sizeof(out) - used, "%c%u",
					 letters[n->perms.p[i].bits & 3], n->perms.p[i].domid) +
			1;
	reply(r, out, used);
	return 0;
}

static int parse_perms(struct request *r, struct xs_perms *p)
{
	size_t at = 0;
	const char *s;

	next_string(r, &at);
	p->nr = 0;
	while (at < r->len) {
		s = next_string(r, &at);
		const char *letter = s && s[0] ? strchr(letters, s[0]) : NULL;
		char *end;
		if (!letter || p->nr == MAX_PERMS)
			return EINVAL;
		unsigned long id = strtoul(s + 1, &end, 10);
		if (end == s + 1 || *end || id > 0xffff)
			return EINVAL;
		p->p[p->nr++] = (struct xs_perm){(uint16_t)id, (uint8_t)(letter - letters)};
	}
	return p->nr ? 0 : EINVAL;
}

static int do_set_perms(struct request *r)
{
	struct xs_perms p;
	struct node *n;
	int err = parse_perms(r, &p);

	if (!err)
		err = lookup(r, XS_PERM_WRITE, &n);
	/* Only the owner, and it keeps what it owns. */
	if (!err && r->c->domid &&
	    (n->perms.p[0].domid != r->c->domid || p.p[0].domid != r->c->domid))
		err = n->perms.p[0].domid != r->c->domid ? EACCES : EPERM;
	if (!err)
		err = log_change(r, CHANGE_PERMS, NULL, 0, &p);
	if (err)
		return err;
	store_set_perms(r->store, n, &p);
	reply_ok(r);
	changed(r, false);
	return 0;
}

/* path and token: checked here because a watch's path may be @special. */
static int watch_args(struct request *r, char path[PATH_SIZE], const char **token)
{
	size_t at = 0;
	const char *p = next_string(r, &at);

	*token = p ? next_string(r, &at) : NULL;
	if (!*token)
		return EINVAL;
	return canonical(r->c, p, path, &r->relative);
}

static int do_watch(struct request *r)
{
	const char *token;
	size_t prefix = 0;
	int err = watch_args(r, r->path, &token);

	if (err)
		return err;
	if (r->relative)
		prefix = (size_t)snprintf(NULL, 0, "/local/domain/%u/", r->c->domid);
	err = -watch_add(r->c, r->path, token, prefix);
	if (err)
		return err;
	reply_ok(r);
	/* Once for what is there already, whether it exists or not. */
	const char *shown = r->path + prefix;
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t a = strlen(shown) + 1, b = strlen(token) + 1;
	if (a + b <= sizeof(buf)) {
		struct xsd_sockmsg h = {.type = XS_WATCH_EVENT, .len = (uint32_t)(a + b)};
		memcpy(buf, shown, a);
		memcpy(buf + a, token, b);
		client_send(r->c, &h, buf, true);
	}
	return 0;
}

static int do_unwatch(struct request *r)
{
	const char *token;
	int err = watch_args(r, r->path, &token);

	if (!err)
		err = -watch_remove(r->c, r->path, token);
	if (!err)
		reply_ok(r);
	return err;
}

static int do_reset_watches(struct request *r)
{
	watch_remove_all(r->c);
	while (r->c->transactions)
		transaction_free(r->c, r->c->transactions);
	reply_ok(r);
	return 0;
}

static int do_transaction_start(struct request *r)
{
	char id[16];

	if (r->c->domid && r->c->nr_transactions >= QUOTA_TRANSACTIONS)
		return ENOSPC;
	const struct transaction *t = transaction_start(r->c);
	if (!t)
		return ENOMEM;
	reply(r, id, (size_t)snprintf(id, sizeof(id), "%u", t->id) + 1);
	return 0;
}

static int do_transaction_end(struct request *r)
{
	if (r->len != 2 || r->data[1] || (r->data[0] != 'T' && r->data[0] != 'F'))
		return EINVAL;
	if (!r->t)
		return ENOENT;
	int err = -transaction_end(r->c, r->t, r->data[0] == 'T');
	if (!err)
		reply_ok(r);
	return err;
}

static int domain_arg(struct request *r, unsigned *domid)
{
	size_t at = 0;
	const char *s = next_string(r, &at);
	char *end;

	if (!s || !*s)
		return EINVAL;
	*domid = (unsigned)strtoul(s, &end, 10);
	return *end ? EINVAL : 0;
}

static int do_get_domain_path(struct request *r)
{
	char path[40];
	unsigned domid;
	int err = domain_arg(r, &domid);

	if (!err)
		reply(r, path, (size_t)snprintf(path, sizeof(path), "/local/domain/%u", domid) + 1);
	return err;
}

static int do_is_domain_introduced(struct request *r)
{
	unsigned domid;
	int err = domain_arg(r, &domid);

	if (err)
		return err;
	bool there = domid == 0;
	for (const struct client *c = r->c->xs->clients; c; c = c->next)
		there |= c->domid == domid;
	reply(r, there ? "T" : "F", 2);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct request *r);
	unsigned flags;
} messages[XS_TYPE_COUNT] = {
	[XS_CONTROL] = {"CONTROL", NULL, F_PRIVILEGED},
	[XS_DIRECTORY] = {"DIRECTORY", do_directory, F_PATH},
	[XS_DIRECTORY_PART] = {"DIRECTORY_PART", do_directory_part, F_PATH},
	[XS_READ] = {"READ", do_read, F_PATH},
	[XS_GET_PERMS] = {"GET_PERMS", do_get_perms, F_PATH},
	[XS_WATCH] = {"WATCH", do_watch, F_NO_TRANSACTION},
	[XS_UNWATCH] = {"UNWATCH", do_unwatch, F_NO_TRANSACTION},
	[XS_TRANSACTION_START] = {"TRANSACTION_START", do_transaction_start, F_NO_TRANSACTION},
	[XS_TRANSACTION_END] = {"TRANSACTION_END", do_transaction_end, 0},
	/* One domain lives here, and it is introduced when it is made. */
	[XS_INTRODUCE] = {"INTRODUCE", NULL, F_PRIVILEGED},
	[XS_RELEASE] = {"RELEASE", NULL, F_PRIVILEGED},
	[XS_GET_DOMAIN_PATH] = {"GET_DOMAIN_PATH", do_get_domain_path, 0},
	[XS_WRITE] = {"WRITE", do_write, F_PATH},
	[XS_MKDIR] = {"MKDIR", do_mkdir, F_PATH},
	[XS_RM] = {"RM", do_rm, F_PATH},
	[XS_SET_PERMS] = {"SET_PERMS", do_set_perms, F_PATH},
	[XS_IS_DOMAIN_INTRODUCED] = {"IS_DOMAIN_INTRODUCED", do_is_domain_introduced, 0},
	[XS_RESUME] = {"RESUME", NULL, F_PRIVILEGED},
	[XS_SET_TARGET] = {"SET_TARGET", NULL, F_PRIVILEGED},
	[XS_RESET_WATCHES] = {"RESET_WATCHES", do_reset_watches, F_NO_TRANSACTION},
};

static int prepare(struct request *r)
{
	unsigned flags = messages[r->h->type].flags;
	size_t at = 0;

	if ((flags & F_PRIVILEGED) && r->c->domid)
		return EACCES;
	if (!messages[r->h->type].fn)
		return ENOSYS;
	if (r->h->tx_id) {
		r->t = transaction_find(r->c, r->h->tx_id);
		if (!r->t)
			return ENOENT;
		if (flags & F_NO_TRANSACTION)
			return EBUSY;
		r->store = &r->t->store;
	}
	if (flags & F_PATH) {
		const char *p = next_string(r, &at);
		if (!p || p[0] == '@')
			return EINVAL;
		return canonical(r->c, p, r->path, &r->relative);
	}
	return 0;
}

void wire_request(struct client *c, const struct xsd_sockmsg *h, const uint8_t *data)
{
	struct request r = {
		.c = c, .h = h, .data = (const char *)data, .len = h->len, .store = &c->xs->store};
	int err = h->type >= XS_TYPE_COUNT || !messages[h->type].name ? ENOSYS : prepare(&r);

	if (!err)
		err = messages[h->type].fn(&r);
	if (err)
		reply_error(&r, err);
}
