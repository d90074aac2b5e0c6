/*
 * The control socket: its protocol with good, bad, slow and vanishing clients.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_control.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

START_TEST(only_the_user_may_connect)
{
	struct stat st;

	ck_assert_int_eq(stat(ctl_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(ids_come_back)
{
	int fd = ctl_dial();
	json_t *j;

	ctl_tell(fd, "{\"version\":1,\"request\":\"info\",\"id\":7}\n");
	j = ctl_hear(fd);
	ck_assert_int_eq(json_integer_value(json_object_get(j, "id")), 7);
	json_decref(j);
	ctl_tell(fd, "{\"id\":\"seven\",\"request\":\"none\",\"version\":1}\r\n");
	j = ctl_hear(fd);
	ck_assert_str_eq(json_string_value(json_object_get(j, "id")), "seven");
	json_decref(j);
	ctl_tell(fd, "{\"version\":1,\"request\":\"info\",\"id\":{}}\n");
	j = ctl_hear(fd);
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
	int fd = ctl_dial();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ctl_tell(fd, bad[i].line);
		ck_assert_msg(!strcmp(ctl_heard(fd), bad[i].error), "line %zu", i);
	}
	/* The connection survived all of them. */
	ctl_put(fd, "info", "{}");
	ck_assert_str_eq(ctl_heard(fd), "ok");
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
	int fd = ctl_dial();

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
		ctl_heard(fd);
	}
	ctl_put(fd, "info", "{}");
	ck_assert_str_eq(ctl_heard(fd), "ok");
	close(fd);
	snprintf(ctl_path, sizeof(ctl_path), "%.99s/" CONTROL_SOCKET, ctl_dir.path);
}
END_TEST

