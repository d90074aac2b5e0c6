/*
 * Watches: who wants to know of changes under which path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

static void send_event(struct client *c, const struct watch *w, const char *path)
{
	const char *shown = strncmp(path, w->path, w->prefix) ? path : path + w->prefix;
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t p = strlen(shown) + 1, t = strlen(w->token) + 1;

	if (p + t > sizeof(buf))
		return;
	memcpy(buf, shown, p);
	memcpy(buf + p, w->token, t);
	struct xsd_sockmsg h = {.type = XS_WATCH_EVENT, .len = (uint32_t)(p + t)};
	client_send(c, &h, buf, true);
}

bool path_is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	if (!strcmp(top, "/"))
		return path[0] == '/';
	return !strncmp(path, top, n) && (path[n] == '/' || !path[n]);
}

static bool may_see(const struct client *c, const char *path)
{
	/* Of a node that is gone, its nearest parent decides. */
	return path[0] == '@' ||
	       perms_allow(&store_nearest(&c->xs->store, path)->perms, c->domid, XS_PERM_READ);
}

void watch_fire(struct xenstore *xs, const char *path, bool below)
{
	for (struct client *c = xs->clients; c; c = c->next)
		for (struct watch *w = c->watches; w; w = w->next) {
			if (path_is_below(path, w->path)) {
				if (may_see(c, path))
					send_event(c, w, path);
			} else if (below && path_is_below(w->path, path)) {
				send_event(c, w, w->path);
			}
		}
	local_fire(xs, path, below);
}

int watch_add(struct client *c, const char *path, const char *token, size_t prefix)
{
	for (struct watch *w = c->watches; w; w = w->next)
		if (!strcmp(w->path, path) && !strcmp(w->token, token))
			return -EEXIST;
	if (c->domid && c->nr_watches >= QUOTA_WATCHES)
		return -E2BIG;
	struct watch *w = calloc(1, sizeof(*w));
	if (!w || !(w->path = strdup(path)) || !(w->token = strdup(token))) {
		if (w)
			free(w->path);
		free(w);
		return -ENOMEM;
	}
	w->prefix = prefix;
	w->next = c->watches;
	c->watches = w;
	c->nr_watches++;
	return 0;
}

static void unlink_watch(struct client *c, struct watch **p)
{
	struct watch *w = *p;

	*p = w->next;
	c->nr_watches--;
	free(w->path);
	free(w->token);
	free(w);
}

int watch_remove(struct client *c, const char *path, const char *token)
{
	for (struct watch **p = &c->watches; *p; p = &(*p)->next)
		if (!strcmp((*p)->path, path) && !strcmp((*p)->token, token)) {
			unlink_watch(c, p);
			return 0;
		}
	return -ENOENT;
}

void watch_remove_all(struct client *c)
{
	while (c->watches)
		unlink_watch(c, &c->watches);
}
