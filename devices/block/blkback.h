/*
 * The block backend: one struct blkback a disk, in the event loop; one struct
 * blk_queue a ring, each with a thread of its own between connect and disconnect.
 */
#ifndef DEVICES_BLOCK_BLKBACK_H
#define DEVICES_BLOCK_BLKBACK_H

#include <pthread.h>

#include "devices/backend.h"
#include "devices/block/blk_grants.h"
#include "devices/block/blkif.h"
#include "devices/block/block.h"
#include "devices/block/disk_spec.h"
#include "devices/block/image.h"

#define BLK_MAX_QUEUES 32

struct blk_queue {
	struct blkback *dev;
	unsigned index;
	/* Set before the thread starts. */
	enum blkif_abi abi;
	struct ring_map ring;
	unsigned nr_slots;
	evtchn_port_t port;
	int event_fd, stop_fd, epoll_fd;
	bool bound; /* the port */
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	_Atomic bool broken; /* the frontend lies: no more requests are taken */

	/* The thread's own. */
	struct image_queue *image;
	struct blk_grants grants;
	uint32_t req_cons, rsp_prod, rsp_pushed;
	unsigned in_flight;
	bool barrier;		/* one is being carried out: nothing else is taken */
	bool waits_for_barrier; /* one stays in the ring until all before it is done */
	struct blk_request request;
};

struct blkback {
	struct backend b; /* first */
	struct disk_spec spec;
	struct image image;
	unsigned nr_queues;
	struct blk_queue *queue[BLK_MAX_QUEUES];
	int wake_fd;  /* a queue has something to tell the loop */
	int timer_fd; /* looks for a new size */
	struct blk_stats stats;
};

/* blk_queue.c. 0, or negative errno: then nothing is left but q itself. */
int blk_queue_start(struct blk_queue *q, bool persistent);
/* Waits for what is in flight, gives back all that is the frontend's. */
void blk_queue_stop(struct blk_queue *q);

/* blk_request.c: carries out q->request. */
void blk_request_start(struct blk_queue *q);
/* Puts a response on the ring (blk_queue.c). */
void blk_queue_respond(struct blk_queue *q, uint64_t id, uint8_t op, int16_t status);

#endif
