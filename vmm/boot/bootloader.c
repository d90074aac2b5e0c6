/*
 * The process that a guest's disk is read by, seen from here: it is handed the disk's bytes,
 * and what it says at the end is looked at as if the guest had said it.
 */
#include "vmm/boot/bootloader.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"

/* No real one comes near: what a reader may have of the disk. */
#define MAX_READ_BYTES ((uint64_t)16 << 30)

struct reader_process {
	pid_t pid;
	int fd;
	struct image *img;
	struct image_queue *queue; /* NULL: a plain file or device */
	uint64_t bytes;
	char *buf; /* BOOT_READ_MAX */
};

/* ---- the disk ---- */

struct sync_io {
	struct image_io io; /* first */
	bool done;
	int rc;
};

static void on_done(struct image_io *io, int rc)
{
	struct sync_io *s = (struct sync_io *)io;

	s->done = true;
	s->rc = rc;
}

static int read_queue(struct reader_process *h, uint64_t offset, size_t len)
{
	struct iovec v = {.iov_base = h->buf, .iov_len = len};
	struct sync_io s = {.io = {.op = IMAGE_READ,
				   .offset = offset,
				   .iov = &v,
				   .nr_iov = 1,
				   .done = on_done}};
	struct pollfd p = {.fd = h->queue->fd, .events = POLLIN};
	int rc = h->queue->ops->submit(h->queue, &s.io);

	if (rc)
		return rc;
	if (h->queue->ops->flush)
		h->queue->ops->flush(h->queue);
	while (!s.done) {
		poll(&p, 1, -1);
		h->queue->ops->reap(h->queue);
	}
	return s.rc;
}

