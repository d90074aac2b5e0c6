/*
 * Guest transmit: what the frontend puts on the ring comes out at the other end, and what
 * Linux's netback refuses is refused as there (xen-netback/netback.c).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/net/packet.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

static struct netfront *f;
static uint8_t frame[PACKET_MAX + 100], got[PACKET_MAX + 100];
static struct virtio_net_hdr h;

static void start(const char *fields, unsigned queues)
{
	f = netfront_new(fields);
	netfront_connect(f, queues);
}

static void teardown(void)
{
	netfront_free(f);
}

static void expect_closed(void)
{
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateClosing);
	ck_assert_uint_eq(netback_queues(f->backend), 0);
}

static void expect_responses(const uint16_t *id, unsigned n, int status, unsigned extras)
{
	netif_tx_response_t r;

	for (unsigned i = 0; i < n; i++) {
		ck_assert(netfront_tx_response(f, 0, &r));
		ck_assert_uint_eq(r.id, id[i]);
		ck_assert_int_eq(r.status, status);
		for (unsigned e = 0; !i && e < extras; e++) {
			ck_assert(netfront_tx_response(f, 0, &r));
			ck_assert_int_eq(r.status, NETIF_RSP_NULL);
		}
	}
	ck_assert(!netfront_tx_response(f, 0, &r));
}

START_TEST(one_slot)
{
	start("", 1);
	size_t len = frame_tcp4(frame, 1, 600);
	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_mem_eq(got, frame, len);
	ck_assert_uint_eq(h.flags, 0);
	ck_assert_uint_eq(h.gso_type, 0);
	const struct vif_stats *s = netback_stats(f->backend);
	ck_assert_uint_eq(s->tx_packets, 1);
	ck_assert_uint_eq(s->tx_bytes, len);
	ck_assert_uint_eq(s->copied, len);
	ck_assert_uint_ge(s->wakeups, 1);
	ck_assert_uint_ge(s->notifications, 1);
}
END_TEST

/* Data that is inside the page, and the page's last byte. */
START_TEST(offset)
{
	grant_ref_t ref;
	uint16_t id;

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 10);
	uint8_t *p = netfront_page(f, true, &ref);
	memcpy(p + PAGE_SIZE - len, frame, len);
	id = netfront_tx(f, 0, ref, (uint16_t)(PAGE_SIZE - len), (uint16_t)len, 0);
	netfront_push(f, 0);
	expect_responses(&id, 1, NETIF_RSP_OKAY, 0);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_mem_eq(got, frame, len);
}
END_TEST

START_TEST(many_slots)
{
	uint16_t id[32];

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 65535 - 40 - 14);
	unsigned n = netfront_put_frame(f, frame, len, 0, NULL, id);
	ck_assert_uint_eq(n, 16);
	netfront_push(f, 0);
	expect_responses(id, n, NETIF_RSP_OKAY, 0);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_mem_eq(got, frame, len);
}
END_TEST

/* 1 + 18 slots are taken, with 19 and 20 behind the first the packet is dropped, with
 * more the interface closes. */
START_TEST(slot_limits)
{
	static const struct {
		unsigned frags;
		int status;
	} rows[] = {{18, NETIF_RSP_OKAY}, {19, NETIF_RSP_ERROR}, {20, NETIF_RSP_ERROR}};
	uint16_t id[32];
	grant_ref_t ref;

	start("", 1);
	memcpy(netfront_page(f, true, &ref), frame, 100);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned n = 0; n <= rows[i].frags; n++)
			id[n] = netfront_tx(f, 0, ref, 0,
					    (uint16_t)(n ? 10 : 20 + 10 * rows[i].frags),
					    n < rows[i].frags ? NETTXF_more_data : 0);
		netfront_push(f, 0);
		expect_responses(id, rows[i].frags + 1, rows[i].status, 0);
		ck_assert_uint_eq(netfront_peer_receive(f, &h, got), i ? 0 : 200);
	}
	for (unsigned n = 0; n <= 21; n++)
		netfront_tx(f, 0, ref, 0, n ? 10 : 400, n < 21 ? NETTXF_more_data : 0);
	netfront_push(f, 0);
	expect_closed();
}
END_TEST

