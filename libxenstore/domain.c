/*
 * Requests about domains, and to the store itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libxenstore/internal.h"

/* Numbers in decimal, each with a NUL. */
#define NUMBERS_MAX (3 * MAX_STRLEN(unsigned long))

static char *request_numbers(struct xs_handle *h, enum xsd_sockmsg_type type,
			     const unsigned long *n, unsigned int nr)
{
	char buf[NUMBERS_MAX];
	size_t used = 0;

	for (unsigned int i = 0; i < nr; i++)
		used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%lu", n[i]) + 1;
	const struct iovec part = {buf, used};
	return request(h, XBT_NULL, type, &part, 1, NULL);
}

static char *request_domid(struct xs_handle *h, enum xsd_sockmsg_type type, unsigned int domid)
{
	return request_numbers(h, type, (const unsigned long[]){domid}, 1);
}

bool xs_introduce_domain(struct xs_handle *h, unsigned int domid, unsigned long mfn,
			 unsigned int eventchn)
{
	const unsigned long n[] = {domid, mfn, eventchn};

	return done(request_numbers(h, XS_INTRODUCE, n, 3));
}

bool xs_set_target(struct xs_handle *h, unsigned int domid, unsigned int target)
{
	const unsigned long n[] = {domid, target};

	return done(request_numbers(h, XS_SET_TARGET, n, 2));
}

bool xs_resume_domain(struct xs_handle *h, unsigned int domid)
{
	return done(request_domid(h, XS_RESUME, domid));
}

bool xs_release_domain(struct xs_handle *h, unsigned int domid)
{
	return done(request_domid(h, XS_RELEASE, domid));
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
	char *answer = request_domid(h, XS_IS_DOMAIN_INTRODUCED, domid);
	bool yes = answer && strcmp(answer, "F");

	free(answer);
	return yes;
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
	return request_domid(h, XS_GET_DOMAIN_PATH, domid);
}

char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
	return request_pair(h, XBT_NULL, XS_CONTROL, cmd, data, len, NULL);
}

char *xs_debug_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
	return xs_control_command(h, cmd, data, len);
}

int xs_suspend_evtchn_port(int domid)
{
	struct xs_handle *h = xs_open(0);
	char path[64];
	unsigned int len = 0;

	if (!h)
		return -1;
	snprintf(path, sizeof(path), "/local/domain/%d/device/suspend/event-channel", domid);
	char *value = xs_read(h, XBT_NULL, path, &len);
	int port = len ? atoi(value) : -1;
	free(value);
	xs_close(h);
	return port;
}
