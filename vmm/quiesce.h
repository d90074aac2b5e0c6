/*
 * Waiting until the devices have done what the guest asked of them, for virtual time: then
 * what they tell it comes at the same point of its work every time.
 */
#ifndef VMM_QUIESCE_H
#define VMM_QUIESCE_H

#include <stdatomic.h>
#include <stdint.h>

struct domain;
struct event_loop;

struct quiesce {
	struct event_loop *loop;
	struct domain *domain;
	int fd; /* eventfd: the loop answers; -1: not in use */
	_Atomic uint32_t answers;
	uint64_t late; /* times that somebody was not done in time */
};

/* 0 or negative errno. Before the loop starts. */
int quiesce_init(struct quiesce *q, struct event_loop *l, struct domain *d);
void quiesce_close(struct quiesce *q);
/* By a vcpu's thread: until the loop has handled all that was ready at the call and no
 * backend has a request in hand, 1 s at most. */
void quiesce_wait(struct quiesce *q);

#endif