START_TEST(checksum_blank)
{
	start("", 1);
	size_t len = frame_tcp4(frame, 1, 100);
	netfront_send(f, 0, frame, (uint16_t)len, NETTXF_csum_blank | NETTXF_data_validated);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_uint_eq(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(h.csum_start, 34);
	ck_assert_uint_eq(h.csum_offset, 16);
	len = frame_udp6(frame, 1, 100);
	netfront_send(f, 0, frame, (uint16_t)len, NETTXF_csum_blank);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_uint_eq(h.csum_start, 54);
	ck_assert_uint_eq(h.csum_offset, 6);
	netfront_send(f, 0, frame, (uint16_t)len, NETTXF_data_validated);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_uint_eq(h.flags, VIRTIO_NET_HDR_F_DATA_VALID);
}
END_TEST

/* skb_checksum_setup() has TCP and UDP only, and no fragments: dropped, answered well. */
START_TEST(checksum_of_what_has_none)
{
	start("", 1);
	size_t len = frame_tcp4(frame, 1, 100);
	frame[23] = 47; /* GRE */
	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, NETTXF_csum_blank),
			 NETIF_RSP_OKAY);
	frame_tcp4(frame, 1, 100);
	frame[20] = 0x20; /* more fragments */
	netfront_send(f, 0, frame, (uint16_t)len, NETTXF_csum_blank);
	frame_tcp4(frame, 1, 100);
	put16(frame + 16, 2000); /* longer than the frame */
	netfront_send(f, 0, frame, (uint16_t)len, NETTXF_csum_blank);
	memset(frame + 12, 0xff, 2);
	netfront_send(f, 0, frame, (uint16_t)len, NETTXF_csum_blank);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), 0);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_drops, 4);
}
END_TEST

static const struct netif_extra_info gso4 = {
	.type = XEN_NETIF_EXTRA_TYPE_GSO,
	.u.gso = {.size = 1448, .type = XEN_NETIF_GSO_TYPE_TCPV4},
};

START_TEST(gso)
{
	uint16_t id[32];

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 30000);
	unsigned n =
		netfront_put_frame(f, frame, len, NETTXF_extra_info | NETTXF_csum_blank, &gso4, id);
	netfront_push(f, 0);
	expect_responses(id, n, NETIF_RSP_OKAY, 1);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_uint_eq(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert_uint_eq(h.gso_size, 1448);
	ck_assert_uint_eq(h.hdr_len, FRAME_TCP);
	ck_assert_uint_eq(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_gso, 1);
	/* Without csum_blank the checksum is made one: the pseudo header's sum. */
	n = netfront_put_frame(f, frame, len, NETTXF_extra_info, &gso4, id);
	netfront_push(f, 0);
	expect_responses(id, n, NETIF_RSP_OKAY, 1);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
	ck_assert_uint_eq(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	struct packet p = {.data = got, .len = (uint32_t)len};
	uint16_t partial = get16(got + 50);
	ck_assert_uint_ne(partial, get16(frame + 50));
	/* What hardware does: the sum over the segment with that in its place. */
	uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, got + 34, len - 34));
	memcpy(got + 50, &sum, 2);
	ck_assert(frame_checksum_is_good(got, p.len));
}
END_TEST

/* The wrong IP version, or no TCP: dropped. */
START_TEST(gso_of_something_else)
{
	struct netif_extra_info e = gso4;
	uint16_t id[32];

	start("", 1);
	e.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV6;
	unsigned n = netfront_put_frame(f, frame, frame_tcp4(frame, 1, 3000),
					NETTXF_extra_info | NETTXF_csum_blank, &e, id);
	netfront_push(f, 0);
	expect_responses(id, n, NETIF_RSP_OKAY, 1);
	n = netfront_put_frame(f, frame, frame_udp6(frame, 1, 3000),
			       NETTXF_extra_info | NETTXF_csum_blank, &e, id);
	netfront_push(f, 0);
	expect_responses(id, n, NETIF_RSP_OKAY, 1);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), 0);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_drops, 2);
}
END_TEST

