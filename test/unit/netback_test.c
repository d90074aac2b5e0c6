/*
 * An interface's keys and states: what libxl and Linux's netback write, what makes a
 * frontend's keys good or bad, and that nothing stays when it goes. Captures.
 */
#include <dirent.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/net/packet.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"

static struct netfront *f;
static uint8_t frame[PACKET_MAX], got[PACKET_MAX];

static void teardown(void)
{
	if (f)
		netfront_free(f);
	f = NULL;
}

static void expect(const char *dir, const char *key, const char *value)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	char *got_value = xenstore_read(f->xs, path);
	if (value)
		ck_assert_msg(got_value && !strcmp(got_value, value), "%s is %s, not %s", key,
			      got_value ? got_value : "missing", value);
	else
		ck_assert_msg(!got_value, "%s is there", key);
	free(got_value);
}

START_TEST(published)
{
	static const struct {
		const char *dir, *key, *value;
	} rows[] = {
		{NETFRONT_FE, "backend", NETFRONT_BE},
		{NETFRONT_FE, "backend-id", "0"},
		{NETFRONT_FE, "handle", "0"},
		{NETFRONT_FE, "mac", NETFRONT_MAC},
		{NETFRONT_FE, "mtu", "9000"},
		{NETFRONT_FE, "trusted", "0"},
		{NETFRONT_FE, "state", "1"},
		{NETFRONT_BE, "frontend", NETFRONT_FE},
		{NETFRONT_BE, "frontend-id", "1"},
		{NETFRONT_BE, "online", "1"},
		{NETFRONT_BE, "state", "2"},
		{NETFRONT_BE, "script", "/etc/xen/scripts/vif-bridge"},
		{NETFRONT_BE, "mac", NETFRONT_MAC},
		{NETFRONT_BE, "ip", "10.1.2.3"},
		{NETFRONT_BE, "mtu", "9000"},
		{NETFRONT_BE, "rate", "1250000,1000000"},
		{NETFRONT_BE, "bridge", ""},
		{NETFRONT_BE, "handle", "0"},
		{NETFRONT_BE, "type", "vif"},
		{NETFRONT_BE, "vifname", "v0"},
		{NETFRONT_BE, "feature-sg", "1"},
		{NETFRONT_BE, "feature-gso-tcpv4", "1"},
		{NETFRONT_BE, "feature-gso-tcpv6", "1"},
		{NETFRONT_BE, "feature-ipv6-csum-offload", "1"},
		{NETFRONT_BE, "feature-no-csum-offload", NULL},
		{NETFRONT_BE, "feature-rx-copy", "1"},
		{NETFRONT_BE, "feature-rx-flip", "0"},
		{NETFRONT_BE, "feature-multicast-control", "1"},
		{NETFRONT_BE, "feature-dynamic-multicast-control", "1"},
		{NETFRONT_BE, "feature-split-event-channels", "1"},
		{NETFRONT_BE, "multi-queue-max-queues", "4"},
		{NETFRONT_BE, "feature-ctrl-ring", "1"},
		{NETFRONT_BE, "hotplug-status", "connected"},
		{NETFRONT_BE, "carrier", "1"},
	};

	f = netfront_new("mtu=9000,ip=10.1.2.3,rate=10Mb/s@1s,trusted=0,vifname=v0");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].dir, rows[i].key, rows[i].value);
	ck_assert_str_eq(netback_name(f->backend), "v0");
}
END_TEST

START_TEST(features_off)
{
	f = netfront_new("no-gso,no-csum,no-split,no-multicast,no-ctrl,queues=2");
	expect(NETFRONT_BE, "feature-sg", "1");
	expect(NETFRONT_BE, "feature-gso-tcpv4", "0");
	expect(NETFRONT_BE, "feature-no-csum-offload", "1");
	expect(NETFRONT_BE, "feature-split-event-channels", "0");
	expect(NETFRONT_BE, "feature-multicast-control", "0");
	expect(NETFRONT_BE, "feature-ctrl-ring", "0");
	expect(NETFRONT_BE, "multi-queue-max-queues", "2");
	ck_assert_str_eq(netback_name(f->backend), "vif1.0");
}
END_TEST

/* ---- keys of a frontend that are wrong: both sides close ---- */

