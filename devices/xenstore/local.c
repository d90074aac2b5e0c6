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

#define VALUE_MAX 2048

/* The node, made when it is not there. As domain 0: nothing is refused but for a lack
 * of memory. */
static struct node *make(struct view *v, const char *path)
{
	struct node *n;

	if (!path_is_valid(v->xs, path) ||
	    (view_read(v, path, &n) == ENOENT && view_create(v, path, NULL, 0)))
		return NULL;
	return view_read(v, path, &n) ? NULL : n;
}

int xenstore_write(struct xenstore *xs, const char *path, const char *fmt, ...)
{
	struct view v = {.xs = xs};
	char value[VALUE_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(value) || !path_is_valid(xs, path))
		return -EINVAL;
	struct node *n = make(&v, path);
	if (!n || view_set_data(&v, n, value, (size_t)len))
		return -ENOMEM;
	watch_fire(&v, path, false, NULL);
	return 0;
}

int xenstore_mkdir(struct xenstore *xs, const char *path, uint16_t owner, uint16_t reader)
{
	struct xs_perm p[] = {{owner, XS_PERM_NONE, false}, {reader, XS_PERM_READ, false}};
	struct view v = {.xs = xs};

	if (!path_is_valid(xs, path))
		return -EINVAL;
	/* Who is given something is there. */
	if (!domain_add(xs, owner) || !domain_add(xs, reader))
		return -ENOMEM;
	struct node *n = make(&v, path);
	if (!n || view_set_perms(&v, n, &(const struct xs_perms){2, p}))
		return -ENOMEM;
	watch_fire(&v, path, false, NULL);
	return 0;
}

int xenstore_remove(struct xenstore *xs, const char *path)
{
	struct view v = {.xs = xs};
	struct node *n;

	if (!path_is_valid(xs, path) || !strcmp(path, "/") || view_read(&v, path, &n))
		return -ENOENT;
	return -view_remove(&v, path);
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

bool xenstore_watched_by(struct xenstore *xs, uint16_t domid, const char *path)
{
	for (const struct client *c = xs->clients; c; c = c->next)
		for (const struct watch *w = c->watches; c->domid == domid && w; w = w->next)
			if (path_is_below(w->path, path))
				return true;
	return false;
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

void local_fire(struct xenstore *xs, const char *path, bool exact)
{
	for (struct local_watch *w = xs->local.watches; w; w = w->next) {
		if (exact ? strcmp(path, w->path) != 0 : !path_is_below(path, w->path))
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
