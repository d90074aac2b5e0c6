/*
 * The network frontend of the unit tests.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/unit/test_grant.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_netfront.h"

#include "devices/net/packet.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"

void netfront_run(struct netfront *f)
{
	local_run(f->xs);
	event_loop_start(f->loop);
	test_loop_sync();
	event_loop_stop(f->loop);
	local_run(f->xs);
}

void netfront_peer_connect(struct netfront *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, f->path);
	f->peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(f->peer, (struct sockaddr *)&a, sizeof(a)), 0);
	netfront_run(f);
}

struct netfront *netfront_new(const char *fields)
{
	struct netfront *f = calloc(1, sizeof(*f));
	bool socket = !strstr(fields, "net=");
	struct vif_spec spec;
	char text[500], err[300];

	f->t = test_domain_new(4, PROFILE_XEN_4_17);
	ck_assert_int_eq(grant_table_grow(f->t->d, 8), 0);
	f->loop = event_loop_create();
	test_loop_init(f->loop);
	f->xs = xenstore_create(f->loop);
	f->next_ref = 20;
	f->next_id = 1000;
	f->peer = -1;
	strcpy(f->dir, "/tmp/netfront.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/cable", f->dir);
	snprintf(text, sizeof(text), "mac=" NETFRONT_MAC ",devid=0,%s%s%s", fields,
		 socket ? ",net=socket,path=" : "", socket ? f->path : "");
	ck_assert_msg(!vif_spec_parse(&spec, text, err, sizeof(err)), "%s", err);
	f->backend = netback_create(f->loop, f->xs, f->t->d, &spec, err, sizeof(err));
	ck_assert_msg(f->backend, "%s", err);
	netfront_run(f);
	if (socket)
		netfront_peer_connect(f);
	return f;
}

void netfront_free(struct netfront *f)
{
	if (f->backend)
		backend_destroy(f->backend);
	event_loop_destroy(f->loop);
	test_loop_free();
	xenstore_destroy(f->xs);
	test_domain_free(f->t);
	if (f->peer >= 0)
		close(f->peer);
	rmdir(f->dir);
	free(f);
}

void netfront_write(struct netfront *f, const char *key, unsigned value)
{
	char path[100];

	snprintf(path, sizeof(path), NETFRONT_FE "/%s", key);
	ck_assert_int_eq(xenstore_write(f->xs, path, "%u", value), 0);
}

unsigned netfront_backend(struct netfront *f, const char *key)
{
	char path[100];
	uint64_t v;

	snprintf(path, sizeof(path), NETFRONT_BE "/%s", key);
	return xenstore_read_number(f->xs, path, ~0u, &v) ? ~0u : (unsigned)v;
}

void netfront_state(struct netfront *f, enum xenbus_state s)
{
	netfront_write(f, "state", s);
	netfront_run(f);
}

uint8_t *netfront_page(struct netfront *f, bool readonly, grant_ref_t *ref)
{
	*ref = f->next_ref++;
	uint64_t mfn = grant_v1(f->t, *ref)->frame;

	if (mfn)
		memset(frame_bytes(f->t, mfn), 0, PAGE_SIZE);
	else
		mfn = test_frame(f->t);
	grant_v1_set(f->t, *ref, GTF_permit_access | (readonly ? GTF_readonly : 0), 0, mfn);
	return frame_bytes(f->t, mfn);
}

static evtchn_port_t new_port(struct netfront *f)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};

	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_alloc_unbound, &a), 0);
	return a.port;
}

static void queue_key(struct netfront *f, unsigned i, const char *name, unsigned value)
{
	char key[64];

	if (f->nr_queues > 1)
		snprintf(key, sizeof(key), "queue-%u/%s", i, name);
	else
		snprintf(key, sizeof(key), "%s", name);
	netfront_write(f, key, value);
}

void netfront_rings(struct netfront *f, unsigned queues, bool split)
{
	f->nr_queues = queues;
	for (unsigned i = 0; i < queues; i++) {
		struct netfront_queue *q = &f->queue[i];
		grant_ref_t tx, rx;
		netif_tx_sring_t *t = (void *)netfront_page(f, false, &tx);
		netif_rx_sring_t *r = (void *)netfront_page(f, false, &rx);

		SHARED_RING_INIT(t);
		FRONT_RING_INIT(&q->tx, t, PAGE_SIZE);
		SHARED_RING_INIT(r);
		FRONT_RING_INIT(&q->rx, r, PAGE_SIZE);
		queue_key(f, i, "tx-ring-ref", tx);
		queue_key(f, i, "rx-ring-ref", rx);
		q->tx_port = new_port(f);
		q->rx_port = split ? new_port(f) : q->tx_port;
		if (split) {
			queue_key(f, i, "event-channel-tx", q->tx_port);
			queue_key(f, i, "event-channel-rx", q->rx_port);
		} else {
			queue_key(f, i, "event-channel", q->tx_port);
		}
	}
	if (queues > 1)
		netfront_write(f, "multi-queue-num-queues", queues);
}

void netfront_ctrl_ring(struct netfront *f)
{
	grant_ref_t ref;
	xen_netif_ctrl_sring_t *s = (void *)netfront_page(f, false, &ref);

	SHARED_RING_INIT(s);
	FRONT_RING_INIT(&f->ctrl, s, PAGE_SIZE);
	f->ctrl_port = new_port(f);
	netfront_write(f, "ctrl-ring-ref", ref);
	netfront_write(f, "event-channel-ctrl", f->ctrl_port);
}

void netfront_connect(struct netfront *f, unsigned queues)
{
	netfront_rings(f, queues, true);
	netfront_write(f, "request-rx-copy", 1);
	netfront_write(f, "feature-rx-notify", 1);
	netfront_write(f, "feature-sg", 1);
	netfront_write(f, "feature-gso-tcpv4", 1);
	netfront_write(f, "feature-gso-tcpv6", 1);
	netfront_write(f, "feature-ipv6-csum-offload", 1);
	netfront_state(f, XenbusStateConnected);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateConnected);
}

/* ---- transmit ---- */

