/*
 * xl's syntax of network interfaces (xl-network-configuration(5)) and our keys.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "devices/net/vif_spec.h"
#include "test/unit/test_run.h"

static struct vif_spec s;
static char err[300];

static void good(const char *text)
{
	ck_assert_msg(!vif_spec_parse(&s, text, err, sizeof(err)), "'%s': %s", text, err);
}

START_TEST(nothing_given)
{
	struct vif_spec other;

	good("");
	ck_assert_int_eq(s.net, VIF_NET_USER);
	ck_assert_mem_eq(s.mac, "\x00\x16\x3e", 3);
	ck_assert_int_eq(s.devid, -1);
	ck_assert(s.rate_bytes == VIF_RATE_UNLIMITED);
	ck_assert_uint_eq(s.network.s_addr, inet_addr("10.0.2.0"));
	ck_assert_uint_eq(s.address.s_addr, inet_addr("10.0.2.15"));
	vif_spec_parse(&other, "", err, sizeof(err));
	ck_assert_mem_ne(s.mac, other.mac, 6);
}
END_TEST

/* From the manual page, and as people's files have it. */
START_TEST(xl_examples)
{
	good("mac=00:16:3E:74:3d:76,bridge=xenbr0");
	ck_assert_int_eq(s.net, VIF_NET_TAP);
	ck_assert_str_eq(s.bridge, "xenbr0");
	ck_assert_mem_eq(s.mac, "\x00\x16\x3e\x74\x3d\x76", 6);
	good("bridge=xenbr0, mac=00:16:3e:01:01:01, model=e1000, type=vif, vifname=web0");
	ck_assert_str_eq(s.vifname, "web0");
	good("mac=aa:00:00:00:00:11,bridge=br0,script=/etc/xen/scripts/vif-bridge,ip=10.0.0.1,"
	     "backend=0,devid=3,mtu=9000,trusted=0,");
	ck_assert_int_eq(s.devid, 3);
	ck_assert_uint_eq(s.mtu, 9000);
	ck_assert(s.untrusted);
	ck_assert_str_eq(s.ip, "10.0.0.1");
}
END_TEST

START_TEST(rates)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		uint32_t usecs;
	} rows[] = {
		{"10Mb/s", 62500, 50000},	{"250KB/s", 12500, 50000},
		{"1MB/s@20ms", 20000, 20000},	{"1GB/s@1s", 1000000000, 1000000},
		{"8000b/s@500ms", 500, 500000}, {"1000B/s@10000us", 10, 10000},
		{"1KB/s@2", 2000, 2000000},	{"5MB", 250000, 50000},
	};
	char text[60];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "rate=%s", rows[i].text);
		good(text);
		ck_assert_msg(s.rate_bytes == rows[i].bytes, "%s: %lu", rows[i].text,
			      (unsigned long)s.rate_bytes);
		ck_assert_uint_eq(s.rate_usecs, rows[i].usecs);
	}
}
END_TEST

START_TEST(user_keys)
{
	good("net=user,fwd=tcp:2222:22,fwd=udp:0.0.0.0:5353:10.0.2.15:53,hostname=h,domain=d.e,"
	     "restrict,no-host,pcap=/tmp/x.pcap,queues=3");
	ck_assert_uint_eq(s.nr_forwards, 2);
	ck_assert(!s.forward[0].udp);
	ck_assert_uint_eq(s.forward[0].host.s_addr, htonl(INADDR_LOOPBACK));
	ck_assert_uint_eq(s.forward[0].host_port, 2222);
	ck_assert_uint_eq(s.forward[0].guest.s_addr, 0);
	ck_assert_uint_eq(s.forward[0].guest_port, 22);
	ck_assert(s.forward[1].udp);
	ck_assert_uint_eq(s.forward[1].host.s_addr, 0);
	ck_assert_uint_eq(s.forward[1].guest.s_addr, inet_addr("10.0.2.15"));
	ck_assert(s.restricted && s.no_host);
	ck_assert_str_eq(s.hostname, "h");
	ck_assert_str_eq(s.domain, "d.e");
	ck_assert_str_eq(s.pcap, "/tmp/x.pcap");
	ck_assert_uint_eq(s.max_queues, 3);
	/* xl's files know an address only. */
	good("ip=172.16.9.77");
	ck_assert_uint_eq(s.network.s_addr, inet_addr("172.16.9.0"));
	ck_assert_uint_eq(s.address.s_addr, inet_addr("172.16.9.77"));
	good("network=192.168.4.0/22,ip=192.168.7.254");
	ck_assert_uint_eq(s.netmask.s_addr, inet_addr("255.255.252.0"));
	ck_assert_uint_eq(s.address.s_addr, inet_addr("192.168.7.254"));
}
END_TEST

