/*
 * fwd=: a port of the host's that leads into the guest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/vif_spec.h"

static bool port(const char *s, uint16_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	unsigned long v = strtoul(s, &end, 10);
	if (*end || !v || v > 65535)
		return false;
	*out = (uint16_t)v;
	return true;
}

/* An address is told from a port by its dots. */
static const char *address(char **rest, struct in_addr *a)
{
	char *word = strsep(rest, ":");

	if (!word || !strchr(word, '.'))
		return word;
	if (!inet_aton(word, a))
		return NULL;
	return strsep(rest, ":");
}

int vif_forward_parse(struct vif_forward *f, const char *text, char *err, size_t errlen)
{
	char copy[80], *rest = copy;

	memset(f, 0, sizeof(*f));
	f->host.s_addr = htonl(INADDR_LOOPBACK);
	if (strlen(text) < sizeof(copy)) {
		strcpy(copy, text);
		const char *proto = strsep(&rest, ":");
		const char *host = address(&rest, &f->host);
		const char *guest = address(&rest, &f->guest);

		f->udp = !strcmp(proto, "udp");
		if ((f->udp || !strcmp(proto, "tcp")) && host && guest && !rest &&
		    port(host, &f->host_port) && port(guest, &f->guest_port))
			return 0;
	}
	snprintf(err, errlen,
		 "fwd takes tcp:[ADDRESS:]PORT:[ADDRESS:]PORT (or udp), the host's and the "
		 "guest's, not '%s'",
		 text);
	return -EINVAL;
}
