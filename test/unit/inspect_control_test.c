/*
 * "inspect" and "watch" on a control socket: arguments of any kind, vcpus that answer late or
 * never, peers that are gone before their answer comes.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/xenstore/local.h"
#include "test/unit/test_inspect.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "vmm/json.h"
#include "vmm/control/control_internal.h"
#include "vmm/inspect/look.h"
#include "vmm/inspect/watch.h"

static char dir[40], path[64];
static struct control *server;
static struct cpu cpus[2];

static void setup(void)
{
	inspect_setup();
	test_loop_init(in_loop);
	xenstore_write(in_xs, TOY_FE "/state", "4");
	strcpy(dir, "/tmp/inspectXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	memset(cpus, 0, sizeof(cpus));
	for (unsigned i = 0; i < 2; i++) {
		cpus[i].vcpu = in_t->d->vcpu[i];
		in_t->d->host = in_g;
	}
	const struct control_domain cd = {.guest = in_g, .xenstore = in_xs};
	server = control_create(in_loop, &cd, path, &in_err);
	ck_assert_msg(server != NULL, "%s", in_err.text);
	ck_assert_int_eq(event_loop_start(in_loop), 0);
}

static void stop(void)
{
	event_loop_stop(in_loop);
	control_end(server, "poweroff");
	watchdog_destroy(in_g->watchdog);
	in_g->watchdog = NULL;
	in_t->d->host = in_t;
}

static void finish(void)
{
	test_loop_free();
	inspect_teardown();
	control_destroy(server);
	rmdir(dir);
}

static void teardown(void)
{
	stop();
	finish();
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

static void put(int fd, const char *request, const char *args)
{
	char line[300];

	snprintf(line, sizeof(line), "{\"version\": 1, \"request\": \"%s\", \"args\": %s}\n",
		 request, args);
	ck_assert_int_eq(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
}

static bool silent(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 0;
}

/* A whole line of JSON. */
static json_t *hear(int fd)
{
	static char line[1 << 20];
	size_t n = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 20000) != 1)
			ck_abort_msg("no answer");
		ssize_t got = recv(fd, line + n, sizeof(line) - n, 0);
		if (got <= 0)
			ck_abort_msg("the connection ended");
		n += (size_t)got;
		if (line[n - 1] == '\n')
			break;
	}
	json_t *j = json_loadb(line, n, 0, NULL);
	ck_assert_ptr_nonnull(j);
	return j;
}

/* Asks, and the error's name or "ok". */
static const char *result(const char *request, const char *args)
{
	static char name[40];
	int fd = dial();

	put(fd, request, args);
	json_t *j = hear(fd);
	snprintf(name, sizeof(name), "%s", json_object_get(j, "ok") ? "ok" : text_str(j, "error"));
	json_decref(j);
	close(fd);
	return name;
}

START_TEST(all_subjects)
{
	for (const struct inspect_subject *const *s = inspect_subjects; *s; s++) {
		char args[80];

		snprintf(args, sizeof(args), "{\"what\": \"%s\"%s}", (*s)->name,
			 (*s)->min_args ? ", \"args\": [\"0x1000\"]" : "");
		/* The guest has not told where its p2m is. */
		ck_assert_str_eq(result("inspect", args),
				 strcmp((*s)->name, "p2m") ? "ok" : "EAGAIN");
	}
}
END_TEST

