/*
 * Access to the store from our own process, and its watches. A change only marks
 * a watch; its function is called from the event loop, so that it may change the store
 * again, and so that a guest that writes a thousand times costs one call.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"

int xenstore_write(struct xenstore *xs, const char *path, const char *fmt, ...)
{
	char value[QUOTA_ENTRY + 1];
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(value) || path[0] != '/' || strlen(path) >= PATH_SIZE)
		return -EINVAL;
	struct node *n = store_make(&xs->store, path, 0);
	if (!n)
		return -ENOMEM;
	int rc = store_set(&xs->store, n, value, (size_t)len);
	watch_fire(xs, path, false);
	return rc;
}

int xenstore_mkdir(struct xenstore *xs, const char *path, uint16_t owner, uint16_t reader)
{
	struct xs_perms p = {.nr = 2, .p = {{owner, XS_PERM_NONE}, {reader, XS_PERM_READ}}};

	if (path[0] != '/' || strlen(path) >= PATH_SIZE)
		return -EINVAL;
	struct node *n = store_make(&xs->store, path, 0);
	if (!n)
		return -ENOMEM;
	store_set_perms(&xs->store, n, &p);
	watch_fire(xs, path, false);
	return 0;
}

int xenstore_remove(struct xenstore *xs, const char *path)
{
	struct node *n = store_find(&xs->store, path);

	if (!n || !n->parent)
		return -ENOENT;
	store_remove(&xs->store, n);
	watch_fire(xs, path, true);
	return 0;
}

char *xenstore_read(struct xenstore *xs, const char *path)
{
	const struct node *n = store_find(&xs->store, path);
	char *value = n ? malloc(n->len + 1) : NULL;

	if (!value)
		return NULL;
	if (n->len)
		memcpy(value, n->data, n->len);
	value[n->len] = 0;
	return value;
}

int xenstore_read_number(struct xenstore *xs, const char *path, uint64_t max, uint64_t *value)
{
	const struct node *n = store_find(&xs->store, path);
	uint64_t v = 0;

	if (!n)
		return -ENOENT;
	if (!n->len || n->len > 20)
		return -EINVAL;
	for (size_t i = 0; i < n->len; i++) {
		unsigned digit = n->data[i] - (unsigned)'0';
		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		v = 10 * v + digit;
	}
	if (v > max)
		return -EINVAL;
	*value = v;
	return 0;
}

bool xenstore_exists(struct xenstore *xs, const char *path)
{
	return store_find(&xs->store, path);
}

struct local_watch *xenstore_watch(struct xenstore *xs, const char *path, void (*fn)(void *arg),
				   void *arg)
{
	struct local_watch *w = calloc(1, sizeof(*w));

	if (!w || !(w->path = strdup(path))) {
		free(w);
		return NULL;
	}
	w->xs = xs;
	w->fn = fn;
	w->arg = arg;
	w->fired = true;
	w->next = xs->local.watches;
	xs->local.watches = w;
	eventfd_write(xs->local.event_fd, 1);
	return w;
}

static void sweep(struct xenstore *xs)
{
	for (struct local_watch **p = &xs->local.watches; *p;) {
		struct local_watch *w = *p;

		if (!w->removed) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		free(w->path);
		free(w);
	}
}

void xenstore_unwatch(struct local_watch *w)
{
	w->removed = true;
	if (!w->xs->local.running)
		sweep(w->xs);
}

void local_fire(struct xenstore *xs, const char *path, bool below)
{
	for (struct local_watch *w = xs->local.watches; w; w = w->next) {
		if (!path_is_below(path, w->path) && !(below && path_is_below(w->path, path)))
			continue;
		if (!w->fired)
			eventfd_write(xs->local.event_fd, 1);
		w->fired = true;
	}
}

void local_run(struct xenstore *xs)
{
	xs->local.running = true;
	/* New ones are put in front: they have their own wake-up. */
	for (struct local_watch *w = xs->local.watches; w; w = w->next)
		if (w->fired && !w->removed) {
			w->fired = false;
			w->fn(w->arg);
		}
	xs->local.running = false;
	sweep(xs);
}

static void on_fired(void *arg, uint32_t events)
{
	struct xenstore *xs = arg;
	eventfd_t n;

	eventfd_read(xs->local.event_fd, &n);
	local_run(xs);
}

int local_init(struct xenstore *xs)
{
	xs->local.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (xs->local.event_fd < 0)
		return -errno;
	return event_loop_add(xs->loop, xs->local.event_fd, EPOLLIN, on_fired, xs);
}

void local_destroy(struct xenstore *xs)
{
	for (struct local_watch *w = xs->local.watches; w; w = w->next)
		w->removed = true;
	sweep(xs);
	if (xs->local.event_fd >= 0)
		close(xs->local.event_fd);
}
