/*
 * Opening an image through NBD: the server that is started for it or named by the user,
 * the connections, and what the server says about itself.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"
#include "devices/block/nbd_image.h"

#define CONNECT_SECONDS 5
#define MAX_REQUEST	(1u << 20) /* of blkback: BLKIF_INDIRECT_SEGS pages */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* libnbd's sentences begin with its function's name. */
static const char *nbd_error(const struct nbd_image *n)
{
	const char *text = n->lib.get_error(), *colon = text ? strstr(text, ": ") : NULL;

	return colon ? colon + 2 : text ? text : "unknown error";
}

/* Till the handshake is over. 0, or negative errno and a sentence. */
static int wait_ready(struct nbd_image *n, struct nbd_handle *h, int64_t deadline, char *err,
		      size_t errlen)
{
	while (!n->lib.aio_is_ready(h)) {
		int64_t left = deadline - now_ms();
		int rc = left > 0 ? n->lib.poll(h, (int)left) : 0;

		if (rc < 0) {
			snprintf(err, errlen, "%s", nbd_error(n));
			return -EIO;
		}
		if (rc == 0) {
			snprintf(err, errlen, "the server does not answer");
			n->stalled = true;
			return -ETIMEDOUT;
		}
	}
	return 0;
}

static int64_t connect_deadline(const struct nbd_image *n)
{
	unsigned ms = CONNECT_SECONDS * 1000;

	return now_ms() + (n->timeout_ms < ms ? n->timeout_ms : ms);
}

static struct nbd_handle *new_handle(struct nbd_image *n, char *err, size_t errlen)
{
	struct nbd_handle *h = n->lib.create();

	if (!h)
		snprintf(err, errlen, "%s", nbd_error(n));
	return h;
}

/* ---- a server that the user named ---- */

static int connect_uri(struct nbd_image *n, unsigned i, const char *uri, char *err, size_t errlen)
{
	struct nbd_handle *h = new_handle(n, err, errlen);

	if (!h)
		return -ENOMEM;
	n->connection[i].handle = h;
	if (n->lib.aio_connect_uri(h, uri) < 0) {
		snprintf(err, errlen, "%s", nbd_error(n));
		return -EINVAL;
	}
	return wait_ready(n, h, connect_deadline(n), err, errlen);
}

/* More than one connection only when the server says that a flush on one is a flush of
 * what all wrote. */
static int connect_to(struct nbd_image *n, const struct disk_spec *spec, unsigned queues, char *err,
		      size_t errlen)
{
	int rc = 0;

	if (spec->format != DISK_RAW) {
		snprintf(err, errlen, "an NBD server shows a raw disk: format=%s cannot be",
			 disk_format_name(spec->format));
		return -EINVAL;
	}
	for (; !rc && n->nr < queues; n->nr++) {
		if (n->nr == 1 && n->lib.can_multi_conn(n->connection[0].handle) != 1)
			break;
		rc = connect_uri(n, n->nr, spec->target, err, errlen);
		if (rc && n->nr) {
			/* It lets in no more: fewer will do. */
			n->lib.close(n->connection[n->nr].handle);
			n->connection[n->nr].handle = NULL;
			return 0;
		}
	}
	return rc;
}

/* ---- a server of our own ---- */

static int talk(struct nbd_image *n, const int *fd, char *err, size_t errlen)
{
	int64_t deadline = connect_deadline(n);
	unsigned i;
	int rc = 0;

	/* All at once: each has a few turns of the handshake to make. */
	for (i = 0; !rc && i < n->nr; i++) {
		struct nbd_handle *h = new_handle(n, err, errlen);

		if (!h) {
			rc = -ENOMEM;
			break;
		}
		n->connection[i].handle = h;
		/* It takes the socket over, also when it fails. */
		if (n->lib.aio_connect_socket(h, fd[i]) < 0) {
			snprintf(err, errlen, "%s", nbd_error(n));
			rc = -EIO;
		}
	}
	for (; i < n->nr; i++)
		close(fd[i]);
	for (i = 0; !rc && i < n->nr; i++)
		rc = wait_ready(n, n->connection[i].handle, deadline, err, errlen);
	return rc;
}