START_TEST(bad_keys)
{
	static const struct {
		const char *key;
		long value; /* -1: removed */
	} rows[] = {
		{"request-rx-copy", 0},	       {"multi-queue-num-queues", 0},
		{"multi-queue-num-queues", 5}, {"multi-queue-num-queues", 2},
		{"tx-ring-ref", 12345},	       {"rx-ring-ref", 12345},
		{"tx-ring-ref", -1},	       {"rx-ring-ref", -1},
		{"event-channel-tx", 0},       {"event-channel-tx", 999},
		{"event-channel-rx", 999},     {"event-channel-rx", -1},
		{"ctrl-ring-ref", 12345},      {"event-channel-ctrl", -1},
		{"event-channel-ctrl", 0},
	};
	char path[100];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f = netfront_new("");
		netfront_rings(f, 1, true);
		netfront_ctrl_ring(f);
		netfront_write(f, "request-rx-copy", 1);
		snprintf(path, sizeof(path), NETFRONT_FE "/%s", rows[i].key);
		if (rows[i].value < 0)
			xenstore_remove(f->xs, path);
		else
			netfront_write(f, rows[i].key, (unsigned)rows[i].value);
		netfront_state(f, XenbusStateConnected);
		ck_assert_msg(netfront_backend(f, "state") == XenbusStateClosing, "%s = %ld",
			      rows[i].key, rows[i].value);
		char *e = xenstore_read(f->xs, "/local/domain/0/error/backend/vif/1/0/error");
		ck_assert_msg(e, "no error for %s", rows[i].key);
		free(e);
		for (grant_ref_t r = 20; r < 23; r++)
			ck_assert_uint_eq(grant_v1(f->t, r)->flags & (GTF_reading | GTF_writing),
					  0);
		teardown();
	}
}
END_TEST

/* A ring whose indexes are nonsense from the start. */
START_TEST(bad_ring)
{
	f = netfront_new("");
	netfront_rings(f, 1, true);
	netfront_write(f, "request-rx-copy", 1);
	f->queue[0].rx.sring->req_prod = 300;
	netfront_state(f, XenbusStateConnected);
	ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateClosing);
}
END_TEST