static int read_disk(struct reader_process *h, uint64_t offset, size_t len)
{
	size_t done = 0;

	if (h->queue)
		return read_queue(h, offset, len);
	while (done < len) {
		ssize_t n = pread(h->img->fd, h->buf + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* ---- the socket ---- */

static bool get(const struct reader_process *h, void *data, size_t len)
{
	while (len) {
		ssize_t n = read(h->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data = (char *)data + n;
		len -= (size_t)n;
	}
	return true;
}

static bool put(const struct reader_process *h, const void *data, size_t len)
{
	while (len) {
		ssize_t n = send(h->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return true;
}

/* A file that it found; NULL for none. */
static bool get_file(const struct reader_process *h, void **data, uint64_t size, size_t limit)
{
	*data = NULL;
	if (size > limit)
		return false;
	if (!size)
		return true;
	*data = malloc(size);
	return *data && get(h, *data, size);
}

/* Text of the guest's that the user will see: nothing in it is for a terminal. */
static void make_printable(char *text, size_t size)
{
	text[size - 1] = 0;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static int take_answer(struct reader_process *h, struct boot_found *f, struct error *err)
{
	struct boot_answer *a = malloc(sizeof(*a));
	int rc = -EPROTO;

	if (a && get(h, a, sizeof(*a))) {
		make_printable(a->err.text, sizeof(a->err.text));
		make_printable(a->kernel_name, sizeof(a->kernel_name));
		make_printable(a->ramdisk_name, sizeof(a->ramdisk_name));
		make_printable(a->title, sizeof(a->title));
		a->cmdline[sizeof(a->cmdline) - 1] = 0; /* strings end, whoever wrote them */
		f->kernel_size = a->kernel_size;
		f->ramdisk_size = a->ramdisk_size;
		memcpy(f->kernel_name, a->kernel_name, sizeof(f->kernel_name));
		memcpy(f->ramdisk_name, a->ramdisk_name, sizeof(f->ramdisk_name));
		memcpy(f->cmdline, a->cmdline, sizeof(f->cmdline));
		memcpy(f->title, a->title, sizeof(f->title));
		if (a->rc)
			rc = error_set(err, a->rc < 0 ? a->rc : -EPROTO, "%s", a->err.text);
		else if (get_file(h, &f->kernel, a->kernel_size, BOOT_MAX_KERNEL) &&
			 get_file(h, &f->ramdisk, a->ramdisk_size, BOOT_MAX_RAMDISK) && f->kernel)
			rc = 0;
	}
	free(a);
	return rc;
}

/* -EPROTO without a sentence: it does not keep to the rules, or is gone. */
static int serve(struct reader_process *h, struct boot_found *f, struct error *err)
{
	struct boot_ask ask;

	for (;;) {
		if (!get(h, &ask, sizeof(ask)))
			return -EPROTO;
		if (ask.what == BOOT_ASK_DONE)
			return take_answer(h, f, err);
		h->bytes += ask.len;
		if (ask.what != BOOT_ASK_READ || ask.len > BOOT_READ_MAX ||
		    ask.offset > h->img->size || ask.len > h->img->size - ask.offset ||
		    h->bytes > MAX_READ_BYTES)
			return -EPROTO;
		int32_t rc = read_disk(h, ask.offset, ask.len);
		if (!put(h, &rc, sizeof(rc)) || (!rc && !put(h, h->buf, ask.len)))
			return -EPROTO;
	}
}

static int end_of(struct reader_process *h, struct error *err)
{
	int status = 0;

	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == BOOT_NOT_CONFINED)
		return error_set(err, -ENOSYS,
				 "the process that reads it cannot be confined: this host's kernel "
				 "has no seccomp filters");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return error_set(err, -ETIMEDOUT, "reading it takes no end: it is damaged");
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		return error_set(err, -EIO,
				 "it is damaged so that whoever reads it crashes (signal %d)",
				 WTERMSIG(status));
	return error_set(err, -EIO, "it is damaged");
}

static int start(struct reader_process *h, const struct boot_wish *w, struct error *err)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	h->pid = fork();
	if (!h->pid)
		bootloader_child(fd[1], h->img->size, w);
	close(fd[1]);
	if (h->pid < 0) {
		close(fd[0]);
		return error_set(err, -errno, "cannot start a process: %s", strerror(errno));
	}
	h->fd = fd[0];
	return 0;
}

static int search(struct image *img, struct boot_found *f, const struct boot_wish *w,
		  struct error *err)
{
	struct reader_process h = {.img = img, .buf = malloc(BOOT_READ_MAX)};
	int rc = h.buf ? 0 : error_set(err, -ENOMEM, "out of memory");

	if (!rc && img->fd < 0) {
		h.queue = image_queue_create(img, 1);
		if (!h.queue)
			rc = error_set(err, -EIO, "the image cannot be read");
	}
	if (!rc)
		rc = start(&h, w, err);
	if (!rc) {
		rc = serve(&h, f, err);
		struct error ended;
		int gone = end_of(&h, &ended);
		close(h.fd);
		if (rc == -EPROTO) {
			*err = ended;
			rc = gone;
		}
	}
	if (h.queue)
		image_queue_destroy(h.queue);
	free(h.buf);
	return rc;
}

int bootloader_run(struct boot_found *f, const char *disk, const struct boot_wish *w,
		   struct error *err)
{
	struct disk_spec spec;
	struct image img;
	struct error why;
	char text[300];
	int rc = disk_spec_parse(&spec, disk, text, sizeof(text));

	*f = (struct boot_found){0};
	if (rc)
		return error_set(err, rc, "disk '%s': %s", disk, text);
	spec.readonly = true;
	rc = image_open(&img, &spec, 1, text, sizeof(text));
	if (rc) {
		disk_spec_free(&spec);
		return error_set(err, rc, "disk %s", text);
	}
	rc = img.size ? search(&img, f, w, &why) : error_set(&why, -ENOENT, "the drive is empty");
	if (rc) {
		error_set(err, rc, "cannot boot from '%.150s': %s", spec.target, why.text);
		boot_found_free(f);
	}
	image_close(&img);
	disk_spec_free(&spec);
	return rc;
}

void boot_found_free(struct boot_found *f)
{
	free(f->kernel);
	free(f->ramdisk);
	*f = (struct boot_found){0};
}
