/*
 * Guest receive: frames of the other end in the frontend's buffers (io/netif.h, "Guest
 * receive"; xen-netback/rx.c), with what the frontend can take and what it cannot.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net/packet.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

static struct netfront *f;
static uint8_t frame[PACKET_MAX + 100], got[PACKET_MAX + 100];
static struct netif_extra_info extra[6];
static uint16_t flags;

static void start(const char *fields, unsigned queues)
{
	f = netfront_new(fields);
	netfront_connect(f, queues);
}

static void teardown(void)
{
	netfront_free(f);
}

static int receive(unsigned queue)
{
	return netfront_receive(f, queue, got, extra, &flags);
}

static const struct virtio_net_hdr partial4 = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
static const struct virtio_net_hdr gso4 = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	.gso_size = 1400,
	.hdr_len = 54,
	.csum_start = 34,
	.csum_offset = 16,
};

/* As the sender of a blank checksum leaves it. */
static void blank(size_t len)
{
	struct packet p = {.data = frame, .len = (uint32_t)len};
	struct packet_headers h;

	ck_assert(packet_headers(&p, &h));
	ck_assert(packet_blank_checksum(&p, &h));
}

START_TEST(one_buffer)
{
	start("", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 900);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_mem_eq(got, frame, len);
	ck_assert_uint_eq(flags, 0);
	const struct vif_stats *s = netback_stats(f->backend);
	ck_assert_uint_eq(s->rx_packets, 1);
	ck_assert_uint_eq(s->rx_bytes, len);
	ck_assert_uint_eq(s->rx_drops, 0);
	for (unsigned i = 0; i < 64; i++)
		ck_assert_uint_eq(grant_v1(f->t, f->queue[0].buffer[i].ref)->flags &
					  (GTF_reading | GTF_writing),
				  0);
}
END_TEST

START_TEST(many_buffers)
{
	start("", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 30000);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_mem_eq(got, frame, len);
	ck_assert_uint_eq(f->queue[0].rx.rsp_cons, (len + 4095) / 4096);
}
END_TEST

