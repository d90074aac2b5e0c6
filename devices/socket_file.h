/*
 * A listening UNIX socket in the file system, which only the user may connect to. Its
 * folder may be renamed while it listens: what is removed at the end is this socket and
 * no other that is at its path by then.
 */
#ifndef DEVICES_SOCKET_FILE_H
#define DEVICES_SOCKET_FILE_H

#include <sys/types.h>
#include <sys/un.h>

struct socket_file {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": there is none */
	dev_t dev;
	ino_t ino;
};

/* Makes the socket, where nothing may be. Its descriptor, or a negative errno with
 * nothing left behind. */
int socket_file_listen(struct socket_file *f, const char *path, int backlog);
/* Removes the file; nothing happens for one that is all zero. */
void socket_file_remove(struct socket_file *f);

#endif
