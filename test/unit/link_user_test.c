/*
 * net=user: what a guest finds behind its NAT: ARP, DHCP, UDP and TCP to the host's
 * loopback and from it, and limits for one that floods.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net/packet.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

#define GUEST_IP  "\x0a\x00\x02\x0f"
#define HOST_IP	  "\x0a\x00\x02\x02"
#define GUEST_MAC "\x00\x16\x3e\x00\x00\x01"

static struct netfront *f;
static uint8_t frame[PACKET_MAX], got[PACKET_MAX];
static uint8_t host_mac[6];

static void start(const char *fields)
{
	char text[200];

	snprintf(text, sizeof(text), "net=user%s", fields);
	f = netfront_new(text);
	netfront_connect(f, 1);
	netfront_post(f, 0, 200);
}

static void teardown(void)
{
	netfront_free(f);
}

static int receive(void)
{
	int len = 0;

	for (unsigned i = 0; i < 300 && !len; i++) {
		len = netfront_receive(f, 0, got, NULL, NULL);
		if (len)
			break;
		netfront_run(f);
		if (i > 5)
			usleep(5000);
	}
	return len;
}

/* The next frame of this protocol over IPv4; what else comes (ARP) is passed over. */
static int receive_ip(uint8_t protocol)
{
	int len;

	while ((len = receive()) > 0)
		if (get16(got + 12) == 0x0800 && got[23] == protocol)
			return len;
	return 0;
}

static void arp(void)
{
	static const uint8_t request[] =
		"\xff\xff\xff\xff\xff\xff" GUEST_MAC "\x08\x06"
		"\x00\x01\x08\x00\x06\x04\x00\x01" GUEST_MAC GUEST_IP "\0\0\0\0\0\0" HOST_IP;

	ck_assert_int_eq(netfront_send(f, 0, request, 42, 0), NETIF_RSP_OKAY);
	ck_assert_int_ge(receive(), 42);
	ck_assert_uint_eq(get16(got + 12), 0x0806);
	ck_assert_uint_eq(get16(got + 20), 2);
	ck_assert_mem_eq(got + 28, HOST_IP, 4);
	ck_assert_mem_eq(got + 32, GUEST_MAC GUEST_IP, 10);
	memcpy(host_mac, got + 22, 6);
	ck_assert_mem_eq(got + 6, host_mac, 6);
}

START_TEST(answers_arp)
{
	start("");
	arp();
}
END_TEST

/* An IPv4 frame from the guest to `to`: header and checksums. */
static size_t ipv4(uint8_t protocol, const char *to, size_t payload)
{
	size_t len = frame_tcp4(frame, 1, 0) - 20 + payload;
	struct packet p = {.data = frame, .len = (uint32_t)len};

	memcpy(frame, host_mac, 6);
	memcpy(frame + 6, GUEST_MAC, 6);
	frame[23] = protocol;
	memcpy(frame + 26, GUEST_IP, 4);
	memcpy(frame + 30, to, 4);
	put16(frame + 16, (uint16_t)(len - 14));
	put16(frame + 24, 0);
	uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, frame + 14, 20));
	memcpy(frame + 24, &sum, 2);
	(void)p;
	return len;
}

static size_t udp(uint16_t from, uint16_t to_port, const char *to, const void *data, size_t n)
{
	size_t len = ipv4(17, to, 8 + n);

	put16(frame + 34, from);
	put16(frame + 36, to_port);
	put16(frame + 38, (uint16_t)(8 + n));
	put16(frame + 40, 0); /* no checksum */
	memcpy(frame + 42, data, n);
	return len;
}

/* DHCP (RFC 2131): DISCOVER, and the address that is offered. */
static void discover(uint8_t offered[4])
{
	uint8_t m[300] = {1, 1, 6, 0, 1, 2, 3, 4};

	memcpy(m + 28, GUEST_MAC, 6);
	memcpy(m + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	size_t len = udp(68, 67, "\xff\xff\xff\xff", m, sizeof(m));
	memset(frame, 0xff, 6);
	memset(frame + 26, 0, 4);
	put16(frame + 24, 0);
	uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, frame + 14, 20));
	memcpy(frame + 24, &sum, 2);
	netfront_send(f, 0, frame, (uint16_t)len, 0);
	ck_assert_int_gt(receive_ip(17), 282);
	ck_assert_uint_eq(get16(got + 34), 67);
	ck_assert_uint_eq(got[42], 2);
	ck_assert_mem_eq(got + 46, "\x01\x02\x03\x04", 4);
	memcpy(offered, got + 58, 4);
}

