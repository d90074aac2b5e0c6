/*
 * Where the store is (Xen: tools/xenstore/xs_lib.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libxenstore/internal.h"

const char *xs_daemon_rundir(void)
{
	const char *dir = getenv("XENSTORED_RUNDIR");

	return dir ? dir : "/var/run/xenstored";
}

bool socket_path(char *buf, size_t size)
{
	const char *path = getenv("XENSTORED_PATH");
	int n = path ? snprintf(buf, size, "%s", path)
		     : snprintf(buf, size, "%s/socket", xs_daemon_rundir());

	return n >= 0 && (size_t)n < size;
}

const char *xs_daemon_socket(void)
{
	static char buf[PATH_MAX];
	const char *path = getenv("XENSTORED_PATH");

	if (path)
		return path;
	return socket_path(buf, sizeof(buf)) ? buf : NULL;
}

const char *xs_daemon_socket_ro(void)
{
	return xs_daemon_socket();
}

const char *device_path(void)
{
	const char *path = getenv("XENSTORED_PATH");

	if (path)
		return path;
	return access("/dev/xen/xenbus", F_OK) ? "/proc/xen/xenbus" : "/dev/xen/xenbus";
}
