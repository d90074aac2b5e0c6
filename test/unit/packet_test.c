/*
 * Frames: headers that lie, checksums, and TCP segments put together again.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/net/coalesce.h"
#include "devices/net/netif.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

static uint8_t frame[PACKET_MAX];
static struct packet_headers h;

static struct packet packet(size_t len)
{
	return (struct packet){.data = frame, .len = (uint32_t)len, .validated = true};
}

START_TEST(tcp_over_ipv4)
{
	struct packet p = packet(frame_tcp4(frame, 1, 100));

	ck_assert(packet_headers(&p, &h));
	ck_assert_uint_eq(h.ip_version, 4);
	ck_assert_uint_eq(h.l3, 14);
	ck_assert_uint_eq(h.l4, 34);
	ck_assert_uint_eq(h.csum, 50);
	ck_assert_uint_eq(h.payload, 54);
	ck_assert_uint_eq(h.end, 154);
	/* Padding does not count. */
	p.len += 20;
	ck_assert(packet_headers(&p, &h));
	ck_assert_uint_eq(h.end, 154);
}
END_TEST

START_TEST(vlan_tags)
{
	size_t len = frame_tcp4(frame, 1, 100);

	for (unsigned tags = 1; tags <= 3; tags++) {
		memmove(frame + 16, frame + 12, len - 12 + 4 * (tags - 1));
		put16(frame + 12, tags == 1 ? 0x8100 : 0x88a8);
		struct packet p = packet(len + 4 * tags);
		ck_assert_int_eq(packet_headers(&p, &h), tags < 3);
		if (tags < 3)
			ck_assert_uint_eq(h.l4, 34 + 4 * tags);
	}
}
END_TEST

/* Every length of a frame, and every byte of its headers: nothing outside is touched
 * (which AddressSanitizer sees), and what is found is inside. */
START_TEST(any_bytes)
{
	uint8_t good[200];

	for (unsigned v6 = 0; v6 < 2; v6++) {
		size_t len = v6 ? frame_udp6(good, 1, 60) : frame_tcp4(good, 1, 60);
		for (size_t n = 0; n <= len; n++)
			for (unsigned at = 12; at < 70; at++) {
				uint8_t *exact = malloc(n ? n : 1);
				struct packet p = {.data = exact, .len = (uint32_t)n};
				memcpy(exact, good, n);
				if (at < n)
					exact[at] ^= (uint8_t)(1u << (n + at) % 8);
				if (packet_headers(&p, &h)) {
					ck_assert_uint_le(h.l4, h.end);
					ck_assert_uint_le(h.end, n);
					ck_assert_uint_le(h.payload, h.end);
					packet_fill_checksum(&p);
					packet_blank_checksum(&p, &h);
				}
				free(exact);
			}
	}
}
END_TEST

START_TEST(ipv6_extensions)
{
	size_t len = frame_udp6(frame, 1, 60);
	struct packet p;

	/* Hop-by-hop options of 16 bytes before UDP. */
	memmove(frame + 70, frame + 54, len - 54);
	memset(frame + 54, 0, 16);
	frame[20] = 0;
	frame[54] = 17;
	frame[55] = 1;
	put16(frame + 18, (uint16_t)(len - 54 + 16));
	p = packet(len + 16);
	ck_assert(packet_headers(&p, &h));
	ck_assert_uint_eq(h.l4, 70);
	ck_assert_uint_eq(h.csum, 76);
	/* One that is longer than the packet. */
	frame[55] = 200;
	ck_assert(!packet_headers(&p, &h));
	/* Of a fragment nothing can be said. */
	frame[20] = 44;
	frame[55] = 0;
	put16(frame + 56, 8);
	ck_assert(packet_headers(&p, &h));
	ck_assert(h.fragment);
	ck_assert_uint_eq(h.csum, 0);
}
END_TEST

START_TEST(checksums)
{
	for (unsigned n = 0; n < 70; n++) {
		struct packet p = packet(frame_tcp4(frame, (uint16_t)n, n));
		uint16_t right = get16(frame + 50);
		put16(frame + 50, 0x1234);
		ck_assert(packet_fill_checksum(&p));
		ck_assert_uint_eq(get16(frame + 50), right);
		p = packet(frame_udp6(frame, (uint16_t)n, n));
		right = get16(frame + 60);
		ck_assert(packet_fill_checksum(&p));
		ck_assert_uint_eq(get16(frame + 60), right);
	}
}
END_TEST

/* UDP's 0 means that there is none; what sums up to 0 is all ones. */
START_TEST(udp_checksum_of_zero)
{
	size_t len = frame_udp6(frame, 1, 2);
	struct packet p = packet(len);

	put16(frame + 62, 0);
	packet_fill_checksum(&p);
	put16(frame + 62, get16(frame + 60)); /* the payload makes up for the rest */
	packet_fill_checksum(&p);
	ck_assert_uint_eq(get16(frame + 60), 0xffff);
}
END_TEST

/* ---- segments that are put together ---- */

static struct {
	struct packet p;
	uint8_t bytes[PACKET_MAX];
} given[20];
static unsigned nr_given;

