/*
 * The server for gdb's remote protocol: a client's conversation with a domain in plain
 * memory, and clients that are bad, slow or gone.
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

#include "test/unit/test_domain.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "vmm/gdb/gdb.h"
#include "vmm/gdb/packet.h"

static struct test_domain *t;
static struct event_loop *loop;
static struct guest *g;
static struct cpu cpu[2];
static struct gdb_server *server;
static char path[64];
static _Atomic unsigned destroyed;
static struct error err;
static uint64_t va;
static int fd;

static void on_destroy(void *arg)
{
	destroyed++;
}

static struct gdb_params params(bool wait)
{
	return (struct gdb_params){
		.loop = loop,
		.guest = g,
		.where = {.path = path},
		.wait = wait,
		.destroy = on_destroy,
	};
}

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
	return s;
}

static void start(bool wait)
{
	const struct gdb_params p = params(wait);

	server = gdb_server_create(&p, &err);
	ck_assert_msg(server != NULL, "%s", err.text);
	test_loop_init(loop);
	ck_assert_int_eq(event_loop_start(loop), 0);
	fd = dial();
}

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	loop = event_loop_create();
	g = calloc(1, sizeof(*g));
	g->domain = t->d;
	g->end_fd = eventfd(0, 0);
	for (unsigned i = 0; i < 2; i++) {
		cpu[i] = (struct cpu){.vcpu = t->d->vcpu[i], .fd = -1, .at_rest = true};
		g->cpu[i] = &cpu[i];
	}
	snprintf(path, sizeof(path), "/tmp/gdb_server_test.%d", getpid());
	va = test_alloc(t, PAGE_SIZE);
	memset(test_ptr(t, va), 0x90, PAGE_SIZE);
	destroyed = 0;
	fd = -1;
}

static void teardown(void)
{
	struct stat st;

	event_loop_stop(loop);
	gdb_server_end(server, 0);
	gdb_server_destroy(server);
	ck_assert_int_eq(stat(path, &st), -1);
	test_loop_free();
	event_loop_destroy(loop);
	if (fd >= 0)
		close(fd);
	close(g->end_fd);
	free(g);
	test_domain_free(t);
}

static void send_all(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		ck_assert_int_gt(n, 0);
		bytes += n;
		len -= (size_t)n;
	}
}

static void send_packet(const char *content)
{
	struct gdb_text text = {.buf = NULL};

	gdb_text_packet(&text, content, strlen(content));
	send_all(text.buf, text.len);
	gdb_text_free(&text);
}

static bool readable(int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* The next packet's content; NULL: the connection ended. */
static const char *receive(void)
{
	static struct gdb_parser p;
	uint8_t b;
	size_t used;

	p.state = GDB_BETWEEN;
	for (;;) {
		ck_assert(readable(20000));
		if (recv(fd, &b, 1, 0) != 1)
			return NULL;
		switch (gdb_parse(&p, &b, 1, &used)) {
		case GDB_PACKET:
			return p.text;
		case GDB_BAD:
			ck_abort_msg("a packet with a wrong sum");
		default:
			break;
		}
	}
}

static const char *ask(const char *content)
{
	send_packet(content);
	return receive();
}

static bool held(unsigned i)
{
	return atomic_load(&t->d->vcpu[i]->pause_flags) & VPF_DEBUGGER;
}

static void wait_until_going(void)
{
	for (int i = 0; i < 20000 && (held(0) || held(1)); i++)
		usleep(1000);
	ck_assert(!held(0) && !held(1));
}

static void no_ack(void)
{
	ck_assert_str_eq(ask("QStartNoAckMode"), "OK");
}

