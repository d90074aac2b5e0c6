/*
 * The control socket: its protocol with good, bad, slow and vanishing clients, and what
 * its requests do to a domain in plain memory.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "vmm/control/control_internal.h"
#include "vmm/vmm.h"

#define AT "/local/domain/1/"

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;
static struct guest *g;
static struct runtime_dir dir;
static struct run_options options;
static struct control *server;
static char top[64], path[128], disk[128];
static unsigned destroyed;
static struct error err;

static void on_destroy(void *arg)
{
	destroyed++;
}

/* Work for the loop's thread, to which the store and the devices belong. */
static int work_fd;
static sem_t work_done;
static void (*work_fn)(void);

static void on_work(void *arg, uint32_t events)
{
	eventfd_t n;

	eventfd_read(work_fd, &n);
	work_fn();
	sem_post(&work_done);
}

static void in_loop(void (*fn)(void))
{
	work_fn = fn;
	eventfd_write(work_fd, 1);
	sem_wait(&work_done);
}

static void setup(void)
{
	t = test_domain_new(4, PROFILE_XEN_4_17);
	loop = event_loop_create();
	test_loop_init(loop);
	xs = xenstore_create(loop);
	struct xenstore_domain xd = {
		.domain = t->d,
		.memory_kib = 32768,
		.maxmem_kib = 65536,
		.vcpus_online = 2,
		.console_type = "xenconsoled",
	};
	ck_assert_int_eq(tree_build(xs, &xd), 0);
	strcpy(top, "/tmp/control_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	setenv("XDG_RUNTIME_DIR", top, 1);
	ck_assert_int_eq(runtime_dir_open(&dir, "guest", &err), 0);
	ck_assert_int_eq(runtime_dir_socket(&dir, CONTROL_SOCKET, path, sizeof(path), &err), 0);
	g = calloc(1, sizeof(*g));
	g->domain = t->d;
	log_ring_init(&g->log, 0);
	options = (struct run_options){.kernel = "/boot/vmlinuz", .cmdline = "", .maxmem_mib = 64};
	options.console = CONSOLE_NONE;
	ck_assert_int_eq(guest_devices_create(&g->devices, &options, loop, xs, t->d, &err), 0);
	snprintf(disk, sizeof(disk), "%s/disk", top);
	int fd = open(disk, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	destroyed = 0;
	const struct control_domain cd = {
		.options = &options,
		.guest = g,
		.xenstore = xs,
		.dir = &dir,
		.started = 1000,
		.destroy = on_destroy,
	};
	server = control_create(loop, &cd, path, &err);
	ck_assert_msg(server != NULL, "%s", err.text);
	sem_init(&work_done, 0, 0);
	work_fd = eventfd(0, EFD_CLOEXEC);
	event_loop_add(loop, work_fd, EPOLLIN, on_work, NULL);
	ck_assert_int_eq(event_loop_start(loop), 0);
}

static void teardown(void)
{
	char base[80];

	event_loop_stop(loop);
	control_end(server, "poweroff");
	guest_devices_destroy(&g->devices);
	event_loop_destroy(loop);
	test_loop_free();
	xenstore_destroy(xs);
	runtime_dir_close(&dir);
	control_destroy(server);
	close(work_fd);
	log_ring_free(&g->log);
	free(g);
	test_domain_free(t);
	unlink(disk);
	snprintf(base, sizeof(base), "%s/xenolith", top);
	rmdir(base);
	ck_assert_int_eq(rmdir(top), 0);
}

/* ---- a client ---- */

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void tell(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* A line, byte by byte; NULL: the connection ended. */
static json_t *hear(int fd)
{
	static char line[1 << 20];
	size_t n = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		/* Check remembers each assertion. */
		if (poll(&p, 1, 20000) != 1)
			ck_abort_msg("no answer");
		ssize_t got = recv(fd, line + n, 1, 0);
		if (got <= 0)
			return NULL;
		if (line[n] == '\n')
			break;
		if (++n == sizeof(line))
			ck_abort_msg("an endless line");
	}
	json_t *j = json_loadb(line, n, 0, NULL);
	ck_assert_msg(json_is_object(j), "no object: %.*s", (int)n, line);
	ck_assert_int_eq(json_integer_value(json_object_get(j, "version")), 1);
	return j;
}

static bool silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	test_loop_sync();
	return poll(&p, 1, 50) == 0;
}

/* The error's name, or "ok". */
static const char *heard(int fd)
{
	static char name[40];
	json_t *j = hear(fd);

	ck_assert_msg(j != NULL, "the connection ended");
	const char *e = json_string_value(json_object_get(j, "error"));
	ck_assert(e ? json_is_string(json_object_get(j, "text"))
		    : json_is_object(json_object_get(j, "ok")));
	snprintf(name, sizeof(name), "%s", e ? e : "ok");
	json_decref(j);
	return name;
}

static void put(int fd, const char *request, const char *args)
{
	char text[600];

	snprintf(text, sizeof(text), "{\"version\": 1, \"request\": \"%s\", \"args\": %s}\n",
		 request, args);
	tell(fd, text);
}

/* On a connection of its own. */
static const char *result_of(const char *request, const char *args)
{
	int fd = dial();

	put(fd, request, args);
	const char *r = heard(fd);
	close(fd);
	return r;
}

static json_t *ok_of(const char *request, const char *args)
{
	int fd = dial();

	put(fd, request, args);
	json_t *j = hear(fd), *ok = json_object_get(j, "ok");
	ck_assert_msg(ok != NULL, "%s: %s", request, json_string_value(json_object_get(j, "text")));
	json_incref(ok);
	json_decref(j);
	close(fd);
	return ok;
}

/* ---- the protocol ---- */

START_TEST(only_the_user_may_connect)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(ids_come_back)
{
	int fd = dial();
	json_t *j;

	tell(fd, "{\"version\":1,\"request\":\"info\",\"id\":7}\n");
	j = hear(fd);
	ck_assert_int_eq(json_integer_value(json_object_get(j, "id")), 7);
	json_decref(j);
	tell(fd, "{\"id\":\"seven\",\"request\":\"none\",\"version\":1}\r\n");
	j = hear(fd);
	ck_assert_str_eq(json_string_value(json_object_get(j, "id")), "seven");
	json_decref(j);
	tell(fd, "{\"version\":1,\"request\":\"info\",\"id\":{}}\n");
	j = hear(fd);
	ck_assert_ptr_null(json_object_get(j, "id"));
	json_decref(j);
	close(fd);
}
END_TEST

START_TEST(what_is_no_request)
{
	static const struct {
		const char *line, *error;
	} bad[] = {
		{"\n", "EBADMSG"},
		{"hello\n", "EBADMSG"},
		{"[1, 2]\n", "EBADMSG"},
		{"{\"version\": 1\n", "EBADMSG"},
		{"{\"version\": 1, \"version\": 1, \"request\": \"info\"}\n", "EBADMSG"},
		{"{\"version\": 1, \"request\": \"\xff\"}\n", "EBADMSG"},
		{"{}\n", "EPROTO"},
		{"{\"version\": 2, \"request\": \"info\"}\n", "EPROTO"},
		{"{\"version\": \"1\", \"request\": \"info\"}\n", "EPROTO"},
		{"{\"version\": 1}\n", "EINVAL"},
		{"{\"version\": 1, \"request\": 5}\n", "EINVAL"},
		{"{\"version\": 1, \"request\": \"info\", \"args\": []}\n", "EINVAL"},
		{"{\"version\": 1, \"request\": \"info\", \"args\": {\"x\": 1}}\n", "EINVAL"},
		{"{\"version\": 1, \"request\": \"sysrq\", \"args\": {}}\n", "EINVAL"},
		{"{\"version\": 1, \"request\": \"sysrq\", \"args\": {\"key\": 5}}\n", "EINVAL"},
		{"{\"version\": 1, \"request\": \"fly\"}\n", "ENOSYS"},
	};
	int fd = dial();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tell(fd, bad[i].line);
		ck_assert_msg(!strcmp(heard(fd), bad[i].error), "line %zu", i);
	}
	/* The connection survived all of them. */
	put(fd, "info", "{}");
	ck_assert_str_eq(heard(fd), "ok");
	close(fd);
}
END_TEST

