/*
 * The guest's xenstore ring (io/xs_wire.h, struct xenstore_domain_interface) as
 * a guest drives it: in any pieces, around its end, and as a hostile guest would.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "devices/xenstore/xenstore.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;
static struct xenstore_domain_interface *ring;
static struct xsd_sockmsg h;
static char answer[XENSTORE_PAYLOAD_MAX + 1];
static int port;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	loop = event_loop_create();
	test_loop_init(loop);
	xs = xenstore_create(loop);
	port = xenstore_bind_port(xs, t->d);
	ck_assert_int_gt(port, 0);
	struct xenstore_domain xd = {
		.domain = t->d,
		.memory_kib = 65536,
		.maxmem_kib = 65536,
		.vcpus_online = 1,
		.store_mfn = test_frame(t),
		.console_mfn = test_frame(t),
		.store_port = (evtchn_port_t)port,
		.console_type = "xenconsoled",
		.tty = "",
	};
	ring = frame_ptr(t->d, xd.store_mfn);
	ck_assert_int_eq(xenstore_introduce(xs, &xd), 0);
	ck_assert_int_eq(event_loop_start(loop), 0);
	test_loop_sync();
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	test_loop_free();
	test_domain_free(t);
}

/* What the event channel's callback does, and a wait for the answer. */
static void kick(void)
{
	eventfd_write(domain_find(xs, 1)->event_fd, 1);
	test_loop_sync();
}

static void put(const void *data, size_t len)
{
	uint32_t prod = ring->req_prod;

	ck_assert_uint_le(prod - ring->req_cons + len, XENSTORE_RING_SIZE);
	for (size_t i = 0; i < len; i++)
		ring->req[MASK_XENSTORE_IDX(prod++)] = ((const char *)data)[i];
	__atomic_store_n(&ring->req_prod, prod, __ATOMIC_SEQ_CST);
}

static void put_header(uint32_t type, uint32_t id, size_t len)
{
	struct xsd_sockmsg m = {.type = type, .req_id = id, .len = (uint32_t)len};

	put(&m, sizeof(m));
}

static uint32_t waiting(void)
{
	return ring->rsp_prod - ring->rsp_cons;
}

/* Reads len bytes, kicking for more when the ring is empty; false: no more come. */
static bool get(void *to, size_t len)
{
	uint8_t *p = to;

	while (len--) {
		if (!waiting())
			kick();
		if (!waiting())
			return false;
		*p++ = (uint8_t)ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
		__atomic_store_n(&ring->rsp_cons, ring->rsp_cons + 1, __ATOMIC_SEQ_CST);
	}
	return true;
}

static bool next(void)
{
	if (!get(&h, sizeof(h)))
		return false;
	ck_assert_uint_le(h.len, XENSTORE_PAYLOAD_MAX);
	ck_assert(get(answer, h.len));
	answer[h.len] = 0;
	return true;
}

static void ask_domid(uint32_t id)
{
	put_header(XS_READ, id, 6);
	put("domid", 6);
	kick();
}

static void expect_domid(uint32_t id)
{
	ck_assert(next());
	ck_assert_uint_eq(h.type, XS_READ);
	ck_assert_uint_eq(h.req_id, id);
	ck_assert_str_eq(answer, "1");
}

