#include "vmm/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/runtime_dir.h"

/* All folders of `path`, which ends with '/'. */
static int make_dirs(char *path, struct error *err)
{
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		int rc = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
		if (rc)
			error_set(err, rc, "cannot make the folder '%s': %s", path, strerror(-rc));
		*p = '/';
		if (rc)
			return rc;
	}
	return 0;
}

int log_file_open(const char *name, char *path, size_t size, struct error *err)
{
	char old[4096];
	int rc = state_dir_base(path, size, "/var/log/xenolith/", "logs", err);

	if (!rc)
		rc = make_dirs(path, err);
	if (rc)
		return rc;
	size_t n = strlen(path);
	if ((size_t)snprintf(path + n, size - n, "%s.log", name) >= size - n ||
	    (size_t)snprintf(old, sizeof(old), "%s.1", path) >= sizeof(old))
		return error_set(err, -ENAMETOOLONG, "%.100s...: too long", path);
	if (rename(path, old) && errno != ENOENT)
		return error_set(err, -errno, "cannot rename '%s': %s", path, strerror(errno));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? error_set(err, -errno, "cannot make the log '%s': %s", path,
				  strerror(errno))
		      : fd;
}
