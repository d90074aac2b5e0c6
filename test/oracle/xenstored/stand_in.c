/*
 * What the real xenstored asks of Xen, answered from a folder, so that it runs where
 * there is no Xen: LD_PRELOAD this library and name the folder in STAND_IN. There
 *	domain.N	says that domain N exists; its first letter is r (runs), s (has
 *			shut down) or d (is dying)
 *	ring.N		is the page that domain N granted to xenstored
 *	events		is a datagram socket made here: a port, 4 bytes, is an event
 * talk.py plays the domains.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define VIRQ_PORT  1
#define LOCAL_PORT 1000 /* + the domain's number */
#define MAX_REMOTE 4095

static int events = -1;
static int nothing; /* what the handles point to */

static char *in_folder(char path[108], const char *name, unsigned domid)
{
	const char *dir = getenv("STAND_IN");
	int n = domid == DOMID_INVALID
			? snprintf(path, 108, "%s/%s", dir ? dir : ".", name)
			: snprintf(path, 108, "%s/%s.%u", dir ? dir : ".", name, domid);

	if (n < 0 || n >= 108)
		abort();
	return path;
}

static int real_open(const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Domain 0's port and page are files of its kernel. */
int open(const char *path, int flags, ...)
{
	char in[108];
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (!strcmp(path, "/proc/xen/xsd_port"))
		path = in_folder(in, "port", DOMID_INVALID);
	else if (!strcmp(path, "/proc/xen/xsd_kva"))
		path = in_folder(in, "ring", 0);
	return real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

static char state_of(unsigned domid)
{
	char path[108], c = 0;
	int fd = real_open(in_folder(path, "domain", domid), O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = 'r';
	close(fd);
	return c;
}

xc_interface *xc_interface_open(xentoollog_logger *l, xentoollog_logger *d, unsigned flags)
{
	return (xc_interface *)&nothing;
}

int xc_interface_close(xc_interface *x)
{
	return 0;
}

/* The first domain from this number on. */
int xc_domain_getinfo(xc_interface *x, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	for (unsigned id = first; id < 64; id++) {
		char c = id ? state_of(id) : 'r';
		if (!c)
			continue;
		memset(info, 0, sizeof(*info));
		info->domid = id;
		info->running = c == 'r';
		info->shutdown = c == 's';
		info->dying = c == 'd';
		return 1;
	}
	return 0;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *l, unsigned flags)
{
	return (xengnttab_handle *)&nothing;
}

int xengnttab_close(xengnttab_handle *x)
{
	return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *x, uint32_t nr)
{
	return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *x, uint32_t domid, uint32_t ref, int prot)
{
	char path[108];
	int fd = real_open(in_folder(path, "ring", domid), O_RDWR | O_CLOEXEC, 0);
	void *p = MAP_FAILED;

	if (fd >= 0) {
		p = mmap(NULL, 4096, prot, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p != MAP_FAILED)
		return p;
	errno = EINVAL; /* as the gntdev driver says of a domain that is not there */
	return NULL;
}

int xengnttab_unmap(xengnttab_handle *x, void *p, uint32_t count)
{
	return munmap(p, 4096);
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *l, unsigned flags)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	in_folder(a.sun_path, "events", DOMID_INVALID);
	events = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (events < 0 || bind(events, (struct sockaddr *)&a, sizeof(a)))
		return NULL;
	return (xenevtchn_handle *)&nothing;
}

xenevtchn_handle *xenevtchn_fdopen(xentoollog_logger *l, int fd, unsigned flags)
{
	errno = ENOSYS;
	return NULL;
}

int xenevtchn_fd(xenevtchn_handle *x)
{
	return events;
}

int xenevtchn_notify(xenevtchn_handle *x, evtchn_port_t port)
{
	return 0; /* talk.py looks at the ring by itself */
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *x, uint32_t domid,
						     evtchn_port_t remote)
{
	if (remote <= MAX_REMOTE)
		return (int)(LOCAL_PORT + domid);
	errno = EINVAL;
	return -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *x, unsigned int virq)
{
	return VIRQ_PORT;
}

int xenevtchn_unbind(xenevtchn_handle *x, evtchn_port_t port)
{
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *x)
{
	uint32_t port = 0;

	return recv(events, &port, sizeof(port), 0) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_unmask(xenevtchn_handle *x, evtchn_port_t port)
{
	return 0;
}
