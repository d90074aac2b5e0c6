/*
 * Guest transmit: much of it, a link that takes little, and whatever a frontend may put into
 * its slots.
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

START_TEST(more_than_a_budget)
{
	grant_ref_t ref;
	netif_tx_response_t r;

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 20);
	memcpy(netfront_page(f, true, &ref), frame, len);
	unsigned frames = 0, responses = 0;
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 256; i++)
			netfront_tx(f, 0, ref, 0, (uint16_t)len, 0);
		netfront_push(f, 0);
		for (unsigned i = 0; i < 50 && responses < (round + 1) * 256; i++) {
			netfront_run(f);
			while (netfront_tx_response(f, 0, &r)) {
				ck_assert_int_eq(r.status, NETIF_RSP_OKAY);
				responses++;
			}
			while (netfront_peer_receive(f, &h, got))
				frames++;
		}
	}
	ck_assert_uint_eq(responses, 5 * 256);
	ck_assert_uint_eq(frames, 5 * 256);
	ck_assert_uint_lt(netback_stats(f->backend)->notifications, 5 * 256 / 8);
}
END_TEST

/* The other end does not read: the guest waits, and loses nothing. */
START_TEST(peer_is_slow)
{
	uint16_t id[32];
	netif_tx_response_t r;
	unsigned sent = 0, answered = 0, received = 0;

	start("", 1);
	size_t len = frame_tcp4(frame, 1, 60000);
	while (sent < 2000 && RING_FREE_REQUESTS(&f->queue[0].tx) >= 20) {
		put16(frame + 34, (uint16_t)sent);
		netfront_put_frame(f, frame, len, 0, NULL, id);
		netfront_push(f, 0);
		sent++;
		while (netfront_tx_response(f, 0, &r))
			answered++;
	}
	ck_assert_uint_lt(sent, 2000);
	ck_assert_uint_lt(answered, sent * 15);
	for (unsigned i = 0; i < 100; i++) {
		while (netfront_peer_receive(f, &h, got)) {
			ck_assert_uint_eq(get16(got + 34), received);
			received++;
		}
		netfront_run(f);
	}
	ck_assert_uint_eq(received, sent);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_drops, 0);
}
END_TEST

START_TEST(nobody_at_the_other_end)
{
	start("", 1);
	ck_assert_uint_eq(netfront_backend(f, "carrier"), 1);
	close(f->peer);
	f->peer = -1;
	netfront_run(f);
	ck_assert_uint_eq(netfront_backend(f, "carrier"), 0);
	size_t len = frame_tcp4(frame, 1, 20);
	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_drops, 1);
	netfront_peer_connect(f);
	ck_assert_uint_eq(netfront_backend(f, "carrier"), 1);
	netfront_send(f, 0, frame, (uint16_t)len, 0);
	ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
}
END_TEST

