/*
 * Faults of the network backend (pvabi/faults.def): packets that are late or out of order,
 * chains of slots that make no sense, responses too many. Which hits are taken is
 * inject_test.c's.
 */
#include <string.h>
#include <unistd.h>

#include "devices/net/packet.h"
#include "test/unit/test_fault.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

static struct netfront *f;
static struct test_fault fault;
static uint8_t frame[PACKET_MAX + 100], got[PACKET_MAX + 100];

static void setup(void)
{
	f = netfront_new("");
	netfront_connect(f, 1);
}

static void teardown(void)
{
	f->t->d->fault_host = NULL;
	netfront_free(f);
}

static void arm(enum probe_id probe, enum fault_kind kind, int64_t value)
{
	test_fault_arm(&fault, f->t->d, probe, kind, value, 0, 1);
}

/* A frame is known by its source port. */
static void send_to_link(uint16_t port)
{
	size_t len = frame_tcp4(frame, port, 100);

	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
}

static int at_link(void)
{
	return netfront_peer_receive(f, NULL, got) ? got[34] << 8 | got[35] : -1;
}

static void send_to_guest(uint16_t port)
{
	netfront_peer_send(f, NULL, frame, frame_tcp4(frame, port, 100));
}

static int at_guest(void)
{
	struct netif_extra_info extra[6];
	uint16_t flags;

	return netfront_receive(f, 0, got, extra, &flags) > 0 ? got[34] << 8 | got[35] : -1;
}

/* Waits for what comes by time. */
static int later(int (*at)(void))
{
	for (int i = 0, port; i < 5000; i++) {
		netfront_run(f);
		port = at();
		if (port >= 0)
			return port;
		usleep(1000);
	}
	return -1;
}

START_TEST(reordered_to_link)
{
	arm(PROBE_net_tx, FAULT_REORDER, INT64_MIN);
	send_to_link(1);
	ck_assert_int_eq(at_link(), -1);
	send_to_link(2);
	ck_assert_int_eq(at_link(), 2);
	ck_assert_int_eq(at_link(), 1);
	ck_assert_int_eq(at_link(), -1);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_packets, 2);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_drops, 0);
}
END_TEST

START_TEST(reordered_to_guest)
{
	netfront_post(f, 0, 16);
	arm(PROBE_net_packet, FAULT_REORDER, INT64_MIN);
	send_to_guest(1);
	ck_assert_int_eq(at_guest(), -1);
	send_to_guest(2);
	ck_assert_int_eq(at_guest(), 2);
	ck_assert_int_eq(at_guest(), 1);
	ck_assert_int_eq(at_guest(), -1);
}
END_TEST

/* There is no next one. */
START_TEST(reordered_alone)
{
	netfront_post(f, 0, 16);
	arm(PROBE_net_packet, FAULT_REORDER, INT64_MIN);
	send_to_guest(7);
	ck_assert_int_eq(later(at_guest), 7);
}
END_TEST

START_TEST(late_to_link)
{
	arm(PROBE_net_tx, FAULT_DELAY, 200000000);
	send_to_link(1);
	send_to_link(2);
	ck_assert_int_eq(at_link(), 2);
	ck_assert_int_eq(at_link(), -1);
	ck_assert_int_eq(later(at_link), 1);
}
END_TEST

START_TEST(late_to_guest)
{
	netfront_post(f, 0, 16);
	arm(PROBE_net_packet, FAULT_DELAY, 200000000);
	send_to_guest(1);
	send_to_guest(2);
	ck_assert_int_eq(at_guest(), 2);
	ck_assert_int_eq(at_guest(), -1);
	ck_assert_int_eq(later(at_guest), 1);
}
END_TEST

/* As many as may be held, and no more; what is held is given back at the end. */
START_TEST(no_end_of_late_ones)
{
	unsigned at_once = 0;

	test_fault_arm(&fault, f->t->d, PROBE_net_tx, FAULT_DELAY, 50000000000, 0, 1000);
	for (unsigned i = 0; i < 400; i++) {
		send_to_link((uint16_t)i);
		while (at_link() >= 0)
			at_once++;
	}
	ck_assert_uint_eq(at_once, 400 - 256);
}
END_TEST

START_TEST(chain)
{
	static const struct {
		int64_t value;
		uint16_t flag;
	} cases[] = {{INT64_MIN, NETRXF_more_data}, {8, NETRXF_extra_info}};
	netif_rx_response_t r;
	uint8_t *page;

	netfront_post(f, 0, 16);
	for (unsigned i = 0; i < 2; i++) {
		send_to_guest(1);
		ck_assert(netfront_rx_response(f, 0, &r, &page));
		ck_assert_uint_eq(r.flags & (NETRXF_more_data | NETRXF_extra_info), 0);
		arm(PROBE_net_rx, FAULT_CHAIN, cases[i].value);
		send_to_guest(1);
		ck_assert(netfront_rx_response(f, 0, &r, &page));
		ck_assert_uint_eq(r.flags & (NETRXF_more_data | NETRXF_extra_info), cases[i].flag);
	}
}
END_TEST

START_TEST(jumps)
{
	struct netfront_queue *q = &f->queue[0];
	grant_ref_t ref;

	netfront_post(f, 0, 16);
	arm(PROBE_net_rx, FAULT_JUMP, INT64_MIN);
	send_to_guest(1);
	ck_assert_uint_eq(q->rx.sring->rsp_prod, 1001);
	arm(PROBE_net_tx_response, FAULT_JUMP, 50);
	memcpy(netfront_page(f, true, &ref), frame, 100);
	netfront_tx(f, 0, ref, 0, 100, 0);
	netfront_push(f, 0);
	ck_assert_uint_eq(q->tx.sring->rsp_prod, 51);
}
END_TEST

START_TEST(given_back_twice)
{
	netif_tx_response_t r;
	grant_ref_t ref;

	arm(PROBE_net_tx_response, FAULT_DUPLICATE, INT64_MIN);
	memset(netfront_page(f, true, &ref), 0, 100);
	uint16_t id = netfront_tx(f, 0, ref, 0, 100, 0);
	netfront_push(f, 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(netfront_tx_response(f, 0, &r));
		ck_assert_uint_eq(r.id, id);
	}
	ck_assert(!netfront_tx_response(f, 0, &r));
}
END_TEST

/* The packet is lost with the grant; the next one is not. */
START_TEST(revoked)
{
	size_t len = frame_tcp4(frame, 1, 100);

	arm(PROBE_grant_copy, FAULT_REVOKE, INT64_MIN);
	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_ERROR);
	ck_assert_int_eq(at_link(), -1);
	send_to_link(2);
	ck_assert_int_eq(at_link(), 2);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		reordered_to_link,
		reordered_to_guest,
		reordered_alone,
		late_to_link,
		late_to_guest,
		no_end_of_late_ones,
		chain,
		jumps,
		given_back_twice,
		revoked,
	};

	return RUN_TESTS("netback_fault", setup, teardown, tests);
}