START_TEST(other_nets)
{
	good("net=socket,path=/tmp/cable");
	ck_assert_int_eq(s.net, VIF_NET_SOCKET);
	good("path=/tmp/cable");
	ck_assert_int_eq(s.net, VIF_NET_SOCKET);
	good("net=tap,vifname=tap0");
	ck_assert_int_eq(s.net, VIF_NET_TAP);
	good("no-sg");
	ck_assert(s.no_sg && s.no_gso);
}
END_TEST

static const struct {
	const char *text, *says;
} refused[] = {
	{"mac=00:16:3e:00:00", "MAC"},
	{"mac=00:16:3e:00:00:0g", "MAC"},
	{"mac=00:16:3e:00:00:00:00", "MAC"},
	{"mac=", "MAC"},
	{"mac=01:00:5e:00:00:01", "multicast"},
	{"bridge=", "bridge"},
	{"bridge=a/b", "bridge"},
	{"bridge=0123456789abcdef", "bridge"},
	{"vifname=0123456789abcdef,net=tap", "interface"},
	{"type=ioemu", "type=vif"},
	{"type=x", "vif"},
	{"script=vif-route", "no scripts"},
	{"backend=netvm", "driver domains"},
	{"gatewaydev=eth0", "vif-route"},
	{"rate=10", "rate takes"},
	{"rate=10Xb/s", "rate takes"},
	{"rate=-1MB/s", "rate takes"},
	{"rate=10MB/s@", "rate takes"},
	{"rate=10MB/s@5h", "rate takes"},
	{"rate=1b/s", "leaves nothing"},
	{"rate=99999999999999999999GB/s", "rate takes"},
	{"rate=18446744073709551615GB/s", "rate takes"},
	{"devid=256", "devid"},
	{"devid=-1", "devid"},
	{"mtu=67", "mtu"},
	{"mtu=65522", "mtu"},
	{"trusted=maybe", "trusted"},
	{"net=vde", "user, tap or socket"},
	{"net=socket", "needs path="},
	{"net=tap", "needs bridge="},
	{"net=user,path=/x", "net=socket"},
	{"net=user,bridge=br0", "net=tap"},
	{"net=socket,path=/x,fwd=tcp:1:1", "net=user"},
	{"bridge=br0,restrict", "net=user"},
	{"fwd=tcp:22", "fwd takes"},
	{"fwd=tcp:0:22", "fwd takes"},
	{"fwd=tcp:22:65536", "fwd takes"},
	{"fwd=icmp:1:1", "fwd takes"},
	{"fwd=tcp:1.2.3:4:5:6", "fwd takes"},
	{"fwd=tcp:1:2:3", "fwd takes"},
	{"fwd=", "fwd takes"},
	{"fwd=tcp", "fwd takes"},
	{"network=10.0.2.1/24", "network takes"},
	{"network=10.0.2.0/28", "network takes"},
	{"network=x", "network takes"},
	{"network=10.0.2.0/24,ip=10.0.3.15", "not in the network"},
	{"ip=10.0.2.2", "not in the network"},
	{"ip=10.0.2.255", "not in the network"},
	{"ip=fe80::1", "one IPv4"},
	{"queues=0", "queues"},
	{"queues=9", "queues"},
	{"pcap=", "pcap"},
	{"hostname=", "hostname"},
	{"colour=red", "unknown key"},
	{"xenbr0", "KEY=VALUE"},
	{"accel=x", "past"},
};

START_TEST(refusals)
{
	err[0] = 0;
	ck_assert_msg(vif_spec_parse(&s, refused[_i].text, err, sizeof(err)) == -22,
		      "'%s' is taken", refused[_i].text);
	ck_assert_msg(strstr(err, refused[_i].says), "'%s': %s", refused[_i].text, err);
}
END_TEST

START_TEST(too_many_forwards)
{
	char text[40 * 20] = "net=user";

	for (unsigned i = 0; i < VIF_MAX_FORWARDS; i++)
		strcat(text, ",fwd=tcp:1:2");
	good(text);
	strcat(text, ",fwd=tcp:1:2");
	ck_assert_int_eq(vif_spec_parse(&s, text, err, sizeof(err)), -22);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vif_spec");
	TCase *c = tcase_create("vif_spec");

	tcase_add_test(c, nothing_given);
	tcase_add_test(c, xl_examples);
	tcase_add_test(c, rates);
	tcase_add_test(c, user_keys);
	tcase_add_test(c, other_nets);
	tcase_add_test(c, too_many_forwards);
	tcase_add_loop_test(c, refusals, 0, sizeof(refused) / sizeof(refused[0]));
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
