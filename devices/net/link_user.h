/*
 * The user network: libslirp in the event loop.
 */
#ifndef DEVICES_NET_LINK_USER_H
#define DEVICES_NET_LINK_USER_H

#include <slirp/libslirp.h>

#include "devices/net/coalesce.h"
#include "devices/net/link.h"

#define USER_TIMERS	 4
#define USER_MAX_SOCKETS 512 /* or a quarter of what the process may open */

struct user_timer {
	bool used;
	SlirpTimerId id;
	void *arg;
	int64_t at_ms; /* -1: off */
};

/* What epoll_fd knows of a descriptor. */
struct user_watch {
	int events;	/* SLIRP_POLL_*; 0: it is not in epoll_fd */
	int revents;	/* of this round */
	unsigned round; /* of user_poll_update() that saw it last */
};

struct link_user {
	struct link l; /* first */
	Slirp *slirp;
	struct coalesce coalesce; /* frames for the guest */
	bool touched;		  /* slirp may wait for other sockets than before */
	unsigned nr_errors;
	int64_t fragments_since;
	unsigned fragment_bytes;
	struct user_timer timer[USER_TIMERS];

	int epoll_fd, timer_fd;
	int64_t timer_ms;  /* when timer_fd is due; -1: off */
	int64_t polled_ms; /* when slirp was told the time */
	bool paused;
	unsigned round, max_sockets;
	struct user_watch *watch; /* by descriptor */
	unsigned nr_watches;
	int *fd, *old_fd; /* what slirp waits for now, and did before */
	unsigned nr_fds, nr_old, fds_allocated;
};

int user_poll_open(struct link_user *u);
void user_poll_close(struct link_user *u);
/* Asks slirp what it waits for. */
void user_poll_update(struct link_user *u);
/* Before what the guest sends is given to slirp. */
void user_poll_freshen(struct link_user *u);
void user_poll_forget(struct link_user *u, int fd);
void user_poll_pause(struct link_user *u, bool paused);
bool user_poll_is_full(const struct link_user *u);

#endif
