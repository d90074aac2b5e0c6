/*
 * A domain in plain memory with a server for gdb, and a client of it: see test_gdb.h.
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
#include "vmm/gdb/packet.h"

struct test_domain *gs_t;
struct event_loop *gs_loop;
struct guest *gs_g;
struct cpu gs_cpu[2];
struct gdb_server *gs_server;
char gs_path[64];
_Atomic unsigned gs_destroyed;
struct error gs_err;
uint64_t gs_va;
int gs_fd;

static void on_destroy(void *arg)
{
	gs_destroyed++;
}

struct gdb_params gs_params(bool wait)
{
	return (struct gdb_params){
		.loop = gs_loop,
		.guest = gs_g,
		.where = {.path = gs_path},
		.wait = wait,
		.destroy = on_destroy,
	};
}

int gs_dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, gs_path);
	ck_assert_int_eq(connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
	return s;
}

void gs_start(bool wait)
{
	const struct gdb_params p = gs_params(wait);

	gs_server = gdb_server_create(&p, &gs_err);
	ck_assert_msg(gs_server != NULL, "%s", gs_err.text);
	test_loop_init(gs_loop);
	ck_assert_int_eq(event_loop_start(gs_loop), 0);
	gs_fd = gs_dial();
}

void gs_setup(void)
{
	gs_t = test_domain_new(2, PROFILE_XEN_4_17);
	gs_loop = event_loop_create();
	gs_g = calloc(1, sizeof(*gs_g));
	gs_g->domain = gs_t->d;
	gs_g->end_fd = eventfd(0, 0);
	for (unsigned i = 0; i < 2; i++) {
		gs_cpu[i] = (struct cpu){.vcpu = gs_t->d->vcpu[i], .fd = -1, .at_rest = true};
		gs_g->cpu[i] = &gs_cpu[i];
	}
	snprintf(gs_path, sizeof(gs_path), "/tmp/gdb_server_test.%d", getpid());
	gs_va = test_alloc(gs_t, PAGE_SIZE);
	memset(test_ptr(gs_t, gs_va), 0x90, PAGE_SIZE);
	gs_destroyed = 0;
	gs_fd = -1;
}

void gs_teardown(void)
{
	struct stat st;

	event_loop_stop(gs_loop);
	gdb_server_end(gs_server, 0);
	gdb_server_destroy(gs_server);
	ck_assert_int_eq(stat(gs_path, &st), -1);
	test_loop_free();
	event_loop_destroy(gs_loop);
	if (gs_fd >= 0)
		close(gs_fd);
	close(gs_g->end_fd);
	free(gs_g);
	test_domain_free(gs_t);
}

void gs_send_all(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(gs_fd, bytes, len, MSG_NOSIGNAL);
		ck_assert_int_gt(n, 0);
		bytes += n;
		len -= (size_t)n;
	}
}

void gs_send_packet(const char *content)
{
	struct gdb_text text = {.buf = NULL};

	gdb_text_packet(&text, content, strlen(content));
	gs_send_all(text.buf, text.len);
	gdb_text_free(&text);
}

bool gs_readable(int ms)
{
	struct pollfd p = {.fd = gs_fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* The next packet's content; NULL: the connection ended. */
const char *gs_receive(void)
{
	static struct gdb_parser p;
	uint8_t b;
	size_t used;

	p.state = GDB_BETWEEN;
	for (;;) {
		ck_assert(gs_readable(20000));
		if (recv(gs_fd, &b, 1, 0) != 1)
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

const char *gs_ask(const char *content)
{
	gs_send_packet(content);
	return gs_receive();
}

bool gs_held(unsigned i)
{
	return atomic_load(&gs_t->d->vcpu[i]->pause_flags) & VPF_DEBUGGER;
}

void gs_wait_until_going(void)
{
	for (int i = 0; i < 20000 && (gs_held(0) || gs_held(1)); i++)
		usleep(1000);
	ck_assert(!gs_held(0) && !gs_held(1));
}

void gs_no_ack(void)
{
	ck_assert_str_eq(gs_ask("QStartNoAckMode"), "OK");
}
