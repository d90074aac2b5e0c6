/*
 * Watches and their events.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "libxenstore/internal.h"

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	pthread_mutex_lock(&h->request_lock);
	bool ok = reader_start(h);
	pthread_mutex_unlock(&h->request_lock);
	return ok &&
	       done(request_pair(h, XBT_NULL, XS_WATCH, path, token, strlen(token) + 1, NULL));
}

/* Takes *p out of the list. */
static struct message *unlink_event(struct xs_handle *h, struct message **p)
{
	struct message *m = *p;
	eventfd_t v;

	*p = m->next;
	m->next = NULL;
	if (!*p)
		h->events_end = p;
	if (!h->events && h->watch_fd >= 0)
		eventfd_read(h->watch_fd, &v);
	return m;
}

static void drop_events(struct xs_handle *h, const char *path, const char *token)
{
	pthread_mutex_lock(&h->lock);
	for (struct message **p = &h->events; *p;) {
		const char *at = (*p)->body;
		if (xs_path_is_subpath(path, at) && !strcmp(token, at + strlen(at) + 1))
			free(unlink_event(h, p));
		else
			p = &(*p)->next;
	}
	pthread_mutex_unlock(&h->lock);
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	bool ok = done(request_pair(h, XBT_NULL, XS_UNWATCH, path, token, strlen(token) + 1, NULL));
	int err = errno;

	if (h->unwatch_filter)
		drop_events(h, path, token);
	errno = err;
	return ok;
}

int xs_fileno(struct xs_handle *h)
{
	pthread_mutex_lock(&h->lock);
	if (h->watch_fd < 0)
		h->watch_fd = eventfd(h->events ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
	int fd = h->watch_fd;
	pthread_mutex_unlock(&h->lock);
	return fd;
}

/* An event that came is there even if the connection is not. */
static struct message *next_event(struct xs_handle *h, bool wait)
{
	struct message *m = NULL;

	pthread_mutex_lock(&h->lock);
	while (wait && !h->events && !h->broken)
		pthread_cond_wait(&h->fired, &h->lock);
	if (h->events)
		m = unlink_event(h, &h->events);
	else
		errno = h->broken ? EINVAL : EAGAIN;
	pthread_mutex_unlock(&h->lock);
	return m;
}

static char **read_event(struct xs_handle *h, bool wait, unsigned int *num)
{
	struct message *m = next_event(h, wait);
	char **event = m ? split_strings(m->body, m->h.len, num) : NULL;

	free(m);
	return event;
}

char **xs_check_watch(struct xs_handle *h)
{
	unsigned int num;

	return read_event(h, false, &num);
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
	return read_event(h, true, num);
}