START_TEST(checksums)
{
	static const struct virtio_net_hdr valid = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};

	start("", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 90);
	netfront_peer_send(f, &valid, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_uint_eq(flags, NETRXF_data_validated);
	blank(len);
	netfront_peer_send(f, &partial4, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_uint_eq(flags, NETRXF_data_validated | NETRXF_csum_blank);
	ck_assert_mem_eq(got, frame, len);
}
END_TEST

/* feature-no-csum-offload, and no feature-ipv6-csum-offload: we fill them in. */
START_TEST(frontend_without_checksums)
{
	struct virtio_net_hdr h = partial4;

	f = netfront_new("");
	netfront_rings(f, 1, false);
	netfront_write(f, "request-rx-copy", 1);
	netfront_write(f, "feature-no-csum-offload", 1);
	netfront_write(f, "feature-sg", 1);
	netfront_state(f, XenbusStateConnected);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 91);
	blank(len);
	netfront_peer_send(f, &h, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_uint_eq(flags, NETRXF_data_validated);
	ck_assert(frame_checksum_is_good(got, len));
	len = frame_udp6(frame, 1, 33);
	blank(len);
	h.csum_start = 54;
	h.csum_offset = 6;
	netfront_peer_send(f, &h, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_uint_eq(flags, NETRXF_data_validated);
	ck_assert(frame_checksum_is_good(got, len));
}
END_TEST

START_TEST(gso)
{
	start("", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 30000);
	blank(len);
	netfront_peer_send(f, &gso4, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_mem_eq(got, frame, len);
	ck_assert_uint_eq(flags, NETRXF_data_validated | NETRXF_csum_blank | NETRXF_extra_info |
					 NETRXF_more_data);
	ck_assert_uint_eq(extra[1].type, XEN_NETIF_EXTRA_TYPE_GSO);
	ck_assert_uint_eq(extra[1].flags, 0);
	ck_assert_uint_eq(extra[1].u.gso.size, 1400);
	ck_assert_uint_eq(extra[1].u.gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_gso, 1);
}
END_TEST

/* A frontend that cannot do it gets segments as TCP would have sent them. */
START_TEST(gso_is_cut)
{
	unsigned n = 0, offset = 0;

	start("no-gso", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 30000);
	blank(len);
	netfront_peer_send(f, &gso4, frame, len);
	for (; offset < 30000; n++) {
		int part = receive(0);
		unsigned payload = (unsigned)part - FRAME_TCP;
		bool last = offset + payload == 30000;

		ck_assert_uint_eq(payload, last ? 30000 % 1400 : 1400);
		ck_assert_uint_eq(flags, NETRXF_data_validated);
		ck_assert(frame_checksum_is_good(got, (size_t)part));
		ck_assert_uint_eq(checksum_fold(checksum_add(0, got + 14, 20)), 0xffff);
		ck_assert_uint_eq(get16(got + 16), part - 14);
		ck_assert_uint_eq(get16(got + 18), 77 + n);
		ck_assert_uint_eq(get32(got + 38), 1000000 + offset);
		ck_assert_uint_eq(got[47], last ? 0x19 : 0x10);
		ck_assert_mem_eq(got + FRAME_TCP, frame + FRAME_TCP + offset, payload);
		offset += payload;
	}
	ck_assert_uint_eq(n, 22);
	ck_assert_int_eq(receive(0), 0);
}
END_TEST

/* Headers of the other end that make no sense: the frame is not for the guest. */
START_TEST(bad_headers)
{
	struct virtio_net_hdr h = gso4;

	start("", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 30000);
	h.gso_type = 77;
	netfront_peer_send(f, &h, frame, len);
	h = gso4;
	h.gso_size = 0;
	netfront_peer_send(f, &h, frame, len);
	h = gso4;
	h.flags = 0;
	netfront_peer_send(f, &h, frame, len);
	h = gso4;
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	netfront_peer_send(f, &h, frame, len);
	h = partial4;
	h.csum_start = (uint16_t)(len - 5);
	netfront_peer_send(f, &h, frame, len);
	h.csum_start = 3;
	netfront_peer_send(f, &h, frame, len);
	netfront_peer_send(f, NULL, frame, 13);
	netfront_peer_send(f, NULL, frame, PACKET_MAX + 1);
	ck_assert_int_eq(receive(0), 0);
	/* A checksum where no frontend looks is filled in. */
	h.csum_start = 14;
	h.csum_offset = 30;
	len = frame_tcp4(frame, 1, 90);
	put16(frame + 44, 0);
	uint16_t want = (uint16_t)~checksum_fold(checksum_add(0, frame + 14, len - 14));
	netfront_peer_send(f, &h, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_mem_eq(got + 44, &want, 2);
}
END_TEST

/* Segments of a few bytes are somebody's who wants us to work. */
START_TEST(tiny_segments)
{
	struct virtio_net_hdr h = gso4;

	start("no-gso", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 30000);
	h.gso_size = 1;
	netfront_peer_send(f, &h, frame, len);
	ck_assert_int_eq(receive(0), 0);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_drops, 1);
}
END_TEST

/* No feature-sg: what fits into one page. */
START_TEST(no_scatter_gather)
{
	start("no-sg", 1);
	ck_assert_uint_eq(netfront_backend(f, "feature-sg"), 0);
	ck_assert_uint_eq(netfront_backend(f, "feature-gso-tcpv4"), 0);
	netfront_post(f, 0, 64);
	netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, 4096 - 54));
	ck_assert_int_eq(receive(0), 4096);
	netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, 4097 - 54));
	ck_assert_int_eq(receive(0), 0);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_drops, 1);
}
END_TEST

/* ---- buffers ---- */

