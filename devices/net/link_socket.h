/*
 * The cable between two guests: link_socket.c, socket_meet.c.
 */
#ifndef DEVICES_NET_LINK_SOCKET_H
#define DEVICES_NET_LINK_SOCKET_H

#include <linux/virtio_net.h>
#include <sys/types.h>

#include "devices/net/link.h"

#define SOCKET_BUFFER (1 << 20) /* the kernel may give less */

struct link_socket {
	struct link l; /* first */
	char path[108];
	int peer_fd, listen_fd, timer_fd; /* -1: none */
	ino_t inode;			  /* of the path, while we listen */
	bool blocked;			  /* the peer's buffer is full */
	bool complained;
	uint8_t buffer[sizeof(struct virtio_net_hdr) + PACKET_MAX];
};

void socket_watch(struct link_socket *s);
/* Connects to who listens at the path (*fd), or listens there (s->listen_fd, *fd -1).
 * -EAGAIN: somebody else is about to; else negative errno and a sentence. */
int socket_meet(struct link_socket *s, int *fd, char *err, size_t errlen);
/* Is the other end the same user's, or root's? */
bool socket_peer_is_user(int fd);
/* Removes the path if it is still ours. */
void socket_unlink(const struct link_socket *s);

#endif
