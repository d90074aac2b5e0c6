/*
 * Opening and closing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libxenstore/internal.h"

static int connect_socket(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = EINVAL;
		return -1;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		int err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static bool connect_to(struct xs_handle *h, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	h->is_socket = S_ISSOCK(st.st_mode);
	h->fd = h->is_socket ? connect_socket(path) : open(path, O_RDWR | O_CLOEXEC);
	return h->fd >= 0;
}

static void handle_free(struct xs_handle *h)
{
	int err = errno;

	toolcore_deregister(h);
	if (h->fd >= 0)
		close(h->fd);
	if (h->stop_fd >= 0)
		close(h->stop_fd);
	if (h->watch_fd >= 0)
		close(h->watch_fd);
	messages_free(h->reply);
	messages_free(h->events);
	free(h);
	errno = err;
}

struct xs_handle *xs_open(unsigned long flags)
{
	struct xs_handle *h = calloc(1, sizeof(*h));
	char path[PATH_MAX];

	if (!h)
		return NULL;
	h->fd = h->stop_fd = h->watch_fd = -1;
	h->events_end = &h->events;
	h->unwatch_filter = flags & XS_UNWATCH_FILTER;
	pthread_mutex_init(&h->request_lock, NULL);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->replied, NULL);
	pthread_cond_init(&h->fired, NULL);
	/* A restriction from now on is for us, too, even if there is no connection yet. */
	toolcore_register(h);
	if ((socket_path(path, sizeof(path)) && connect_to(h, path)) ||
	    connect_to(h, device_path()))
		return h;
	handle_free(h);
	return NULL;
}

struct xs_handle *xs_daemon_open(void)
{
	return xs_open(0);
}

struct xs_handle *xs_daemon_open_readonly(void)
{
	return xs_open(0);
}

struct xs_handle *xs_domain_open(void)
{
	return xs_open(0);
}

void xs_close(struct xs_handle *h)
{
	if (!h)
		return;
	reader_stop(h);
	handle_free(h);
}

void xs_daemon_close(struct xs_handle *h)
{
	xs_close(h);
}

void xs_daemon_destroy_postfork(struct xs_handle *h)
{
	/* The thread that reads is the parent's. */
	handle_free(h);
}
