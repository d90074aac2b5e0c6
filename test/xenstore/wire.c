/* The numbers of the wire protocol, by the header that is found first. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <xen/io/xs_wire.h>

#define N(x) printf("%s %ld\n", #x, (long)(x))

int main(void)
{
	N(XS_CONTROL), N(XS_DIRECTORY), N(XS_READ), N(XS_GET_PERMS), N(XS_WATCH), N(XS_UNWATCH);
	N(XS_TRANSACTION_START), N(XS_TRANSACTION_END), N(XS_INTRODUCE), N(XS_RELEASE);
	N(XS_GET_DOMAIN_PATH), N(XS_WRITE), N(XS_MKDIR), N(XS_RM), N(XS_SET_PERMS);
	N(XS_WATCH_EVENT), N(XS_ERROR), N(XS_IS_DOMAIN_INTRODUCED), N(XS_RESUME), N(XS_SET_TARGET);
	N(XS_RESET_WATCHES), N(XS_DIRECTORY_PART), N(XS_TYPE_COUNT);
	N(XS_WATCH_PATH), N(XS_WATCH_TOKEN), N(sizeof(struct xsd_sockmsg));
	N(XENSTORE_PAYLOAD_MAX), N(XENSTORE_ABS_PATH_MAX), N(XENSTORE_REL_PATH_MAX);
	for (unsigned i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		printf("%s %d\n", xsd_errors[i].errstring, xsd_errors[i].errnum);
	return 0;
}
