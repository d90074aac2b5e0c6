/*
 * Where a trace is written. A pipe or a socket may have a reader that looks no more: its
 * writer waits a while, not for ever, since those who end the domain wait for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/trace/trace.h"

#define PATIENCE_MS 5000
#define PIPE_SIZE   (1 << 20)

static int fd_of(void *cookie)
{
	return (int)(intptr_t)cookie;
}

static ssize_t write_pipe(void *cookie, const char *buf, size_t size)
{
	struct pollfd p = {.fd = fd_of(cookie), .events = POLLOUT};
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(p.fd, buf + done, size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EAGAIN || poll(&p, 1, PATIENCE_MS) <= 0)
			return 0;
	}
	return (ssize_t)size;
}

static int close_pipe(void *cookie)
{
	return close(fd_of(cookie));
}

static FILE *open_stream(const char *path, struct error *err)
{
	/* Not blocking: a pipe without a reader is told at once. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
	struct stat st;
	FILE *f = NULL;

	if (fd >= 0 && !fstat(fd, &st)) {
		if (S_ISREG(st.st_mode)) {
			f = fdopen(fd, "w");
		} else {
			fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
			f = fopencookie(
				(void *)(intptr_t)fd, "w",
				(cookie_io_functions_t){.write = write_pipe, .close = close_pipe});
		}
	}
	if (!f) {
		error_set(err, -errno, "cannot write the trace to %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return f;
}

static bool flush(struct trace_sink *s)
{
	FILE *f = ((struct trace_file *)s)->f;

	return !fflush(f) && !ferror(f);
}

static void close_stream(struct trace_sink *s)
{
	fclose(((struct trace_file *)s)->f);
	free(s);
}

void *trace_file_open(size_t size, const char *path, struct error *err)
{
	struct trace_file *t = calloc(1, size);

	if (!t) {
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	t->f = open_stream(path, err);
	if (!t->f) {
		free(t);
		return NULL;
	}
	t->s.flush = flush;
	t->s.close = close_stream;
	return t;
}