START_TEST(test_handshake)
{
	const char *s;

	start(true);
	s = ask("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+");
	ck_assert_ptr_nonnull(strstr(s, "PacketSize=4000;"));
	ck_assert_ptr_nonnull(strstr(s, "QStartNoAckMode+"));
	ck_assert_ptr_nonnull(strstr(s, "qXfer:features:read+"));
	ck_assert_ptr_nonnull(strstr(s, ";swbreak+;hwbreak+"));
	ck_assert_ptr_null(strstr(s, "multiprocess"));
	/* What is unknown gets an empty answer. */
	ck_assert_str_eq(ask("vMustReplyEmpty"), "");
	ck_assert_str_eq(ask("qNothing"), "");
	ck_assert_str_eq(ask("qCRC:0,4"), "");
	ck_assert_str_eq(ask("Hg0"), "OK");
	ck_assert_str_eq(ask("qAttached"), "1");
	ck_assert_str_eq(ask("vCont?"), "vCont;c;C;s;S;t");
	ck_assert_str_eq(ask("qfThreadInfo"), "m01,02");
	ck_assert_str_eq(ask("qsThreadInfo"), "l");
	ck_assert_str_eq(ask("qC"), "QC01");
	ck_assert_str_eq(ask("T02"), "OK");
	ck_assert_str_eq(ask("T03"), "E03");
	/* "vcpu 1 kernel" */
	ck_assert_str_eq(ask("qThreadExtraInfo,2"), "766370752031206b65726e656c");
	ck_assert_int_eq(strncmp(ask("?"), "T02thread:01;", 13), 0);
}
END_TEST

START_TEST(test_acknowledgements)
{
	char b[8] = "";

	start(true);
	send_all("$qC#b4", 6);
	ck_assert(readable(20000));
	ck_assert_int_eq(recv(fd, b, 1, 0), 1);
	ck_assert_int_eq(b[0], '+');
	ck_assert_str_eq(receive(), "QC01");
	/* Once more, when it did not arrive; and a wrong sum is refused. */
	send_all("-", 1);
	ck_assert_str_eq(receive(), "QC01");
	send_all("+$qC#b5", 7);
	ck_assert(readable(20000));
	ck_assert_int_eq(recv(fd, b, 1, 0), 1);
	ck_assert_int_eq(b[0], '-');
	no_ack();
	send_all("$qC#b4", 6);
	ck_assert_int_eq(recv(fd, b, 8, MSG_WAITALL), 8);
	ck_assert_int_eq(strncmp(b, "$QC01#", 6), 0);
	/* Without them an error is all that can be said. */
	send_all("$qC#00", 6);
	ck_assert_str_eq(receive(), "E4a");
}
END_TEST

/* The description arrives whole, whatever the pieces. */
START_TEST(test_description)
{
	char xml[16384] = "", request[60];
	const char *s;

	start(true);
	no_ack();
	do {
		snprintf(request, sizeof(request), "qXfer:features:read:target.xml:%zx,%x",
			 strlen(xml), 777);
		s = ask(request);
		ck_assert(*s == 'm' || *s == 'l');
		char piece[2000];
		strcpy(piece, s + 1);
		piece[gdb_unescape(piece, strlen(piece))] = 0;
		strcat(xml, piece);
	} while (*s == 'm');
	ck_assert_ptr_nonnull(strstr(xml, "</target>\n"));
	ck_assert_str_eq(ask("qXfer:features:read:target.xml:ffffff,10"), "l");
	ck_assert_str_eq(ask("qXfer:features:read:other.xml:0,10"), "E00");
	ck_assert_str_eq(ask("qXfer:features:read:target.xml:0"), "E16");
}
END_TEST

