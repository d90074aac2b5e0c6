#include "vmm/runtime_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int base_dir(char *path, size_t size, struct error *err)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	/* The specification of the variable: a relative path is to be ignored. */
	if (!xdg || xdg[0] != '/')
		xdg = geteuid() ? NULL : "/run";
	if (!xdg)
		return error_set(err, -ENOENT,
				 "there is no folder for sockets: XDG_RUNTIME_DIR is not set");
	int n = snprintf(path, size, "%s/xenolith", xdg);
	return (size_t)n < size ? 0 : error_set(err, -ENAMETOOLONG, "%s: too long", xdg);
}

static int make_dir(const char *path, struct error *err)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	return error_set(err, -errno, "cannot make the folder '%s': %s", path, strerror(errno));
}

/* Opens and locks. -EAGAIN: somebody removed it meanwhile. */
static int lock_dir(struct runtime_dir *d, const char *name, struct error *err)
{
	struct stat ours, now;
	int rc = make_dir(d->path, err);

	if (rc)
		return rc;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd < 0 && errno == ENOENT)
		return -EAGAIN;
	if (d->fd < 0)
		return error_set(err, -errno, "cannot open the folder '%s': %s", d->path,
				 strerror(errno));
	if (flock(d->fd, LOCK_EX | LOCK_NB))
		rc = error_set(err, -EBUSY, "a domain with the name '%s' is running already", name);
	else if (fstat(d->fd, &ours) || lstat(d->path, &now) || ours.st_ino != now.st_ino ||
		 ours.st_dev != now.st_dev)
		rc = -EAGAIN;
	if (rc) {
		close(d->fd);
		d->fd = -1;
	}
	return rc;
}

int runtime_dir_open(struct runtime_dir *d, const char *name, struct error *err)
{
	char base[sizeof(d->path)];

	d->fd = -1;
	int rc = base_dir(base, sizeof(base), err);
	if (!rc)
		rc = make_dir(base, err);
	if (rc)
		return rc;
	int n = snprintf(d->path, sizeof(d->path), "%s/%s", base, name);
	if ((size_t)n >= sizeof(d->path))
		return error_set(err, -ENAMETOOLONG, "%s: too long", base);
	do {
		rc = lock_dir(d, name, err);
	} while (rc == -EAGAIN);
	return rc;
}

int runtime_dir_socket(const struct runtime_dir *d, const char *file, char *path, size_t size,
		       struct error *err)
{
	int n = snprintf(path, size, "%s/%s", d->path, file);

	if ((size_t)n >= size || (size_t)n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(err, -ENAMETOOLONG, "'%s/%s' is too long for a socket's name",
				 d->path, file);
	if (unlink(path) && errno != ENOENT)
		return error_set(err, -errno, "cannot remove '%s': %s", path, strerror(errno));
	return 0;
}

void runtime_dir_close(struct runtime_dir *d)
{
	if (d->fd < 0)
		return;
	rmdir(d->path);
	close(d->fd);
	d->fd = -1;
}

int runtime_socket_clear(const char *path, struct error *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;

	if (strlen(path) >= sizeof(a.sun_path))
		return error_set(err, -ENAMETOOLONG, "'%s' is too long for a socket's name", path);
	if (lstat(path, &st))
		return errno == ENOENT ? 0
				       : error_set(err, -errno, "'%s': %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "'%s' is there already and is not a socket", path);
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* Refused: nobody listens. Everything else, EAGAIN for a full queue too, says that
	 * somebody does or that it is not ours to judge. */
	int rc = connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
	close(fd);
	if (rc != -ECONNREFUSED)
		return error_set(err, -EADDRINUSE, "the socket '%s' is in use", path);
	if (unlink(path))
		return error_set(err, -errno, "cannot remove '%s': %s", path, strerror(errno));
	return 0;
}
