/*
 * What can be made to go wrong between a ring and its frontend. Answers that are held back
 * wait in a list of the queue's.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "devices/block/blk_fault.h"
#include "pvabi/fault.h"

#define MAX_HELD     1024
#define REORDER_NS   1000000000ll /* when there is no next answer */
#define MAX_SLEEP_NS 60000000000ll
#define WRONG_VALUE  77 /* neither a status nor an operation */

struct blk_held {
	struct blk_held *next;
	int64_t due;
	bool until_next; /* answer */
	uint64_t id;
	uint8_t op;
	int16_t status;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

bool blk_fault_request(struct blk_queue *q)
{
	const struct blk_request *r = &q->request;
	struct fault f;

	if (!FAULT_AT(q->dev->b.domain, blk_request, &f, q->dev->b.id, q->index, r->id, r->op,
		      r->sector, r->nr_segs, (q->req_cons - 1) & (q->nr_slots - 1), q->port))
		return false;
	if (f.kind == FAULT_FAIL)
		blk_queue_respond(q, r->id, r->op,
				  fault_value(&f, -EIO) == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP
								       : BLKIF_RSP_ERROR);
	return true;
}

static void hold(struct blk_queue *q, const struct fault *f, uint64_t id, uint8_t op,
		 int16_t status)
{
	struct blk_held *h = calloc(1, sizeof(*h)), **p = &q->held;
	bool reorder = f->kind == FAULT_REORDER;

	if (!h)
		return;
	*h = (struct blk_held){.due = now_ns() + (reorder ? REORDER_NS : fault_value(f, 100000000)),
			       .until_next = reorder,
			       .id = id,
			       .op = op,
			       .status = status};
	while (*p)
		p = &(*p)->next;
	*p = h;
	q->nr_held++;
}

bool blk_fault_response(struct blk_queue *q, uint64_t *id, uint8_t *op, int16_t *status)
{
	struct fault f;

	if (q->releasing ||
	    !FAULT_AT(q->dev->b.domain, blk_response, &f, q->dev->b.id, q->index, *id, *op,
		      (uint64_t)(int64_t)*status, q->rsp_prod & (q->nr_slots - 1)))
		return false;
	switch (f.kind) {
	case FAULT_DELAY:
	case FAULT_REORDER:
		if (q->nr_held == MAX_HELD)
			return false;
		hold(q, &f, *id, *op, *status);
		return true;
	case FAULT_DUPLICATE:
		q->releasing = true;
		blk_queue_respond(q, *id, *op, *status);
		q->releasing = false;
		return false;
	case FAULT_WRONG_ID:
		*id = f.has_value ? (uint64_t)f.value : *id + 1;
		return false;
	case FAULT_WRONG_OP:
		*op = (uint8_t)fault_value(&f, WRONG_VALUE);
		return false;
	case FAULT_WRONG_STATUS:
		*status = (int16_t)fault_value(&f, WRONG_VALUE);
		return false;
	case FAULT_SPLIT:
		q->split = true;
		return false;
	case FAULT_JUMP:
		q->rsp_prod += (uint32_t)fault_value(&f, 1000);
		return false;
	default:
		return false;
	}
}

bool blk_fault_notify(struct blk_queue *q)
{
	struct fault f;

	return FAULT_AT(q->dev->b.domain, blk_notify, &f, q->dev->b.id, q->index, q->port);
}

void blk_fault_release(struct blk_queue *q, bool all)
{
	int64_t now = q->held ? now_ns() : 0;

	q->releasing = true;
	for (struct blk_held **p = &q->held; *p;) {
		struct blk_held *h = *p;

		if (!all && h->due > now && !(h->until_next && q->rsp_prod != q->rsp_pushed)) {
			p = &h->next;
			continue;
		}
		*p = h->next;
		q->nr_held--;
		blk_queue_respond(q, h->id, h->op, h->status);
		free(h);
	}
	q->releasing = false;
}

int blk_fault_timeout(const struct blk_queue *q)
{
	int64_t first = INT64_MAX, now = now_ns();

	for (const struct blk_held *h = q->held; h; h = h->next)
		if (h->due < first)
			first = h->due;
	if (first == INT64_MAX)
		return -1;
	if (first - now > MAX_SLEEP_NS)
		return MAX_SLEEP_NS / 1000000;
	return first <= now ? 0 : (int)((first - now) / 1000000) + 1;
}
