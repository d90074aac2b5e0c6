/*
 * xentoolcore_restrict_all(): a program that has libxentoolcore can ask that none of its
 * connections be of use any more but for one domain. We do not link to it; it is told of
 * our handles when it is there (Xen: tools/include/xentoolcore_internal.h).
 */
#include <fcntl.h>
#include <unistd.h>

#include "libxenstore/internal.h"

void xentoolcore__register_active_handle(struct toolcore_handle *th) __attribute__((weak));
void xentoolcore__deregister_active_handle(struct toolcore_handle *th) __attribute__((weak));

bool xs_restrict(struct xs_handle *h, unsigned domid)
{
	return false;
}

/* The store cannot be asked to treat us as a domain, so the connection is given up. Not
 * for a process that has it, too, since a fork. */
static int restrict_handle(struct toolcore_handle *th, uint16_t domid)
{
	struct xs_handle *h =
		(struct xs_handle *)((char *)th - offsetof(struct xs_handle, toolcore));
	int null, rc = -1;

	connection_disable(h);
	if (h->fd < 0)
		return 0;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -1;
	/* The number stays taken for threads that use it now. */
	if (dup3(null, h->fd, O_CLOEXEC) >= 0)
		rc = 0;
	close(null);
	return rc;
}

void toolcore_register(struct xs_handle *h)
{
	h->toolcore.restrict_callback = restrict_handle;
	if (xentoolcore__register_active_handle)
		xentoolcore__register_active_handle(&h->toolcore);
}

void toolcore_deregister(struct xs_handle *h)
{
	if (xentoolcore__deregister_active_handle)
		xentoolcore__deregister_active_handle(&h->toolcore);
}