START_TEST(frames_wait_for_buffers)
{
	start("", 1);
	for (unsigned i = 0; i < 40; i++)
		netfront_peer_send(f, NULL, frame, frame_tcp4(frame, (uint16_t)i, 5000));
	ck_assert_int_eq(receive(0), 0);
	/* One buffer is not enough for the first. */
	netfront_post(f, 0, 1);
	ck_assert_int_eq(receive(0), 0);
	unsigned posted = 1;
	for (unsigned i = 0; i < 40; i++) {
		netfront_post(f, 0, i ? 2 : 1);
		posted += i ? 2 : 1;
		ck_assert_int_eq(receive(0), 5054);
		ck_assert_uint_eq(get16(got + 34), i);
	}
	ck_assert_uint_eq(posted, 80);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_drops, 0);
}
END_TEST

/* Nobody posts buffers: our memory is bounded, the rest stays in the socket. */
START_TEST(backlog_is_bounded)
{
	struct netfront_queue *q;
	unsigned sent = 0, received = 0;

	start("", 1);
	q = &f->queue[0];
	uint8_t message[sizeof(struct virtio_net_hdr) + 2000] = {0};
	frame_tcp4(message + sizeof(struct virtio_net_hdr), 1, 1900);
	for (unsigned i = 0; i < 100; i++) {
		while (send(f->peer, message, sizeof(message), 0) > 0)
			sent++;
		netfront_run(f);
	}
	ck_assert_uint_lt(sent, 3000);
	for (unsigned i = 0; i < 100 && received < sent; i++) {
		netfront_post(f, 0, 256 - (q->rx.req_prod_pvt - q->rx.rsp_cons));
		netfront_run(f);
		while (receive(0) > 0)
			received++;
	}
	ck_assert_uint_eq(received, sent);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_drops, 0);
}
END_TEST

START_TEST(bad_buffers)
{
	start("", 1);
	netfront_post(f, 0, 3);
	/* Read-only, not granted, and good. */
	f->queue[0].buffer[0].page[0] = 0x77;
	grant_v1(f->t, f->queue[0].buffer[0].ref)->flags |= GTF_readonly;
	grant_v1(f->t, f->queue[0].buffer[1].ref)->flags = 0;
	for (unsigned i = 0; i < 3; i++)
		netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, 100));
	ck_assert_int_eq(receive(0), -1);
	ck_assert_int_eq(receive(0), -1);
	ck_assert_int_eq(receive(0), 154);
	ck_assert_uint_eq(f->queue[0].buffer[0].page[0], 0x77);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_errors, 2);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateConnected);
}
END_TEST

START_TEST(ring_lies)
{
	start("", 1);
	netfront_post(f, 0, 3);
	f->queue[0].rx.sring->req_prod += 1000;
	netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, 100));
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateClosing);
}
END_TEST

/* A frontend without feature-rx-notify does not tell of its buffers: we look. */
START_TEST(no_rx_notify)
{
	f = netfront_new("");
	netfront_rings(f, 1, true);
	netfront_write(f, "request-rx-copy", 1);
	netfront_state(f, XenbusStateConnected);
	netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, 100));
	ck_assert_int_eq(receive(0), 0);
	struct netfront_queue *q = &f->queue[0];
	uint8_t *page = netfront_page(f, false, &q->buffer[0].ref);
	q->buffer[0].page = page;
	*RING_GET_REQUEST(&q->rx, 0) = (netif_rx_request_t){0, 0, q->buffer[0].ref};
	q->rx.req_prod_pvt++;
	q->rx.sring->req_prod = 1; /* no event */
	int len = 0;
	for (unsigned i = 0; i < 200 && !len; i++) {
		usleep(10000);
		netfront_run(f);
		len = receive(0);
		/* It is dropped after 30 ms; on a slow machine there is another. */
		if (!len && netback_stats(f->backend)->rx_drops)
			netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, 100));
	}
	ck_assert_int_eq(len, 154);
}
END_TEST

/* ---- queues and hashes ---- */