START_TEST(connected_and_says_what_it_can)
{
	ck_assert_uint_eq(ring->connection, XENSTORE_CONNECTED);
	ck_assert_uint_eq(ring->server_features, XENSTORE_SERVER_FEATURE_ERROR);
	ck_assert_uint_eq(ring->error, XENSTORE_ERROR_NONE);
	ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(answered_over_the_event_channel)
{
	port_clear(t, (evtchn_port_t)port);
	put_header(XS_READ, 5, 6);
	put("domid", 6);
	ck_assert_int_eq(send_port(t, 0, (evtchn_port_t)port), 0);
	test_loop_sync();
	ck_assert(port_pending(t, (evtchn_port_t)port));
	expect_domid(5);
}
END_TEST

START_TEST(bytes_one_by_one)
{
	struct xsd_sockmsg m = {.type = XS_READ, .req_id = 9, .len = 6};

	for (size_t i = 0; i < sizeof(m); i++) {
		put((uint8_t *)&m + i, 1);
		kick();
		ck_assert_uint_eq(ring->req_cons, ring->req_prod);
		ck_assert_uint_eq(waiting(), 0);
	}
	for (size_t i = 0; i < 6; i++) {
		ck_assert_uint_eq(waiting(), 0);
		put(&"domid"[i], 1);
		kick();
	}
	expect_domid(9);
}
END_TEST

START_TEST(header_then_body)
{
	put_header(XS_READ, 3, 6);
	kick();
	ck_assert_uint_eq(waiting(), 0);
	put("domid", 6);
	kick();
	expect_domid(3);
}
END_TEST

START_TEST(several_at_once)
{
	for (uint32_t i = 0; i < 40; i++) {
		put_header(XS_READ, i, 6);
		put("domid", 6);
	}
	kick();
	for (uint32_t i = 0; i < 40; i++)
		expect_domid(i);
	ck_assert(!next());
}
END_TEST

/* 22 bytes a request: every offset of the ring is a boundary once. */
START_TEST(around_the_end)
{
	for (uint32_t i = 0; i < 600; i++) {
		ask_domid(i);
		expect_domid(i);
	}
	ck_assert_uint_gt(ring->req_prod, 12 * XENSTORE_RING_SIZE);
}
END_TEST

/* The indices run freely; they wrap at 2^32. */
START_TEST(indices_wrap)
{
	ring->req_cons = ring->req_prod = 0xfffffff5u;
	ring->rsp_cons = ring->rsp_prod = 0xfffffffbu;
	for (uint32_t i = 0; i < 4; i++) {
		ask_domid(i);
		expect_domid(i);
	}
	ck_assert_uint_lt(ring->req_prod, XENSTORE_RING_SIZE);
	ck_assert_uint_eq(ring->error, XENSTORE_ERROR_NONE);
}
END_TEST

/* A value longer than the ring, both ways. */
START_TEST(longer_than_the_ring)
{
	char value[2000];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)('a' + i % 26);
	put_header(XS_WRITE, 1, 7 + sizeof(value));
	put("data/v", 7);
	for (size_t i = 0; i < sizeof(value); i += 500) {
		put(value + i, 500);
		kick();
	}
	ck_assert(next());
	ck_assert_str_eq(answer, "OK");
	put_header(XS_READ, 2, 7);
	put("data/v", 7);
	kick();
	ck_assert_uint_eq(waiting(), XENSTORE_RING_SIZE);
	ck_assert(next());
	ck_assert_uint_eq(h.len, sizeof(value));
	ck_assert_mem_eq(answer, value, sizeof(value));
}
END_TEST

START_TEST(impossible_request_indices)
{
	ring->req_prod = ring->req_cons + XENSTORE_RING_SIZE + 1;
	kick();
	ck_assert_uint_eq(ring->error, XENSTORE_ERROR_RINGIDX);
	ck_assert_uint_eq(ring->req_cons, 0);
}
END_TEST

START_TEST(impossible_answer_indices)
{
	ring->rsp_cons = ring->rsp_prod + 1;
	put_header(XS_READ, 1, 6);
	put("domid", 6);
	kick();
	ck_assert_uint_eq(ring->error, XENSTORE_ERROR_RINGIDX);
}
END_TEST

/* The error stays, whatever the guest makes of the field: what it shows is
 * shared memory, what we decide by is not. */