static bool has_option(uint8_t code, const void *value, size_t n)
{
	for (const uint8_t *o = got + 42 + 240; *o != 255; o += o[1] + 2)
		if (*o == code)
			return o[1] == n && !memcmp(o + 2, value, n);
	return false;
}

START_TEST(answers_dhcp)
{
	uint8_t offered[4];

	start(",hostname=mine");
	discover(offered);
	ck_assert_mem_eq(offered, GUEST_IP, 4);
	ck_assert(has_option(53, "\x02", 1));
	ck_assert(has_option(1, "\xff\xff\xff\x00", 4));
	ck_assert(has_option(3, HOST_IP, 4));
	ck_assert(has_option(6, "\x0a\x00\x02\x03", 4));
	ck_assert(has_option(12, "mine", 4));
}
END_TEST

START_TEST(network_of_ones_own)
{
	uint8_t offered[4];

	start(",network=192.168.77.0/24,ip=192.168.77.40");
	discover(offered);
	ck_assert_mem_eq(offered, "\xc0\xa8\x4d\x28", 4);
	ck_assert(has_option(3, "\xc0\xa8\x4d\x02", 4));
}
END_TEST

/* A socket of the host's on loopback; its port. */
static int host_socket(int type, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

START_TEST(udp_to_the_host)
{
	struct sockaddr_in from;
	socklen_t fromlen = sizeof(from);
	char buf[100];
	uint16_t port;

	start("");
	arp();
	int fd = host_socket(SOCK_DGRAM, &port);
	netfront_send(f, 0, frame, (uint16_t)udp(5000, port, HOST_IP, "question", 8), 0);
	ck_assert_int_eq(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fromlen), 8);
	ck_assert_mem_eq(buf, "question", 8);
	ck_assert_int_eq(sendto(fd, "answer", 6, 0, (struct sockaddr *)&from, fromlen), 6);
	ck_assert_int_eq(receive_ip(17), 42 + 6);
	ck_assert_uint_eq(get16(got + 34), port);
	ck_assert_uint_eq(get16(got + 36), 5000);
	ck_assert_mem_eq(got + 42, "answer", 6);
	close(fd);
}
END_TEST

static void send_to(uint16_t port, const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_gt(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
}

START_TEST(udp_is_forwarded)
{
	char fields[60];
	uint16_t port;

	close(host_socket(SOCK_DGRAM, &port));
	snprintf(fields, sizeof(fields), ",restrict,fwd=udp:%u:7000", port);
	start(fields);
	arp(); /* slirp learns who we are */
	send_to(port, "knock");
	ck_assert_int_eq(receive_ip(17), 42 + 5);
	ck_assert_uint_eq(get16(got + 36), 7000);
	ck_assert_mem_eq(got + 42, "knock", 5);
}
END_TEST

START_TEST(port_is_taken)
{
	struct vif_spec spec;
	char text[60], err[300];
	uint16_t port;
	int fd = host_socket(SOCK_STREAM, &port);

	start("");
	listen(fd, 1);
	snprintf(text, sizeof(text), "fwd=tcp:%u:22", port);
	ck_assert_int_eq(vif_spec_parse(&spec, text, err, sizeof(err)), 0);
	ck_assert_int_ne(netback_check(&spec, err, sizeof(err)), 0);
	ck_assert_msg(strstr(err, "cannot be forwarded"), "%s", err);
	close(fd);
}
END_TEST

/* ---- TCP ---- */

static size_t tcp(uint16_t port, uint32_t seq, uint32_t ack, uint8_t flags, unsigned payload)
{
	size_t len = ipv4(6, HOST_IP, 20 + payload);
	struct packet p = {.data = frame, .len = (uint32_t)len};
	uint8_t *t = frame + 34;

	memset(t, 0, 20);
	put16(t, 6000);
	put16(t + 2, port);
	put32(t + 4, seq);
	put32(t + 8, ack);
	t[12] = 0x50;
	t[13] = flags;
	put16(t + 14, 60000);
	for (unsigned i = 0; i < payload; i++)
		t[20 + i] = (uint8_t)(i * 3 + i / 256);
	ck_assert(packet_fill_checksum(&p));
	return len;
}

/* A large packet of the guest's goes through whole, its checksum blank. */
START_TEST(tcp_with_gso)
{
	struct netif_extra_info e = {
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {.size = 1460, .type = XEN_NETIF_GSO_TYPE_TCPV4},
	};
	uint8_t buf[20000];
	uint16_t port;
	unsigned slot;

	start("");
	arp();
	int l = host_socket(SOCK_STREAM, &port);
	listen(l, 1);
	netfront_send(f, 0, frame, (uint16_t)tcp(port, 1000, 0, 0x02, 0), 0);
	ck_assert_int_ge(receive_ip(6), 54);
	ck_assert_uint_eq(got[47] & 0x12, 0x12);
	ck_assert_uint_eq(get32(got + 42), 1001);
	ck_assert(frame_checksum_is_good(got, 14 + get16(got + 16)));
	uint32_t ack = get32(got + 38) + 1;
	netfront_send(f, 0, frame, (uint16_t)tcp(port, 1001, ack, 0x10, 0), 0);
	int fd = accept(l, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	size_t len = tcp(port, 1001, ack, 0x18, 20000);
	put16(frame + 50, 0x1234); /* blank */
	for (slot = 0; slot * PAGE_SIZE < len; slot++) {
		size_t part = len - slot * PAGE_SIZE < PAGE_SIZE ? len % PAGE_SIZE : PAGE_SIZE;
		bool more = slot * PAGE_SIZE + part < len;
		grant_ref_t ref;
		memcpy(netfront_page(f, true, &ref), frame + slot * PAGE_SIZE, part);
		netfront_tx(f, 0, ref, 0, (uint16_t)(slot ? part : len),
			    (uint16_t)((more ? NETTXF_more_data : 0) |
				       (slot ? 0 : NETTXF_extra_info | NETTXF_csum_blank)));
		if (!slot)
			netfront_tx_extra(f, 0, e);
	}
	netfront_push(f, 0);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_WAITALL), 20000);
	for (unsigned i = 0; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], (uint8_t)(i * 3 + i / 256));
	ck_assert_uint_eq(netback_stats(f->backend)->tx_gso, 1);
	close(fd);
	close(l);
}
END_TEST