START_TEST(deep_nesting)
{
	char line[CONTROL_LINE_MAX];
	int fd = ctl_dial();

	memset(line, '[', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	ctl_tell(fd, line);
	ck_assert_str_eq(ctl_heard(fd), "EBADMSG");
	close(fd);
}
END_TEST

START_TEST(the_longest_line_and_one_more)
{
	char line[CONTROL_LINE_MAX + 2];
	const char *head = "{\"version\":1,\"request\":\"info\",\"id\":\"", *tail = "\"}\n";
	size_t len = CONTROL_LINE_MAX;

	for (int more = 0; more < 2; more++, len++) {
		int fd = ctl_dial();
		memset(line, 'x', len);
		memcpy(line, head, strlen(head));
		strcpy(line + len - strlen(tail), tail);
		ctl_tell(fd, line);
		json_t *j = ctl_hear(fd);
		const char *e = json_string_value(json_object_get(j, "error"));
		if (more) {
			ck_assert_str_eq(e, "EMSGSIZE");
			ck_assert_ptr_null(ctl_hear(fd));
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
	int fd = ctl_dial();

	/* A byte at a time. */
	for (const char *p = line; *p; p++) {
		ck_assert_int_eq(send(fd, p, 1, MSG_NOSIGNAL), 1);
		test_loop_sync();
	}
	ck_assert_str_eq(ctl_heard(fd), "EALREADY");
	/* Many in one piece: answered in their order. */
	for (int i = 0; i < 100; i++)
		sprintf(heap + strlen(heap), "{\"version\":1,\"request\":\"%s\",\"id\":%d}\n",
			i % 2 ? "pause" : "nothing", i);
	ctl_tell(fd, heap);
	for (int i = 0; i < 100; i++) {
		json_t *j = ctl_hear(fd);
		ck_assert_int_eq(json_integer_value(json_object_get(j, "id")), i);
		ck_assert(!json_object_get(j, "ok") == !(i % 2));
		json_decref(j);
	}
	ck_assert_uint_eq(ctl_t->d->pause_count, 50);
	close(fd);
}
END_TEST

/* Who asks and hangs up on his side, as `socat` does, is answered. */
START_TEST(half_closed)
{
	int fd = ctl_dial();

	ctl_put(fd, "pause", "{}");
	ctl_put(fd, "unpause", "{}");
	shutdown(fd, SHUT_WR);
	ck_assert_str_eq(ctl_heard(fd), "ok");
	ck_assert_str_eq(ctl_heard(fd), "ok");
	ck_assert_ptr_null(ctl_hear(fd));
	close(fd);
}
END_TEST

/* One who asks and never reads: no more is read of him, and others are served. */
START_TEST(a_reader_that_does_not_read)
{
	int fd = ctl_dial(), other = ctl_dial();
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
	ctl_put(other, "pause", "{}");
	ck_assert_str_eq(ctl_heard(other), "ok");
	ck_assert_uint_eq(ctl_server->nr_peers, 2);
	/* It vanishes in the middle. */
	close(fd);
	test_loop_sync();
	ctl_put(other, "unpause", "{}");
	ck_assert_str_eq(ctl_heard(other), "ok");
	ck_assert_uint_eq(ctl_server->nr_peers, 1);
	close(other);
}
END_TEST

/* Nobody can keep others out: the one that was idle longest makes room. */
START_TEST(many_clients)
{
	int fd[CONTROL_MAX_PEERS], more[40];
	char byte;

	for (int i = 0; i < CONTROL_MAX_PEERS; i++)
		fd[i] = ctl_dial();
	/* The first is in use, the second waits for the end. */
	ctl_put(fd[1], "wait", "{}");
	for (int i = 2; i < CONTROL_MAX_PEERS; i++) {
		ctl_put(fd[i], "info", "{}");
		ck_assert_str_eq(ctl_heard(fd[i]), "ok");
	}
	ctl_put(fd[0], "info", "{}");
	ck_assert_str_eq(ctl_heard(fd[0]), "ok");
	for (int i = 0; i < 40; i++) {
		more[i] = ctl_dial();
		ctl_put(more[i], "info", "{}");
		ck_assert_str_eq(ctl_heard(more[i]), "ok");
	}
	ck_assert_uint_eq(ctl_server->nr_peers, CONTROL_MAX_PEERS);
	ck_assert_int_eq(recv(fd[2], &byte, 1, 0), 0);
	ck_assert_int_eq(recv(fd[41], &byte, 1, 0), 0);
	ck_assert(ctl_silent(fd[0]) && ctl_silent(fd[1]) && ctl_silent(fd[42]));
	for (int i = 0; i < CONTROL_MAX_PEERS; i++)
		close(fd[i]);
	for (int i = 0; i < 40; i++)
		close(more[i]);
	/* All slots wait: one of them goes. */
	for (int i = 0; i < CONTROL_MAX_PEERS; i++) {
		fd[i] = ctl_dial();
		ctl_put(fd[i], "wait", "{}");
	}
	ck_assert_str_eq(ctl_result_of("info", "{}"), "ok");
	for (int i = 0; i < CONTROL_MAX_PEERS; i++)
		close(fd[i]);
}
END_TEST

START_TEST(waiting_for_the_end)
{
	int a = ctl_dial(), b = ctl_dial(), c = ctl_dial(), d = ctl_dial();

	ctl_put(a, "wait", "{}");
	ctl_put(b, "destroy", "{}");
	ctl_put(c, "device-attach", "{\"kind\": \"vbd\", \"spec\": \"/dev/null,raw,xvda,rw\"}");
	ck_assert_str_ne(ctl_heard(c), "ok"); /* no disk */
	ctl_put(d, "wait", "{}");
	ck_assert(ctl_silent(a) && ctl_silent(b));
	ck_assert_uint_eq(ctl_destroyed, 1);
	/* One hangs up. */
	unsigned before = ctl_server->nr_peers;
	close(d);
	test_loop_sync();
	ck_assert_uint_eq(ctl_server->nr_peers, before - 1);
	event_loop_stop(ctl_loop);
	control_end(ctl_server, "destroyed");
	for (int i = 0; i < 2; i++) {
		json_t *j = ctl_hear(i ? b : a);
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
	};

	return RUN_TESTS("control", ctl_setup, ctl_teardown, tests);
}
