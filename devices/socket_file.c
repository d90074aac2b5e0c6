#include "devices/socket_file.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int socket_file_listen(struct socket_file *f, const char *path, int backlog)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;

	f->path[0] = '\0';
	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* bind() gives the file the socket's mode. */
	if (fd < 0 || fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		goto fail;
	if (listen(fd, backlog) || lstat(path, &st)) {
		int e = errno;
		unlink(path);
		errno = e;
		goto fail;
	}
	strcpy(f->path, path);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return fd;
fail:;
	int rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

void socket_file_remove(struct socket_file *f)
{
	struct stat st;

	if (f->path[0] && !lstat(f->path, &st) && st.st_dev == f->dev && st.st_ino == f->ino)
		unlink(f->path);
	f->path[0] = '\0';
}
