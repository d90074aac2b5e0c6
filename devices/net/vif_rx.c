/*
 * Guest receive: a frame of the link's goes into buffers that the guest has put on the
 * ring. The order of slots is netback's (xen-netback/rx.c): the first data slot, the
 * extra infos, the rest of the data; each response is in its request's slot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/vif_fault.h"

/* netback: rx_drain_timeout_msecs, and with a frontend that tells nobody of new buffers
 * (no feature-rx-notify); rx_stall_timeout_msecs. */
#define DRAIN_NS      10000000000ull
#define POLL_NS	      30000000ull
#define STALL_NS      60000000000ull
#define MAX_RX_EXTRAS 3

struct vif_frame {
	struct vif_frame *next;
	uint64_t until; /* then it is dropped */
	struct packet p;
	uint8_t data[];
};

static void drop(struct netback *v)
{
	v->stats.rx_drops++;
}

/* ---- one frame into slots ---- */

struct slots {
	struct vif_queue *q;
	const struct packet *p;
	uint32_t done;
	unsigned nr_extras, next_extra;
	struct netif_extra_info extra[MAX_RX_EXTRAS];
	bool twice; /* a fault: one more response ... */
	struct netif_rx_response again;
};

static struct netif_extra_info *new_extra(struct slots *s, uint8_t type)
{
	struct netif_extra_info *e = &s->extra[s->nr_extras++];

	if (s->nr_extras > 1)
		e[-1].flags = XEN_NETIF_EXTRA_FLAG_MORE;
	e->type = type;
	return e;
}

static void collect_extras(struct slots *s)
{
	const struct netback *v = s->q->vif;
	uint32_t hash;
	uint8_t type;

	if (s->p->gso_type) {
		struct netif_extra_info *e = new_extra(s, XEN_NETIF_EXTRA_TYPE_GSO);

		e->u.gso.size = s->p->gso_size;
		e->u.gso.type = s->p->gso_type;
	}
	if (vif_hash_packet(&v->hash, s->p, &hash, &type)) {
		struct netif_extra_info *e = new_extra(s, XEN_NETIF_EXTRA_TYPE_HASH);

		e->u.hash.type = type;
		e->u.hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
		memcpy(e->u.hash.value, &hash, sizeof(hash));
	}
	if (v->xdp_headroom) {
		struct netif_extra_info *e = new_extra(s, VIF_EXTRA_TYPE_XDP);

		e->u.pad[0] = (uint16_t)v->xdp_headroom;
	}
}

/* Bytes of a frame that go into one buffer. */
static unsigned room(const struct netback *v)
{
	return v->xdp_headroom < PAGE_SIZE ? PAGE_SIZE - v->xdp_headroom : 0;
}

static void data_slot(struct slots *s, const struct netif_rx_request *req)
{
	struct netback *v = s->q->vif;
	const struct packet *p = s->p;
	uint32_t n = p->len - s->done < room(v) ? p->len - s->done : room(v);
	/* As io/netif.h has it. netback leaves the offset at 0 and counts the headroom in
	 * the size; netfront takes the first page's offset from the extra info, and would
	 * take that much too many bytes. */
	struct netif_rx_response r = {
		.id = req->id, .offset = (uint16_t)v->xdp_headroom, .status = (int16_t)n};

	if (grant_backend_copy_to(v->b.domain, req->gref, v->xdp_headroom, p->data + s->done, n)) {
		r.status = NETIF_RSP_ERROR;
		v->stats.rx_errors++;
	} else {
		v->stats.copied += n;
	}
	if (!s->done) {
		if (p->csum_blank)
			r.flags |= NETRXF_csum_blank | NETRXF_data_validated;
		else if (p->validated)
			r.flags |= NETRXF_data_validated;
		if (s->nr_extras)
			r.flags |= NETRXF_extra_info;
	}
	s->done += n;
	if (s->done < p->len)
		r.flags |= NETRXF_more_data;
	struct fault f;
	bool split = false;

	PROBE_HIT(v->b.domain, net_rx, v->b.id, s->q->index, r.id, (uint64_t)(int64_t)r.status,
		  !(r.flags & NETRXF_more_data));
	if (FAULT_AT(v->b.domain, net_rx, &f, v->b.id, s->q->index, r.id,
		     (uint64_t)(int64_t)r.status, !(r.flags & NETRXF_more_data))) {
		if (f.kind == FAULT_WRONG_ID)
			r.id = (uint16_t)fault_value(&f, r.id + 1);
		else if (f.kind == FAULT_WRONG_STATUS)
			r.status = (int16_t)fault_value(&f, NETIF_RSP_ERROR);
		else if (f.kind == FAULT_CHAIN)
			r.flags ^= (uint16_t)fault_value(&f, NETRXF_more_data);
		else if (f.kind == FAULT_JUMP)
			s->q->rx.rsp_prod += (uint32_t)fault_value(&f, 1000);
		s->twice = f.kind == FAULT_DUPLICATE;
		s->again = r;
		split = f.kind == FAULT_SPLIT;
	}
	vif_ring_respond(&s->q->rx, &r, sizeof(r));
	if (split)
		vif_push(v, &s->q->rx);
}

