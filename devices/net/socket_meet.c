/*
 * How the two ends of a cable find each other. Whoever wants to listen holds a lock on
 * the folder, so that two who start at once do not both replace a socket that nobody
 * listens on any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/net/link_socket.h"

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static struct sockaddr_un address(const struct link_socket *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memcpy(a.sun_path, s->path, sizeof(a.sun_path));
	return a;
}

bool socket_peer_is_user(int fd)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) && (c.uid == geteuid() || !c.uid);
}

/* The socket, or negative errno. */
static int try_connect(const struct link_socket *s)
{
	struct sockaddr_un a = address(s);
	int fd = new_socket();

	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	int rc = -errno;
	close(fd);
	return rc;
}

static int lock_folder(const struct link_socket *s)
{
	char copy[sizeof(s->path)];

	memcpy(copy, s->path, sizeof(copy));
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	int rc = -errno;
	close(fd);
	return rc == -EWOULDBLOCK ? -EAGAIN : rc;
}

/* 0, or negative errno; -ENOTSOCK: something else is there. */
static int bind_path(struct link_socket *s)
{
	struct sockaddr_un a = address(s);
	struct stat st;

	if (!lstat(s->path, &st)) {
		if (!S_ISSOCK(st.st_mode))
			return -ENOTSOCK;
		unlink(s->path);
	}
	int fd = new_socket();
	if (fd < 0)
		return -errno;
	/* Before bind: nobody else shall connect. */
	fchmod(fd, 0600);
	int rc = bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 4) ? -errno : 0;
	if (rc) {
		close(fd);
		return rc;
	}
	s->inode = lstat(s->path, &st) ? 0 : st.st_ino;
	s->listen_fd = fd;
	return 0;
}

/* With the lock held. */
static int connect_or_listen(struct link_socket *s, int *fd)
{
	int rc = try_connect(s);

	if (rc >= 0) {
		*fd = rc;
		return 0;
	}
	return rc == -ENOENT || rc == -ECONNREFUSED ? bind_path(s) : rc;
}

int socket_meet(struct link_socket *s, int *fd, char *err, size_t errlen)
{
	*fd = -1;
	int rc = try_connect(s);

	if (rc >= 0) {
		*fd = rc;
		rc = 0;
	} else if (rc == -ENOENT || rc == -ECONNREFUSED) {
		int lock = lock_folder(s);

		rc = lock < 0 ? lock : connect_or_listen(s, fd);
		if (lock >= 0)
			close(lock);
	}
	if (!rc && *fd >= 0 && !socket_peer_is_user(*fd)) {
		close(*fd);
		rc = -EACCES;
	}
	if (rc && rc != -EAGAIN)
		snprintf(err, errlen, "%s: %s", s->path,
			 rc == -ENOTSOCK     ? "something else than a socket is there"
			 : rc == -EPROTOTYPE ? "a socket of another kind is there"
					     : strerror(-rc));
	return rc;
}

void socket_unlink(const struct link_socket *s)
{
	struct stat st;

	if (!lstat(s->path, &st) && st.st_ino == s->inode)
		unlink(s->path);
}
