/*
 * A server for an image that is no plain file: a qemu-nbd of our own, on sockets that only
 * it and we have. It ends with the last of them, so also when our process is killed.
 */
#ifndef DEVICES_BLOCK_NBD_SERVER_H
#define DEVICES_BLOCK_NBD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct nbd_server {
	pid_t pid;  /* 0: none */
	int err_fd; /* what it says */
};

/* Starts it for the image `path` in QEMU's `format`. socket[nr] are connections to it, not
 * yet spoken on: the caller's to close. 0, or negative errno and a sentence. */
int nbd_server_start(struct nbd_server *s, const char *path, const char *format, bool readonly,
		     int *socket, unsigned nr, char *err, size_t errlen);
/* A sentence of what it complained about, after it failed; waits a moment for it to end.
 * False: it said nothing. */
bool nbd_server_complaint(struct nbd_server *s, char *err, size_t errlen);
/* All connections are closed: waits till it has written everything and is gone, and kills
 * it after half a minute; sooner when it has `stalled`. */
void nbd_server_end(struct nbd_server *s, bool stalled);

#endif