static void give(struct vif_queue *q, struct slots *s)
{
	struct netback *v = q->vif;

	while (s->done < s->p->len || s->next_extra < s->nr_extras) {
		struct netif_rx_request req;

		vif_ring_peek(&q->rx, 0, &req, sizeof(req));
		q->rx.req_cons++;
		if (s->done && s->next_extra < s->nr_extras)
			vif_ring_respond(&q->rx, &s->extra[s->next_extra++],
					 sizeof(struct netif_rx_response));
		else
			data_slot(s, &req);
	}
	if (s->twice && vif_ring_waiting(&q->rx) > 0) {
		q->rx.req_cons++; /* ... for a buffer that is not filled */
		vif_ring_respond(&q->rx, &s->again, sizeof(s->again));
	}
	v->stats.copied += s->p->copied;
	v->stats.rx_packets++;
	v->stats.rx_bytes += s->p->len;
	v->stats.rx_gso += s->p->gso_type != XEN_NETIF_GSO_TYPE_NONE;
}

/* 0, -EAGAIN: there are not enough buffers; -EMSGSIZE: there never will be. */
static int try_give(struct vif_queue *q, const struct packet *p)
{
	struct netback *v = q->vif;
	struct slots s = {.q = q, .p = p};

	if (!room(v))
		return -EMSGSIZE;
	collect_extras(&s);
	unsigned need = (p->len + room(v) - 1) / room(v) + s.nr_extras;
	if (need > q->rx.nr_slots || (!v->sg && p->len > room(v)))
		return -EMSGSIZE;
	int waiting = vif_ring_waiting(&q->rx);
	if (waiting >= 0 && (unsigned)waiting < need && vif_ring_ask(&q->rx, need))
		waiting = vif_ring_waiting(&q->rx);
	if (waiting < 0) {
		vif_broken(v, "the ring claims more requests than it has room for");
		return -EMSGSIZE;
	}
	if ((unsigned)waiting < need)
		return -EAGAIN;
	give(q, &s);
	q->last_rx = vif_now();
	return 0;
}

/* ---- frames that wait ---- */

static void pause_link(struct netback *v)
{
	bool pause = v->backlog_bytes > VIF_BACKLOG_BYTES / 2 ||
		     v->backlog_frames > VIF_BACKLOG_FRAMES / 2;
	bool resume = v->backlog_bytes < VIF_BACKLOG_BYTES / 4 &&
		      v->backlog_frames < VIF_BACKLOG_FRAMES / 4;

	if (v->link_paused ? resume : pause) {
		v->link_paused = pause;
		v->link->ops->want(v->link, !pause);
	}
}

static void unqueue(struct vif_queue *q)
{
	struct vif_frame *f = q->first;

	q->first = f->next;
	if (!q->first)
		q->last = &q->first;
	q->vif->backlog_bytes -= f->p.len;
	q->vif->backlog_frames--;
	free(f);
}

static bool stalled(const struct vif_queue *q, uint64_t now)
{
	return q->vif->rx_notify && now - q->last_rx > STALL_NS && !vif_ring_waiting(&q->rx);
}

