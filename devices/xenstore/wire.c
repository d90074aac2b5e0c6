/*
 * The wire protocol: one row a message type, with what is checked for all of
 * them in one place (Xen: docs/misc/xenstore.txt, io/xs_wire.h; where they leave it
 * open, what xenstored 4.17 does: test/xenstore/talks has its answers).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/wire.h"
#include "pvabi/fault.h"

#define F_NO_TRANSACTION 0x1 /* its id is not looked at */
#define F_PRIVILEGED	 0x2 /* domain 0's only */

void reply(const struct request *r, const void *data, size_t len)
{
	client_reply(r->c, r->h, data, len);
}

void reply_ok(const struct request *r)
{
	reply(r, "OK", 3);
}

const char *next_string(const struct request *r, size_t *at)
{
	const char *s = r->data + *at;
	const char *end = *at < r->len ? memchr(s, 0, r->len - *at) : NULL;

	if (!end)
		return NULL;
	*at += (size_t)(end - s) + 1;
	return s;
}

unsigned count_strings(const struct request *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->len; i++)
		n += !r->data[i];
	return n;
}

const char *only_string(const struct request *r)
{
	size_t at = 0;
	const char *s = next_string(r, &at);

	return at == r->len ? s : NULL;
}

bool request_path(struct request *r, const char *path)
{
	int n = path[0] == '/' || path[0] == '@'
			? snprintf(r->path, PATH_SIZE, "%s", path)
			: snprintf(r->path, PATH_SIZE, "/local/domain/%u/%s", r->c->domid, path);

	return n < PATH_SIZE;
}

/* The node that a payload of one path names. */
static int only_node(struct request *r, uint8_t need, struct node **n)
{
	const char *path = only_string(r);

	if (!path || !request_path(r, path))
		return EINVAL;
	return view_get(&r->v, r->path, need, n);
}

/* The node that the payload's first string names. */
static int first_node(struct request *r, uint8_t need, struct node **n)
{
	size_t at = 0;
	const char *path = next_string(r, &at);

	if (!path || !request_path(r, path))
		return EINVAL;
	return view_get(&r->v, r->path, need, n);
}

static int do_read(struct request *r)
{
	struct node *n;
	int err = only_node(r, XS_PERM_READ, &n);

	if (!err)
		reply(r, n->data, n->len);
	return err;
}

static int do_write(struct request *r)
{
	struct node *n;
	size_t at = 0;
	int err;

	if (!next_string(r, &at))
		return EINVAL;
	err = first_node(r, XS_PERM_WRITE, &n);
	if (err == ENOENT)
		err = view_create(&r->v, r->path, r->data + at, r->len - at);
	else if (!err)
		err = view_set_data(&r->v, n, r->data + at, r->len - at);
	if (err)
		return err;
	watch_fire(&r->v, r->path, false, NULL);
	reply_ok(r);
	return 0;
}

static int do_mkdir(struct request *r)
{
	struct node *n;
	int err = only_node(r, XS_PERM_WRITE, &n);

	if (err == ENOENT) {
		err = view_create(&r->v, r->path, NULL, 0);
		if (!err)
			watch_fire(&r->v, r->path, false, NULL);
	}
	if (!err)
		reply_ok(r);
	return err;
}

/* Removing what is not there succeeds when its parent is. */
static int remove_nothing(struct request *r)
{
	char parent[PATH_SIZE];
	struct node *n;

	path_parent(r->path, parent);
	return view_read(&r->v, parent, &n);
}

static int do_rm(struct request *r)
{
	struct node *n;
	int err = only_node(r, XS_PERM_WRITE, &n);

	if (err == ENOENT)
		err = remove_nothing(r);
	else if (!err)
		err = strcmp(r->path, "/") ? view_remove(&r->v, r->path) : EINVAL;
	if (!err)
		reply_ok(r);
	return err;
}

static int do_directory(struct request *r)
{
	struct node *n;
	int err = only_node(r, XS_PERM_READ, &n);

	if (!err)
		reply(r, n->children, n->children_len);
	return err;
}

/* A generation, then as many whole names from the offset on as fit; an empty one
 * ends the list. */
