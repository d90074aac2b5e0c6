/*
 * Rings that stand still: requests that are not taken or not answered, responses that are
 * not read; and whether the other side was told.
 */
#include <stdlib.h>
#include <string.h>

#include "pvabi/evtchn.h"
#include "vmm/inspect/text.h"
#include "vmm/inspect/watch_internal.h"

/* A ring's port as it stands. */
struct port_look {
	bool known, pending, masked;
	uint32_t sent, raised;
};

static struct port_look look_at_port(struct domain *d, evtchn_port_t port)
{
	struct port_look p = {0};

	evtchn_lock(d);
	const struct evtchn *chn = evtchn_from_port(d, port);
	if (chn && evtchn_usable(chn)) {
		p.known = true;
		p.pending = evtchn_ops(d)->is_pending(d, port);
		p.masked = evtchn_ops(d)->is_masked(d, port);
		p.sent = chn->sent;
		p.raised = chn->raised;
	}
	evtchn_unlock(d);
	return p;
}

static struct ring_memory *remember(struct watchdog *w, const char *key)
{
	for (unsigned i = 0; i < w->nr_rings; i++)
		if (!strcmp(w->rings[i].key, key))
			return &w->rings[i];
	struct ring_memory *all = realloc(w->rings, (w->nr_rings + 1) * sizeof(*all));
	if (!all)
		return NULL;
	w->rings = all;
	struct ring_memory *m = &all[w->nr_rings++];
	memset(m, 0, sizeof(*m));
	snprintf(m->key, sizeof(m->key), "%s", key);
	return m;
}

static uint64_t sign(uint64_t a, uint64_t b)
{
	return a << 32 | (b & 0xffffffff);
}

/* When an index moves, the counters of the port are those of that moment. */
static void note_moves(struct ring_memory *m, const json_t *r, const struct port_look *p)
{
	uint32_t req_cons = (uint32_t)text_int(r, "req_cons");
	uint32_t rsp_prod = (uint32_t)text_int(r, "rsp_prod");

	m->seen = true;
	if (!m->sent_known || req_cons != m->req_cons)
		m->sent = p->sent;
	if (!m->sent_known || rsp_prod != m->rsp_prod)
		m->raised = p->raised;
	m->sent_known = true;
	m->req_cons = req_cons;
	m->rsp_prod = rsp_prod;
}

static void not_taken(struct watchdog *w, const char *what, const json_t *r,
		      const struct ring_memory *m, const struct port_look *p)
{
	long long waiting = text_int(r, "waiting");
	uint32_t prod = (uint32_t)text_int(r, "req_prod");
	const char *why = "";

	/* It was to be notified from req_event on (io/ring.h). */
	if (json_object_get(r, "req_event") &&
	    prod - (uint32_t)text_int(r, "req_event") >= (uint32_t)waiting)
		why = "; the backend has not asked to be notified of them";
	else if (p->known && p->sent == m->sent)
		why = "; the guest has not notified the backend of them";
	else if (p->known)
		why = "; the backend was notified";
	watch_hold(w, "not taken", what, sign((uint32_t)text_int(r, "req_cons"), 0), w->clock,
		   w->limit,
		   "the guest waits for the backend: %lld that it produced were not taken for %u s "
		   "(req_prod %u, req_cons %u)%s",
		   waiting, w->seconds, prod, (uint32_t)text_int(r, "req_cons"), why);
}

static void not_answered(struct watchdog *w, const char *what, const json_t *r)
{
	watch_hold(w, "not answered", what, sign((uint32_t)text_int(r, "rsp_prod"), 1), w->clock,
		   w->limit,
		   "the guest waits for the backend: %lld requests are in flight, none was "
		   "answered for %u s (req_cons %u, rsp_prod %u)",
		   (long long)text_int(r, "in_flight"), w->seconds,
		   (uint32_t)text_int(r, "req_cons"), (uint32_t)text_int(r, "rsp_prod"));
}

/* Others are answered, this one is not. */
static void one_not_answered(struct watchdog *w, const char *what, const json_t *r)
{
	const json_t *oldest = json_object_get(r, "oldest");
	uint64_t age = (uint64_t)text_int(oldest, "age_ns");

	if (!oldest || age < w->limit || (uint64_t)text_int(r, "answered_ns") >= w->limit)
		return;
	watch_hold(w, "one request", what, (uint64_t)text_int(oldest, "id"), w->clock, 0,
		   "the guest waits for the backend: its %s of id %lld has been in flight for more "
		   "than %u s, while others are answered",
		   text_str(oldest, "op"), (long long)text_int(oldest, "id"), w->seconds);
}

static void not_read(struct watchdog *w, const char *what, const json_t *r,
		     const struct ring_memory *m, const struct port_look *p)
{
	uint32_t event =
		(uint32_t)text_int(r, json_object_get(r, "rsp_event") ? "rsp_event" : "rsp_cons");
	const char *why = "";

	if (p->known && p->pending && p->masked)
		why = "; its event is pending, and masked";
	else if (p->known && p->pending)
		why = "; its event is pending";
	else if (p->known && p->raised == m->raised)
		why = "; the backend has not notified it";
	else if (p->known)
		why = "; its event was taken, or is lost";
	watch_hold(w, "not read", what, sign((uint32_t)text_int(r, "rsp_prod"), event), w->clock,
		   w->limit,
		   "the backend waits for the guest: it has not taken %lld responses for %u s "
		   "(rsp_prod %u, %s %u)%s",
		   (long long)text_int(r, "unread"), w->seconds, (uint32_t)text_int(r, "rsp_prod"),
		   json_object_get(r, "rsp_event") ? "rsp_event" : "rsp_cons", event, why);
}

static void look(struct watchdog *w, const char *device, const json_t *r)
{
	struct port_look p =
		look_at_port(w->target.guest->domain, (evtchn_port_t)text_int(r, "port"));
	bool held = json_object_get(r, "held"), console = !strcmp(text_str(r, "kind"), "console");
	/* Buffers for frames: they wait as long as none come, and an interface that is down
	 * takes none. */
	bool buffers = json_is_true(json_object_get(r, "buffers"));
	char what[WATCH_KEY];

	snprintf(what, sizeof(what), "%s%s%s", device, *text_str(r, "ring") ? " " : "",
		 text_str(r, "ring"));
	struct ring_memory *m = remember(w, what);
	if (!m)
		return;
	note_moves(m, r, &p);
	if (text_int(r, "waiting") && !held && !buffers)
		not_taken(w, what, r, m, &p);
	/* What a disk has taken it is to answer, whatever keeps it from taking more. */
	if (text_int(r, "in_flight") && (!held || !strcmp(text_str(r, "kind"), "block"))) {
		not_answered(w, what, r);
		one_not_answered(w, what, r);
	}
	/* Nobody has to read what is typed on a console. */
	if (text_int(r, "unread") && !buffers && !console)
		not_read(w, what, r, m, &p);
}

static void forget_others(struct watchdog *w)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < w->nr_rings; i++)
		if (w->rings[i].seen) {
			w->rings[nr] = w->rings[i];
			w->rings[nr++].seen = false;
		}
	w->nr_rings = nr;
}

void watch_rings(struct watchdog *w, const json_t *devices)
{
	json_t *d, *r;
	size_t i, k;

	json_array_foreach(json_object_get(devices, "devices"), i, d)
	{
		json_array_foreach(json_object_get(d, "rings"), k, r)
		{
			look(w, text_str(d, "device"), r);
		}
	}
	forget_others(w);
}
