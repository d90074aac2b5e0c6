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

/* A packet to the link; its id. */
static uint16_t send_one(void)
{
	grant_ref_t ref;

	memset(netfront_page(f, true, &ref), 0, 100);
	return netfront_tx(f, 0, ref, 0, 100, 0);
}

static int answered(void)
{
	netif_tx_response_t r;

	return netfront_tx_response(f, 0, &r) ? r.id : -1;
}

/* The packet itself has gone. */
START_TEST(response_late)
{
	uint16_t id[2];

	arm(PROBE_net_tx_response, FAULT_DELAY, 200000000);
	for (unsigned i = 0; i < 2; i++)
		id[i] = send_one();
	netfront_push(f, 0);
	ck_assert_uint_eq(netback_stats(f->backend)->tx_packets, 2);
	ck_assert_int_eq(answered(), id[1]);
	ck_assert_int_eq(answered(), -1);
	ck_assert_int_eq(later(answered), id[0]);
	ck_assert_int_eq(answered(), -1);
}
END_TEST

START_TEST(responses_reordered)
{
	uint16_t id[3];

	arm(PROBE_net_tx_response, FAULT_REORDER, INT64_MIN);
	for (unsigned i = 0; i < 3; i++)
		id[i] = send_one();
	netfront_push(f, 0);
	ck_assert_int_eq(answered(), id[1]);
	ck_assert_int_eq(answered(), id[0]);
	ck_assert_int_eq(answered(), id[2]);
	/* The last one waits for none that does not come. */
	arm(PROBE_net_tx_response, FAULT_REORDER, INT64_MIN);
	id[0] = send_one();
	netfront_push(f, 0);
	ck_assert_int_eq(answered(), -1);
	ck_assert_int_eq(later(answered), id[0]);
}
END_TEST

/* What is held when the frontend goes is gone, too. */
START_TEST(responses_held_at_the_end)
{
	test_fault_arm(&fault, f->t->d, PROBE_net_tx_response, FAULT_DELAY, 50000000000, 0, 1000);
	for (unsigned i = 0; i < 20; i++) {
		send_one();
		netfront_push(f, 0);
	}
	ck_assert_int_eq(answered(), -1);
	netfront_state(f, XenbusStateClosing);
	netfront_run(f);
	ck_assert_uint_eq(netback_queues(f->backend), 0);
}
END_TEST

/* What the frontend is shown when each response is about to be made. */
static uint32_t shown[8];
static unsigned nr_shown;

static bool look_and_decide(struct fault_host *h, struct domain *d, const struct probe_hit *hit,
			    struct fault *out)
{
	bool tx = hit->id == PROBE_net_tx_response;

	if (nr_shown < 8)
		shown[nr_shown++] = tx ? f->queue[0].tx.sring->rsp_prod - f->queue[0].tx.rsp_cons
				       : f->queue[0].rx.sring->rsp_prod - f->queue[0].rx.rsp_cons;
	return test_fault_decide(h, d, hit, out);
}

static void arm_and_look(enum probe_id probe, enum fault_kind kind, int skip, int count)
{
	test_fault_arm(&fault, f->t->d, probe, kind, INT64_MIN, skip, count);
	fault.host.decide = look_and_decide;
	nr_shown = 0;
}

/* Four responses of one wake-up are shown together; or the second by itself. */
START_TEST(response_split)
{
	static const uint32_t want[2][4] = {{0, 0, 0, 0}, {0, 0, 2, 2}};

	for (int split = 0; split < 2; split++) {
		arm_and_look(PROBE_net_tx_response, FAULT_SPLIT, 1, split);
		for (unsigned i = 0; i < 4; i++)
			send_one();
		netfront_push(f, 0);
		ck_assert_uint_eq(nr_shown, 4);
		ck_assert_mem_eq(shown, want[split], sizeof(want[split]));
		for (unsigned i = 0; i < 4; i++)
			ck_assert_int_ge(answered(), 0);
		ck_assert_int_eq(answered(), -1);
	}
}
END_TEST

/* A response too many takes the next buffer; the ring goes on behind it. */
START_TEST(buffer_given_twice)
{
	netif_rx_response_t r[3];
	uint8_t *page;

	netfront_post(f, 0, 16);
	arm(PROBE_net_rx, FAULT_DUPLICATE, INT64_MIN);
	send_to_guest(1);
	send_to_guest(2);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(netfront_rx_response(f, 0, &r[i], &page));
	ck_assert_uint_eq(r[0].id, r[1].id);
	ck_assert_uint_eq(r[2].id, r[0].id + 2);
	ck_assert_int_gt(r[2].status, 0);
	ck_assert(!netfront_rx_response(f, 0, &r[0], &page));
}
END_TEST

/* The first slot of two is shown before there is a second. */
START_TEST(packet_split)
{
	netfront_post(f, 0, 16);
	arm_and_look(PROBE_net_rx, FAULT_SPLIT, 0, 1);
	netfront_peer_send(f, NULL, frame, frame_tcp4(frame, 1, PAGE_SIZE));
	ck_assert_uint_eq(nr_shown, 2);
	ck_assert_uint_eq(shown[0], 0);
	ck_assert_uint_eq(shown[1], 1);
	ck_assert_int_eq(at_guest(), 1);
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
		response_late,
		responses_reordered,
		responses_held_at_the_end,
		response_split,
		buffer_given_twice,
		packet_split,
		revoked,
	};

	return RUN_TESTS("netback_fault", setup, teardown, tests);
}
