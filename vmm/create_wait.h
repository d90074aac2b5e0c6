/*
 * Between `create` that the user started and the process that the domain lives in, its child:
 * what the child does at present, and that the domain is up.
 */
#ifndef VMM_CREATE_WAIT_H
#define VMM_CREATE_WAIT_H

#include <stdbool.h>
#include <sys/types.h>

/* By the child. fd: its end of a pipe; -1: nobody listens. */
void create_tell_doing(int fd, const char *what);
void create_tell_up(int fd, const char *name, unsigned domid);

struct create_wait {
	pid_t child;
	int fd;		      /* the pipe's other end */
	int signal_fd;	      /* signals for us, which are the child's */
	bool quiet;	      /* no progress */
	bool until_end;	      /* not only until it is up */
	unsigned patience_ms; /* after which it is told what we wait for */
	/* Set when the domain is up. */
	bool is_up;
	char name[200];
	unsigned domid;
};

/* Waits for the child to be up or to end. Its exit status, 128 + n when a signal ended
 * it, 0 when it is up and runs on. */
int create_wait(struct create_wait *w);

#endif