START_TEST(test_registers_and_memory)
{
	struct vcpu *v = t->d->vcpu[1];
	char request[80], reg[17];

	start(true);
	no_ack();
	v->regs.rax = 0x1122334455667788;
	ck_assert_str_eq(ask("Hg2"), "OK");
	ck_assert_str_eq(ask("p0"), "8877665544332211");
	ck_assert_str_eq(ask("P0=0100000000000000"), "OK");
	ck_assert_uint_eq(v->regs.rax, 1);
	strncpy(reg, ask("g"), 16);
	reg[16] = 0;
	ck_assert_str_eq(reg, "0100000000000000");
	/* All of them, the first changed; those that cannot be are left as they are. */
	char *all = strdup(ask("g"));
	all[1] = '2';
	char *put = malloc(strlen(all) + 2);
	sprintf(put, "G%s", all);
	ck_assert_str_eq(ask(put), "OK");
	ck_assert_uint_eq(v->regs.rax, 2);
	free(put);
	free(all);
	ck_assert_str_eq(ask("P12=0000"), "E16");
	ck_assert_str_eq(ask("P12=00000000"), "E01"); /* cs */
	ck_assert_str_eq(ask("pffff"), "E16");
	ck_assert_str_eq(ask("P0=zz"), "E16");
	ck_assert_str_eq(ask("G00"), "E16");
	snprintf(request, sizeof(request), "m%llx,3", (unsigned long long)va);
	ck_assert_str_eq(ask(request), "909090");
	snprintf(request, sizeof(request), "M%llx,2:abCD", (unsigned long long)va);
	ck_assert_str_eq(ask(request), "OK");
	snprintf(request, sizeof(request), "X%llx,2:}\x03q", (unsigned long long)va + 2);
	ck_assert_str_eq(ask(request), "OK");
	snprintf(request, sizeof(request), "X%llx,0:", (unsigned long long)va);
	ck_assert_str_eq(ask(request), "OK");
	snprintf(request, sizeof(request), "m%llx,5", (unsigned long long)va);
	ck_assert_str_eq(ask(request), "abcd237190");
	/* Up to the end of what is there; a length that is absurd. */
	snprintf(request, sizeof(request), "m%llx,ffffffff",
		 (unsigned long long)va + PAGE_SIZE - 1);
	ck_assert_str_eq(ask(request), "90");
	ck_assert_str_eq(ask("m0,4"), "E0e");
	ck_assert_str_eq(ask("M0,4:00000000"), "E0e");
	ck_assert_str_eq(ask("M0,ffffffffffffffff:00"), "E16");
	ck_assert_str_eq(ask("X0,5:ab"), "E16");
	ck_assert_str_eq(ask("m"), "E16");
	ck_assert_str_eq(ask("m0"), "E16");
	ck_assert_str_eq(ask("Hg3"), "E16");
	ck_assert_str_eq(ask("Hx0"), "E16");
}
END_TEST

/* Vcpu i executes the int3 at `at`. */
static void hit(unsigned i, uint64_t at)
{
	const struct cpu_exit breakpoint = {.kind = CPU_EXIT_TRAP, .vector = 3};

	t->d->vcpu[i]->regs.rip = at + 1;
	ck_assert(debugger_trap(atomic_load(&g->debugger), &cpu[i], &breakpoint));
	debugger_rested(atomic_load(&g->debugger), &cpu[i]);
}

START_TEST(test_breakpoint)
{
	char request[60];
	const char *s;

	start(true);
	ck_assert(held(0) && held(1));
	ask("qSupported:swbreak+");
	no_ack();
	ask("?");
	snprintf(request, sizeof(request), "Z0,%llx,1", (unsigned long long)va);
	ck_assert_str_eq(ask(request), "OK");
	ck_assert_str_eq(ask("Z0,0,1"), "E0e");
	ck_assert_str_eq(ask("Z5,0,1"), "E16");
	ck_assert_str_eq(ask("Z0,0"), "E16");
	send_packet("vCont;c");
	wait_until_going();
	ck_assert_uint_eq(*(uint8_t *)test_ptr(t, va), 0xcc);
	hit(1, va);
	s = receive();
	ck_assert_int_eq(strncmp(s, "T05thread:02;swbreak:;", 22), 0);
	request[0] = 'z';
	ck_assert_str_eq(ask(request), "OK");
	ck_assert_uint_eq(*(uint8_t *)test_ptr(t, va), 0x90);
}
END_TEST

START_TEST(test_vcont)
{
	start(true);
	no_ack();
	ask("?");
	ck_assert_str_eq(ask("vCont"), "E16");
	ck_assert_str_eq(ask("vCont;"), "E16");
	ck_assert_str_eq(ask("vCont;x"), "E16");
	ck_assert_str_eq(ask("vCont;c:9"), "E16");
	ck_assert_str_eq(ask("vCont;C"), "E16");
	ck_assert_str_eq(ask("czz"), "E16");
	/* The first that fits counts. */
	send_packet("vCont;s:2;t:1;c");
	for (int i = 0; i < 20000 && held(1); i++)
		usleep(1000);
	ck_assert(held(0) && !held(1));
	ck_assert_int_eq(cpu[1].stepping, STEP_ONE);
	/* ^C; what else comes meanwhile is not for a domain that runs. */
	send_packet("g");
	send_packet("Z0,0,1");
	send_all("\3", 1);
	ck_assert_int_eq(strncmp(receive(), "T02thread:", 10), 0);
	ck_assert(!readable(50));
	/* Nobody may go on: that is a stop at once. */
	ck_assert_int_eq(strncmp(ask("vCont;t"), "T02", 3), 0);
	send_packet("s");
	wait_until_going();
	send_all("\3", 1);
	ck_assert_int_eq(strncmp(receive(), "T02", 3), 0);
}
END_TEST