/* Whatever a line holds: one answer, and the next line is a new one. */
START_TEST(mutated_lines)
{
	static const char *const lines[] = {
		"{\"version\":1,\"id\":1,\"request\":\"info\"}",
		"{\"version\":1,\"request\":\"rename\",\"args\":{\"name\":\"guest\"}}",
		"{\"version\":1,\"request\":\"mem-set\",\"args\":{\"kib\":65536}}",
		"{\"version\":1,\"request\":\"vcpu-pin\",\"args\":{\"vcpu\":0,\"cpus\":\"0-3,^2\"}"
		"}",
		"{\"version\":1,\"request\":\"sysrq\",\"args\":{\"key\":\"h\"}}",
		"{\"version\":1,\"request\":\"device-list\",\"args\":{\"kind\":\"vbd\"}}",
		"{\"version\":1,\"request\":\"device-attach\",\"args\":{\"kind\":\"vbd\",\"spec\":"
		"\"/x,raw,xvda,r\"}}",
		"{\"version\":1,\"request\":\"log\",\"args\":{\"clear\":true}}",
	};
	uint32_t seed = 1;
	int fd = dial();

	for (int i = 0; i < 1500; i++) {
		char line[300];
		strcpy(line, lines[i % 8]);
		size_t len = strlen(line);
		for (int n = 0; n < 1 + i % 4; n++) {
			seed = seed * 1664525 + 1013904223;
			char c = (char)(seed >> 24);
			line[(seed >> 8) % len] = c == '\n' ? ' ' : c;
		}
		line[len] = '\n';
		ck_assert_int_eq(send(fd, line, len + 1, MSG_NOSIGNAL), (ssize_t)len + 1);
		heard(fd);
	}
	put(fd, "info", "{}");
	ck_assert_str_eq(heard(fd), "ok");
	close(fd);
	snprintf(path, sizeof(path), "%.99s/" CONTROL_SOCKET, dir.path);
}
END_TEST