/* restrict: nothing leads out. */
START_TEST(restricted)
{
	char buf[10];
	uint16_t port;

	start(",restrict");
	arp();
	int fd = host_socket(SOCK_DGRAM, &port);
	netfront_send(f, 0, frame, (uint16_t)udp(5000, port, HOST_IP, "x", 1), 0);
	netfront_run(f);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	close(fd);
}
END_TEST

/* ---- floods ---- */

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 5000; fd++)
		n += lseek(fd, 0, SEEK_CUR) >= 0 || errno == ESPIPE;
	return n;
}

START_TEST(too_many_flows)
{
	uint16_t port;

	start("");
	arp();
	int fd = host_socket(SOCK_DGRAM, &port);
	unsigned before = open_files();
	for (unsigned i = 0; i < 1500; i++) {
		size_t len = udp((uint16_t)(2000 + i), port, HOST_IP, "x", 1);

		f->next_ref = 1500; /* the same page again */
		ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
	}
	ck_assert_uint_lt(open_files() - before, 600);
	/* None has gone to make room: they are young. */
	ck_assert_uint_gt(netback_stats(f->backend)->tx_drops, 1500 - 600);
	/* What needs no descriptor still works. */
	arp();
	close(fd);
}
END_TEST

/* Fragments that nothing completes. */
START_TEST(fragments)
{
	grant_ref_t ref;
	netif_tx_response_t r;

	start("");
	arp();
	size_t len = udp(5000, 9, HOST_IP, got, 1400);
	uint8_t *page = netfront_page(f, true, &ref);
	for (unsigned i = 0; i < 12000; i++) {
		put16(frame + 18, (uint16_t)i);
		put16(frame + 20, 0x2000);
		put16(frame + 24, 0);
		uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, frame + 14, 20));
		memcpy(frame + 24, &sum, 2);
		memcpy(page, frame, len);
		netfront_tx(f, 0, ref, 0, (uint16_t)len, 0);
		if (i % 32 == 31)
			netfront_push(f, 0);
		while (netfront_tx_response(f, 0, &r))
			;
	}
	ck_assert_uint_gt(netback_stats(f->backend)->tx_drops, 3000);
	arp();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link_user");
	TCase *c = tcase_create("link_user");
	const TTest *const tests[] = {
		answers_arp,   answers_dhcp, network_of_ones_own, udp_to_the_host, udp_is_forwarded,
		port_is_taken, tcp_with_gso, restricted,	  too_many_flows,  fragments,
	};

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_set_timeout(c, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	return run_suite(s);
}
