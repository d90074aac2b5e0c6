/*
 * Capture files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "devices/net/pcap.h"

#define MAGIC_NANOSECONDS 0xa1b23c4d
#define LINKTYPE_ETHERNET 1
#define SNAPLEN		  262144

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t sigfigs, snaplen, linktype;
};

struct frame_header {
	uint32_t seconds, nanoseconds, captured, length;
};

struct pcap {
	int fd; /* -1: it failed */
	off_t size;
};

struct pcap *pcap_open(const char *path, char *err, size_t errlen)
{
	const struct file_header h = {MAGIC_NANOSECONDS, 2, 4, 0, 0, SNAPLEN, LINKTYPE_ETHERNET};
	struct pcap *c = calloc(1, sizeof(*c));
	struct stat st;

	if (!c) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	c->size = sizeof(h);
	/* O_NONBLOCK: a FIFO must not hold us up; it is refused below. */
	c->fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
	if (c->fd >= 0 && !fstat(c->fd, &st) && !S_ISREG(st.st_mode)) {
		snprintf(err, errlen, "pcap=%s is no regular file", path);
	} else if (c->fd < 0 || ftruncate(c->fd, 0) ||
		   write(c->fd, &h, sizeof(h)) != (ssize_t)sizeof(h)) {
		snprintf(err, errlen, "pcap=%s cannot be written: %s", path, strerror(errno));
	} else {
		return c;
	}
	pcap_close(c);
	return NULL;
}

int pcap_frame(struct pcap *c, const struct packet *p)
{
	struct timespec now;

	if (c->fd < 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	struct frame_header h = {(uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, p->len, p->len};
	struct iovec iov[2] = {{&h, sizeof(h)}, {p->data, p->len}};
	ssize_t n = writev(c->fd, iov, 2);
	if (n == (ssize_t)(sizeof(h) + p->len)) {
		c->size += n;
		return 0;
	}
	/* A full disk: the file stays one that can be read. */
	int rc = n < 0 ? -errno : -ENOSPC;
	if (n > 0 && ftruncate(c->fd, c->size))
		rc = -errno;
	close(c->fd);
	c->fd = -1;
	return rc;
}

void pcap_close(struct pcap *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