/* A domain that runs stops when the client wants to see something, not before. */
START_TEST(test_attach)
{
	start(false);
	no_ack();
	ask("qSupported");
	test_loop_sync();
	ck_assert(!held(0));
	ask("?");
	ck_assert(held(0) && held(1));
	ck_assert_str_eq(ask("D"), "OK");
	ck_assert_ptr_null(receive());
	wait_until_going();
	close(fd);
	fd = dial();
	ck_assert_str_eq(ask("p0"), "0000000000000000");
	ck_assert(held(0));
}
END_TEST

/* It takes its breakpoints with it, whether the domain runs or not. */
START_TEST(test_client_vanishes)
{
	char request[60];

	start(false);
	for (unsigned i = 0; i < 4; i++) {
		ask("?");
		snprintf(request, sizeof(request), "Z0,%llx,1", (unsigned long long)va + i);
		ck_assert_str_eq(ask(request), "OK");
		snprintf(request, sizeof(request), "Z2,%llx,4", (unsigned long long)va);
		ck_assert_str_eq(ask(request), "OK");
		if (i & 1)
			send_packet("c");
		else if (i & 2)
			send_all("$m1234,", 7);
		close(fd);
		for (unsigned n = 0; n < 20000 && *(uint8_t *)test_ptr(t, va + i) != 0x90; n++)
			usleep(1000);
		ck_assert_uint_eq(*(uint8_t *)test_ptr(t, va + i), 0x90);
		wait_until_going();
		ck_assert_int_eq(cpu[0].stepping, STEP_NOT);
		test_loop_sync();
		fd = dial();
	}
	ck_assert_int_eq(destroyed, 0);
}
END_TEST

START_TEST(test_one_client)
{
	char b;

	start(true);
	ck_assert_str_eq(ask("qC"), "QC01");
	int other = dial();
	ck_assert_int_eq(recv(other, &b, 1, 0), 0);
	close(other);
	ck_assert_str_eq(ask("qC"), "QC01");
}
END_TEST

START_TEST(test_garbage)
{
	char *junk = malloc(1 << 20);
	unsigned seed = 1;

	start(true);
	for (size_t i = 0; i < 1 << 20; i++)
		junk[i] = (char)(rand_r(&seed) >> 8);
	/* No end of a packet, no ^C: nothing is answered, whatever it is. */
	for (size_t i = 0; i < 1 << 20; i++)
		if (strchr("#\3-$", junk[i]))
			junk[i] = 'x';
	send_all(junk, 1 << 20);
	ck_assert_str_eq(ask("qC"), "QC01");
	/* A packet without an end. */
	send_all("$", 1);
	send_all(junk, 1 << 20);
	send_all("#00", 3);
	ck_assert_str_eq(ask("qC"), "QC01");
	free(junk);
}
END_TEST

