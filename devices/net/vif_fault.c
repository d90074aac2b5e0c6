/*
 * Packets that are held back, each way of a queue in a list of its own. All of it in the
 * event loop's thread.
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

bool vif_fault_hold(struct vif_queue *q, bool to_guest, const struct packet *p,
		    const struct fault *f)
{
	struct vif_held *h, **at = &q->held[to_guest];
	int64_t ns = fault_value(f, DELAY_NS);
	unsigned nr = 0;

	for (; *at; at = &(*at)->next)
		nr++;
	h = nr < MAX_HELD ? malloc(sizeof(*h) + p->len) : NULL;
	if (!h)
		return false;
	h->next = NULL;
	h->until_next = f->kind == FAULT_REORDER;
	h->due = vif_now() + (h->until_next ? REORDER_NS : (uint64_t)(ns < MAX_NS ? ns : MAX_NS));
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

void vif_fault_due(struct vif_queue *q)
{
	for (unsigned to_guest = 0; to_guest < 2; to_guest++)
		if (q->held[to_guest])
			let_go(q, to_guest, false);
}

void vif_fault_forget(struct vif_queue *q)
{
	for (unsigned to_guest = 0; to_guest < 2; to_guest++)
		while (q->held[to_guest]) {
			struct vif_held *h = q->held[to_guest];

			q->held[to_guest] = h->next;
			free(h);
		}
}
