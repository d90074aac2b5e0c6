#include "vmm/runtime_dir.h"

#include <dirent.h>
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

#include "pvabi/xen_abi.h"

/* In the parent folder: the last domid that was given. */
#define COUNTER_FILE ".domid"
/* In the parent folder, too: probe_cache.c. */
#define HOST_FILE  ".host"
#define DOMID_FILE "domid"

/* What a domain may have in its folder. */
static const char *const files[] = {DOMID_FILE, XENSTORE_SOCKET, CONTROL_SOCKET,
				    CONSOLE_SOCKET_FILE, GDB_SOCKET};

bool domain_name_is_good(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] == '/' || (unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	return n && n < DOMAIN_NAME_LIMIT && strcmp(name, ".") && strcmp(name, "..") &&
	       strcmp(name, COUNTER_FILE) && strcmp(name, HOST_FILE);
}

int runtime_dir_base(char *path, size_t size, struct error *err)
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
	int rc = runtime_dir_base(base, sizeof(base), err);
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

/* A file with a decimal number. 0: there is none. */
static unsigned long read_number(int dir, const char *file)
{
	char text[24] = "";
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? strtoul(text, NULL, 10) : 0;
}

static int write_number(int fd, unsigned long number)
{
	return ftruncate(fd, 0) || dprintf(fd, "%lu\n", number) < 0 ? -errno : 0;
}

static bool domid_is_taken(DIR *base, unsigned long domid)
{
	struct dirent *e;
	char file[sizeof(e->d_name) + sizeof(DOMID_FILE) + 1];

	rewinddir(base);
	while ((e = readdir(base))) {
		snprintf(file, sizeof(file), "%s/" DOMID_FILE, e->d_name);
		if (read_number(dirfd(base), file) == domid)
			return true;
	}
	return false;
}

/* Xen: common/domctl.c, XEN_DOMCTL_createdomain: the next after the last, and after the
 * highest the lowest that is free. The counter's file is locked. */
static int next_domid(struct runtime_dir *d, DIR *base, int counter)
{
	unsigned long last = read_number(dirfd(base), COUNTER_FILE), id = last;

	do {
		id = id + 1 < DOMID_FIRST_RESERVED ? id + 1 : 1;
		if (id == last)
			return -ENOSPC;
	} while (domid_is_taken(base, id));
	int fd = openat(d->fd, DOMID_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : write_number(fd, id);
	if (fd >= 0)
		close(fd);
	if (!rc)
		rc = write_number(counter, id);
	return rc ? rc : (int)id;
}

int runtime_dir_domid(struct runtime_dir *d, uint16_t *domid, struct error *err)
{
	char path[sizeof(d->path)];
	int rc = runtime_dir_base(path, sizeof(path), err);

	if (rc)
		return rc;
	DIR *base = opendir(path);
	int fd = !base ? -1
		       : openat(dirfd(base), COUNTER_FILE,
				O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		rc = -errno;
	else
		rc = next_domid(d, base, fd);
	if (fd >= 0)
		close(fd);
	if (base)
		closedir(base);
	if (rc < 0)
		return error_set(err, rc, "cannot take an id for the domain in '%s': %s", path,
				 strerror(-rc));
	*domid = (uint16_t)rc;
	return 0;
}

static void remove_files(int dir)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir, files[i], 0);
}

int runtime_dir_rename(struct runtime_dir *d, const char *name, struct error *err)
{
	struct runtime_dir other;
	int rc = runtime_dir_open(&other, name, err);

	if (rc)
		return rc;
	/* What a dead domain left there. */
	remove_files(other.fd);
	if (rename(d->path, other.path))
		rc = error_set(err, -errno, "cannot rename the folder '%s' to '%s': %s", d->path,
			       other.path, strerror(errno));
	if (rc) {
		runtime_dir_close(&other);
		return rc;
	}
	strcpy(d->path, other.path);
	close(other.fd);
	return 0;
}

void runtime_dir_close(struct runtime_dir *d)
{
	if (d->fd < 0)
		return;
	remove_files(d->fd);
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

int state_dir_base(char *path, size_t size, const char *of_root, const char *what,
		   struct error *err)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (xdg && xdg[0] == '/')
		n = snprintf(path, size, "%s/xenolith/", xdg);
	else if (!geteuid())
		n = snprintf(path, size, "%s", of_root);
	else if (home && home[0] == '/')
		n = snprintf(path, size, "%s/.local/state/xenolith/", home);
	else
		return error_set(err, -ENOENT, "there is no folder for %s: HOME is not set", what);
	return (size_t)n < size ? 0 : error_set(err, -ENAMETOOLONG, "%.100s...: too long", path);
}