static void give(void *arg, struct packet *p)
{
	given[nr_given].p = *p;
	memcpy(given[nr_given++].bytes, p->data, p->len);
}

static struct coalesce c;

static void setup(void)
{
	nr_given = 0;
	ck_assert_int_eq(coalesce_init(&c, give, NULL), 0);
	c.on = true;
}

static void teardown(void)
{
	coalesce_free(&c);
}

static size_t segment(uint32_t seq, unsigned payload, uint8_t flags)
{
	struct packet p = packet(frame_tcp4(frame, 1, payload));

	put32(frame + 38, seq);
	frame[47] = flags;
	packet_fill_checksum(&p);
	return p.len;
}

static void add(uint32_t seq, unsigned payload, uint8_t flags)
{
	struct packet p = packet(segment(seq, payload, flags));

	coalesce_add(&c, &p);
}

START_TEST(segments_are_one_packet)
{
	for (unsigned i = 0; i < 5; i++)
		add(1000 + 100 * i, 100, 0x10);
	add(1500, 40, 0x18);
	ck_assert_uint_eq(nr_given, 1);
	struct packet *p = &given[0].p;
	ck_assert_uint_eq(p->len, 54 + 540);
	ck_assert_uint_eq(p->gso_type, XEN_NETIF_GSO_TYPE_TCPV4);
	ck_assert_uint_eq(p->gso_size, 100);
	ck_assert(p->csum_blank);
	const uint8_t *b = given[0].bytes;
	ck_assert_uint_eq(get16(b + 16), 580);
	ck_assert_uint_eq(checksum_fold(checksum_add(0, b + 14, 20)), 0xffff);
	ck_assert_uint_eq(get32(b + 38), 1000);
	ck_assert_uint_eq(b[47], 0x18);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_mem_eq(b + 54 + 100 * i, frame + 54, 40);
	/* Cut again it is what it was. */
	static uint8_t whole[PACKET_MAX];
	memcpy(whole, b, p->len);
	struct packet q = *p;
	q.data = whole;
	nr_given = 0;
	ck_assert(packet_segment(&q, give, NULL));
	ck_assert_uint_eq(nr_given, 6);
	for (unsigned i = 0; i < 6; i++) {
		size_t len = segment(1000 + 100 * i, i < 5 ? 100 : 40, i < 5 ? 0x10 : 0x18);
		ck_assert_uint_eq(given[i].p.len, len);
		ck_assert_mem_eq(given[i].bytes + 34, frame + 34, len - 34);
	}
}
END_TEST

START_TEST(what_does_not_belong_together)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} differ[] = {{15, 4}, {22, 63}, {29, 9}, {33, 9}, {35, 9}, {37, 9}, {45, 9}, {49, 9}};

	for (unsigned i = 0; i < 8; i++) {
		nr_given = 0;
		add(1000, 100, 0x10);
		struct packet p = packet(segment(1100, 100, 0x10));
		frame[differ[i].at] = differ[i].value;
		coalesce_add(&c, &p);
		ck_assert_msg(nr_given == 1, "byte %u", differ[i].at);
		coalesce_flush(&c);
		ck_assert_uint_eq(nr_given, 2);
		ck_assert_uint_eq(given[0].p.gso_type, 0);
		ck_assert_uint_eq(given[1].p.len, 154);
	}
	/* A gap, one that is larger, SYN, no data, and something else. */
	nr_given = 0;
	add(1000, 100, 0x10);
	add(1101, 100, 0x10);
	ck_assert_uint_eq(nr_given, 1);
	add(1201, 101, 0x10);
	ck_assert_uint_eq(nr_given, 2);
	add(1302, 0, 0x10);
	ck_assert_uint_eq(nr_given, 4);
	add(1302, 100, 0x12);
	ck_assert_uint_eq(nr_given, 5);
	add(1302, 100, 0x10);
	struct packet p = packet(frame_udp6(frame, 1, 10));
	coalesce_add(&c, &p);
	ck_assert_uint_eq(nr_given, 7);
	ck_assert_uint_eq(given[5].p.len, 154);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_uint_eq(given[i].p.gso_type, 0);
}
END_TEST

START_TEST(no_more_than_64_kib)
{
	for (unsigned i = 0; i < 60; i++)
		add(1000 + 1460 * i, 1460, 0x10);
	coalesce_flush(&c);
	ck_assert_uint_eq(nr_given, 2);
	ck_assert_uint_eq(given[0].p.len, 54 + 44 * 1460);
	ck_assert_uint_eq(given[1].p.len, 54 + 16 * 1460);
	coalesce_flush(&c);
	ck_assert_uint_eq(nr_given, 2);
}
END_TEST

START_TEST(off)
{
	c.on = false;
	for (unsigned i = 0; i < 3; i++)
		add(1000 + 100 * i, 100, 0x10);
	ck_assert_uint_eq(nr_given, 3);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		tcp_over_ipv4,
		vlan_tags,
		any_bytes,
		ipv6_extensions,
		checksums,
		udp_checksum_of_zero,
		segments_are_one_packet,
		what_does_not_belong_together,
		no_more_than_64_kib,
		off,
	};

	return RUN_TESTS("packet", setup, teardown, tests);
}