START_TEST(bad_arguments)
{
	static const char *const bad[] = {
		"{}",
		"{\"what\": 7}",
		"{\"what\": \"everything\"}",
		"{\"what\": \"events\", \"args\": \"x\"}",
		"{\"what\": \"events\", \"args\": [\"x\"]}",
		"{\"what\": \"frame\", \"args\": [7]}",
		"{\"what\": \"frame\", \"args\": []}",
		"{\"what\": \"frame\", \"args\": [\"1\", \"2\", \"3\", \"4\", \"5\"]}",
		"{\"what\": \"frame\", \"args\": {\"mfn\": \"1\"}}",
		"{\"what\": \"vcpus\", \"args\": [\"9\"]}",
		"{\"what\": \"events\", \"more\": 1}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!strcmp(result("inspect", bad[i]), "EINVAL"), "%s", bad[i]);
	ck_assert_str_eq(result("watch", "{\"seconds\": 0}"), "EINVAL");
	ck_assert_str_eq(result("watch", "{\"seconds\": 3601}"), "EINVAL");
	ck_assert_str_eq(result("watch", "{\"seconds\": \"1\"}"), "EINVAL");
	ck_assert_str_eq(result("watch", "{\"after\": \"1\"}"), "EINVAL");
}
END_TEST

/* As its thread does it. */
static void answer_look(struct cpu *c)
{
	for (unsigned i = 0; i < 2000 && c->look_wanted == c->look_done; i++)
		usleep(1000);
	look_if_wanted(c);
}

START_TEST(vcpus_that_answer)
{
	int fd = dial();

	in_g->cpu[0] = &cpus[0];
	in_g->cpu[1] = &cpus[1];
	in_t->d->vcpu[1]->regs.rip = 0x5555;
	put(fd, "inspect", "{\"what\": \"vcpus\"}");
	answer_look(&cpus[1]);
	ck_assert(silent(fd, 50)); /* one is missing */
	answer_look(&cpus[0]);
	json_t *j = hear(fd);
	const json_t *v = json_array_get(json_member(j, "ok.vcpus"), 1);
	ck_assert_str_eq(text_str(v, "registers.rip"), "0x5555");
	ck_assert(!json_object_get(v, "no_answer"));
	json_decref(j);
	close(fd);
}
END_TEST

START_TEST(vcpus_that_never_do)
{
	int fd = dial(), gone = dial(), other = dial();

	in_g->cpu[0] = &cpus[0];
	put(gone, "inspect", "{\"what\": \"vcpus\"}");
	put(fd, "inspect", "{\"what\": \"vcpus\"}");
	put(other, "inspect", "{\"what\": \"vcpus\", \"args\": [\"1\"]}");
	ck_assert(silent(fd, 50));
	close(gone);
	/* Others are served meanwhile. */
	ck_assert_str_eq(result("inspect", "{\"what\": \"timers\"}"), "ok");
	json_t *j = hear(fd);
	const json_t *v = json_array_get(json_member(j, "ok.vcpus"), 0);
	ck_assert(json_is_true(json_object_get(v, "no_answer")));
	ck_assert_ptr_null(json_object_get(v, "registers"));
	json_decref(j);
	json_decref(hear(other));
	/* Asked again and gone with the domain. */
	put(fd, "inspect", "{\"what\": \"vcpus\"}");
	ck_assert(silent(fd, 50));
	stop();
	j = hear(fd);
	ck_assert_str_eq(text_str(j, "error"), "ENODEV");
	json_decref(j);
	close(fd);
	close(other);
	finish();
}
END_TEST

/* ---- watch ---- */

static uint64_t last_of(json_t *j)
{
	uint64_t last = (uint64_t)text_int(j, "ok.last");

	ck_assert(json_member(j, "ok.last"));
	json_decref(j);
	return last;
}

START_TEST(reports_as_they_come)
{
	int fd = dial(), gone = dial();

	toy_ring.req_prod = 1;
	put(fd, "watch", "{\"seconds\": 1}");
	json_t *j = hear(fd);
	ck_assert_int_eq(text_int(j, "ok.seconds"), 1);
	ck_assert_uint_eq(json_array_size(json_member(j, "ok.reports")), 0);
	ck_assert_uint_eq(last_of(j), 0);
	put(fd, "watch", "{\"after\": 0}");
	put(gone, "watch", "{\"after\": 0}");
	ck_assert_str_eq(result("inspect", "{\"what\": \"timers\"}"), "ok");
	close(gone);
	j = hear(fd);
	const json_t *r = json_array_get(json_member(j, "ok.reports"), 0);
	ck_assert_str_eq(text_str(r, "rule"), "not taken");
	ck_assert_int_eq(text_int(r, "number"), 1);
	ck_assert_uint_eq(last_of(j), 1);
	/* Who comes late is told what there is. */
	int late = dial();
	put(late, "watch", "{\"seconds\": 5}");
	j = hear(late);
	ck_assert_int_eq(text_int(j, "ok.seconds"), 1);
	ck_assert_uint_eq(json_array_size(json_member(j, "ok.troubles")), 1);
	ck_assert_uint_eq(last_of(j), 1);
	close(late);
	/* The domain's end is an answer, too. */
	put(fd, "watch", "{\"after\": 1}");
	ck_assert(silent(fd, 50));
	stop();
	j = hear(fd);
	ck_assert_str_eq(text_str(j, "ok.ended"), "poweroff");
	json_decref(j);
	close(fd);
	finish();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("inspect_control");
	TCase *c = tcase_create("serves"), *e = tcase_create("ends");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, all_subjects);
	tcase_add_test(c, bad_arguments);
	tcase_add_test(c, vcpus_that_answer);
	suite_add_tcase(s, c);
	/* Those that have seen the domain's end. */
	tcase_add_checked_fixture(e, setup, NULL);
	tcase_add_test(e, vcpus_that_never_do);
	tcase_add_test(e, reports_as_they_come);
	suite_add_tcase(s, e);
	return run_suite(s);
}
