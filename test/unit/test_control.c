/*
 * A domain in plain memory with a control socket, and a client of it: see test_control.h.
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
#include "test/unit/test_control.h"
#include "test/unit/test_loop.h"

struct test_domain *ctl_t;
struct event_loop *ctl_loop;
struct xenstore *ctl_xs;
struct guest *ctl_g;
struct runtime_dir ctl_dir;
struct run_options ctl_options;
struct control *ctl_server;
static char top[64];
char ctl_path[128], ctl_disk[128];
unsigned ctl_destroyed;
static struct error err;

static void on_destroy(void *arg)
{
	ctl_destroyed++;
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

void ctl_in_loop(void (*fn)(void))
{
	work_fn = fn;
	eventfd_write(work_fd, 1);
	sem_wait(&work_done);
}

void ctl_setup(void)
{
	ctl_t = test_domain_new(4, PROFILE_XEN_4_17);
	ctl_loop = event_loop_create();
	test_loop_init(ctl_loop);
	ctl_xs = xenstore_create(ctl_loop);
	struct xenstore_domain xd = {
		.domain = ctl_t->d,
		.memory_kib = 32768,
		.maxmem_kib = 65536,
		.vcpus_online = 2,
		.console_type = "xenconsoled",
	};
	ck_assert_int_eq(tree_build(ctl_xs, &xd), 0);
	strcpy(top, "/tmp/control_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	setenv("XDG_RUNTIME_DIR", top, 1);
	ck_assert_int_eq(runtime_dir_open(&ctl_dir, "guest", &err), 0);
	ck_assert_int_eq(
		runtime_dir_socket(&ctl_dir, CONTROL_SOCKET, ctl_path, sizeof(ctl_path), &err), 0);
	ctl_g = calloc(1, sizeof(*ctl_g));
	ctl_g->domain = ctl_t->d;
	log_ring_init(&ctl_g->log, 0);
	ctl_options =
		(struct run_options){.kernel = "/boot/vmlinuz", .cmdline = "", .maxmem_mib = 64};
	ctl_options.console = CONSOLE_NONE;
	ck_assert_int_eq(guest_devices_create(&ctl_g->devices, &ctl_options, ctl_loop, ctl_xs,
					      ctl_t->d, &err),
			 0);
	snprintf(ctl_disk, sizeof(ctl_disk), "%s/disk", top);
	int fd = open(ctl_disk, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	ctl_destroyed = 0;
	const struct control_domain cd = {
		.options = &ctl_options,
		.guest = ctl_g,
		.xenstore = ctl_xs,
		.dir = &ctl_dir,
		.started = 1000,
		.destroy = on_destroy,
	};
	ctl_server = control_create(ctl_loop, &cd, ctl_path, &err);
	ck_assert_msg(ctl_server != NULL, "%s", err.text);
	sem_init(&work_done, 0, 0);
	work_fd = eventfd(0, EFD_CLOEXEC);
	event_loop_add(ctl_loop, work_fd, EPOLLIN, on_work, NULL);
	ck_assert_int_eq(event_loop_start(ctl_loop), 0);
}

void ctl_teardown(void)
{
	char base[80];

	event_loop_stop(ctl_loop);
	control_end(ctl_server, "poweroff");
	guest_devices_destroy(&ctl_g->devices);
	event_loop_destroy(ctl_loop);
	test_loop_free();
	xenstore_destroy(ctl_xs);
	runtime_dir_close(&ctl_dir);
	control_destroy(ctl_server);
	close(work_fd);
	log_ring_free(&ctl_g->log);
	free(ctl_g);
	test_domain_free(ctl_t);
	unlink(ctl_disk);
	snprintf(base, sizeof(base), "%s/xenolith", top);
	rmdir(base);
	ck_assert_int_eq(rmdir(top), 0);
}

/* ---- a client ---- */

int ctl_dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, ctl_path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void ctl_tell(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* A line, byte by byte; NULL: the connection ended. */
json_t *ctl_hear(int fd)
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

bool ctl_silent(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	test_loop_sync();
	return poll(&p, 1, 50) == 0;
}

/* The error's name, or "ok". */
const char *ctl_heard(int fd)
{
	static char name[40];
	json_t *j = ctl_hear(fd);

	ck_assert_msg(j != NULL, "the connection ended");
	const char *e = json_string_value(json_object_get(j, "error"));
	ck_assert(e ? json_is_string(json_object_get(j, "text"))
		    : json_is_object(json_object_get(j, "ok")));
	snprintf(name, sizeof(name), "%s", e ? e : "ok");
	json_decref(j);
	return name;
}

void ctl_put(int fd, const char *request, const char *args)
{
	char text[600];

	snprintf(text, sizeof(text), "{\"version\": 1, \"request\": \"%s\", \"args\": %s}\n",
		 request, args);
	ctl_tell(fd, text);
}

/* On a connection of its own. */
const char *ctl_result_of(const char *request, const char *args)
{
	int fd = ctl_dial();

	ctl_put(fd, request, args);
	const char *r = ctl_heard(fd);
	close(fd);
	return r;
}

json_t *ctl_ok_of(const char *request, const char *args)
{
	int fd = ctl_dial();

	ctl_put(fd, request, args);
	json_t *j = ctl_hear(fd), *ok = json_object_get(j, "ok");
	ck_assert_msg(ok != NULL, "%s: %s", request, json_string_value(json_object_get(j, "text")));
	json_incref(ok);
	json_decref(j);
	close(fd);
	return ok;
}

static const char *store_wants, *store_at;

static void check_store(void)
{
	char *v = xenstore_read(ctl_xs, store_at);

	ck_assert_msg(v && !strcmp(v, store_wants), "%s is '%s', not '%s'", store_at, v ? v : "",
		      store_wants);
	free(v);
}

void ctl_holds(const char *at, const char *want)
{
	store_at = at;
	store_wants = want;
	ctl_in_loop(check_store);
}
