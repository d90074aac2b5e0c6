/*
 * The server for gdb's remote protocol: clients that are bad, slow or gone, domains that end,
 * and where the server listens.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/unit/test_gdb.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "vmm/gdb/packet.h"

/* It takes its breakpoints with it, whether the domain runs or not. */
START_TEST(test_client_vanishes)
{
	char request[60];

	gs_start(false);
	for (unsigned i = 0; i < 4; i++) {
		gs_ask("?");
		snprintf(request, sizeof(request), "Z0,%llx,1", (unsigned long long)gs_va + i);
		ck_assert_str_eq(gs_ask(request), "OK");
		snprintf(request, sizeof(request), "Z2,%llx,4", (unsigned long long)gs_va);
		ck_assert_str_eq(gs_ask(request), "OK");
		if (i & 1)
			gs_send_packet("c");
		else if (i & 2)
			gs_send_all("$m1234,", 7);
		close(gs_fd);
		for (unsigned n = 0; n < 20000 && *(uint8_t *)test_ptr(gs_t, gs_va + i) != 0x90;
		     n++)
			usleep(1000);
		ck_assert_uint_eq(*(uint8_t *)test_ptr(gs_t, gs_va + i), 0x90);
		gs_wait_until_going();
		ck_assert_int_eq(gs_cpu[0].stepping, STEP_NOT);
		test_loop_sync();
		gs_fd = gs_dial();
	}
	ck_assert_int_eq(gs_destroyed, 0);
}
END_TEST

START_TEST(test_one_client)
{
	char b;

	gs_start(true);
	ck_assert_str_eq(gs_ask("qC"), "QC01");
	int other = gs_dial();
	ck_assert_int_eq(recv(other, &b, 1, 0), 0);
	close(other);
	ck_assert_str_eq(gs_ask("qC"), "QC01");
}
END_TEST

START_TEST(test_garbage)
{
	char *junk = malloc(1 << 20);
	unsigned seed = 1;

	gs_start(true);
	for (size_t i = 0; i < 1 << 20; i++)
		junk[i] = (char)(rand_r(&seed) >> 8);
	/* No end of a packet, no ^C: nothing is answered, whatever it is. */
	for (size_t i = 0; i < 1 << 20; i++)
		if (strchr("#\3-$", junk[i]))
			junk[i] = 'x';
	gs_send_all(junk, 1 << 20);
	ck_assert_str_eq(gs_ask("qC"), "QC01");
	/* A packet without an end. */
	gs_send_all("$", 1);
	gs_send_all(junk, 1 << 20);
	gs_send_all("#00", 3);
	ck_assert_str_eq(gs_ask("qC"), "QC01");
	free(junk);
}
END_TEST