static int do_directory_part(struct request *r)
{
	char out[XENSTORE_PAYLOAD_MAX];
	struct node *n;
	size_t at = 0, used;

	if (count_strings(r) != 2)
		return EINVAL;
	int err = first_node(r, XS_PERM_READ, &n);
	if (err)
		return err;
	next_string(r, &at);
	/* Anything that is no number is 0, or a very large one. */
	unsigned offset = (unsigned)atoi(next_string(r, &at));
	used = (size_t)snprintf(out, sizeof(out), "%llu", (unsigned long long)n->gen) + 1;
	while (offset < n->children_len) {
		const char *name = n->children + offset;
		size_t size = strlen(name) + 1;
		if (used + size + 1 > sizeof(out))
			break;
		memcpy(out + used, name, size);
		used += size;
		offset += (unsigned)size;
	}
	if (offset >= n->children_len)
		out[used++] = 0;
	reply(r, out, used);
	return 0;
}

/* By XS_PERM_* bits: none, read, write, both. */
static const char letters[] = "nrwb";

static int do_get_perms(struct request *r)
{
	struct node *n;
	size_t used = 0;
	int err = only_node(r, XS_PERM_READ, &n);

	if (err)
		return err;
	char *out = malloc(n->perms.nr * 16);
	if (!out)
		return ENOMEM;
	for (unsigned i = 0; i < n->perms.nr; i++)
		used += (size_t)sprintf(out + used, "%c%d", letters[n->perms.p[i].bits & 3],
					(int)n->perms.p[i].domid) +
			1;
	reply(r, out, used);
	free(out);
	return 0;
}

/* A letter and a number as strtol() reads it (xs_lib.c: xs_strings_to_perms). */
static int parse_perm(const char *s, struct xs_perm *p)
{
	const char *letter = s[0] ? strchr(letters, s[0]) : NULL;
	char *end;

	if (!letter || !s[1])
		return EINVAL;
	*p = (struct xs_perm){(uint32_t)strtol(s + 1, &end, 0), (uint8_t)(letter - letters), false};
	return *end ? EINVAL : 0;
}

static int parse_perms(struct request *r, struct xs_perms *p)
{
	unsigned nr = count_strings(r);
	size_t at = 0;

	if (nr < 2)
		return EINVAL;
	if (client_unprivileged(r->c) && (int)nr - 1 > r->c->xs->quota.permissions)
		return ENOSPC;
	p->p = calloc(nr - 1, sizeof(*p->p));
	if (!p->p)
		return ENOMEM;
	next_string(r, &at);
	for (p->nr = 0; p->nr < nr - 1; p->nr++)
		if (parse_perm(next_string(r, &at), &p->p[p->nr]))
			return EINVAL;
	/* What is meant for nobody stays so if such a domain comes. */
	for (unsigned i = 0; i < p->nr; i++) {
		const struct store_domain *d = domain_find(r->c->xs, p->p[i].domid);
		p->p[i].ignored = !d || !d->exists;
	}
	return p->p[0].ignored ? ENOENT : 0;
}

static int set_special_perms(struct request *r, const struct xs_perms *p)
{
	struct xs_perms *old = special_perms(r->c->xs, r->data), new;
	const uint8_t need = XS_PERM_WRITE | XS_PERM_OWNER;

	if (!old)
		return EINVAL;
	if ((perms_of(old, r->c->domid, r->c->target) & need) != need)
		return EACCES;
	if (perms_copy(&new, p))
		return ENOMEM;
	perms_free(old);
	*old = new;
	return 0;
}

static int set_node_perms(struct request *r, const struct xs_perms *p)
{
	struct xs_perms old;
	struct node *n;
	int err = first_node(r, XS_PERM_WRITE | XS_PERM_OWNER, &n);

	if (err)
		return err;
	if (client_unprivileged(r->c) && n->perms.p[0].domid != p->p[0].domid)
		return EPERM;
	if (perms_copy(&old, &n->perms))
		return ENOMEM;
	err = view_set_perms(&r->v, n, p);
	if (!err)
		watch_fire(&r->v, r->path, false, &old);
	perms_free(&old);
	return err;
}

static int do_set_perms(struct request *r)
{
	struct xs_perms p = {0, NULL};
	int err = parse_perms(r, &p);

	if (!err)
		err = r->data[0] == '@' ? set_special_perms(r, &p) : set_node_perms(r, &p);
	if (!err)
		reply_ok(r);
	perms_free(&p);
	return err;
}

/* The path into r->path, with the token and how much of the path is not shown. */
static int watch_args(struct request *r, const char **token, size_t *prefix)
{
	size_t at = 0;

	if (count_strings(r) != 2)
		return EINVAL;
	const char *path = next_string(r, &at);
	*token = next_string(r, &at);
	if (!request_path(r, path))
		return EINVAL;
	*prefix = strlen(r->path) - strlen(path);
	return 0;
}

