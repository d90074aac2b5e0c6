/*
 * libxenstore: types and helpers that need no connection. Included by xenstore.h.
 */
#ifndef XENSTORE_LIB_H
#define XENSTORE_LIB_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen/io/xs_wire.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xs_permissions {
	unsigned int id; /* a domain */
	unsigned int perms;
};

#define XS_PERM_NONE  0x00
#define XS_PERM_READ  0x01
#define XS_PERM_WRITE 0x02
/* Not part of a node's permissions. */
#define XS_PERM_ENOENT_OK 0x04
#define XS_PERM_OWNER	  0x08
#define XS_PERM_IGNORE	  0x10 /* left out of account by xs_set_permissions() */

/* Enough bytes for an integer of x's type in decimal, with sign and NUL. */
#define MAX_STRLEN(x) ((sizeof(x) * CHAR_BIT + CHAR_BIT - 1) / 10 * 3 + 2)

/* $XENSTORED_RUNDIR, or /var/run/xenstored. */
const char *xs_daemon_rundir(void);
/* $XENSTORED_PATH, or "socket" in that folder. NULL: too long. Both are the same. */
const char *xs_daemon_socket(void);
const char *xs_daemon_socket_ro(void);

/* write() until everything is written. False: errno says why not. */
bool xs_write_all(int fd, const void *data, unsigned int len);

/* Reads num strings, each with its NUL, as the protocol has them: "n0", "r5", "w7", "b9".
 * False, errno EINVAL: one of them is not such a string. */
bool xs_strings_to_perms(struct xs_permissions *perms, unsigned int num, const char *strings);

#ifdef __cplusplus
}
#endif

#endif