uint16_t netfront_tx(struct netfront *f, unsigned queue, grant_ref_t ref, uint16_t offset,
		     uint16_t size, uint16_t flags)
{
	netif_tx_front_ring_t *r = &f->queue[queue].tx;

	*RING_GET_REQUEST(r, r->req_prod_pvt) =
		(netif_tx_request_t){ref, offset, flags, ++f->next_id, size};
	r->req_prod_pvt++;
	return f->next_id;
}

void netfront_tx_extra(struct netfront *f, unsigned queue, struct netif_extra_info e)
{
	netif_tx_front_ring_t *r = &f->queue[queue].tx;

	memcpy(RING_GET_REQUEST(r, r->req_prod_pvt), &e, sizeof(e));
	r->req_prod_pvt++;
}

static void notify(struct netfront *f, evtchn_port_t port)
{
	struct evtchn_send send = {.port = port};

	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_send, &send), 0);
}

void netfront_push(struct netfront *f, unsigned queue)
{
	struct netfront_queue *q = &f->queue[queue];
	int tx, rx;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&q->tx, tx);
	if (tx)
		notify(f, q->tx_port);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&q->rx, rx);
	if (rx)
		notify(f, q->rx_port);
	netfront_run(f);
}

bool netfront_tx_response(struct netfront *f, unsigned queue, netif_tx_response_t *out)
{
	netif_tx_front_ring_t *r = &f->queue[queue].tx;

	if (!RING_HAS_UNCONSUMED_RESPONSES(r))
		return false;
	*out = *RING_GET_RESPONSE(r, r->rsp_cons);
	r->rsp_cons++;
	r->sring->rsp_event = r->rsp_cons + 1;
	return true;
}

int netfront_send(struct netfront *f, unsigned queue, const void *frame, uint16_t len,
		  uint16_t flags)
{
	netif_tx_response_t r;
	grant_ref_t ref;

	memcpy(netfront_page(f, true, &ref), frame, len);
	uint16_t id = netfront_tx(f, queue, ref, 0, len, flags);
	netfront_push(f, queue);
	ck_assert_msg(netfront_tx_response(f, queue, &r), "no response");
	ck_assert_uint_eq(r.id, id);
	ck_assert_uint_eq(grant_v1(f->t, ref)->flags & (GTF_reading | GTF_writing), 0);
	return r.status;
}

/* ---- receive ---- */