START_TEST(deep_nesting)
{
	char line[CONTROL_LINE_MAX];
	int fd = dial();

	memset(line, '[', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	tell(fd, line);
	ck_assert_str_eq(heard(fd), "EBADMSG");
	close(fd);
}
END_TEST

START_TEST(the_longest_line_and_one_more)
{
	char line[CONTROL_LINE_MAX + 2];
	const char *head = "{\"version\":1,\"request\":\"info\",\"id\":\"", *tail = "\"}\n";
	size_t len = CONTROL_LINE_MAX;

	for (int more = 0; more < 2; more++, len++) {
		int fd = dial();
		memset(line, 'x', len);
		memcpy(line, head, strlen(head));
		strcpy(line + len - strlen(tail), tail);
		tell(fd, line);
		json_t *j = hear(fd);
		const char *e = json_string_value(json_object_get(j, "error"));
		if (more) {
			ck_assert_str_eq(e, "EMSGSIZE");
			ck_assert_ptr_null(hear(fd));
		} else {
			ck_assert_ptr_null(e);
		}
		json_decref(j);
		close(fd);
	}
}
END_TEST

START_TEST(pieces_and_heaps)
{
	const char *line = "{\"version\":1,\"request\":\"unpause\",\"id\":0}\n";
	char heap[8000] = "";
	int fd = dial();

	/* A byte at a time. */
	for (const char *p = line; *p; p++) {
		ck_assert_int_eq(send(fd, p, 1, MSG_NOSIGNAL), 1);
		test_loop_sync();
	}
	ck_assert_str_eq(heard(fd), "EALREADY");
	/* Many in one piece: answered in their order. */
	for (int i = 0; i < 100; i++)
		sprintf(heap + strlen(heap), "{\"version\":1,\"request\":\"%s\",\"id\":%d}\n",
			i % 2 ? "pause" : "nothing", i);
	tell(fd, heap);
	for (int i = 0; i < 100; i++) {
		json_t *j = hear(fd);
		ck_assert_int_eq(json_integer_value(json_object_get(j, "id")), i);
		ck_assert(!json_object_get(j, "ok") == !(i % 2));
		json_decref(j);
	}
	ck_assert_uint_eq(t->d->pause_count, 50);
	close(fd);
}
END_TEST

/* Who asks and hangs up on his side, as `socat` does, is answered. */
START_TEST(half_closed)
{
	int fd = dial();

	put(fd, "pause", "{}");
	put(fd, "unpause", "{}");
	shutdown(fd, SHUT_WR);
	ck_assert_str_eq(heard(fd), "ok");
	ck_assert_str_eq(heard(fd), "ok");
	ck_assert_ptr_null(hear(fd));
	close(fd);
}
END_TEST

/* One who asks and never reads: no more is read of him, and others are served. */
START_TEST(a_reader_that_does_not_read)
{
	int fd = dial(), other = dial();
	const char *line = "{\"version\":1,\"request\":\"info\"}\n";
	size_t sent = 0, limit = 16 << 20;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int quiet = 0; quiet < 20 && sent < limit;) {
		ssize_t n = send(fd, line, strlen(line), MSG_NOSIGNAL);
		if (n > 0) {
			sent += (size_t)n;
			quiet = 0;
			continue;
		}
		ck_assert_int_eq(errno, EAGAIN);
		test_loop_sync();
		quiet++;
	}
	ck_assert_uint_lt(sent, limit);
	put(other, "pause", "{}");
	ck_assert_str_eq(heard(other), "ok");
	ck_assert_uint_eq(server->nr_peers, 2);
	/* It vanishes in the middle. */
	close(fd);
	test_loop_sync();
	put(other, "unpause", "{}");
	ck_assert_str_eq(heard(other), "ok");
	ck_assert_uint_eq(server->nr_peers, 1);
	close(other);
}
END_TEST

