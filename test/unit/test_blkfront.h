/*
 * A block frontend for unit tests: the ring through Xen's own macros (io/ring.h), pages
 * and grants of a test domain, keys in a xenstore.
 */
#ifndef TEST_UNIT_TEST_BLKFRONT_H
#define TEST_UNIT_TEST_BLKFRONT_H

#include "devices/backend.h"
#include "test/unit/test_domain.h"

#define xen_mb()  __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/io/blkif.h>

#define FRONT_MAX_QUEUES 4
#define FRONT_PAGES	 16 /* of a ring, at most */

struct front_queue {
	blkif_front_ring_t ring;
	evtchn_port_t port;
};

struct blkfront {
	struct test_domain *t;
	struct xenstore *xs;
	struct event_loop *loop;
	struct backend *backend;
	char image[64]; /* the file behind it */
	unsigned nr_queues;
	struct front_queue queue[FRONT_MAX_QUEUES];
	grant_ref_t next_ref;
	uint64_t next_id;
};

#define FRONT_IMAGE_SIZE (8u << 20)
#define FRONT_FE	 "/local/domain/1/device/vbd/51712"
#define FRONT_BE	 "/local/domain/0/backend/vbd/1/51712"

/* A disk on a sparse file of FRONT_IMAGE_SIZE with these further fields ("ro"); its
 * backend waits. */
struct blkfront *front_new(const char *fields);
/* The same on a target of the test's: all of xl's syntax. For `xvda`. */
struct blkfront *front_new_on(const char *spec);
/* A test that has destroyed the backend sets f->backend to NULL. */
void front_free(struct blkfront *f);
/* Writes the frontend's keys and connects; ck_asserts that the backend is Connected. */
void front_connect(struct blkfront *f, unsigned queues, unsigned order, bool persistent);
void front_write(struct blkfront *f, const char *key, unsigned value);
void front_state(struct blkfront *f, enum xenbus_state s);
unsigned front_backend_state(struct blkfront *f);

/* A page of the guest's and a grant of it for domain 0. */
uint8_t *front_page(struct blkfront *f, bool readonly, grant_ref_t *ref);
/* How the grant is in use: GTF_reading | GTF_writing. */
unsigned front_in_use(struct blkfront *f, grant_ref_t ref);

/* The next free request of a queue, zeroed, with an id of its own. */
blkif_request_t *front_request(struct blkfront *f, unsigned queue, uint8_t op);
/* Shows the requests to the backend, notifies it when it wants that. */
void front_push(struct blkfront *f, unsigned queue);
/* Waits for a response; false: none in five seconds. */
bool front_response(struct blkfront *f, unsigned queue, blkif_response_t *r);
/* One request alone: push, wait, its status. */
int front_status(struct blkfront *f, unsigned queue);

#endif