/* It asks and asks and reads nothing: what is kept for it is bounded, and the loop lives. */
START_TEST(test_slow_client)
{
	char request[2000];
	struct gdb_text packet = {.buf = NULL};
	unsigned asked = 0, got = 0;

	gs_start(true);
	gs_no_ack();
	snprintf(request, sizeof(request), "m%01900llx,100", (unsigned long long)gs_va);
	gdb_text_packet(&packet, request, strlen(request));
	/* Until it takes no more of them. */
	while (send(gs_fd, packet.buf, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		       (ssize_t)packet.len &&
	       asked < 100000)
		asked++;
	ck_assert_uint_lt(asked, 100000);
	test_loop_sync();
	for (; got < asked; got++)
		ck_assert_uint_eq(strlen(gs_receive()), 512);
	gdb_text_free(&packet);
}
END_TEST

static bool is_end(const char *hex, const char *want)
{
	const char *p = hex + 1;
	char buf[400] = "";

	return *hex == 'O' &&
	       gdb_read_bytes(&p, (uint8_t *)buf, strlen(p) / 2 < 399 ? strlen(p) / 2 : 399) &&
	       strstr(buf, want);
}

START_TEST(test_monitor)
{
	char request[80] = "qRcmd,";
	struct gdb_text hex = {.buf = NULL};

	gs_start(true);
	gs_no_ack();
	gdb_text_add(&hex, request, 6);
	gdb_text_hex(&hex, "help", 4);
	ck_assert(is_end(gs_ask(hex.buf), "frame MFN"));
	ck_assert_str_eq(gs_receive(), "OK");
	hex.len = 6;
	gdb_text_hex(&hex, "nonsense 1", 10);
	ck_assert(is_end(gs_ask(hex.buf), "there is no monitor command 'nonsense'"));
	ck_assert_str_eq(gs_receive(), "OK");
	hex.len = 6;
	gdb_text_hex(&hex, "frame 0", 7);
	ck_assert(is_end(gs_ask(hex.buf), "frame 0x0: the guest's"));
	ck_assert_str_eq(gs_receive(), "OK");
	hex.len = 6;
	gdb_text_hex(&hex, "walk x", 6);
	ck_assert(is_end(gs_ask(hex.buf), "walk takes"));
	ck_assert_str_eq(gs_receive(), "OK");
	ck_assert_str_eq(gs_ask("qRcmd,0"), "E16");
	ck_assert_str_eq(gs_ask("qRcmd,zz"), "E16");
	gdb_text_free(&hex);
}
END_TEST

START_TEST(test_kill)
{
	gs_start(true);
	gs_send_packet("k");
	ck_assert_ptr_null(gs_receive());
	ck_assert_int_eq(gs_destroyed, 1);
	close(gs_fd);
	gs_fd = gs_dial();
	ck_assert_str_eq(gs_ask("vKill;1"), "OK");
	ck_assert_ptr_null(gs_receive());
	ck_assert_int_eq(gs_destroyed, 2);
}
END_TEST

/* A crash is shown before the domain ends; memory and registers are still there. */
START_TEST(test_crash)
{
	eventfd_t n;

	gs_start(true);
	gs_no_ack();
	gs_ask("?");
	gs_send_packet("c");
	gs_wait_until_going();
	atomic_store(&gs_g->crash_vcpu, gs_t->d->vcpu[1]);
	atomic_store(&gs_g->ended, true);
	ck_assert(gdb_server_crashed(gs_server));
	ck_assert_int_eq(strncmp(gs_receive(), "T06thread:02;", 13), 0);
	ck_assert_str_eq(gs_ask("p0"), "0000000000000000");
	ck_assert_str_eq(gs_ask("Z0,0,1"), "E1c");
	ck_assert_str_eq(gs_ask("P0=0100000000000000"), "OK");
	gs_send_packet("c");
	ck_assert_int_eq(eventfd_read(gs_g->end_fd, &n), 0);
	event_loop_stop(gs_loop);
	gdb_server_end(gs_server, SHUTDOWN_crash);
	ck_assert_str_eq(gs_receive(), "W03");
}
END_TEST

START_TEST(test_crash_and_client_gone)
{
	eventfd_t n;

	gs_start(true);
	gs_ask("?");
	atomic_store(&gs_g->ended, true);
	ck_assert(gdb_server_crashed(gs_server));
	close(gs_fd);
	gs_fd = -1;
	ck_assert_int_eq(eventfd_read(gs_g->end_fd, &n), 0);
	ck_assert(!gdb_server_crashed(gs_server));
}
END_TEST

START_TEST(test_where)
{
	struct gdb_where w;

	ck_assert_int_eq(gdb_where_parse(&w, NULL, &gs_err), 0);
	ck_assert(!w.port && !w.path);
	ck_assert_int_eq(gdb_where_parse(&w, "1234", &gs_err), 0);
	ck_assert_uint_eq(w.port, 1234);
	ck_assert_int_eq(gdb_where_parse(&w, "unix:/x", &gs_err), 0);
	ck_assert_str_eq(w.path, "/x");
	static const char *const bad[] = {"", "0", "65536", "x", "unix:", "localhost:1", "-1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(gdb_where_parse(&w, bad[i], &gs_err), -EINVAL);
	gs_start(false);
}
END_TEST

/* A place that is taken is told of, and nothing is left of the attempt. */
START_TEST(test_place_is_taken)
{
	gs_start(false);
	const struct gdb_params p = gs_params(false);

	ck_assert_ptr_null(gdb_server_create(&p, &gs_err));
	ck_assert_ptr_nonnull(strstr(gs_err.text, "is in use"));
	ck_assert_str_eq(gs_ask("qC"), "QC01");
	ck_assert(atomic_load(&gs_g->gdb) == gs_server);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_client_vanishes, test_one_client,	   test_garbage, test_slow_client,
		test_monitor,	      test_kill,	   test_crash,	 test_crash_and_client_gone,
		test_where,	      test_place_is_taken,
	};

	return RUN_TESTS("gdb_client", gs_setup, gs_teardown, tests);
}
