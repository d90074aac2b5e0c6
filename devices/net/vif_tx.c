/*
 * Guest transmit: from slots of the ring to a frame for the link. What is refused, and how,
 * follows Linux's netback (xen-netback/netback.c: xenvif_tx_build_gops and what it calls):
 * a packet that makes no sense is answered with an error, a frontend that breaks the
 * protocol loses its interface.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>

#include "devices/net/vif_fault.h"

/* A packet may wait so long for a link that takes none (netback: rx_drain_timeout). */
#define BLOCKED_NS 10000000000ull
/* Credit for a packet of any size: netback's tx_add_credit(). */
#define MIN_BURST 131072u

enum taken { TAKEN_PACKET, TAKEN_OTHER, TAKEN_NOTHING, TAKEN_LATER };

struct extras {
	struct netif_extra_info of[VIF_EXTRA_TYPE_XDP + 1]; /* by type; type 0: none */
};

/* ---- responses ---- */

static void respond(struct vif_queue *q, uint16_t id, int16_t status)
{
	struct netif_tx_response r = {.id = id, .status = status};
	bool split = false;

	PROBE_HIT(q->vif->b.domain, net_tx_response, q->vif->b.id, q->index, id,
		  (uint64_t)(int64_t)status);
	if (FAULT_PROBE_ARMED(q->vif->b.domain, net_tx_response) &&
	    !vif_fault_response(q, &r, &split))
		return;
	if (split)
		vif_push(q->vif, &q->tx);
	vif_ring_respond(&q->tx, &r, sizeof(r));
	if (split)
		vif_push(q->vif, &q->tx);
	if (q->held_responses)
		vif_fault_responded(q);
}

/* Extra infos follow the first slot. */
static void respond_all(struct vif_queue *q)
{
	for (unsigned i = 0; i < q->out.nr_slots; i++) {
		respond(q, q->out.id[i], q->out.status[i]);
		for (unsigned e = 0; !i && e < q->out.nr_extras; e++)
			respond(q, 0, NETIF_RSP_NULL);
	}
}

static void refuse(struct vif_queue *q)
{
	q->vif->stats.tx_errors++;
	for (unsigned i = 0; i < q->out.nr_slots; i++)
		q->out.status[i] = NETIF_RSP_ERROR;
	respond_all(q);
}

/* ---- the rate (tx_credit_exceeded) ---- */

static void add_credit(struct vif_queue *q, uint64_t now)
{
	uint64_t bytes = q->vif->rate_bytes;
	uint64_t burst = bytes > MIN_BURST ? bytes : MIN_BURST;

	q->credit = q->credit > burst - (bytes < burst ? bytes : burst) ? burst : q->credit + bytes;
	q->credit_since = now;
}

static bool has_credit(struct vif_queue *q, unsigned size)
{
	struct netback *v = q->vif;

	if (v->rate_bytes == VIF_RATE_UNLIMITED || size <= q->credit)
		return true;
	uint64_t now = vif_now(), next = q->credit_since + v->rate_ns;
	if (now >= next)
		add_credit(q, now);
	if (size <= q->credit)
		return true;
	vif_timer_at(v, q->credit_since + v->rate_ns);
	return false;
}

static void use_credit(struct vif_queue *q, unsigned size)
{
	if (q->vif->rate_bytes != VIF_RATE_UNLIMITED)
		q->credit -= size;
}

void vif_rate_changed(struct netback *v)
{
	for (unsigned i = 0; i < v->nr_queues; i++) {
		struct vif_queue *q = v->queue[i];

		if (q->credit > v->rate_bytes)
			q->credit = v->rate_bytes;
		vif_tx_serve(q);
	}
}

/* ---- from slots to a packet ---- */

