/*
 * Messages about domains, which programs send, and CONTROL. Numbers are read as atoi()
 * does: what is none is 0. A domain is one of this process; another does not exist.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/wire.h"

/* The first nr strings as numbers. False: there are fewer. */
static bool numbers(const struct request *r, long *out, unsigned nr)
{
	size_t at = 0;

	for (unsigned i = 0; i < nr; i++) {
		const char *s = next_string(r, &at);
		if (!s)
			return false;
		out[i] = atoi(s);
	}
	return true;
}

static struct store_domain *connected(const struct request *r, long domid)
{
	struct store_domain *d = domain_find(r->c->xs, (uint32_t)domid);

	return d && d->client ? d : NULL;
}

/* Domain, frame (nobody looks at it), port of the guest's. For one that is connected:
 * its connection begins anew. */
int do_introduce(struct request *r)
{
	struct store_domain *d;
	long n[3];

	if (!numbers(r, n, 3) || !n[2])
		return EINVAL;
	d = domain_find(r->c->xs, (uint32_t)n[0]);
	if (!d || !d->exists || !d->domain)
		return EINVAL;
	if (!d->client) {
		if (n[2] != d->port)
			return EINVAL;
		int rc = domain_introduce(d);
		if (rc)
			return -rc;
	}
	d->bound = n[2] == d->port;
	ring_reset(d);
	reply_ok(r);
	return 0;
}

static int one_domain(struct request *r, struct store_domain **d)
{
	const char *s = only_string(r);
	long domid = s ? atoi(s) : 0;

	if (!domid)
		return EINVAL;
	*d = connected(r, domid);
	return *d ? 0 : ENOENT;
}

int do_release(struct request *r)
{
	struct store_domain *d;
	int err = one_domain(r, &d);

	if (err)
		return err;
	/* It is still there, and may be introduced again. */
	domain_release(d);
	domain_add(r->c->xs, d->domid);
	reply_ok(r);
	return 0;
}

int do_resume(struct request *r)
{
	struct store_domain *d;
	int err = one_domain(r, &d);

	if (err)
		return err;
	d->shut_down = false;
	reply_ok(r);
	return 0;
}

int do_set_target(struct request *r)
{
	struct store_domain *d;
	long n[2];

	if (!numbers(r, n, 2))
		return EINVAL;
	d = connected(r, n[0]);
	if (!d || !connected(r, n[1]))
		return ENOENT;
	d->client->target = (uint32_t)n[1];
	reply_ok(r);
	return 0;
}

int do_get_domain_path(struct request *r)
{
	const char *s = only_string(r);
	char path[40];

	if (!s)
		return EINVAL;
	reply(r, path,
	      (size_t)snprintf(path, sizeof(path), "/local/domain/%u", (unsigned)atoi(s)) + 1);
	return 0;
}

int do_is_domain_introduced(struct request *r)
{
	const char *s = only_string(r);

	if (!s)
		return EINVAL;
	int domid = atoi(s);
	bool there = domid == 0 || domid == DOMID_SELF || connected(r, domid);
	reply(r, there ? "T" : "F", 2);
	return 0;
}

int do_control(struct request *r)
{
	char *text = NULL;
	int err = control_command(r->c->xs, r->data, r->len, &text);

	if (err)
		return err;
	if (text)
		reply(r, text, strlen(text) + 1);
	else
		reply_ok(r);
	free(text);
	return 0;
}
