/*
 * One connection of libxenstore's, shared by several threads: requests, transactions and
 * events at once, against the store that runs here. ThreadSanitizer looks for races; this
 * looks at what comes back. Prints TAP.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/device.h"
#include "libxenstore/include/xenstore.h"

#define WRITERS 3
#define ROUNDS	300
#define COUNTS	100

static struct xs_handle *h;
static _Atomic unsigned wrong;

/* Everybody reads what he wrote. */
static void *writer(void *arg)
{
	char path[40], value[40];
	unsigned len;

	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(path, sizeof(path), "/t/%d/%u", *(int *)arg, i % 10);
		snprintf(value, sizeof(value), "%d-%u", *(int *)arg, i);
		wrong += !xs_write(h, XBT_NULL, path, value, (unsigned)strlen(value));
		char *got = xs_read(h, XBT_NULL, path, &len);
		wrong += !got || strcmp(got, value);
		free(got);
	}
	return NULL;
}

/* Two of these lose no count. */
static void *counter(void *arg)
{
	char value[16];

	for (unsigned i = 0; i < COUNTS;) {
		xs_transaction_t t = xs_transaction_start(h);
		char *got = xs_read(h, t, "/count", NULL);
		snprintf(value, sizeof(value), "%d", got ? atoi(got) + 1 : 1);
		free(got);
		xs_write(h, t, "/count", value, (unsigned)strlen(value));
		i += xs_transaction_end(h, t, false);
	}
	return NULL;
}

/* Until somebody writes the end. */
static void *watcher(void *arg)
{
	unsigned nr, *events = arg;
	bool end = false;

	while (!end) {
		char **e = xs_read_watch(h, &nr);
		if (!e) {
			wrong++;
			return NULL;
		}
		end = !strcmp(e[XS_WATCH_PATH], "/t/end");
		wrong += strcmp(e[XS_WATCH_TOKEN], "token") != 0;
		++*events;
		free(e);
	}
	return NULL;
}

static int threads(void)
{
	pthread_t w[WRITERS], c[2], e;
	int id[WRITERS];
	unsigned events = 0;

	xs_write(h, XBT_NULL, "/count", "0", 1);
	wrong += !xs_watch(h, "/t", "token");
	pthread_create(&e, NULL, watcher, &events);
	for (int i = 0; i < WRITERS; i++) {
		id[i] = i;
		pthread_create(&w[i], NULL, writer, &id[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&c[i], NULL, counter, NULL);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(w[i], NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(c[i], NULL);
	wrong += !xs_write(h, XBT_NULL, "/t/end", "", 0);
	pthread_join(e, NULL);
	char *got = xs_read(h, XBT_NULL, "/count", NULL);
	wrong += !got || atoi(got) != 2 * COUNTS;
	free(got);
	printf("%s - libxenstore: %d threads on one connection, %u events\n",
	       wrong || events < 2 ? "not ok" : "ok", WRITERS + 3, events);
	return wrong != 0;
}

/* A child leaves the connection alone; events that nobody read are no obstacle to the end. */
static int end(void)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		xs_daemon_destroy_postfork(h);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (unsigned i = 0; i < 50; i++)
		wrong += !xs_write(h, XBT_NULL, "/t/late", "", 0);
	xs_close(h);
	printf("%s - libxenstore: a child, and a close with events that wait\n",
	       status || wrong ? "not ok" : "ok");
	return status || wrong;
}

int main(void)
{
	char dir[] = "/tmp/libxenstore_tsanXXXXXX", path[64], err[200];
	struct event_loop *loop = event_loop_create();
	struct xenstore *xs = xenstore_create(loop);

	if (!xs || !mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	setenv("XENSTORED_PATH", path, 1);
	if (xenstore_listen(xs, path, err, sizeof(err)) || event_loop_start(loop))
		return 1;
	h = xs_open(0);
	int rc = h ? threads() : 1;
	if (h)
		rc |= end();
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	rmdir(dir);
	return rc;
}