/* 0, or -1: broken. *left: slots that may still be read. */
static int take_extras(struct vif_queue *q, struct extras *x, int *left)
{
	struct netif_extra_info e;

	do {
		if (--*left < 0) {
			vif_broken(q->vif, "an extra info is missing");
			return -1;
		}
		vif_ring_peek(&q->tx, 0, &e, sizeof(e));
		q->tx.req_cons++;
		q->out.nr_extras++;
		if (e.type == XEN_NETIF_EXTRA_TYPE_NONE || e.type > VIF_EXTRA_TYPE_XDP) {
			vif_broken(q->vif, "an extra info of type %u", e.type);
			return -1;
		}
		x->of[e.type] = e;
	} while (e.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return 0;
}

/* The slots behind the first; their sizes are taken off the first's. The number of them,
 * -1: broken, -EIO: the packet is dropped. All are taken from the ring. */
static int take_frags(struct vif_queue *q, struct netif_tx_request *first,
		      struct netif_tx_request *frag, int left)
{
	struct vif_tx *t = &q->out;
	struct netif_tx_request r = *first;
	int n = 0, rc = 0;

	while (r.flags & NETTXF_more_data) {
		if (n >= left || n >= VIF_FATAL_FRAGS) {
			vif_broken(q->vif,
				   n >= left ? "a packet of more slots than are in the ring"
					     : "a packet of more than %d slots",
				   VIF_FATAL_FRAGS + 1);
			return -1;
		}
		vif_ring_peek(&q->tx, 0, &r, sizeof(r));
		q->tx.req_cons++;
		t->id[t->nr_slots++] = r.id;
		/* A frame of 64 KiB or more overflowed the first slot's size: there are
		 * frontends that send them. */
		if (n >= VIF_MAX_FRAGS || r.size > first->size)
			rc = -EIO;
		else
			frag[n] = r;
		n++;
		first->size -= r.size;
		if ((unsigned)r.offset + r.size > PAGE_SIZE) {
			vif_broken(q->vif, "a slot of %u bytes at %u", r.size, r.offset);
			return -1;
		}
	}
	return rc ? rc : n;
}

/* Bytes of one slot behind those that are there. */
static bool copy_slot(struct vif_queue *q, unsigned i, const struct netif_tx_request *r)
{
	struct vif_tx *t = &q->out;

	if (!r->size)
		return true;
	if (grant_backend_copy_from(q->vif->b.domain, t->p.data + t->p.len, r->gref, r->offset,
				    r->size)) {
		t->status[i] = NETIF_RSP_ERROR;
		return false;
	}
	t->p.len += r->size;
	q->vif->stats.copied += r->size;
	return true;
}

static bool multicast_request(struct vif_queue *q, const struct extras *x)
{
	const struct netif_extra_info *add = &x->of[XEN_NETIF_EXTRA_TYPE_MCAST_ADD];
	const struct netif_extra_info *del = &x->of[XEN_NETIF_EXTRA_TYPE_MCAST_DEL];

	if (add->type)
		q->out.status[0] =
			vif_mcast_add(q->vif, add->u.mcast.addr) ? NETIF_RSP_ERROR : NETIF_RSP_OKAY;
	else if (del->type)
		vif_mcast_del(q->vif, del->u.mcast.addr);
	else
		return false;
	respond_all(q);
	return true;
}

static int set_gso(struct vif_queue *q, const struct netif_extra_info *gso)
{
	if (!gso->type)
		return 0;
	if (!gso->u.gso.size) {
		vif_broken(q->vif, "a GSO size of 0");
		return -1;
	}
	if (gso->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 &&
	    gso->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6) {
		vif_broken(q->vif, "a GSO type of %u", gso->u.gso.type);
		return -1;
	}
	q->out.p.gso_type = gso->u.gso.type;
	q->out.p.gso_size = gso->u.gso.size;
	return 0;
}

static enum taken take(struct vif_queue *q)
{
	struct netif_tx_request first, frag[VIF_MAX_FRAGS];
	struct extras x = {0};
	struct vif_tx *t = &q->out;
	int left = vif_ring_waiting(&q->tx);

	if (left < 0) {
		vif_broken(q->vif, "the ring claims more requests than it has room for");
		return TAKEN_NOTHING;
	}
	if (!left)
		return TAKEN_NOTHING;
	vif_ring_peek(&q->tx, 0, &first, sizeof(first));
	if (!has_credit(q, first.size))
		return TAKEN_LATER;
	use_credit(q, first.size);
	q->tx.req_cons++;
	left--;
	memset(t, 0, sizeof(*t));
	t->p.data = q->buffer;
	t->p.csum_blank = first.flags & NETTXF_csum_blank;
	t->p.validated = first.flags & (NETTXF_csum_blank | NETTXF_data_validated);
	t->id[t->nr_slots++] = first.id;
	if (first.flags & NETTXF_extra_info && take_extras(q, &x, &left))
		return TAKEN_NOTHING;
	if (multicast_request(q, &x))
		return TAKEN_OTHER;
	int frags = take_frags(q, &first, frag, left);
	if (frags == -1)
		return TAKEN_NOTHING;
	if (frags < 0 || first.size < ETH_HEADER) {
		refuse(q);
		return TAKEN_OTHER;
	}
	if ((unsigned)first.offset + first.size > PAGE_SIZE) {
		vif_broken(q->vif, "a slot of %u bytes at %u", first.size, first.offset);
		return TAKEN_NOTHING;
	}
	if (set_gso(q, &x.of[XEN_NETIF_EXTRA_TYPE_GSO]))
		return TAKEN_NOTHING;
	bool good = copy_slot(q, 0, &first);
	for (int i = 0; i < frags; i++)
		good &= copy_slot(q, (unsigned)i + 1, &frag[i]);
	PROBE_HIT(q->vif->b.domain, net_tx, q->vif->b.id, q->index, first.id, first.size,
		  (unsigned)frags + 1);
	if (good)
		return TAKEN_PACKET;
	q->vif->stats.tx_errors++;
	respond_all(q);
	return TAKEN_OTHER;
}

/* ---- from a packet to the link ---- */

/* checksum_setup() and skb_checksum_setup(): false, and the packet is dropped. */
static bool fit_for_link(struct vif_queue *q)
{
	struct packet *p = &q->out.p;
	struct packet_headers h;

	if (!p->gso_type && !p->csum_blank)
		return true;
	if (!packet_headers(p, &h) || !h.csum)
		return false;
	if (!p->gso_type)
		return true;
	if (!h.payload || (p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4) != (h.ip_version == 4))
		return false;
	/* Frontends forget to say that the checksum is blank. */
	return p->csum_blank || packet_blank_checksum(p, &h);
}

static void capture(struct netback *v, const struct packet *p)
{
	int rc = v->pcap ? pcap_frame(v->pcap, p) : 0;

	if (rc)
		backend_error(&v->b, rc, "the capture in %s ends: %s", v->spec.pcap, strerror(-rc));
}

void vif_tx_send(struct vif_queue *q, struct packet *p)
{
	struct netback *v = q->vif;
	uint32_t len = p->len;
	bool gso = p->gso_type;

	if (v->link->ops->send(v->link, p)) {
		v->stats.tx_drops++;
		PROBE_HIT(v->b.domain, net_drop, v->b.id, q->index, 0);
		return;
	}
	v->stats.tx_packets++;
	v->stats.tx_bytes += len;
	v->stats.tx_gso += gso;
}

/* false: it waits. */
static bool send_out(struct vif_queue *q)
{
	struct netback *v = q->vif;
	uint32_t len = q->out.p.len;
	bool gso = q->out.p.gso_type;
	struct fault f;
	int rc;

	if (FAULT_AT(v->b.domain, net_tx, &f, v->b.id, q->index, q->out.id[0], len,
		     q->out.nr_slots)) {
		if (f.kind == FAULT_DROP) {
			v->stats.tx_drops++;
			respond_all(q);
			return true;
		}
		if (f.kind == FAULT_CORRUPT)
			q->out.p.data[len - 1] ^= 1;
		else if (f.kind == FAULT_DUPLICATE)
			v->link->ops->send(v->link, &q->out.p);
		else if (vif_fault_hold(q, false, &q->out.p, &f)) {
			respond_all(q);
			return true;
		}
	}
	rc = v->link->ops->send(v->link, &q->out.p);

	if (rc == -EAGAIN && (!q->blocked || vif_now() < q->blocked_until))
		return false;
	if (rc) {
		v->stats.tx_drops++;
		PROBE_HIT(v->b.domain, net_drop, v->b.id, q->index, 0);
	} else {
		v->stats.tx_packets++;
		v->stats.tx_bytes += len;
		v->stats.tx_gso += gso;
	}
	vif_fault_passed(q, false);
	respond_all(q);
	return true;
}

static void begin(struct vif_queue *q)
{
	capture(q->vif, &q->out.p);
	if (!fit_for_link(q)) {
		q->vif->stats.tx_drops++;
		respond_all(q);
	} else if (!send_out(q)) {
		q->blocked = true;
		q->blocked_until = vif_now() + BLOCKED_NS;
		vif_timer_at(q->vif, q->blocked_until);
	}
}

void vif_tx_serve(struct vif_queue *q)
{
	unsigned budget = VIF_BUDGET;

	if (q->blocked) {
		if (!send_out(q)) {
			vif_timer_at(q->vif, q->blocked_until);
			return;
		}
		q->blocked = false;
	}
	while (!q->vif->broken && !q->blocked) {
		if (!budget--) {
			/* The others' turn. */
			q->kicked = true;
			eventfd_write(q->tx.event_fd, 1);
			return;
		}
		enum taken t = take(q);
		if (t == TAKEN_PACKET)
			begin(q);
		else if (t == TAKEN_LATER ||
			 (t == TAKEN_NOTHING && (q->vif->broken || !vif_ring_ask(&q->tx, 1))))
			return;
	}
}