START_TEST(payload_too_long_ends_the_ring)
{
	put_header(XS_WRITE, 1, XENSTORE_PAYLOAD_MAX + 1);
	kick();
	ck_assert_uint_eq(ring->error, XENSTORE_ERROR_PROTO);
	ck_assert_uint_eq(waiting(), 0);
	ring->req_prod = ring->req_cons;
	for (unsigned i = 0; i < 64; i++) {
		char junk[XENSTORE_RING_SIZE];
		memset(junk, 0x41, sizeof(junk));
		ring->error = XENSTORE_ERROR_NONE;
		ring->req_prod = ring->req_cons;
		put(junk, sizeof(junk));
		kick();
		ck_assert_uint_le(xs->guest->in_used, MESSAGE_MAX);
	}
	ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(longest_payload_is_served)
{
	char part[512];

	memset(part, 'a', sizeof(part)); /* a path without an end */
	put_header(XS_READ, 1, XENSTORE_PAYLOAD_MAX);
	for (unsigned i = 0; i < XENSTORE_PAYLOAD_MAX / sizeof(part); i++) {
		put(part, sizeof(part));
		kick();
	}
	ck_assert(next());
	ck_assert_uint_eq(h.type, XS_ERROR);
	ck_assert_str_eq(answer, "EINVAL");
	ask_domid(2);
	expect_domid(2);
}
END_TEST

/* Requests of a guest that does not read stay in its ring; all is answered when
 * it reads again. */
START_TEST(a_guest_that_does_not_read)
{
	uint32_t sent = 0, got = 0;

	for (unsigned i = 0; i < 20000; i++) {
		if (XENSTORE_RING_SIZE - (ring->req_prod - ring->req_cons) < 22) {
			kick();
			if (XENSTORE_RING_SIZE - (ring->req_prod - ring->req_cons) < 22)
				break;
		}
		put_header(XS_READ, sent++, 6);
		put("domid", 6);
	}
	ck_assert_uint_lt(sent, 20000);
	ck_assert_int_le(xs->guest->domain->outstanding, xs->quota.outstanding);
	ck_assert_uint_eq(waiting(), XENSTORE_RING_SIZE);
	while (next()) {
		ck_assert_uint_eq(h.req_id, got);
		got++;
	}
	ck_assert_uint_eq(got, sent);
}
END_TEST

/* Anything in the ring and in its indices; a guest may write all of it. */
START_TEST(random_garbage)
{
	uint32_t seed = 12345;

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t junk[48];
		size_t n = (size_t)rand_r(&seed) % sizeof(junk) + 1;
		for (size_t k = 0; k < n; k++)
			junk[k] = (uint8_t)rand_r(&seed);
		if (rand_r(&seed) % 2) { /* a header that could be one */
			struct xsd_sockmsg m = {.type = (uint32_t)rand_r(&seed) % 28,
						.len = (uint32_t)rand_r(&seed) % 5000};
			memcpy(junk, &m, n < sizeof(m) ? n : sizeof(m));
		}
		if (ring->req_prod - ring->req_cons + n > XENSTORE_RING_SIZE)
			ring->req_prod = ring->req_cons;
		put(junk, n);
		if (rand_r(&seed) % 64 == 0)
			((uint32_t *)&ring->req_cons)[rand_r(&seed) % 7] = (uint32_t)rand_r(&seed);
		ring->rsp_cons = ring->rsp_prod;
		eventfd_write(domain_find(xs, 1)->event_fd, 1);
		if (i % 8 == 0)
			test_loop_sync();
		if (i % 50 == 0) { /* a new guest, as far as the client is concerned */
			test_loop_sync();
			memset(&ring->req_cons, 0, 4 * sizeof(uint32_t));
			xs->guest->domain->failed = false;
			xs->guest->in_used = 0;
			ck_assert_uint_le(xs->guest->in_used, MESSAGE_MAX);
			ck_assert_int_le(xs->guest->domain->memory, xs->quota.memory + 4096);
		}
	}
	test_loop_sync();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		connected_and_says_what_it_can,
		answered_over_the_event_channel,
		bytes_one_by_one,
		header_then_body,
		several_at_once,
		around_the_end,
		indices_wrap,
		longer_than_the_ring,
		impossible_request_indices,
		impossible_answer_indices,
		payload_too_long_ends_the_ring,
		longest_payload_is_served,
		a_guest_that_does_not_read,
		random_garbage,
	};

	return RUN_TESTS("xenstore_ring", setup, teardown, tests);
}