/* Nobody can keep others out: the one that was idle longest makes room. */
START_TEST(many_clients)
{
	int fd[CONTROL_MAX_PEERS], more[40];
	char byte;

	for (int i = 0; i < CONTROL_MAX_PEERS; i++)
		fd[i] = dial();
	/* The first is in use, the second waits for the end. */
	put(fd[1], "wait", "{}");
	for (int i = 2; i < CONTROL_MAX_PEERS; i++) {
		put(fd[i], "info", "{}");
		ck_assert_str_eq(heard(fd[i]), "ok");
	}
	put(fd[0], "info", "{}");
	ck_assert_str_eq(heard(fd[0]), "ok");
	for (int i = 0; i < 40; i++) {
		more[i] = dial();
		put(more[i], "info", "{}");
		ck_assert_str_eq(heard(more[i]), "ok");
	}
	ck_assert_uint_eq(server->nr_peers, CONTROL_MAX_PEERS);
	ck_assert_int_eq(recv(fd[2], &byte, 1, 0), 0);
	ck_assert_int_eq(recv(fd[41], &byte, 1, 0), 0);
	ck_assert(silent(fd[0]) && silent(fd[1]) && silent(fd[42]));
	for (int i = 0; i < CONTROL_MAX_PEERS; i++)
		close(fd[i]);
	for (int i = 0; i < 40; i++)
		close(more[i]);
	/* All slots wait: one of them goes. */
	for (int i = 0; i < CONTROL_MAX_PEERS; i++) {
		fd[i] = dial();
		put(fd[i], "wait", "{}");
	}
	ck_assert_str_eq(result_of("info", "{}"), "ok");
	for (int i = 0; i < CONTROL_MAX_PEERS; i++)
		close(fd[i]);
}
END_TEST

START_TEST(waiting_for_the_end)
{
	int a = dial(), b = dial(), c = dial(), d = dial();

	put(a, "wait", "{}");
	put(b, "destroy", "{}");
	put(c, "device-attach", "{\"kind\": \"vbd\", \"spec\": \"/dev/null,raw,xvda,rw\"}");
	ck_assert_str_ne(heard(c), "ok"); /* no disk */
	put(d, "wait", "{}");
	ck_assert(silent(a) && silent(b));
	ck_assert_uint_eq(destroyed, 1);
	/* One hangs up. */
	unsigned before = server->nr_peers;
	close(d);
	test_loop_sync();
	ck_assert_uint_eq(server->nr_peers, before - 1);
	event_loop_stop(loop);
	control_end(server, "destroyed");
	for (int i = 0; i < 2; i++) {
		json_t *j = hear(i ? b : a);
		ck_assert_str_eq(
			json_string_value(json_object_get(json_object_get(j, "ok"), "ended")),
			"destroyed");
		json_decref(j);
	}
	close(a);
	close(b);
	close(c);
}
END_TEST

/* ---- what requests do ---- */

static const char *store_wants, *store_at;

static void check_store(void)
{
	char *v = xenstore_read(xs, store_at);

	ck_assert_msg(v && !strcmp(v, store_wants), "%s is '%s', not '%s'", store_at, v ? v : "",
		      store_wants);
	free(v);
}