/* Errors of one packet: the next is good. */
START_TEST(bad_packets)
{
	grant_ref_t ref;
	uint16_t id[4];

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 100);
	/* Less than an Ethernet header. */
	ck_assert_int_eq(netfront_send(f, 0, frame, 13, 0), NETIF_RSP_ERROR);
	ck_assert_int_eq(netfront_send(f, 0, frame, 0, 0), NETIF_RSP_ERROR);
	/* A slot that is larger than all of the packet. */
	memcpy(netfront_page(f, true, &ref), frame, len);
	id[0] = netfront_tx(f, 0, ref, 0, 100, NETTXF_more_data);
	id[1] = netfront_tx(f, 0, ref, 0, 200, NETTXF_more_data);
	id[2] = netfront_tx(f, 0, ref, 0, 10, 0);
	netfront_push(f, 0);
	expect_responses(id, 3, NETIF_RSP_ERROR, 0);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_errors, 3);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), 0);
	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
}
END_TEST

/* The slot whose grant is bad gets the error, the others do not (xenvif_tx_check_gop). */
START_TEST(bad_grants)
{
	netif_tx_response_t r;
	grant_ref_t ref, foreign;

	start("", 1);
	memcpy(netfront_page(f, true, &ref), frame, 200);
	netfront_page(f, true, &foreign);
	grant_v1_set(f->t, foreign, GTF_permit_access, 7, grant_v1(f->t, foreign)->frame);
	netfront_tx(f, 0, ref, 0, 160, NETTXF_more_data);
	netfront_tx(f, 0, foreign, 0, 40, NETTXF_more_data);
	netfront_tx(f, 0, ref, 0, 40, 0);
	netfront_tx(f, 0, 0x7fffffff, 0, 60, 0);
	netfront_push(f, 0);
	static const int status[] = {NETIF_RSP_OKAY, NETIF_RSP_ERROR, NETIF_RSP_OKAY,
				     NETIF_RSP_ERROR};
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(netfront_tx_response(f, 0, &r));
		ck_assert_int_eq(r.status, status[i]);
	}
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), 0);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateConnected);
	ck_assert_uint_eq(grant_v1(f->t, ref)->flags & (GTF_reading | GTF_writing), 0);
}
END_TEST

/* ---- what closes the interface ---- */

enum attack {
	CROSSES_PAGE,
	FRAG_CROSSES_PAGE,
	MISSING_FRAG,
	MISSING_EXTRA,
	EXTRA_TYPE_0,
	EXTRA_TYPE_6,
	GSO_SIZE_0,
	GSO_TYPE_0,
	GSO_TYPE_3,
	TOO_MANY_REQUESTS,
	NR_ATTACKS
};

static void attack(enum attack a)
{
	struct netif_extra_info e = gso4;
	grant_ref_t ref;

	netfront_page(f, true, &ref);
	switch (a) {
	case CROSSES_PAGE:
		netfront_tx(f, 0, ref, 4000, 97, 0);
		break;
	case FRAG_CROSSES_PAGE:
		netfront_tx(f, 0, ref, 0, 1000, NETTXF_more_data);
		netfront_tx(f, 0, ref, 4095, 2, 0);
		break;
	case MISSING_FRAG:
		netfront_tx(f, 0, ref, 0, 1000, NETTXF_more_data);
		break;
	case MISSING_EXTRA:
		netfront_tx(f, 0, ref, 0, 1000, NETTXF_extra_info);
		break;
	case EXTRA_TYPE_0:
	case EXTRA_TYPE_6:
		e.type = a == EXTRA_TYPE_0 ? 0 : 6;
		netfront_tx(f, 0, ref, 0, 100, NETTXF_extra_info);
		netfront_tx_extra(f, 0, e);
		break;
	case GSO_SIZE_0:
	case GSO_TYPE_0:
	case GSO_TYPE_3:
		e.u.gso.size = a == GSO_SIZE_0 ? 0 : 1448;
		e.u.gso.type = a == GSO_TYPE_0 ? 0 : a == GSO_TYPE_3 ? 3 : 1;
		netfront_tx(f, 0, ref, 0, 100, NETTXF_extra_info);
		netfront_tx_extra(f, 0, e);
		break;
	default:
		f->queue[0].tx.req_prod_pvt += 257;
	}
}