static int do_watch(struct request *r)
{
	const char *token;
	size_t prefix;
	int err = watch_args(r, &token, &prefix);

	if (err)
		return err;
	if (r->path[0] == '@' ? strlen(r->path) > XENSTORE_REL_PATH_MAX
			      : !path_is_valid(r->c->xs, r->path))
		return EINVAL;
	err = watch_add(r->c, r->path, token, prefix);
	if (err)
		return err;
	reply_ok(r);
	/* Once for what is there already, whether it exists or not. */
	client_event(r->c, NULL, r->path + prefix, token);
	return 0;
}

static int do_unwatch(struct request *r)
{
	const char *token;
	size_t prefix;
	int err = watch_args(r, &token, &prefix);

	if (err)
		return err == EINVAL && count_strings(r) == 2 ? ENOENT : err;
	err = watch_remove(r->c, r->path, token);
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

	if (r->v.t)
		return EBUSY;
	/* One more than the quota says, as with watches. */
	if (client_unprivileged(r->c) && r->c->nr_transactions > r->c->xs->quota.transactions)
		return ENOSPC;
	const struct transaction *t = transaction_start(r->c);
	if (!t)
		return ENOMEM;
	reply(r, id, (size_t)snprintf(id, sizeof(id), "%u", t->id) + 1);
	return 0;
}

static int do_transaction_end(struct request *r)
{
	const char *how = only_string(r);

	if (!how || (strcmp(how, "T") && strcmp(how, "F")))
		return EINVAL;
	if (!r->v.t)
		return ENOENT;
	int err = transaction_end(r->c, r->v.t, *how == 'T');
	if (!err)
		reply_ok(r);
	return err;
}

static const struct {
	int (*fn)(struct request *r);
	unsigned flags;
} messages[XS_TYPE_COUNT] = {
	[XS_CONTROL] = {do_control, F_PRIVILEGED},
	[XS_DIRECTORY] = {do_directory, 0},
	[XS_DIRECTORY_PART] = {do_directory_part, 0},
	[XS_READ] = {do_read, 0},
	[XS_GET_PERMS] = {do_get_perms, 0},
	[XS_WATCH] = {do_watch, F_NO_TRANSACTION},
	[XS_UNWATCH] = {do_unwatch, F_NO_TRANSACTION},
	[XS_TRANSACTION_START] = {do_transaction_start, 0},
	[XS_TRANSACTION_END] = {do_transaction_end, 0},
	[XS_INTRODUCE] = {do_introduce, F_PRIVILEGED},
	[XS_RELEASE] = {do_release, F_PRIVILEGED},
	[XS_GET_DOMAIN_PATH] = {do_get_domain_path, 0},
	[XS_WRITE] = {do_write, 0},
	[XS_MKDIR] = {do_mkdir, 0},
	[XS_RM] = {do_rm, 0},
	[XS_SET_PERMS] = {do_set_perms, 0},
	[XS_IS_DOMAIN_INTRODUCED] = {do_is_domain_introduced, F_PRIVILEGED},
	[XS_RESUME] = {do_resume, F_PRIVILEGED},
	[XS_SET_TARGET] = {do_set_target, F_PRIVILEGED},
	[XS_RESET_WATCHES] = {do_reset_watches, 0},
};

static int serve(struct request *r)
{
	if (r->h->type >= XS_TYPE_COUNT || !messages[r->h->type].fn)
		return ENOSYS;
	unsigned flags = messages[r->h->type].flags;
	if ((flags & F_PRIVILEGED) && client_unprivileged(r->c))
		return EACCES;
	if (r->h->tx_id && !(flags & F_NO_TRANSACTION)) {
		r->v.t = transaction_find(r->c, r->h->tx_id);
		if (!r->v.t)
			return ENOENT;
	}
	return messages[r->h->type].fn(r);
}

void wire_request(struct client *c, const struct xsd_sockmsg *h, const uint8_t *data)
{
	struct request r = {
		.c = c, .h = h, .data = (const char *)data, .len = h->len, .v = {c->xs, c, NULL}};
	struct domain *d = xenstore_probed(c->xs);

	if (d)
		PROBE_HIT_BLOCK(d, xs_request, data, h->len, c->number, h->type, h->tx_id,
				h->req_id);
	struct fault f;
	int err = 0;

	if (d && FAULT_AT_BLOCK(d, xs_request, &f, data, h->len, c->number, h->type, h->tx_id,
				h->req_id)) {
		if (f.kind == FAULT_DELAY)
			fault_wait(d, &f);
		else
			err = (int)-fault_value(&f, -EIO);
	}
	if (!err)
		err = serve(&r);
	if (err)
		client_error(c, h, err);
}