static void holds(const char *at, const char *want)
{
	store_at = at;
	store_wants = want;
	in_loop(check_store);
}

START_TEST(pausing)
{
	json_t *ok;

	for (int i = 1; i <= 2; i++) {
		ok = ok_of("pause", "{}");
		ck_assert_int_eq(json_integer_value(json_object_get(ok, "count")), i);
		json_decref(ok);
	}
	ck_assert_uint_eq(atomic_load(&t->d->vcpu[3]->pause_flags), VPF_PAUSED);
	ok = ok_of("info", "{}");
	ck_assert(json_is_true(json_object_get(json_object_get(ok, "state"), "paused")));
	json_decref(ok);
	json_decref(ok_of("unpause", "{}"));
	json_decref(ok_of("unpause", "{}"));
	ck_assert_uint_eq(atomic_load(&t->d->vcpu[3]->pause_flags), 0);
	ck_assert_str_eq(result_of("unpause", "{}"), "EALREADY");
}
END_TEST

START_TEST(orders)
{
	ck_assert_str_eq(result_of("shutdown", "{\"order\": \"suspend\"}"), "EINVAL");
	ck_assert_str_eq(result_of("shutdown", "{\"order\": \"reboot\"}"), "ok");
	holds(AT "control/shutdown", "reboot");
	ck_assert_str_eq(result_of("shutdown", "{\"order\": \"poweroff\"}"), "EBUSY");
	ck_assert_str_eq(result_of("shutdown", "{\"order\": \"reboot\"}"), "ok");
	ck_assert_str_eq(result_of("sysrq", "{\"key\": \"h\"}"), "ok");
	holds(AT "control/sysrq", "h");
	ck_assert_str_eq(result_of("sysrq", "{\"key\": \"\"}"), "EINVAL");
	ck_assert_str_eq(result_of("sysrq", "{\"key\": \"hh\"}"), "EINVAL");
	ck_assert_str_eq(result_of("sysrq", "{\"key\": \"\\n\"}"), "EINVAL");
}
END_TEST

/* Is the text in the domain's log? */
static bool logged(const char *text)
{
	return strstr(t->log, text);
}

START_TEST(debugging)
{
	long port = bind_virq(t, VIRQ_DEBUG, 1);

	ck_assert_int_gt(port, 0);
	ck_assert_str_eq(result_of("debug-keys", "{\"keys\": \"q\"}"), "ok");
	ck_assert(port_pending(t, (evtchn_port_t)port));
	ck_assert(logged("vcpu 3: "));
	ck_assert(!logged("VIRQ 1"));
	ck_assert_str_eq(result_of("debug-keys", "{\"keys\": \"er\"}"), "ok");
	ck_assert(logged("[p-] v1 VIRQ 1"));
	ck_assert(logged("vcpu 0 is "));
	ck_assert(!logged("debug key"));
	ck_assert_str_eq(result_of("debug-keys", "{\"keys\": \"hz\"}"), "EINVAL");
	ck_assert(logged("debug key 'q'"));
	ck_assert_str_eq(result_of("debug-keys", "{}"), "EINVAL");

	ck_assert_str_eq(result_of("trigger", "{\"trigger\": \"reset\"}"), "EOPNOTSUPP");
	ck_assert_str_eq(result_of("trigger", "{\"trigger\": \"nmi\", \"vcpu\": 4}"), "EINVAL");
	ck_assert_str_eq(result_of("trigger", "{\"trigger\": \"nmi\", \"vcpu\": -1}"), "EINVAL");
	ck_assert(!t->d->vcpu[2]->nmi_pending);
	ck_assert_str_eq(result_of("trigger", "{\"trigger\": \"nmi\", \"vcpu\": 2}"), "ok");
	ck_assert(t->d->vcpu[2]->nmi_pending);
}
END_TEST