START_TEST(flows_are_spread)
{
	unsigned per_queue[4] = {0};

	start("", 4);
	for (unsigned q = 0; q < 4; q++)
		netfront_post(f, q, 128);
	for (unsigned i = 0; i < 100; i++) {
		netfront_peer_send(f, NULL, frame, frame_tcp4(frame, (uint16_t)(i % 50), 100));
		for (unsigned q = 0; q < 4; q++)
			while (receive(q) > 0)
				per_queue[q]++;
	}
	for (unsigned q = 0; q < 4; q++) {
		ck_assert_uint_ge(per_queue[q], 6);
		ck_assert_uint_eq(per_queue[q] % 2, 0); /* a flow stays together */
	}
}
END_TEST

START_TEST(multicast)
{
	struct netif_extra_info e = {.type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
				     .u.mcast.addr = {1, 0, 0x5e, 0, 0, 9}};

	start("", 1);
	netfront_post(f, 0, 64);
	size_t len = frame_tcp4(frame, 1, 100);
	memcpy(frame, e.u.mcast.addr, 6);
	/* Everything, until the frontend asks for less. */
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
	netfront_write(f, "request-multicast-control", 1);
	netfront_run(f);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), 0);
	ck_assert_uint_eq(netback_stats(f->backend)->rx_drops, 1);
	netfront_tx(f, 0, 0, 0, 0, NETTXF_extra_info);
	netfront_tx_extra(f, 0, e);
	netfront_push(f, 0);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
	/* Broadcasts and what is the guest's own come always. */
	memset(frame, 0xff, 6);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
	netfront_write(f, "request-multicast-control", 0);
	netfront_run(f);
	memcpy(frame, "\x33\x33\x00\x00\x00\x01", 6);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
}
END_TEST

/* XenbusStateReconfiguring: room in front of the data, and an extra info of it. */
START_TEST(xdp_headroom)
{
	netif_rx_response_t r;
	uint8_t *page;

	start("", 1);
	ck_assert_uint_eq(netfront_backend(f, "feature-xdp-headroom"), 1);
	netfront_post(f, 0, 64);
	netfront_write(f, "xdp-headroom", 256);
	netfront_state(f, XenbusStateReconfiguring);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateReconfigured);
	netfront_state(f, XenbusStateConnected);
	size_t len = frame_tcp4(frame, 1, 100);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert(netfront_rx_response(f, 0, &r, &page));
	ck_assert_uint_eq(r.flags, NETRXF_extra_info);
	ck_assert_uint_eq(r.offset, 256);
	ck_assert_int_eq(r.status, len);
	ck_assert_mem_eq(page + 256, frame, len);
	ck_assert(netfront_rx_response(f, 0, &r, &page));
	struct netif_extra_info e;
	memcpy(&e, &r, sizeof(e));
	ck_assert_uint_eq(e.type, 5);
	ck_assert_uint_eq(e.u.pad[0], 256);
	/* Of several pages each has it. */
	len = frame_tcp4(frame, 1, 9000);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(receive(0), len);
	ck_assert_mem_eq(got, frame, len);
	ck_assert_uint_eq(extra[5].u.pad[0], 256);
	/* No room is left for data: nothing comes, nothing breaks. */
	netfront_write(f, "xdp-headroom", 65535);
	netfront_state(f, XenbusStateReconfiguring);
	netfront_state(f, XenbusStateConnected);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert(!netfront_rx_response(f, 0, &r, &page));
	ck_assert_uint_eq(netback_stats(f->backend)->rx_drops, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_buffer,
		many_buffers,
		checksums,
		frontend_without_checksums,
		gso,
		gso_is_cut,
		bad_headers,
		tiny_segments,
		no_scatter_gather,
		frames_wait_for_buffers,
		backlog_is_bounded,
		bad_buffers,
		ring_lies,
		no_rx_notify,
		flows_are_spread,
		multicast,
		xdp_headroom,
	};

	return RUN_TESTS("netback_rx", NULL, teardown, tests);
}
