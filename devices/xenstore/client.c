/*
 * A client's bytes: requests that arrive in pieces, answers that wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

struct client *client_new(struct xenstore *xs, uint16_t domid)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->xs = xs;
	c->domid = domid;
	c->next = xs->clients;
	xs->clients = c;
	return c;
}

void client_free(struct client *c)
{
	for (struct client **p = &c->xs->clients; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	watch_remove_all(c);
	while (c->transactions)
		transaction_free(c, c->transactions);
	free(c->out);
	free(c);
}

bool client_may_request(const struct client *c)
{
	return c->out_len < QUOTA_OUT_REQUESTS;
}

void client_send(struct client *c, const struct xsd_sockmsg *h, const void *data, bool event)
{
	size_t need = c->out_len + sizeof(*h) + h->len;
	bool first = !c->out_len;

	if (event && need > QUOTA_OUT_EVENTS) {
		first = !c->overrun;
		c->overrun = true;
		if (first && c->wake)
			c->wake(c);
		return;
	}
	if (need > c->out_size) {
		size_t size = need < 4096 ? 4096 : 2 * need;
		uint8_t *out = realloc(c->out, size);
		if (!out)
			return;
		c->out = out;
		c->out_size = size;
	}
	memcpy(c->out + c->out_len, h, sizeof(*h));
	if (h->len)
		memcpy(c->out + c->out_len + sizeof(*h), data, h->len);
	c->out_len = need;
	if (first && c->wake)
		c->wake(c);
}

void client_sent(struct client *c, size_t n)
{
	if (!n)
		return;
	c->out_len -= n;
	memmove(c->out, c->out + n, c->out_len);
}

long client_take(struct client *c, const uint8_t *buf, size_t len)
{
	struct xsd_sockmsg h;
	size_t taken = 0;

	while (taken < len && client_may_request(c)) {
		size_t want = sizeof(h);
		if (c->in_used >= sizeof(h)) {
			memcpy(&h, c->in, sizeof(h));
			/* Again, should the caller go on after an error. */
			if (h.len > XENSTORE_PAYLOAD_MAX)
				return -EPROTO;
			want += h.len;
		}
		size_t n = want - c->in_used;
		if (n > len - taken)
			n = len - taken;
		memcpy(c->in + c->in_used, buf + taken, n);
		c->in_used += n;
		taken += n;
		if (c->in_used < sizeof(h))
			break;
		memcpy(&h, c->in, sizeof(h));
		if (h.len > XENSTORE_PAYLOAD_MAX)
			return -EPROTO;
		if (c->in_used == sizeof(h) + h.len) {
			c->in_used = 0;
			wire_request(c, &h, c->in + sizeof(h));
		}
	}
	return (long)taken;
}