START_TEST(limits)
{
	ck_assert_str_eq(result_of("mem-set", "{\"kib\": 40000}"), "ok");
	holds(AT "memory/target", "40000");
	ck_assert_str_eq(result_of("mem-set", "{\"kib\": 65537}"), "EINVAL");
	ck_assert_str_eq(result_of("mem-set", "{\"kib\": 0}"), "EINVAL");
	ck_assert_str_eq(result_of("mem-set", "{\"kib\": -1}"), "EINVAL");
	ck_assert_str_eq(result_of("vcpu-set", "{\"online\": 3}"), "ok");
	holds(AT "cpu/2/availability", "online");
	holds(AT "cpu/3/availability", "offline");
	ck_assert_str_eq(result_of("vcpu-set", "{\"online\": 0}"), "EINVAL");
	ck_assert_str_eq(result_of("vcpu-set", "{\"online\": 5}"), "EINVAL");
	ck_assert_str_eq(result_of("vcpu-set", "{\"online\": 4294967297}"), "EINVAL");
	ck_assert_str_eq(result_of("vcpu-pin", "{\"vcpu\": 4, \"cpus\": \"0\"}"), "EINVAL");
	ck_assert_str_eq(result_of("vcpu-pin", "{\"vcpu\": 0, \"cpus\": \"a\"}"), "EINVAL");
}
END_TEST

START_TEST(renaming)
{
	struct runtime_dir other;
	char at[80], *vm;

	ck_assert_int_eq(runtime_dir_open(&other, "other", &err), 0);
	ck_assert_str_eq(result_of("rename", "{\"name\": \"other\"}"), "EBUSY");
	ck_assert_str_eq(result_of("rename", "{\"name\": \"a/b\"}"), "EINVAL");
	ck_assert_str_eq(result_of("rename", "{\"name\": \"new\"}"), "ok");
	runtime_dir_close(&other);
	ck_assert_str_eq(t->d->name, "new");
	holds(AT "name", "new");
	vm = xenstore_read(xs, AT "vm");
	snprintf(at, sizeof(at), "%s/name", vm);
	free(vm);
	holds(at, "new");
	/* The socket went with its folder. */
	snprintf(path, sizeof(path), "%.99s/" CONTROL_SOCKET, dir.path);
	ck_assert_ptr_nonnull(strstr(path, "/new/"));
	ck_assert_str_eq(result_of("info", "{}"), "ok");
}
END_TEST

START_TEST(information)
{
	json_t *ok, *vcpus;

	/* Two up: one runs, one is blocked. */
	atomic_store(&t->d->vcpu[1]->pause_flags, VPF_BLOCKED);
	atomic_store(&t->d->vcpu[2]->pause_flags, VPF_DOWN);
	atomic_store(&t->d->vcpu[3]->pause_flags, VPF_DOWN);
	vcpu_runstate_change(t->d->vcpu[0], RUNSTATE_running, t->now);
	t->now += 5000000000;
	ok = ok_of("info", "{}");
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "domid")), t->d->domid);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "online_vcpus")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "max_vcpus")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "cpu_ns")), 5000000000);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "memory_kib")),
			 (json_int_t)t->d->tot_pages * 4);
	ck_assert(json_is_true(json_object_get(json_object_get(ok, "state"), "running")));
	ck_assert(json_is_false(json_object_get(json_object_get(ok, "state"), "blocked")));
	vcpus = json_object_get(ok, "vcpus");
	ck_assert_uint_eq(json_array_size(vcpus), 4);
	ck_assert(json_is_true(json_object_get(json_array_get(vcpus, 1), "blocked")));
	ck_assert(json_is_false(json_object_get(json_array_get(vcpus, 2), "online")));
	json_decref(ok);
	/* All that are up are blocked: the domain is. */
	atomic_store(&t->d->vcpu[0]->pause_flags, VPF_BLOCKED);
	vcpu_runstate_change(t->d->vcpu[0], RUNSTATE_blocked, t->now);
	ok = ok_of("info", "{}");
	ck_assert(json_is_true(json_object_get(json_object_get(ok, "state"), "blocked")));
	ck_assert(json_is_false(json_object_get(json_object_get(ok, "state"), "running")));
	json_decref(ok);
}
END_TEST

START_TEST(the_log)
{
	json_t *ok;

	log_ring_add(&g->log, 1500000000, "first");
	ok = ok_of("log", "{}");
	ck_assert_str_eq(json_string_value(json_object_get(ok, "log")), "[    1.500000] first\n");
	json_decref(ok);
	json_decref(ok_of("log", "{\"clear\": true}"));
	ok = ok_of("log", "{}");
	ck_assert_str_eq(json_string_value(json_object_get(ok, "log")), "");
	json_decref(ok);
}
END_TEST

/* ---- devices, with a frontend that is written here ---- */

static int frontend_state;

static void set_frontend(void)
{
	xenstore_write(xs, AT "device/vbd/51728/state", "%d", frontend_state);
}