START_TEST(breaks_the_protocol)
{
	start("", 1);
	attack((enum attack)_i);
	netfront_push(f, 0);
	expect_closed();
	/* Both rings' grants are free again. */
	ck_assert_uint_eq(grant_v1(f->t, 20)->flags & (GTF_reading | GTF_writing), 0);
	ck_assert_uint_eq(grant_v1(f->t, 21)->flags & (GTF_reading | GTF_writing), 0);
	/* It may come again. */
	netfront_state(f, XenbusStateClosed);
	netfront_state(f, XenbusStateInitialising);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateInitWait);
	netfront_connect(f, 1);
	frame_tcp4(frame, 1, 50);
	ck_assert_int_eq(netfront_send(f, 0, frame, 104, 0), NETIF_RSP_OKAY);
}
END_TEST

/* ---- multicast requests ---- */

static int multicast(uint8_t type, uint8_t last)
{
	struct netif_extra_info e = {.type = type, .u.mcast.addr = {1, 0, 0x5e, 0, 0, last}};
	netif_tx_response_t r, n;
	uint16_t id = netfront_tx(f, 0, 0, 0, 0, NETTXF_extra_info);

	netfront_tx_extra(f, 0, e);
	netfront_push(f, 0);
	ck_assert(netfront_tx_response(f, 0, &r));
	ck_assert(netfront_tx_response(f, 0, &n));
	ck_assert_uint_eq(r.id, id);
	ck_assert_int_eq(n.status, NETIF_RSP_NULL);
	return r.status;
}

START_TEST(multicast_list)
{
	start("", 1);
	for (uint8_t i = 0; i < 64; i++)
		ck_assert_int_eq(multicast(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, i), NETIF_RSP_OKAY);
	ck_assert_int_eq(multicast(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 64), NETIF_RSP_ERROR);
	ck_assert_int_eq(multicast(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 99), NETIF_RSP_OKAY);
	ck_assert_int_eq(multicast(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 65), NETIF_RSP_ERROR);
	ck_assert_int_eq(multicast(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 3), NETIF_RSP_OKAY);
	ck_assert_int_eq(multicast(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 66), NETIF_RSP_OKAY);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), 0);
}
END_TEST

/* The hash that the guest has for its packet is accepted; so is XDP's. */
START_TEST(other_extras)
{
	struct netif_extra_info e = {.type = XEN_NETIF_EXTRA_TYPE_HASH,
				     .flags = XEN_NETIF_EXTRA_FLAG_MORE};
	netif_tx_response_t r;
	grant_ref_t ref;

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 100);
	memcpy(netfront_page(f, true, &ref), frame, len);
	netfront_tx(f, 0, ref, 0, (uint16_t)len, NETTXF_extra_info);
	netfront_tx_extra(f, 0, e);
	e.type = 5;
	e.flags = 0;
	netfront_tx_extra(f, 0, e);
	netfront_push(f, 0);
	static const int status[] = {NETIF_RSP_OKAY, NETIF_RSP_NULL, NETIF_RSP_NULL};
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(netfront_tx_response(f, 0, &r));
		ck_assert_int_eq(r.status, status[i]);
	}
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("netback_tx");
	TCase *c = tcase_create("netback_tx");
	const TTest *const tests[] = {
		one_slot,
		offset,
		many_slots,
		slot_limits,
		checksum_blank,
		checksum_of_what_has_none,
		gso,
		gso_of_something_else,
		bad_packets,
		bad_grants,
		multicast_list,
		other_extras,
	};

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_set_timeout(c, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, breaks_the_protocol, 0, NR_ATTACKS);
	suite_add_tcase(s, c);
	return run_suite(s);
}