static void close_connections(struct nbd_image *n)
{
	for (unsigned i = 0; i < n->nr; i++) {
		if (n->connection[i].handle) {
			n->lib.aio_disconnect(n->connection[i].handle, 0);
			n->lib.close(n->connection[i].handle);
		}
		n->connection[i].handle = NULL;
	}
}

static int start_server(struct nbd_image *n, const struct disk_spec *spec, unsigned queues,
			char *err, size_t errlen)
{
	int fd[IMAGE_MAX_QUEUES];
	int rc = nbd_server_start(&n->server, spec->target, image_format_qemu(spec), spec->readonly,
				  fd, queues, err, errlen);

	if (rc)
		return rc;
	n->nr = queues;
	rc = talk(n, fd, err, errlen);
	if (rc) {
		close_connections(n);
		/* Why it went away is more than that it did. */
		nbd_server_complaint(&n->server, err, errlen);
	}
	return rc;
}

/* ---- what the server says ---- */

static unsigned preferred_size(struct nbd_image *n, struct nbd_handle *h)
{
	int64_t size = n->lib.get_block_size(h, LIBNBD_SIZE_PREFERRED);

	return size >= 512 && size <= 1 << 20 ? (unsigned)size : 4096;
}

static int ask(struct image *img, const struct disk_spec *spec, char *err, size_t errlen)
{
	struct nbd_image *n = img->nbd;
	struct nbd_handle *h = n->connection[0].handle;
	int64_t size = n->lib.get_size(h), minimum = n->lib.get_block_size(h, LIBNBD_SIZE_MINIMUM);
	int64_t maximum = n->lib.get_block_size(h, LIBNBD_SIZE_MAXIMUM);

	if (size < (int64_t)spec->sector_size) {
		snprintf(err, errlen, "is smaller than a sector");
		return -EINVAL;
	}
	if (minimum > spec->sector_size) {
		snprintf(err, errlen,
			 minimum == 4096
				 ? "wants whole sectors of 4096 bytes (add sector-size=4096)"
				 : "wants requests of %lld bytes at least; a disk cannot",
			 (long long)minimum);
		return -EINVAL;
	}
	if (maximum > 0 && maximum < MAX_REQUEST) {
		snprintf(err, errlen, "the server takes no requests of %u bytes", MAX_REQUEST);
		return -EINVAL;
	}
	if (n->lib.is_read_only(h) == 1 && !img->readonly) {
		snprintf(err, errlen, "the server lets us only read (add access=ro)");
		return -EROFS;
	}
	img->size = (uint64_t)size;
	img->can_flush = n->lib.can_flush(h) == 1;
	img->can_discard = !img->readonly && n->lib.can_trim(h) == 1;
	img->discard_granularity = preferred_size(n, h);
	img->max_queues = n->nr;
	return 0;
}

/* Never two file names in one sentence: qemu-nbd's may have it already. */
static int sentence(int rc, const struct disk_spec *spec, const char *why, char *err, size_t errlen)
{
	if (strstr(why, spec->target))
		snprintf(err, errlen, "%s", why);
	else
		snprintf(err, errlen, "%s: %s", spec->target, why);
	return rc;
}

int image_nbd_open(struct image *img, const struct disk_spec *spec, unsigned queues, char *err,
		   size_t errlen)
{
	struct nbd_image *n = calloc(1, sizeof(*n) + queues * sizeof(n->connection[0]));
	char why[300];

	if (!n)
		return sentence(-ENOMEM, spec, "out of memory", err, errlen);
	img->nbd = n;
	n->server.err_fd = -1;
	n->timeout_ms = spec->timeout * 1000;
	bool uri = image_is_uri(spec->target);
	int rc = uri ? 0 : image_check(spec, why, sizeof(why));
	if (!rc)
		rc = nbd_library_open(&n->lib, why, sizeof(why));
	if (!rc)
		rc = uri ? connect_to(n, spec, queues, why, sizeof(why))
			 : start_server(n, spec, queues, why, sizeof(why));
	if (!rc)
		rc = ask(img, spec, why, sizeof(why));
	if (rc) {
		image_nbd_close(img);
		sentence(rc, spec, why, err, errlen);
	}
	return rc;
}

void image_nbd_close(struct image *img)
{
	struct nbd_image *n = img->nbd;

	img->nbd = NULL;
	close_connections(n);
	nbd_server_end(&n->server, n->stalled);
	nbd_library_close(&n->lib);
	free(n);
}