void netfront_post(struct netfront *f, unsigned queue, unsigned nr)
{
	struct netfront_queue *q = &f->queue[queue];

	for (unsigned i = 0; i < nr; i++) {
		uint32_t slot = q->rx.req_prod_pvt++ & 255;
		netif_rx_request_t *r = RING_GET_REQUEST(&q->rx, slot);

		if (!q->buffer[slot].page)
			q->buffer[slot].page = netfront_page(f, false, &q->buffer[slot].ref);
		*r = (netif_rx_request_t){(uint16_t)slot, 0, q->buffer[slot].ref};
	}
	netfront_push(f, queue);
}

bool netfront_rx_response(struct netfront *f, unsigned queue, netif_rx_response_t *out,
			  uint8_t **page)
{
	struct netfront_queue *q = &f->queue[queue];

	if (!RING_HAS_UNCONSUMED_RESPONSES(&q->rx))
		return false;
	*out = *RING_GET_RESPONSE(&q->rx, q->rx.rsp_cons);
	*page = q->buffer[q->rx.rsp_cons & 255].page;
	q->rx.rsp_cons++;
	q->rx.sring->rsp_event = q->rx.rsp_cons + 1;
	return true;
}

int netfront_receive(struct netfront *f, unsigned queue, uint8_t *frame,
		     struct netif_extra_info extra[6], uint16_t *flags)
{
	netif_rx_response_t r;
	struct netif_extra_info e;
	uint8_t *page;
	int len = 0;
	bool bad = false;

	if (extra)
		memset(extra, 0, 6 * sizeof(extra[0]));
	if (!netfront_rx_response(f, queue, &r, &page))
		return 0;
	if (flags)
		*flags = r.flags;
	bool extras = r.flags & NETRXF_extra_info;
	for (;;) {
		ck_assert_uint_eq(r.id, (f->queue[queue].rx.rsp_cons - 1) & 255);
		if (r.status < 0)
			bad = true;
		else
			memcpy(frame + len, page + r.offset, (size_t)r.status);
		len += r.status;
		netif_rx_response_t next;
		while (extras) {
			ck_assert(netfront_rx_response(f, queue, &next, &page));
			memcpy(&e, &next, sizeof(e));
			ck_assert_uint_lt(e.type, 6);
			if (extra)
				extra[e.type] = e;
			extras = e.flags & XEN_NETIF_EXTRA_FLAG_MORE;
		}
		if (!(r.flags & NETRXF_more_data))
			return bad ? -1 : len;
		ck_assert(netfront_rx_response(f, queue, &r, &page));
	}
}

uint32_t netfront_ctrl(struct netfront *f, uint16_t type, uint32_t a, uint32_t b, uint32_t c,
		       uint32_t *data)
{
	xen_netif_ctrl_front_ring_t *r = &f->ctrl;
	int want;

	*RING_GET_REQUEST(r, r->req_prod_pvt) = (struct xen_netif_ctrl_request){
		.id = ++f->next_id, .type = type, .data = {a, b, c}};
	r->req_prod_pvt++;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(r, want);
	if (want)
		notify(f, f->ctrl_port);
	netfront_run(f);
	ck_assert(RING_HAS_UNCONSUMED_RESPONSES(r));
	struct xen_netif_ctrl_response *rsp = RING_GET_RESPONSE(r, r->rsp_cons);
	r->rsp_cons++;
	r->sring->rsp_event = r->rsp_cons + 1;
	ck_assert_uint_eq(rsp->id, f->next_id);
	ck_assert_uint_eq(rsp->type, type);
	if (data)
		*data = rsp->data;
	return rsp->status;
}

/* ---- the other end ---- */

void netfront_peer_send(struct netfront *f, const struct virtio_net_hdr *h, const void *frame,
			size_t len)
{
	static const struct virtio_net_hdr none;
	uint8_t buf[sizeof(none) + PACKET_MAX + 100];

	memcpy(buf, h ? h : &none, sizeof(none));
	memcpy(buf + sizeof(none), frame, len);
	ck_assert_int_eq(send(f->peer, buf, sizeof(none) + len, 0), sizeof(none) + len);
	netfront_run(f);
}