static void wait_for_buffers(struct vif_queue *q, const struct packet *p)
{
	struct netback *v = q->vif;
	uint64_t now = vif_now();

	if (v->backlog_bytes + p->len > VIF_BACKLOG_BYTES ||
	    v->backlog_frames >= VIF_BACKLOG_FRAMES || stalled(q, now)) {
		drop(v);
		return;
	}
	struct vif_frame *f = malloc(sizeof(*f) + p->len);
	if (!f) {
		drop(v);
		return;
	}
	f->next = NULL;
	f->until = now + (v->rx_notify ? DRAIN_NS : POLL_NS);
	f->p = *p;
	f->p.data = f->data;
	memcpy(f->data, p->data, p->len);
	v->stats.copied += p->len;
	*q->last = f;
	q->last = &f->next;
	v->backlog_bytes += p->len;
	v->backlog_frames++;
	vif_timer_at(v, v->rx_notify ? f->until : now + POLL_NS / 4);
	pause_link(v);
}

void vif_rx_serve(struct vif_queue *q)
{
	struct netback *v = q->vif;
	bool wait = false;

	for (unsigned i = 0; q->first && !v->broken && !wait && i < VIF_BUDGET; i++) {
		int rc = try_give(q, &q->first->p);

		wait = rc == -EAGAIN && vif_now() < q->first->until;
		if (wait)
			break;
		if (rc)
			drop(v);
		unqueue(q);
	}
	if (wait)
		vif_timer_at(v, v->rx_notify ? q->first->until : vif_now() + POLL_NS / 4);
	else if (q->first)
		vif_timer_at(v, vif_now()); /* the others' turn */
	pause_link(v);
}

void vif_rx_init(struct vif_queue *q)
{
	q->last = &q->first;
	q->last_rx = vif_now();
}

void vif_rx_forget(struct vif_queue *q)
{
	while (q->first)
		unqueue(q);
}

/* ---- what the link brings ---- */

void vif_rx_deliver(struct vif_queue *q, struct packet *p)
{
	int rc = q->first ? -EAGAIN : try_give(q, p);

	if (rc == -EAGAIN)
		wait_for_buffers(q, p);
	else if (rc)
		drop(q->vif);
}

static void queue_frame(void *arg, struct packet *p)
{
	struct netback *v = arg;
	struct vif_queue *q = v->queue[vif_hash_queue(&v->hash, p, v->nr_queues)];

	struct fault f;

	if (v->pcap)
		pcap_frame(v->pcap, p);
	PROBE_HIT(v->b.domain, net_packet, v->b.id, q->index, p->len);
	if (FAULT_AT(v->b.domain, net_packet, &f, v->b.id, q->index, p->len)) {
		if (f.kind == FAULT_DROP) {
			drop(v);
			return;
		}
		if (f.kind == FAULT_CORRUPT)
			p->data[p->len - 1] ^= 1;
		else if (f.kind == FAULT_DUPLICATE && !q->first)
			try_give(q, p);
		else if (f.kind != FAULT_DUPLICATE && vif_fault_hold(q, true, p, &f))
			return;
	}
	vif_rx_deliver(q, p);
	vif_fault_passed(q, true);
}

/* What the frontend does not do itself. false: it cannot have the frame. */
static bool checksum_for_guest(struct netback *v, struct packet *p)
{
	struct packet_headers h;

	if (!p->csum_blank)
		return true;
	if (!packet_headers(p, &h) || !h.csum)
		return false;
	return (h.ip_version == 4 ? v->csum4 : v->csum6) || packet_fill_checksum(p);
}

void vif_rx(struct netback *v, struct packet *p)
{
	if (!v->b.connected || v->broken || p->len < ETH_HEADER || p->len > PACKET_MAX ||
	    !vif_mcast_wants(v, p->data)) {
		drop(v);
		return;
	}
	bool whole = p->gso_type == XEN_NETIF_GSO_TYPE_NONE ||
		     (p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? v->gso4 && v->csum4
							      : v->gso6 && v->csum6);
	if (!whole) {
		if (!packet_segment(p, queue_frame, v))
			drop(v);
		return;
	}
	if (checksum_for_guest(v, p))
		queue_frame(v, p);
	else
		drop(v);
}