START_TEST(queues)
{
	start("", 4);
	for (unsigned q = 0; q < 4; q++) {
		size_t len = frame_tcp4(frame, (uint16_t)(100 + q), 20);
		ck_assert_int_eq(netfront_send(f, q, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
		ck_assert_uint_eq(netfront_peer_receive(f, &h, got), len);
		ck_assert_uint_eq(get16(got + 34), 100 + q);
	}
}
END_TEST

/* 800 kbit/s are 5000 bytes in 50 ms, with a burst of 128 KiB. */
START_TEST(rate)
{
	unsigned received = 0;
	netif_tx_response_t r;
	grant_ref_t ref;

	start("rate=800Kb/s", 1);
	ck_assert_uint_eq(netfront_backend(f, "rate"), ~0u);
	char *text = xenstore_read(f->xs, NETFRONT_BE "/rate");
	ck_assert_str_eq(text, "5000,50000");
	free(text);
	size_t len = frame_tcp4(frame, 1, 946);
	memcpy(netfront_page(f, true, &ref), frame, len);
	for (unsigned i = 0; i < 50; i++)
		netfront_tx(f, 0, ref, 0, (uint16_t)len, 0);
	netfront_push(f, 0);
	while (netfront_peer_receive(f, &h, got))
		received++;
	/* What the first interval has; on a machine that stands still a few more. */
	ck_assert_uint_ge(received, 5);
	ck_assert_uint_lt(received, 50);
	for (unsigned i = 0; i < 3000 && received < 50; i++) {
		usleep(10000);
		netfront_run(f);
		while (netfront_tx_response(f, 0, &r))
			ck_assert_int_eq(r.status, NETIF_RSP_OKAY);
		while (netfront_peer_receive(f, &h, got))
			received++;
	}
	ck_assert_uint_eq(received, 50);
	/* It is changed while the interface is in use. */
	ck_assert_int_eq(xenstore_remove(f->xs, NETFRONT_BE "/rate"), 0);
	netfront_run(f);
	for (unsigned i = 0; i < 60; i++)
		netfront_tx(f, 0, ref, 0, (uint16_t)len, 0);
	netfront_push(f, 0);
	for (received = 0; netfront_peer_receive(f, &h, got);)
		received++;
	ck_assert_uint_eq(received, 60);
}
END_TEST

/* Whatever is on the rings: the guest is answered or loses its interface, and gets it
 * again; nothing of it is written beyond (AddressSanitizer looks on). */
static uint32_t random_state;

static uint32_t any(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static void random_slot(const grant_ref_t *refs)
{
	static const uint16_t sizes[] = {0, 13, 14, 60, 1500, 4095, 4096, 4097, 20000, 65535};
	netif_tx_request_t r = {
		.gref = any(8) ? refs[any(4)] : any(100000),
		.offset = any(3) ? 0 : (uint16_t)any(5000),
		.flags = (uint16_t)(any(2) ? any(16) : any(4)),
		.size = any(4) ? (uint16_t)any(3000) : sizes[any(10)],
	};
	netif_tx_front_ring_t *ring = &f->queue[0].tx;
	uint8_t *slot = (uint8_t *)RING_GET_REQUEST(ring, ring->req_prod_pvt++);

	memcpy(slot, &r, sizeof(r));
	if (any(4))
		return;
	struct netif_extra_info e = {.type = (uint8_t)any(6), .flags = any(3) ? 0 : 1};
	e.u.gso.size = (uint16_t)(any(4) ? 1448 : any(3));
	e.u.gso.type = (uint8_t)(any(8) ? 1 : any(4));
	memcpy(slot, &e, sizeof(e));
}

static void reconnect(void)
{
	for (unsigned q = 0; q < f->nr_queues; q++) {
		struct evtchn_close c = {.port = f->queue[q].tx_port};

		EVTCHN_OP(f->t, 0, EVTCHNOP_close, &c);
		c.port = f->queue[q].rx_port;
		EVTCHN_OP(f->t, 0, EVTCHNOP_close, &c);
	}
	netfront_state(f, XenbusStateClosed);
	netfront_state(f, XenbusStateInitialising);
	f->next_ref = 20;
	netfront_connect(f, 1);
}

START_TEST(any_slots)
{
	grant_ref_t refs[4];
	netif_tx_response_t r;
	unsigned closed = 0;

	random_state = (uint32_t)_i * 977 + 1;
	start(_i % 2 ? "" : "no-gso,no-csum", 1);
	f->next_ref = 100;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *p = netfront_page(f, i & 1, &refs[i]);
		size_t len = i & 2 ? frame_udp6(frame, 1, 3000) : frame_tcp4(frame, 1, 3000);
		memcpy(p, frame, len);
	}
	for (unsigned i = 0; i < 400; i++) {
		for (unsigned n = any(40); n && RING_FREE_REQUESTS(&f->queue[0].tx); n--)
			random_slot(refs);
		netfront_push(f, 0);
		while (netfront_tx_response(f, 0, &r))
			;
		while (netfront_peer_receive(f, &h, got))
			;
		if (netfront_backend(f, "state") != XenbusStateConnected) {
			closed++;
			reconnect();
		}
	}
	ck_assert_uint_gt(closed, 10);
	ck_assert_uint_gt(netback_stats(f->backend)->tx_packets, 100);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(grant_v1(f->t, refs[i])->flags & (GTF_reading | GTF_writing), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("netback_tx_load");
	TCase *c = tcase_create("netback_tx_load");
	const TTest *const tests[] = {
		more_than_a_budget, peer_is_slow, nobody_at_the_other_end, queues, rate,
	};

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_set_timeout(c, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, any_slots, 0, 4);
	suite_add_tcase(s, c);
	return run_suite(s);
}
