/*
 * A ring and its thread. The indexes follow io/ring.h: the guest's are read once and
 * checked, ours are kept here and only shown to it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/block/blk_check.h"
#include "devices/block/blk_fault.h"
#include "devices/inspect.h"

/* The ring's header (io/ring.h: req_prod, req_event, rsp_prod, rsp_event). */
static uint32_t *ring_index(const struct blk_queue *q, unsigned which)
{
	return (uint32_t *)(void *)q->ring.page[0] + which;
}

#define REQ_PROD  0
#define REQ_EVENT 1
#define RSP_PROD  2
#define RSP_EVENT 3

static size_t slot_offset(const struct blk_queue *q, uint32_t index)
{
	return BLKIF_RING_HEADER + (index & (q->nr_slots - 1)) * blkif_slot_size(q->abi);
}

/* Our indexes are read by those who inspect the queue, too. */
static void show(uint32_t *index, uint32_t value)
{
	__atomic_store_n(index, value, __ATOMIC_RELAXED);
}

void blk_queue_slot(const struct blk_queue *q, uint32_t index, uint8_t slot[BLKIF_SLOT_MAX])
{
	ring_read(&q->ring, slot_offset(q, index), slot, blkif_slot_size(q->abi));
}

/* RING_PUSH_RESPONSES_AND_CHECK_NOTIFY. */
static void push_responses(struct blk_queue *q)
{
	uint32_t old = q->rsp_pushed, new = q->rsp_prod;

	if (old == new)
		return;
	__atomic_store_n(ring_index(q, RSP_PROD), new, __ATOMIC_RELEASE);
	show(&q->rsp_pushed, new);
	__atomic_store_n(&q->answered, inspect_now(), __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint32_t event = __atomic_load_n(ring_index(q, RSP_EVENT), __ATOMIC_RELAXED);
	if (new - event < new - old) {
		q->dev->stats.notifications++;
		PROBE_HIT(q->dev->b.domain, blk_notify, q->dev->b.id, q->index, q->port);
		if (blk_fault_notify(q))
			return;
		evtchn_backend_send(q->dev->b.domain, q->port);
	}
}

void blk_queue_respond(struct blk_queue *q, uint64_t id, uint8_t op, int16_t status)
{
	uint8_t slot[BLKIF_SLOT_MAX];

	if (q->check)
		blk_check_answered(q, id);
	if (blk_fault_response(q, &id, &op, &status))
		return;
	if (q->split)
		push_responses(q);
	PROBE_HIT(q->dev->b.domain, blk_response, q->dev->b.id, q->index, id, op,
		  (uint64_t)(int64_t)status, q->rsp_prod & (q->nr_slots - 1));
	blkif_response(slot, id, op, status);
	ring_write(&q->ring, slot_offset(q, q->rsp_prod), slot, BLKIF_RESPONSE_SIZE);
	if (q->check)
		blk_check_wrote(q, q->rsp_prod);
	show(&q->rsp_prod, q->rsp_prod + 1);
	if (q->split) {
		q->split = false;
		push_responses(q);
	}
}

static void broken(struct blk_queue *q)
{
	q->broken = true;
	eventfd_write(q->dev->wake_fd, 1);
}

static uint32_t unconsumed(struct blk_queue *q)
{
	uint32_t prod = __atomic_load_n(ring_index(q, REQ_PROD), __ATOMIC_ACQUIRE);
	uint32_t n = prod - q->req_cons;

	/* Every request that is in the ring or in flight needs a slot for its answer. */
	if (n > q->nr_slots - (q->req_cons - q->rsp_prod)) {
		broken(q);
		return 0;
	}
	return n;
}

static bool may_take(const struct blk_queue *q)
{
	if (q->broken || q->barrier)
		return false;
	return !q->stop || (q->drain && (int32_t)(q->drain_to - q->req_cons) > 0);
}

/* Takes requests as long as there are any. True when one was taken. */
static bool take_requests(struct blk_queue *q)
{
	uint8_t slot[BLKIF_SLOT_MAX];
	bool took = false;

	__atomic_store_n(&q->waits_for_barrier, false, __ATOMIC_RELAXED);
	while (may_take(q) && unconsumed(q)) {
		blk_queue_slot(q, q->req_cons, slot);
		int rc = blkif_parse(q->abi, slot, &q->request);
		/* A barrier comes after all before it; it stays in the ring till then. */
		if (!rc && q->request.op == BLKIF_OP_WRITE_BARRIER && q->in_flight) {
			__atomic_store_n(&q->waits_for_barrier, true, __ATOMIC_RELAXED);
			break;
		}
		PROBE_HIT(q->dev->b.domain, blk_request, q->dev->b.id, q->index, q->request.id,
			  q->request.op, q->request.sector, q->request.nr_segs,
			  q->req_cons & (q->nr_slots - 1), q->port);
		if (!took)
			__atomic_store_n(&q->taken, inspect_now(), __ATOMIC_RELAXED);
		if (q->check)
			blk_check_seen(q, q->req_cons, slot);
		if (q->check && !rc)
			blk_check_taken(q, q->req_cons, slot);
		show(&q->req_cons, q->req_cons + 1);
		took = true;
		if (rc) {
			q->dev->stats.errors++;
			blk_queue_respond(q, q->request.id, q->request.op,
					  rc == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP
							    : BLKIF_RSP_ERROR);
		} else if (!blk_fault_request(q)) {
			blk_request_start(q);
		}
	}
	return took;
}

/* RING_FINAL_CHECK_FOR_REQUESTS: asks for an event, and looks once more. */
static bool more_requests(struct blk_queue *q)
{
	if (q->stop || q->broken)
		return false;
	__atomic_store_n(ring_index(q, REQ_EVENT), q->req_cons + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* What waits for a barrier is looked at when that is done. */
	return !q->barrier && !q->waits_for_barrier && unconsumed(q);
}

static void serve(struct blk_queue *q)
{
	bool moved;

	do {
		do {
			moved = q->image->ops->reap(q->image);
			moved |= take_requests(q);
			q->image->ops->flush(q->image);
			if (q->held)
				blk_fault_release(q, q->stop);
			push_responses(q);
		} while (moved);
	} while (more_requests(q));
}

static void notifications_seen(struct blk_queue *q, unsigned n)
{
	atomic_fetch_sub(&q->dev->b.domain->backend_work, n);
}

static void *queue_thread(void *arg)
{
	struct blk_queue *q = arg;
	struct epoll_event events[3];
	bool stopping = false;
	char name[32]; /* the kernel keeps 15 */

	snprintf(name, 16, "%.6s queue %u", q->dev->spec.vdev, q->index % 100);
	pthread_setname_np(pthread_self(), name);

	/* One turn at least begins after the stop: the ring is not looked at without an event. */
	while (!stopping || q->in_flight) {
		int timeout = q->held ? blk_fault_timeout(q) : -1;

		stopping = q->stop;
		if (stopping && q->image->ops->hurry)
			q->image->ops->hurry(q->image);
		if (stopping && !q->in_flight)
			timeout = 0;
		int n = epoll_wait(q->epoll_fd, events, 3, timeout);

		for (int i = 0; i < n; i++) {
			eventfd_t count;
			if (events[i].data.fd == q->image->fd)
				continue;
			eventfd_read(events[i].data.fd, &count);
			if (events[i].data.fd == q->event_fd)
				q->dev->stats.wakeups++;
		}
		unsigned n_seen = atomic_exchange(&q->notified, 0);
		serve(q);
		notifications_seen(q, n_seen);
	}
	return NULL;
}

static int watch(struct blk_queue *q, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(q->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int make_descriptors(struct blk_queue *q)
{
	q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (q->event_fd < 0 || q->stop_fd < 0 || q->epoll_fd < 0)
		return -errno;
	int rc = watch(q, q->event_fd);
	return rc ? rc : watch(q, q->stop_fd);
}

static void close_descriptors(struct blk_queue *q)
{
	if (q->epoll_fd >= 0)
		close(q->epoll_fd);
	if (q->stop_fd >= 0)
		close(q->stop_fd);
	if (q->event_fd >= 0)
		close(q->event_fd);
}

void blk_queue_pause(struct blk_queue *q)
{
	if (q->started) {
		q->stop = true;
		eventfd_write(q->stop_fd, 1);
		pthread_join(q->thread, NULL);
		q->started = false;
		q->stop = false;
	}
	/* Its descriptor leaves epoll_fd as it is closed. */
	image_queue_destroy(q->image);
	q->image = NULL;
}

int blk_queue_resume(struct blk_queue *q)
{
	q->image = image_queue_create(&q->dev->image, q->nr_slots);
	if (!q->image)
		return errno ? -errno : -ENOMEM;
	int rc = watch(q, q->image->fd);
	if (!rc) {
		rc = -pthread_create(&q->thread, NULL, queue_thread, q);
		q->started = !rc;
	}
	/* What came meanwhile. */
	eventfd_write(q->event_fd, 1);
	return rc;
}

static void notified(void *arg)
{
	struct blk_queue *q = arg;

	atomic_fetch_add(&q->dev->b.domain->backend_work, 1);
	atomic_fetch_add(&q->notified, 1);
	eventfd_write(q->event_fd, 1);
}

int blk_queue_start(struct blk_queue *q, bool persistent)
{
	struct domain *d = q->dev->b.domain;

	q->event_fd = q->stop_fd = q->epoll_fd = -1;
	q->nr_slots = blkif_ring_slots(q->abi, q->ring.nr);
	/* A frontend that resumes may have used the ring before. */
	q->rsp_prod = q->rsp_pushed = q->req_cons =
		__atomic_load_n(ring_index(q, RSP_PROD), __ATOMIC_RELAXED);
	if (q->dev->spec.check)
		q->check = blk_check_create(q);
	int rc = make_descriptors(q);
	if (!rc)
		rc = blk_grants_init(&q->grants, d, persistent);
	if (!rc)
		rc = blk_flight_init(q);
	if (!rc) {
		rc = evtchn_backend_connect(d, q->port, notified, q);
		q->bound = !rc;
	}
	if (!rc)
		rc = blk_queue_resume(q);
	if (rc)
		blk_queue_stop(q);
	return rc;
}

void blk_queue_drain(struct blk_queue *q)
{
	q->drain_to = __atomic_load_n(ring_index(q, REQ_PROD), __ATOMIC_ACQUIRE);
	q->drain = true;
}

void blk_queue_stop(struct blk_queue *q)
{
	blk_queue_pause(q);
	if (q->bound)
		evtchn_backend_close(q->dev->b.domain, q->port);
	notifications_seen(q, atomic_exchange(&q->notified, 0));
	close_descriptors(q);
	blk_fault_release(q, true);
	blk_grants_destroy(&q->grants);
	blk_flight_free(q);
	blk_check_destroy(q->check);
	q->check = NULL;
	ring_unmap(&q->ring);
}