START_TEST(one_event_channel)
{
	f = netfront_new("no-split");
	netfront_rings(f, 2, false);
	netfront_write(f, "request-rx-copy", 1);
	netfront_state(f, XenbusStateConnected);
	ck_assert_uint_eq(netback_queues(f->backend), 2);
	for (unsigned q = 0; q < 2; q++) {
		netfront_post(f, q, 10);
		size_t len = frame_tcp4(frame, 1, 20);
		ck_assert_int_eq(netfront_send(f, q, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
		ck_assert_uint_eq(netfront_peer_receive(f, NULL, got), len);
	}
}
END_TEST

/* ---- coming and going ---- */

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void cycle(struct netfront *n, const char *fields)
{
	struct vif_spec spec;
	char text[300], err[300];

	snprintf(text, sizeof(text), "mac=" NETFRONT_MAC ",devid=0,%s", fields);
	ck_assert_int_eq(vif_spec_parse(&spec, text, err, sizeof(err)), 0);
	n->backend = netback_create(n->loop, n->xs, n->t->d, &spec, err, sizeof(err));
	ck_assert_msg(n->backend, "%s", err);
	netfront_run(n);
	netfront_rings(n, 2, true);
	netfront_write(n, "request-rx-copy", 1);
	netfront_state(n, XenbusStateConnected);
	ck_assert_uint_eq(netback_queues(n->backend), 2);
	backend_detach(n->backend);
	ck_assert_uint_eq(netfront_backend(n, "state"), XenbusStateClosing);
	for (unsigned q = 0; q < 2; q++) {
		struct evtchn_close c = {.port = n->queue[q].tx_port};

		netfront_state(n, XenbusStateClosing);
		EVTCHN_OP(n->t, 0, EVTCHNOP_close, &c);
		c.port = n->queue[q].rx_port;
		EVTCHN_OP(n->t, 0, EVTCHNOP_close, &c);
	}
	netfront_state(n, XenbusStateClosed);
	ck_assert(!xenstore_exists(n->xs, NETFRONT_BE));
	ck_assert(!xenstore_exists(n->xs, NETFRONT_FE));
	n->backend = NULL;
	/* The grants may be used again. */
	for (grant_ref_t r = 20; r < 24; r++)
		ck_assert_uint_eq(grant_v1(n->t, r)->flags & (GTF_reading | GTF_writing), 0);
	n->next_ref = 20;
}

/* What is attached and detached leaves no descriptor and no memory. */
START_TEST(cycles)
{
	static const char *const kinds[] = {"net=user", "net=user,fwd=udp:45991:9", "net=socket"};
	char fields[100];

	f = netfront_new("");
	close(f->peer);
	f->peer = -1;
	backend_destroy(f->backend);
	snprintf(fields, sizeof(fields), _i == 2 ? "%s,path=%s" : "%s", kinds[_i], f->path);
	for (unsigned i = 0; i < 300; i++)
		cycle(f, fields);
	unsigned files = open_files();
	size_t memory = mallinfo2().uordblks;
	for (unsigned i = 0; i < 300; i++)
		cycle(f, fields);
	ck_assert_uint_eq(open_files(), files);
	ck_assert_uint_le(mallinfo2().uordblks, memory + 4096);
}
END_TEST

/* The guest can have us fail as often as it likes. */
START_TEST(fails_again_and_again)
{
	f = netfront_new("");
	for (unsigned i = 0; i < 200; i++) {
		f->next_ref = 20;
		netfront_connect(f, 1);
		f->queue[0].tx.req_prod_pvt += 300;
		netfront_push(f, 0);
		ck_assert_uint_eq(netfront_backend(f, "state"), XenbusStateClosing);
		struct evtchn_close c = {.port = f->queue[0].tx_port};
		EVTCHN_OP(f->t, 0, EVTCHNOP_close, &c);
		c.port = f->queue[0].rx_port;
		EVTCHN_OP(f->t, 0, EVTCHNOP_close, &c);
		netfront_state(f, XenbusStateClosed);
		netfront_state(f, XenbusStateInitialising);
	}
	ck_assert_uint_lt(f->t->log_lines, 100);
}
END_TEST

/* ---- captures ---- */

struct record {
	uint32_t seconds, nanoseconds, captured, length;
};

static FILE *open_capture(const char *path)
{
	uint32_t header[6];
	FILE *p = fopen(path, "r");

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(header, 4, 6, p), 6);
	ck_assert_uint_eq(header[0], 0xa1b23c4d);
	ck_assert_uint_eq(header[1], 2 | 4 << 16);
	ck_assert_uint_eq(header[5], 1);
	return p;
}

START_TEST(capture)
{
	char path[100], fields[120];
	struct record r;

	snprintf(path, sizeof(path), "/tmp/netfront.%d.pcap", (int)getpid());
	snprintf(fields, sizeof(fields), "pcap=%s", path);
	f = netfront_new(fields);
	netfront_connect(f, 1);
	netfront_post(f, 0, 32);
	size_t a = frame_tcp4(frame, 1, 100);
	netfront_send(f, 0, frame, (uint16_t)a, 0);
	uint8_t large[PACKET_MAX];
	size_t b = frame_tcp4(large, 2, 20000);
	netfront_peer_send(f, NULL, large, b);
	FILE *p = open_capture(path);
	ck_assert_uint_eq(fread(&r, sizeof(r), 1, p), 1);
	ck_assert_uint_eq(r.captured, a);
	ck_assert_uint_eq(r.length, a);
	ck_assert_uint_lt(r.nanoseconds, 1000000000);
	ck_assert_uint_eq(fread(got, 1, a, p), a);
	ck_assert_mem_eq(got, frame, a);
	ck_assert_uint_eq(fread(&r, sizeof(r), 1, p), 1);
	ck_assert_uint_eq(r.captured, b);
	ck_assert_uint_eq(fread(got, 1, b, p), b);
	ck_assert_mem_eq(got, large, b);
	ck_assert_uint_eq(fread(got, 1, 1, p), 0);
	fclose(p);
	unlink(path);
}
END_TEST

/* A file that cannot grow: the capture ends, with whole records; the guest goes on. */
START_TEST(capture_on_a_full_disk)
{
	char path[100], fields[120];
	struct rlimit limit = {3000, 3000};
	struct stat st;

	snprintf(path, sizeof(path), "/tmp/netfront.%d.pcap", (int)getpid());
	snprintf(fields, sizeof(fields), "pcap=%s", path);
	f = netfront_new(fields);
	netfront_connect(f, 1);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	size_t len = frame_tcp4(frame, 1, 946);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(netfront_peer_receive(f, NULL, got), len);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 24 + 2 * (16 + (int)len));
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("netback");
	TCase *c = tcase_create("netback");
	const TTest *const tests[] = {
		published,	   features_off,	  bad_keys, bad_ring,
		one_event_channel, fails_again_and_again, capture,  capture_on_a_full_disk,
	};

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_set_timeout(c, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, cycles, 0, 3);
	suite_add_tcase(s, c);
	return run_suite(s);
}
