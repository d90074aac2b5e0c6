/*
 * libnbd, loaded when the first disk needs it: with what it pulls in (GnuTLS, libxml2,
 * ICU) it is 47 MB and would make every start of the program six times as long.
 */
#ifndef DEVICES_BLOCK_NBD_LIBRARY_H
#define DEVICES_BLOCK_NBD_LIBRARY_H

#include <libnbd.h>
#include <stddef.h>

#define NBD_FUNCTIONS(X)      \
	X(create)             \
	X(close)              \
	X(get_error)          \
	X(get_errno)          \
	X(poll)               \
	X(supports_uri)       \
	X(set_export_name)    \
	X(aio_connect_socket) \
	X(aio_connect_uri)    \
	X(aio_is_ready)       \
	X(aio_is_dead)        \
	X(aio_is_closed)      \
	X(aio_get_fd)         \
	X(aio_get_direction)  \
	X(aio_notify_read)    \
	X(aio_notify_write)   \
	X(aio_pread)          \
	X(aio_pwrite)         \
	X(aio_flush)          \
	X(aio_trim)           \
	X(aio_disconnect)     \
	X(get_size)           \
	X(get_block_size)     \
	X(is_read_only)       \
	X(can_flush)          \
	X(can_trim)           \
	X(can_multi_conn)

struct nbd_library {
	void *object;
#define NBD_MEMBER(name) __typeof__(nbd_##name) *name;
	NBD_FUNCTIONS(NBD_MEMBER)
#undef NBD_MEMBER
};

/* 0, or negative errno and a sentence that says what to install. */
int nbd_library_open(struct nbd_library *lib, char *err, size_t errlen);
void nbd_library_close(struct nbd_library *lib);

#endif