size_t netfront_peer_receive(struct netfront *f, struct virtio_net_hdr *h, uint8_t *frame)
{
	uint8_t buf[sizeof(*h) + PACKET_MAX];
	ssize_t n = recv(f->peer, buf, sizeof(buf), MSG_DONTWAIT);

	if (n <= 0)
		return 0;
	if (h)
		memcpy(h, buf, sizeof(*h));
	memcpy(frame, buf + sizeof(*h), (size_t)n - sizeof(*h));
	return (size_t)n - sizeof(*h);
}

/* ---- frames ---- */

/* RFC 1071, byte by byte. */
static uint32_t sum_of(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(const uint8_t *frame, unsigned *l4, size_t len, uint8_t *protocol)
{
	bool v6 = frame[14] >> 4 == 6;
	uint8_t tail[4] = {0};

	*l4 = v6 ? 54 : 34;
	*protocol = v6 ? frame[20] : frame[23];
	put16(tail, (uint16_t)(len - *l4));
	tail[3] = *protocol;
	return sum_of(v6 ? sum_of(0, frame + 22, 32) : sum_of(0, frame + 26, 8), tail, 4);
}

bool frame_checksum_is_good(const uint8_t *frame, size_t len)
{
	unsigned l4;
	uint8_t protocol;
	uint32_t sum = pseudo(frame, &l4, len, &protocol);

	return sum_of(sum, frame + l4, len - l4) == 0xffff;
}

static void fill_checksum(uint8_t *frame, size_t len, unsigned field)
{
	unsigned l4;
	uint8_t protocol;
	uint32_t sum = pseudo(frame, &l4, len, &protocol);

	put16(frame + field, (uint16_t)~sum_of(sum, frame + l4, len - l4));
}

static void ethernet(uint8_t *frame, uint16_t type)
{
	memset(frame, 0, 14);
	memcpy(frame, "\x00\x16\x3e\x00\x00\x01\x00\x16\x3e\x00\x00\x02", 12);
	put16(frame + 12, type);
}

static void payload_bytes(uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 256);
}

size_t frame_tcp4(uint8_t *frame, uint16_t source_port, unsigned payload)
{
	uint8_t *ip = frame + 14, *tcp = frame + 34;
	size_t len = FRAME_TCP + payload;

	ethernet(frame, 0x0800);
	memset(ip, 0, 40);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(len - 14));
	put16(ip + 4, 77);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	put16(ip + 10, (uint16_t)~sum_of(0, ip, 20));
	put16(tcp, source_port);
	put16(tcp + 2, 80);
	put32(tcp + 4, 1000000);
	tcp[12] = 0x50;
	tcp[13] = 0x19; /* ACK PSH FIN */
	put16(tcp + 14, 8192);
	payload_bytes(frame + FRAME_TCP, payload);
	fill_checksum(frame, len, 34 + 16);
	return len;
}

size_t frame_udp6(uint8_t *frame, uint16_t source_port, unsigned payload)
{
	uint8_t *ip = frame + 14, *udp = frame + 54;
	size_t len = 62 + payload;

	ethernet(frame, 0x86dd);
	memset(ip, 0, 48);
	ip[0] = 0x60;
	put16(ip + 4, (uint16_t)(8 + payload));
	ip[6] = 17;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfe;
	ip[9] = ip[25] = 0x80;
	ip[23] = 1;
	ip[39] = 2;
	put16(udp, source_port);
	put16(udp + 2, 53);
	put16(udp + 4, (uint16_t)(8 + payload));
	payload_bytes(frame + 62, payload);
	fill_checksum(frame, len, 54 + 6);
	return len;
}

unsigned netfront_put_frame(struct netfront *f, const uint8_t *frame, size_t len, uint16_t flags,
			    const struct netif_extra_info *extra, uint16_t *id)
{
	unsigned n = 0;

	for (size_t at = 0; at < len; n++) {
		size_t part = len - at < PAGE_SIZE ? len - at : PAGE_SIZE;
		bool more = at + part < len;
		grant_ref_t ref;

		memcpy(netfront_page(f, true, &ref), frame + at, part);
		id[n] = netfront_tx(f, 0, ref, 0, (uint16_t)(n ? part : len),
				    (uint16_t)((n ? 0 : flags) | (more ? NETTXF_more_data : 0)));
		if (!n && extra)
			netfront_tx_extra(f, 0, *extra);
		at += part;
	}
	return n;
}
