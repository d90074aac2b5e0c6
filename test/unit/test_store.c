/*
 * A scripted store: see test_store.h.
 */
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>

#include "test/unit/test_store.h"

static const struct store_step *steps;
static size_t nr_steps;
static void (*serve_fn)(int fd);
static int listen_fd = -1, fd = -1;
static pthread_t thread;
static sem_t go;
static char wrong[256]; /* what was not as the script says */
static char dir[64];

bool test_store_read(int from, void *buf, size_t len)
{
	for (size_t n = 0; n < len;) {
		ssize_t rc = read(from, (char *)buf + n, len - n);
		if (rc <= 0)
			return false;
		n += (size_t)rc;
	}
	return true;
}

bool test_store_write(int to, const void *buf, size_t len)
{
	for (size_t n = 0; n < len;) {
		ssize_t rc = write(to, (const char *)buf + n, len - n);
		if (rc <= 0)
			return false;
		n += (size_t)rc;
	}
	return true;
}

static bool want(const struct store_step *s)
{
	struct xsd_sockmsg h;
	char body[XENSTORE_PAYLOAD_MAX];

	if (!test_store_read(fd, &h, sizeof(h)) || h.len > sizeof(body) ||
	    !test_store_read(fd, body, h.len)) {
		snprintf(wrong, sizeof(wrong), "no request, but one of type %u was due", s->type);
		return false;
	}
	if (h.type != s->type || h.tx_id != s->tx || h.len != s->len ||
	    memcmp(body, s->data, s->len)) {
		snprintf(wrong, sizeof(wrong), "type %u tx %u len %u instead of %u, %u, %zu: %.*s",
			 h.type, h.tx_id, h.len, s->type, s->tx, s->len, (int)h.len, body);
		return false;
	}
	return true;
}

static bool send_message(const struct store_step *s)
{
	struct xsd_sockmsg h = {.type = s->type, .tx_id = s->tx, .len = (uint32_t)s->len};

	return test_store_write(fd, &h, sizeof(h)) && test_store_write(fd, s->data, s->len);
}

static bool go_through(const struct store_step *s)
{
	switch (s->kind) {
	case STEP_WANT:
		return want(s);
	case STEP_SEND:
		return send_message(s);
	case STEP_SEND_RAW:
		return test_store_write(fd, s->data, s->len);
	case STEP_WAIT:
		sem_wait(&go);
		return true;
	}
	return false;
}

static void *serve(void *arg)
{
	size_t i = 0;

	if (fd < 0)
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (serve_fn)
		serve_fn(fd);
	while (i < nr_steps && go_through(&steps[i]))
		i++;
	if (i < nr_steps && !wrong[0])
		snprintf(wrong, sizeof(wrong), "step %zu failed", i);
	close(fd);
	return NULL;
}

static void start(void)
{
	sigset_t all, old;

	wrong[0] = 0;
	sem_init(&go, 0, 0);
	/* A test's signals are not for the store. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void make_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(dir, sizeof(dir), "/tmp/test-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", dir);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(listen_fd, 1), 0);
	setenv("XENSTORED_PATH", a.sun_path, 1);
	fd = -1;
}

void test_store_start(const struct store_step *script, size_t nr)
{
	steps = script;
	nr_steps = nr;
	serve_fn = NULL;
	make_socket();
	start();
}

void test_store_start_fd(const struct store_step *script, size_t nr, int with)
{
	steps = script;
	nr_steps = nr;
	serve_fn = NULL;
	fd = with;
	start();
}

void test_store_start_fn(void (*fn)(int fd))
{
	nr_steps = 0;
	serve_fn = fn;
	make_socket();
	start();
}

void test_store_go(void)
{
	sem_post(&go);
}

void test_store_end(void)
{
	char path[80];

	pthread_join(thread, NULL);
	if (listen_fd >= 0) {
		close(listen_fd);
		listen_fd = -1;
		snprintf(path, sizeof(path), "%s/socket", dir);
		unlink(path);
		rmdir(dir);
	}
	ck_assert_msg(!wrong[0], "%s", wrong);
}

const char *test_store_dir(void)
{
	return dir;
}
