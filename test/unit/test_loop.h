/*
 * An event loop for unit tests that runs in its own thread, and a way to wait
 * until its handlers have served what was signalled so far.
 */
#ifndef TEST_UNIT_TEST_LOOP_H
#define TEST_UNIT_TEST_LOOP_H

#include "devices/device.h"

/* Before event_loop_start() of `l`; one in a process. */
void test_loop_init(struct event_loop *l);
/* Returns after every handler whose descriptor was ready at the call. */
void test_loop_sync(void);
void test_loop_free(void);

#endif
