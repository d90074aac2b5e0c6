/*
 * A client's bytes: requests that arrive in pieces, answers and events that wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

/* Longer answers are refused to a domain whose memory is used up (xenstored:
 * DEFAULT_BUFFER_SIZE). */
#define SHORT_ANSWER 16

struct client *client_new(struct xenstore *xs, struct store_domain *d)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->xs = xs;
	c->domain = d;
	c->number = d ? 0 : ++xs->nr_connections;
	c->domid = d->domid;
	c->target = NO_TARGET;
	c->watch_tail = &c->watches;
	c->out_tail = &c->out;
	c->next = xs->clients;
	xs->clients = c;
	return c;
}

static unsigned event_bucket(const struct message *m)
{
	unsigned h = 0;

	for (size_t i = sizeof(struct xsd_sockmsg); i < m->len; i++)
		h = 31 * h + m->bytes[i];
	return h % EVENT_BUCKETS;
}

static bool is_event(const struct message *m)
{
	return ((const struct xsd_sockmsg *)(const void *)m->bytes)->type == XS_WATCH_EVENT;
}

static void event_noted(struct client *c, struct message *m)
{
	unsigned b = event_bucket(m);

	*(c->events[b].first ? c->events[b].last : &c->events[b].first) = m;
	c->events[b].last = &m->alike;
}

/* The first message is over: of its bucket it is the first, too. */
static void message_done(struct client *c)
{
	struct message *m = c->out;

	c->out = m->next;
	if (!c->out)
		c->out_tail = &c->out;
	c->out_sent = 0;
	if (is_event(m))
		c->events[event_bucket(m)].first = m->alike;
	domain_charge(c->domain, -(long)m->len);
	pending_put(m->request);
	free(m);
}

void client_reset(struct client *c)
{
	watch_remove_all(c);
	while (c->transactions)
		transaction_free(c, c->transactions);
	while (c->out)
		message_done(c);
	events_forget(c);
	c->out_len = 0;
	c->in_used = 0;
}

void client_free(struct client *c)
{
	for (struct client **p = &c->xs->clients; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
	if (c->xs->guest == c)
		c->xs->guest = NULL;
	client_reset(c);
	free(c);
}

bool client_may_request(const struct client *c)
{
	const struct quotas *q = &c->xs->quota;

	if (!client_unprivileged(c))
		return c->out_len < QUOTA_OUT_REQUESTS;
	return c->domain->outstanding < q->outstanding &&
	       (!q->memory || c->domain->memory < q->memory);
}

static struct message *message_new(const struct xsd_sockmsg *h, struct pending *request)
{
	struct message *m = malloc(sizeof(*m) + sizeof(*h) + h->len);

	if (!m)
		return NULL;
	*m = (struct message){.request = request, .len = sizeof(*h) + h->len};
	memcpy(m->bytes, h, sizeof(*h));
	if (request)
		request->refs++;
	return m;
}

static void queue(struct client *c, struct message *m)
{
	bool first = !c->out;

	*c->out_tail = m;
	c->out_tail = &m->next;
	c->out_len += m->len;
	domain_charge(c->domain, (long)m->len);
	if (first && c->wake)
		c->wake(c);
}

static void answer(struct client *c, const struct xsd_sockmsg *h, const void *data)
{
	struct message *m = message_new(h, c->now);
	struct domain *d = xenstore_probed(c->xs);

	if (d)
		PROBE_HIT_BLOCK(d, xs_reply, data, h->len, c->number, h->type, h->tx_id, h->req_id);

	/* Without its answer the client would take the next one for it. */
	if (!m)
		abort();
	if (h->len)
		memcpy(m->bytes + sizeof(*h), data, h->len);
	queue(c, m);
}

void client_error(struct client *c, const struct xsd_sockmsg *request, int err)
{
	struct xsd_sockmsg h = *request;
	const char *s = "EINVAL";

	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (xsd_errors[i].errnum == err)
			s = xsd_errors[i].errstring;
	h.type = XS_ERROR;
	h.len = (uint32_t)strlen(s) + 1;
	answer(c, &h, s);
}

void client_reply(struct client *c, const struct xsd_sockmsg *request, const void *data, size_t len)
{
	struct xsd_sockmsg h = *request;

	h.len = (uint32_t)len;
	if (len > XENSTORE_PAYLOAD_MAX)
		client_error(c, request, E2BIG);
	else if (len > SHORT_ANSWER && domain_is_full(c->domain, (long)(sizeof(h) + len)))
		client_error(c, request, ENOMEM);
	else
		answer(c, &h, data);
}

/* Too much for a program that does not read; its socket's handler ends it. */
static bool overruns(struct client *c, size_t len)
{
	if (client_unprivileged(c) || c->out_len + len <= QUOTA_OUT_EVENTS)
		return false;
	if (!c->overrun) {
		c->overrun = true;
		if (c->wake)
			c->wake(c);
	}
	return true;
}

/* One that waits says all that an equal one would; but domains come and go one by one. */
static bool waits_already(const struct client *c, const struct message *m)
{
	const struct message *o = c->events[event_bucket(m)].first;

	for (; o && m->bytes[sizeof(struct xsd_sockmsg)] != '@'; o = o->alike)
		if (o->len == m->len && !memcmp(o->bytes, m->bytes, m->len))
			return true;
	return false;
}

static void event(struct client *c, struct pending *cause, const char *path, const char *token,
		  bool again)
{
	size_t p = strlen(path) + 1, t = strlen(token) + 1;
	struct xsd_sockmsg h = {.type = XS_WATCH_EVENT, .len = (uint32_t)(p + t)};
	struct message *m;

	if (p + t > XENSTORE_PAYLOAD_MAX || !(m = message_new(&h, cause)))
		return;
	memcpy(m->bytes + sizeof(h), path, p);
	memcpy(m->bytes + sizeof(h) + p, token, t);
	if ((!again && waits_already(c, m)) || domain_is_full(c->domain, (long)m->len) ||
	    overruns(c, m->len)) {
		if (cause)
			cause->refs--; /* the request itself still has it */
		free(m);
		return;
	}
	event_noted(c, m);
	queue(c, m);
}

void client_event(struct client *c, struct pending *cause, const char *path, const char *token)
{
	event(c, cause, path, token, false);
}

void client_event_again(struct client *c, struct pending *cause, const char *path,
			const char *token)
{
	event(c, cause, path, token, true);
}

size_t client_output(const struct client *c, const uint8_t **p)
{
	if (!c->out)
		return 0;
	*p = c->out->bytes + c->out_sent;
	return c->out->len - c->out_sent;
}

void client_sent(struct client *c, size_t n)
{
	c->out_len -= n;
	c->out_sent += n;
	if (c->out && c->out_sent == c->out->len)
		message_done(c);
}

static void serve(struct client *c, const struct xsd_sockmsg *h)
{
	c->in_used = 0;
	c->now = client_unprivileged(c) ? pending_new(c->domain) : NULL;
	wire_request(c, h, c->in + sizeof(*h));
	pending_put(c->now);
	c->now = NULL;
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
		if (c->in_used == sizeof(h) + h.len)
			serve(c, &h);
	}
	return (long)taken;
}
