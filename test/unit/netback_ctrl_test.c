/*
 * The control ring: each operation, and each of its errors as Linux's netback has them
 * (xen-netback/hash.c). The Toeplitz hashes are those of Microsoft's "Verifying the RSS
 * hash calculation".
 */
#include <string.h>

#include "devices/net/packet.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

#define OK	    XEN_NETIF_CTRL_STATUS_SUCCESS
#define UNSUPPORTED XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED
#define INVALID	    XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define TOEPLITZ    XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ

#define CTRL(type, a, b, c) netfront_ctrl(f, XEN_NETIF_CTRL_TYPE_##type, a, b, c, &data)

static const uint8_t key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static struct netfront *f;
static uint32_t data;
static uint8_t frame[4096], got[4096];

static void setup(void)
{
	f = netfront_new("");
	netfront_ctrl_ring(f);
	netfront_connect(f, 2);
	data = 0;
}

static void teardown(void)
{
	netfront_free(f);
}

static grant_ref_t page_with(const void *bytes, size_t len)
{
	grant_ref_t ref;

	memcpy(netfront_page(f, true, &ref), bytes, len);
	return ref;
}

START_TEST(algorithm_and_flags)
{
	ck_assert_uint_eq(netfront_backend(f, "feature-ctrl-ring"), 1);
	ck_assert_uint_eq(CTRL(GET_HASH_FLAGS, 0, 0, 0), UNSUPPORTED);
	ck_assert_uint_eq(CTRL(SET_HASH_FLAGS, 1, 0, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_ALGORITHM, 2, 0, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_ALGORITHM, TOEPLITZ, 0, 0), OK);
	ck_assert_uint_eq(CTRL(GET_HASH_FLAGS, 0, 0, 0), OK);
	ck_assert_uint_eq(data, 15);
	ck_assert_uint_eq(CTRL(SET_HASH_FLAGS, 16, 0, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_FLAGS, 15, 0, 0), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_FLAGS, 0, 0, 0), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_ALGORITHM, 0, 0, 0), OK);
	ck_assert_uint_eq(netback_stats(f->backend)->ctrl_requests, 9);
}
END_TEST

START_TEST(hash_key)
{
	ck_assert_uint_eq(CTRL(SET_HASH_KEY, page_with(key, 40), 41, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_KEY, 0x12345, 40, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_KEY, page_with(key, 40), 40, 0), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_KEY, 0x12345, 0, 0), OK);
}
END_TEST

START_TEST(mapping)
{
	uint32_t table[130] = {0, 1, 1, 0};
	uint32_t bad[4] = {0, 1, 2, 0};
	grant_ref_t ref = page_with(table, sizeof(table));

	ck_assert_uint_eq(CTRL(GET_HASH_MAPPING_SIZE, 0, 0, 0), OK);
	ck_assert_uint_eq(data, 128);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 1, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING_SIZE, 129, 0, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING_SIZE, 128, 0, 0), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 128, 0), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 129, 0), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 1, 128), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 4, 124), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 5, 124), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 0xffffffff, 2), INVALID);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, ref, 0, 128), OK);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, 0x12345, 4, 0), INVALID);
	/* A queue that is not there. */
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, page_with(bad, sizeof(bad)), 4, 0), INVALID);
}
END_TEST

START_TEST(unknown)
{
	for (uint16_t type = 0; type < 40; type++)
		if (type < 1 || type > 7)
			ck_assert_uint_eq(netfront_ctrl(f, type, 0, 0, 0, &data), UNSUPPORTED);
	ck_assert_uint_eq(netfront_ctrl(f, 0xffff, 0, 0, 0, &data), UNSUPPORTED);
	/* Static grants are an extension that netback has not. */
	ck_assert_uint_eq(CTRL(ADD_GREF_MAPPING, 0, 0, 0), UNSUPPORTED);
}
END_TEST

START_TEST(ring_lies)
{
	f->ctrl.sring->req_prod += 1000;
	ck_assert_int_eq(
		EVTCHN_OP(f->t, 0, EVTCHNOP_send, &(struct evtchn_send){.port = f->ctrl_port}), 0);
	netfront_run(f);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateClosing);
}
END_TEST

