/*
 * An interface's rings for those who debug it.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "devices/inspect.h"
#include "devices/net/netback.h"

/* Requests that were not taken; the guest may write there: each is copied once. */
static json_t *tx_requests(const struct vif_queue *q, const struct ring_look *r)
{
	json_t *all = json_array();
	bool extra = false;

	for (unsigned i = 0; q->blocked && i < q->out.nr_slots; i++)
		json_array_append_new(all, json_pack("{s:s, s:i}", "where", "in flight", "id",
						     (int)q->out.id[i]));
	for (uint32_t i = r->req_cons; i != r->req_prod && i - r->req_cons < r->slots; i++) {
		struct netif_tx_request t;
		struct netif_extra_info e;

		vif_ring_read(&q->tx, i, &t, sizeof(t));
		if (extra) {
			memcpy(&e, &t, sizeof(e) < sizeof(t) ? sizeof(e) : sizeof(t));
			extra = e.flags & XEN_NETIF_EXTRA_FLAG_MORE;
			json_array_append_new(all, json_pack("{s:s, s:i}", "where", "not taken",
							     "extra_type", (int)e.type));
			continue;
		}
		extra = t.flags & NETTXF_extra_info;
		json_array_append_new(all, json_pack("{s:s, s:i, s:I, s:i, s:i, s:b}", "where",
						     "not taken", "id", (int)t.id, "gref",
						     (json_int_t)t.gref, "offset", (int)t.offset,
						     "size", (int)t.size, "more",
						     t.flags & NETTXF_more_data ? 1 : 0));
	}
	return all;
}

static json_t *rx_requests(const struct vif_queue *q, const struct ring_look *r)
{
	json_t *all = json_array();

	for (uint32_t i = r->req_cons; i != r->req_prod && i - r->req_cons < r->slots; i++) {
		struct netif_rx_request x;

		vif_ring_read(&q->rx, i, &x, sizeof(x));
		json_array_append_new(all, json_pack("{s:s, s:i, s:I}", "where", "buffer", "id",
						     (int)x.id, "gref", (json_int_t)x.gref));
	}
	return all;
}

static void put_grant(json_t *device, const struct vif_ring *r, const char *name)
{
	char use[48];

	snprintf(use, sizeof(use), "%s, ring", name);
	for (unsigned i = 0; i < r->map.nr; i++)
		inspect_grant(device, r->map.ref[i], use);
}

static void put_queue(struct vif_queue *q, json_t *device, unsigned what)
{
	char name[32];
	struct ring_look r = {.ring = name, .kind = "net tx"};

	snprintf(name, sizeof(name), "queue %u tx", q->index);
	vif_ring_look(&q->tx, &r);
	if (q->blocked)
		r.held = "its link takes no more";
	else if (q->vif->timer_at && r.req_prod != r.req_cons &&
		 q->vif->rate_bytes != VIF_RATE_UNLIMITED)
		r.held = "its rate is used up";
	json_t *j = inspect_ring(device, &r);
	if (what & INSPECT_REQUESTS)
		json_object_set_new(j, "requests", tx_requests(q, &r));
	if (what & INSPECT_GRANTS)
		put_grant(device, &q->tx, name);

	r = (struct ring_look){.ring = name, .kind = "net rx", .buffers = true};
	snprintf(name, sizeof(name), "queue %u rx", q->index);
	vif_ring_look(&q->rx, &r);
	j = inspect_ring(device, &r);
	if (q->first) {
		json_object_set_new(j, "frames_wait", json_true());
		json_object_set_new(j, "says",
				    json_string("the backend waits for the guest's buffers"));
	}
	if (what & INSPECT_REQUESTS)
		json_object_set_new(j, "requests", rx_requests(q, &r));
	if (what & INSPECT_GRANTS)
		put_grant(device, &q->rx, name);
}

void vif_inspect(struct backend *b, json_t *device, unsigned what)
{
	struct netback *v = (struct netback *)b;

	json_object_set_new(device, "name", json_string(v->name));
	for (unsigned i = 0; i < v->nr_queues; i++)
		put_queue(v->queue[i], device, what);
	if (v->has_ctrl) {
		struct ring_look r = {.ring = "control", .kind = "net control"};

		vif_ring_look(&v->ctrl, &r);
		inspect_ring(device, &r);
		if (what & INSPECT_GRANTS)
			put_grant(device, &v->ctrl, "control");
	}
}
