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

#define BLK_MAX_QUEUES IMAGE_MAX_QUEUES

/* A request in flight, for those who inspect the queue from another thread. `seq` is odd
 * while the rest is written. */
struct blk_flight {
	_Atomic uint32_t seq;
	bool used;
	uint8_t op; /* BLKIF_OP_* */
	bool indirect;
	uint16_t nr_segs;
	uint64_t id, sector, nr_sectors;
	uint64_t since;	    /* inspect_now() when it was taken */
	unsigned nr_grants; /* that are mapped for it alone */
	grant_ref_t grant[BLKIF_INDIRECT_SEGS];
};

struct blk_queue {
	struct blkback *dev;
	unsigned index;
	/* Set before the thread starts. */
	enum blkif_abi abi;
	struct ring_map ring;
	unsigned nr_slots;
	evtchn_port_t port;
	int event_fd, stop_fd, epoll_fd;
	bool bound;		   /* the port */
	_Atomic unsigned notified; /* by the frontend, and not looked at yet */
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	_Atomic bool drain; /* after the stop requests are taken up to this one */
	uint32_t drain_to;
	_Atomic bool broken; /* the frontend lies: no more requests are taken */

	/* The thread's own. */
	struct image_queue *image;
	struct blk_grants grants;
	uint32_t req_cons, rsp_prod, rsp_pushed;
	unsigned in_flight;
	/* blk_fault.c: answers that are held back; one that is put on the ring is let through */
	struct blk_held *held;
	struct blk_check *check; /* NULL: not asked for */
	unsigned nr_held;
	bool releasing;
	bool split;		/* the next answer is shown by itself */
	bool barrier;		/* one is being carried out: nothing else is taken */
	bool waits_for_barrier; /* one stays in the ring until all before it is done */
	struct blk_request request;
	uint64_t taken, answered; /* inspect_now() of the last time */

	/* blk_inspect.c: [nr_slots], and the indexes of those that are free. */
	struct blk_flight *flight;
	uint16_t *free_flight;
	unsigned nr_free_flight;
};

struct blkback {
	struct backend b; /* first */
	struct disk_spec spec;
	struct image image;
	unsigned nr_queues;
	struct blk_queue *queue[BLK_MAX_QUEUES];
	int wake_fd;		   /* a queue has something to tell the loop */
	int timer_fd;		   /* looks for a new size */
	struct local_watch *media; /* of a drive's params */
	_Atomic unsigned reported; /* errors */
	_Atomic bool powerless;	   /* a fault: nothing is done any more */
	struct blk_stats stats;
};

/* blkback.c. In the protocol's sectors of 512 bytes, whole ones of the disk's. */
uint64_t blkback_sectors(const struct blkback *k);
/* As Linux's blkback does: writes `sectors`, and its state again. */
void blkback_tell_size(struct blkback *k);

/* blk_media.c: what is in a drive, named by the backend's params. A program that writes
 * them changes it (libxl_cdrom_insert does that). */
void blk_media_publish(struct blkback *k);
int blk_media_watch(struct blkback *k); /* 0 or -ENOMEM */
void blk_media_unwatch(struct blkback *k);

/* blk_queue.c. 0, or negative errno: then nothing is left but q itself. */
int blk_queue_start(struct blk_queue *q, bool persistent);
/* The stop that follows carries out what is on the ring now, too: nobody else answers it, and a
 * frontend that waits for the answer would do so for ever. */
void blk_queue_drain(struct blk_queue *q);
/* Waits for what is in flight, gives back all that is the frontend's. */
void blk_queue_stop(struct blk_queue *q);
/* Between the two the image may be exchanged; the frontend notices only that it waits. */
void blk_queue_pause(struct blk_queue *q);
int blk_queue_resume(struct blk_queue *q);

/* blk_inspect.c: what is in flight, shown to other threads. */
int blk_flight_init(struct blk_queue *q);
void blk_flight_free(struct blk_queue *q);
/* By the queue's thread: q->request was started with these grants; the index for its end. */
unsigned blk_flight_begin(struct blk_queue *q, const struct blk_grant *grant, unsigned nr);
void blk_flight_end(struct blk_queue *q, unsigned index);
void blkback_inspect(struct backend *b, struct json_t *device, unsigned what);

/* blk_request.c: carries out q->request. */
void blk_request_start(struct blk_queue *q);
/* What is in a slot now (blk_queue.c). */
void blk_queue_slot(const struct blk_queue *q, uint32_t index, uint8_t slot[BLKIF_SLOT_MAX]);
/* Puts a response on the ring (blk_queue.c). */
void blk_queue_respond(struct blk_queue *q, uint64_t id, uint8_t op, int16_t status);

#endif
