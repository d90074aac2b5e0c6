/*
 * A domain's xenstore, as a program of the host sees it: one request a connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdint.h>
#include <xen/io/xs_wire.h>

#include "vmm/scenario/scene.h"

#define PATIENCE_S 20

static int connect_store(const struct scene *sc)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval t = {.tv_sec = PATIENCE_S};
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/xenolith/guest/xenstore.sock",
			 sc->run_dir);
	int fd = n < (int)sizeof(a.sun_path) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return -EINVAL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static int receive(int fd, void *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)to + done, len - done);

		if (n <= 0)
			return n ? -errno : -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

static int error_of(const char *name)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (!strcmp(xsd_errors[i].errstring, name))
			return -xsd_errors[i].errnum;
	return -EINVAL;
}

/* The answer, which ends with a 0, is in `answer`. */
static int ask(const struct scene *sc, unsigned type, const char *path, const void *data,
	       size_t len, char *answer, size_t size)
{
	size_t path_len = strlen(path) + 1;
	struct xsd_sockmsg h = {.type = type, .len = (uint32_t)(path_len + len)};
	char message[sizeof(h) + XENSTORE_PAYLOAD_MAX], body[XENSTORE_PAYLOAD_MAX + 1];
	int fd, rc;

	if (h.len > XENSTORE_PAYLOAD_MAX)
		return -E2BIG;
	memcpy(message, &h, sizeof(h));
	memcpy(message + sizeof(h), path, path_len);
	if (len)
		memcpy(message + sizeof(h) + path_len, data, len);
	fd = connect_store(sc);
	if (fd < 0)
		return fd;
	rc = send(fd, message, sizeof(h) + h.len, MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + h.len)
		     ? receive(fd, &h, sizeof(h))
		     : -EPIPE;
	if (!rc && h.len > XENSTORE_PAYLOAD_MAX)
		rc = -EPROTO;
	if (!rc)
		rc = receive(fd, body, h.len);
	close(fd);
	if (rc)
		return rc;
	body[h.len] = 0;
	if (h.type == XS_ERROR)
		return error_of(body);
	if (answer && size) {
		size_t n = h.len < size ? h.len : size - 1;

		memcpy(answer, body, n);
		answer[n] = 0;
	}
	return 0;
}

int scene_store_read(const struct scene *sc, const char *path, char *value, size_t size)
{
	return ask(sc, XS_READ, path, NULL, 0, value, size);
}

int scene_store_change(const struct scene *sc, unsigned type, const char *path, const void *data,
		       size_t len)
{
	return ask(sc, type, path, data, len, NULL, 0);
}