static void attach_xvdb(void)
{
	char args[300];

	snprintf(args, sizeof(args), "{\"kind\": \"vbd\", \"spec\": \"%s,raw,xvdb,rw\"}", disk);
	json_t *ok = ok_of("device-attach", args);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "id")), 51728);
	json_decref(ok);
	ck_assert_str_eq(result_of("device-attach", args), "EINVAL"); /* not twice */
}

START_TEST(devices)
{
	json_t *ok, *d;

	ck_assert_str_eq(result_of("device-attach", "{\"kind\": \"tty\", \"spec\": \"\"}"),
			 "EOPNOTSUPP");
	ck_assert_str_ne(result_of("device-attach", "{\"kind\": \"vbd\", \"spec\": \"nothing\"}"),
			 "ok");
	attach_xvdb();
	ok = ok_of("device-list", "{\"kind\": \"vbd\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(ok, "devices")), 1);
	d = json_array_get(json_object_get(ok, "devices"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "backend_state")),
			 XenbusStateInitWait);
	ck_assert_str_eq(json_string_value(json_object_get(d, "backend_path")),
			 "/local/domain/0/backend/vbd/1/51728");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(d, "backend"), "dev")),
			 "xvdb");
	json_decref(ok);
	ck_assert_str_eq(result_of("device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdc\"}"),
			 "ENODEV");
	ck_assert_str_eq(result_of("device-detach",
				   "{\"kind\": \"vbd\", \"device\": \"51728\", \"force\": true}"),
			 "ok");
	ok = ok_of("device-list", "{\"kind\": \"vbd\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(ok, "devices")), 0);
	json_decref(ok);
}
END_TEST

START_TEST(a_guest_that_lets_go)
{
	int a = dial(), b = dial();

	attach_xvdb();
	/* A driver has it, but has not connected. */
	frontend_state = XenbusStateInitWait;
	in_loop(set_frontend);
	put(a, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	ck_assert(silent(a));
	holds("/local/domain/0/backend/vbd/1/51728/state", "5");
	holds("/local/domain/0/backend/vbd/1/51728/online", "0");
	/* Who asks again waits for the same. */
	put(b, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	frontend_state = XenbusStateClosing;
	in_loop(set_frontend);
	ck_assert(silent(a) && silent(b));
	frontend_state = XenbusStateClosed;
	in_loop(set_frontend);
	ck_assert_str_eq(heard(a), "ok");
	ck_assert_str_eq(heard(b), "ok");
	close(a);
	close(b);
	ck_assert_uint_eq(g->devices.nr, 0);
}
END_TEST

/* It never lets go, and who waits hangs up, or the domain ends. */
START_TEST(a_guest_that_does_not)
{
	int a = dial(), b = dial();

	attach_xvdb();
	frontend_state = XenbusStateInitWait;
	in_loop(set_frontend);
	put(a, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	ck_assert(silent(a));
	close(a);
	put(b, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	ck_assert(silent(b));
	ck_assert_uint_eq(server->nr_peers, 1);
	event_loop_stop(loop);
	control_end(server, "poweroff");
	ck_assert_str_eq(heard(b), "ENODEV");
	close(b);
}
END_TEST

/* A frontend that closes instead of connecting. */
START_TEST(a_guest_that_refuses)
{
	char args[300];
	int a = dial();

	snprintf(args, sizeof(args),
		 "{\"kind\": \"vbd\", \"spec\": \"%s,raw,xvdb,rw\", \"wait\": true}", disk);
	put(a, "device-attach", args);
	ck_assert(silent(a));
	frontend_state = XenbusStateClosing;
	in_loop(set_frontend);
	ck_assert_str_eq(heard(a), "ENODEV");
	close(a);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		only_the_user_may_connect,
		ids_come_back,
		what_is_no_request,
		mutated_lines,
		deep_nesting,
		the_longest_line_and_one_more,
		pieces_and_heaps,
		half_closed,
		a_reader_that_does_not_read,
		many_clients,
		waiting_for_the_end,
		pausing,
		orders,
		debugging,
		limits,
		renaming,
		information,
		the_log,
		devices,
		a_guest_that_lets_go,
		a_guest_that_does_not,
		a_guest_that_refuses,
	};

	return RUN_TESTS("control", setup, teardown, tests);
}