/* It asks and asks and reads nothing: what is kept for it is bounded, and the loop lives. */
START_TEST(test_slow_client)
{
	char request[2000];
	struct gdb_text packet = {.buf = NULL};
	unsigned asked = 0, got = 0;

	start(true);
	no_ack();
	snprintf(request, sizeof(request), "m%01900llx,100", (unsigned long long)va);
	gdb_text_packet(&packet, request, strlen(request));
	/* Until it takes no more of them. */
	while (send(fd, packet.buf, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		       (ssize_t)packet.len &&
	       asked < 100000)
		asked++;
	ck_assert_uint_lt(asked, 100000);
	test_loop_sync();
	for (; got < asked; got++)
		ck_assert_uint_eq(strlen(receive()), 512);
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

	start(true);
	no_ack();
	gdb_text_add(&hex, request, 6);
	gdb_text_hex(&hex, "help", 4);
	ck_assert(is_end(ask(hex.buf), "frame MFN"));
	ck_assert_str_eq(receive(), "OK");
	hex.len = 6;
	gdb_text_hex(&hex, "nonsense 1", 10);
	ck_assert(is_end(ask(hex.buf), "there is no monitor command 'nonsense'"));
	ck_assert_str_eq(receive(), "OK");
	hex.len = 6;
	gdb_text_hex(&hex, "frame 0", 7);
	ck_assert(is_end(ask(hex.buf), "frame 0x0: the guest's"));
	ck_assert_str_eq(receive(), "OK");
	hex.len = 6;
	gdb_text_hex(&hex, "walk x", 6);
	ck_assert(is_end(ask(hex.buf), "walk takes"));
	ck_assert_str_eq(receive(), "OK");
	ck_assert_str_eq(ask("qRcmd,0"), "E16");
	ck_assert_str_eq(ask("qRcmd,zz"), "E16");
	gdb_text_free(&hex);
}
END_TEST

START_TEST(test_kill)
{
	start(true);
	send_packet("k");
	ck_assert_ptr_null(receive());
	ck_assert_int_eq(destroyed, 1);
	close(fd);
	fd = dial();
	ck_assert_str_eq(ask("vKill;1"), "OK");
	ck_assert_ptr_null(receive());
	ck_assert_int_eq(destroyed, 2);
}
END_TEST

/* A crash is shown before the domain ends; memory and registers are still there. */
START_TEST(test_crash)
{
	eventfd_t n;

	start(true);
	no_ack();
	ask("?");
	send_packet("c");
	wait_until_going();
	atomic_store(&g->crash_vcpu, t->d->vcpu[1]);
	atomic_store(&g->ended, true);
	ck_assert(gdb_server_crashed(server));
	ck_assert_int_eq(strncmp(receive(), "T06thread:02;", 13), 0);
	ck_assert_str_eq(ask("p0"), "0000000000000000");
	ck_assert_str_eq(ask("Z0,0,1"), "E1c");
	ck_assert_str_eq(ask("P0=0100000000000000"), "OK");
	send_packet("c");
	ck_assert_int_eq(eventfd_read(g->end_fd, &n), 0);
	event_loop_stop(loop);
	gdb_server_end(server, SHUTDOWN_crash);
	ck_assert_str_eq(receive(), "W03");
}
END_TEST

START_TEST(test_crash_and_client_gone)
{
	eventfd_t n;

	start(true);
	ask("?");
	atomic_store(&g->ended, true);
	ck_assert(gdb_server_crashed(server));
	close(fd);
	fd = -1;
	ck_assert_int_eq(eventfd_read(g->end_fd, &n), 0);
	ck_assert(!gdb_server_crashed(server));
}
END_TEST

START_TEST(test_where)
{
	struct gdb_where w;

	ck_assert_int_eq(gdb_where_parse(&w, NULL, &err), 0);
	ck_assert(!w.port && !w.path);
	ck_assert_int_eq(gdb_where_parse(&w, "1234", &err), 0);
	ck_assert_uint_eq(w.port, 1234);
	ck_assert_int_eq(gdb_where_parse(&w, "unix:/x", &err), 0);
	ck_assert_str_eq(w.path, "/x");
	static const char *const bad[] = {"", "0", "65536", "x", "unix:", "localhost:1", "-1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(gdb_where_parse(&w, bad[i], &err), -EINVAL);
	start(false);
}
END_TEST

/* A place that is taken is told of, and nothing is left of the attempt. */
START_TEST(test_place_is_taken)
{
	start(false);
	const struct gdb_params p = params(false);

	ck_assert_ptr_null(gdb_server_create(&p, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "is in use"));
	ck_assert_str_eq(ask("qC"), "QC01");
	ck_assert(atomic_load(&g->gdb) == server);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_handshake,
		test_acknowledgements,
		test_description,
		test_registers_and_memory,
		test_breakpoint,
		test_vcont,
		test_attach,
		test_client_vanishes,
		test_one_client,
		test_garbage,
		test_slow_client,
		test_monitor,
		test_kill,
		test_crash,
		test_crash_and_client_gone,
		test_where,
		test_place_is_taken,
	};

	return RUN_TESTS("gdb_server", setup, teardown, tests);
}