/* The example's flow 66.9.149.187:2794 -> 161.142.100.80:1766. */
static size_t example(void)
{
	size_t len = frame_tcp4(frame, 2794, 10);

	memcpy(frame + 26, "\x42\x09\x95\xbb\xa1\x8e\x64\x50", 8);
	put16(frame + 36, 1766);
	return len;
}

static uint32_t hash_of(unsigned queue, size_t len, uint8_t *type)
{
	struct netif_extra_info extra[6];
	uint32_t v;

	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_eq(netfront_receive(f, queue, got, extra, NULL), len);
	*type = extra[4].type ? extra[4].u.hash.type : 0xff;
	memcpy(&v, extra[4].u.hash.value, 4);
	if (extra[4].type)
		ck_assert_uint_eq(extra[4].u.hash.algorithm, TOEPLITZ);
	return v;
}

START_TEST(toeplitz)
{
	uint32_t table[3] = {1, 1, 1};
	uint8_t type;

	netfront_post(f, 0, 100);
	netfront_post(f, 1, 100);
	CTRL(SET_HASH_ALGORITHM, TOEPLITZ, 0, 0);
	CTRL(SET_HASH_KEY, page_with(key, 40), 40, 0);
	CTRL(SET_HASH_FLAGS, 15, 0, 0);
	size_t len = example();
	ck_assert_uint_eq(hash_of(0x51ccc178 % 2, len, &type), 0x51ccc178);
	ck_assert_uint_eq(type, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
	/* Only the addresses. */
	CTRL(SET_HASH_FLAGS, XEN_NETIF_CTRL_HASH_TYPE_IPV4, 0, 0);
	ck_assert_uint_eq(hash_of(0x323e8fc2 % 2, len, &type), 0x323e8fc2);
	ck_assert_uint_eq(type, _XEN_NETIF_CTRL_HASH_TYPE_IPV4);
	/* A table of queues: all to the second. */
	CTRL(SET_HASH_MAPPING_SIZE, 3, 0, 0);
	ck_assert_uint_eq(CTRL(SET_HASH_MAPPING, page_with(table, sizeof(table)), 3, 0), OK);
	ck_assert_uint_eq(hash_of(1, len, &type), 0x323e8fc2);
	/* Frames that have no such hash go where a hash of 0 does. */
	len = frame_udp6(frame, 1, 10);
	hash_of(1, len, &type);
	ck_assert_uint_eq(type, 0xff);
	CTRL(SET_HASH_FLAGS, XEN_NETIF_CTRL_HASH_TYPE_IPV6, 0, 0);
	hash_of(1, len, &type);
	ck_assert_uint_eq(type, _XEN_NETIF_CTRL_HASH_TYPE_IPV6);
}
END_TEST

/* 3ffe:2501:200:1fff::7:2794 -> 3ffe:2501:200:3::1:1766, TCP and addresses only. */
START_TEST(toeplitz_6)
{
	static const uint8_t addresses[32] = {
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1,
	};
	uint8_t type;

	netfront_post(f, 0, 100);
	netfront_post(f, 1, 100);
	CTRL(SET_HASH_ALGORITHM, TOEPLITZ, 0, 0);
	CTRL(SET_HASH_KEY, page_with(key, 40), 40, 0);
	CTRL(SET_HASH_FLAGS, 15, 0, 0);
	size_t len = frame_udp6(frame, 2794, 30);
	memcpy(frame + 22, addresses, 32);
	ck_assert_uint_eq(hash_of(0x2cc18cd5 % 2, len, &type), 0x2cc18cd5);
	ck_assert_uint_eq(type, _XEN_NETIF_CTRL_HASH_TYPE_IPV6);
	frame[20] = 6; /* the same bytes as TCP */
	put16(frame + 56, 1766);
	frame[54 + 12] = 0x50;
	ck_assert_uint_eq(hash_of(0x40207d3d % 2, len, &type), 0x40207d3d);
	ck_assert_uint_eq(type, _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		algorithm_and_flags, hash_key, mapping, unknown, ring_lies, toeplitz, toeplitz_6,
	};

	return RUN_TESTS("netback_ctrl", setup, teardown, tests);
}
