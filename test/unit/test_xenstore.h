/*
 * A xenstore for unit tests whose guest, a test domain, was introduced as the toolstack does.
 */
#ifndef TEST_UNIT_TEST_XENSTORE_H
#define TEST_UNIT_TEST_XENSTORE_H

#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"

/* Its ports are the store's 1 and the console's 2. For the test to destroy. */
struct xenstore *test_xenstore_new(struct test_domain *t, struct event_loop *loop);

#endif
