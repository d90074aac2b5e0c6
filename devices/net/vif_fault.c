/*
 * Packets that are held back, each way of a queue in a list of its own, and responses to
 * what the guest sent. All of it in the event loop's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/net/vif_fault.h"

#define MAX_HELD   256		 /* of a queue, each way: more are let through */
#define REORDER_NS 1000000000ull /* when there is no next packet */
#define DELAY_NS   100000000ll
#define MAX_NS	   60000000000ll

struct vif_held {
	struct vif_held *next;
	uint64_t due; /* vif_now() */
	bool until_next;
	struct packet p;
	uint8_t data[];
};

struct vif_held_response {
	struct vif_held_response *next;
	uint64_t due; /* vif_now() */
	bool until_next;
	struct netif_tx_response r;
};

static uint64_t due_at(const struct fault *f)
{
	int64_t ns = fault_value(f, DELAY_NS);

	return vif_now() +
	       (f->kind == FAULT_REORDER ? REORDER_NS : (uint64_t)(ns < MAX_NS ? ns : MAX_NS));
}

/* ---- packets ---- */

bool vif_fault_hold(struct vif_queue *q, bool to_guest, const struct packet *p,
		    const struct fault *f)
{
	struct vif_held *h, **at = &q->held[to_guest];
	unsigned nr = 0;

	for (; *at; at = &(*at)->next)
		nr++;
	h = nr < MAX_HELD ? malloc(sizeof(*h) + p->len) : NULL;
	if (!h)
		return false;
	h->next = NULL;
	h->until_next = f->kind == FAULT_REORDER;
	h->due = due_at(f);
	h->p = *p;
	h->p.data = memcpy(h->data, p->data, p->len);
	*at = h;
	vif_timer_at(q->vif, h->due);
	return true;
}

static void let_go(struct vif_queue *q, bool to_guest, bool passed)
{
	struct vif_held *due = NULL, **end = &due;
	uint64_t now = vif_now();

	/* Apart first: what is let go may make the frontend's queue change. */
	for (struct vif_held **at = &q->held[to_guest]; *at;) {
		struct vif_held *h = *at;

		if (h->due > now && !(passed && h->until_next)) {
			vif_timer_at(q->vif, h->due);
			at = &h->next;
			continue;
		}
		*at = h->next;
		h->next = NULL;
		*end = h;
		end = &h->next;
	}
	while (due) {
		struct vif_held *h = due;

		due = h->next;
		if (to_guest)
			vif_rx_deliver(q, &h->p);
		else
			vif_tx_send(q, &h->p);
		free(h);
	}
}

void vif_fault_passed(struct vif_queue *q, bool to_guest)
{
	if (q->held[to_guest])
		let_go(q, to_guest, true);
}

/* ---- responses ---- */

static bool hold_response(struct vif_queue *q, const struct netif_tx_response *r,
			  const struct fault *f)
{
	struct vif_held_response *h, **at = &q->held_responses;
	unsigned nr = 0;

	for (; *at; at = &(*at)->next)
		nr++;
	h = nr < MAX_HELD ? malloc(sizeof(*h)) : NULL;
	if (!h)
		return false;
	*h = (struct vif_held_response){
		.due = due_at(f), .until_next = f->kind == FAULT_REORDER, .r = *r};
	*at = h;
	vif_timer_at(q->vif, h->due);
	return true;
}

bool vif_fault_response(struct vif_queue *q, struct netif_tx_response *r, bool *split)
{
	struct fault f;

	if (!FAULT_AT(q->vif->b.domain, net_tx_response, &f, q->vif->b.id, q->index, r->id,
		      (uint64_t)(int64_t)r->status))
		return true;
	switch (f.kind) {
	case FAULT_DROP:
		return false;
	case FAULT_DELAY:
	case FAULT_REORDER:
		return !hold_response(q, r, &f);
	case FAULT_WRONG_ID:
		r->id = (uint16_t)fault_value(&f, r->id + 1);
		return true;
	case FAULT_WRONG_STATUS:
		r->status = (int16_t)fault_value(&f, 77);
		return true;
	case FAULT_DUPLICATE:
		vif_ring_respond(&q->tx, r, sizeof(*r));
		return true;
	case FAULT_JUMP:
		q->tx.rsp_prod += (uint32_t)fault_value(&f, 1000);
		return true;
	default:
		*split = f.kind == FAULT_SPLIT;
		return true;
	}
}

static void answer(struct vif_queue *q, bool responded)
{
	uint64_t now = vif_now();

	for (struct vif_held_response **at = &q->held_responses; *at;) {
		struct vif_held_response *h = *at;

		if (h->due > now && !(responded && h->until_next)) {
			vif_timer_at(q->vif, h->due);
			at = &h->next;
			continue;
		}
		*at = h->next;
		vif_ring_respond(&q->tx, &h->r, sizeof(h->r));
		free(h);
	}
}

void vif_fault_responded(struct vif_queue *q)
{
	answer(q, true);
}

/* ---- by time ---- */

void vif_fault_due(struct vif_queue *q)
{
	for (unsigned to_guest = 0; to_guest < 2; to_guest++)
		if (q->held[to_guest])
			let_go(q, to_guest, false);
	if (q->held_responses)
		answer(q, false);
}

void vif_fault_forget(struct vif_queue *q)
{
	for (unsigned to_guest = 0; to_guest < 2; to_guest++)
		while (q->held[to_guest]) {
			struct vif_held *h = q->held[to_guest];

			q->held[to_guest] = h->next;
			free(h);
		}
	while (q->held_responses) {
		struct vif_held_response *h = q->held_responses;

		q->held_responses = h->next;
		free(h);
	}
}
