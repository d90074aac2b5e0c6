/*
 * What is checked, and told with the bug that it looks like:
 *
 * - A request must not change between the producer's index that published it and its answer
 *   (io/ring.h: RING_PUSH_REQUESTS has a write barrier before the index), nor be what the slot
 *   held before: nothing, or our answer of the lap before.
 * - A grant must not be in two requests at a time: whoever gave it back twice gets it twice.
 * - An id must not be that of a request that is not answered yet.
 *
 * Each kind of finding is reported a few times for a disk, then only counted.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/block/blk_check.h"

#define MAX_REPORTS 8

struct taken {
	bool used;
	uint32_t index; /* of the ring, as it counts on */
	uint64_t id;
	uint8_t slot[BLKIF_SLOT_MAX];
	unsigned nr_refs;
	grant_ref_t ref[BLKIF_MAX_SEGMENTS_PER_REQUEST + BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
};

struct left {
	bool known;
	uint8_t slot[BLKIF_SLOT_MAX];
};

struct blk_check {
	unsigned reports;
	unsigned nr;
	struct left *left; /* in each slot of the ring, when we last wrote there */
	struct taken taken[];
};

static bool may_report(struct blk_check *c)
{
	return c->reports++ < MAX_REPORTS;
}

struct blk_check *blk_check_create(struct blk_queue *q)
{
	static const uint8_t nothing[BLKIF_SLOT_MAX];
	struct blk_check *c = calloc(1, sizeof(*c) + q->nr_slots * sizeof(c->taken[0]));

	if (!c)
		return NULL;
	c->nr = q->nr_slots;
	c->left = calloc(c->nr, sizeof(c->left[0]));
	if (!c->left) {
		free(c);
		return NULL;
	}
	/* A new ring is empty, unless its frontend was quick; zeros are no request. */
	for (unsigned i = 0; i < c->nr; i++) {
		blk_queue_slot(q, i, c->left[i].slot);
		c->left[i].known = !memcmp(c->left[i].slot, nothing, blkif_slot_size(q->abi));
	}
	return c;
}

void blk_check_destroy(struct blk_check *c)
{
	if (c)
		free(c->left);
	free(c);
}

void blk_check_wrote(struct blk_queue *q, uint32_t index)
{
	struct left *l = &q->check->left[index & (q->nr_slots - 1)];

	blk_queue_slot(q, index, l->slot);
	l->known = true;
}

/* One that we cannot read is looked at, too: zeros are none. */
void blk_check_seen(struct blk_queue *q, uint32_t index, const uint8_t *slot)
{
	unsigned n = index & (q->nr_slots - 1);
	struct left *l = &q->check->left[n];

	if (l->known && !memcmp(slot, l->slot, blkif_slot_size(q->abi)) && may_report(q->check))
		domain_log(q->dev->b.domain, LOG_WARN,
			   "disk %s: the producer's index has passed slot %u, and what is there is "
			   "not new: the frontend publishes requests before it has written them, "
			   "as without a write barrier",
			   q->dev->spec.vdev, n);
	l->known = false;
}

static struct taken *find(struct blk_check *c, uint64_t id)
{
	for (unsigned i = 0; i < c->nr; i++)
		if (c->taken[i].used && c->taken[i].id == id)
			return &c->taken[i];
	return NULL;
}

/* Pages with segments of an indirect request are named in it, too; the segments are not
 * known yet. */
static void note_refs(struct taken *t, const struct blk_request *r)
{
	if (r->op == BLKIF_OP_DISCARD)
		return;
	if (r->indirect) {
		for (unsigned i = 0; i < r->nr_indirect && i < BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST;
		     i++)
			t->ref[t->nr_refs++] = r->indirect_ref[i];
		return;
	}
	for (unsigned i = 0; i < r->nr_segs && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
		t->ref[t->nr_refs++] = r->seg[i].gref;
}

static const struct taken *who_has(const struct blk_check *c, const struct taken *but,
				   grant_ref_t ref)
{
	for (unsigned i = 0; i < c->nr; i++)
		for (unsigned k = 0;
		     c->taken[i].used && &c->taken[i] != but && k < c->taken[i].nr_refs; k++)
			if (c->taken[i].ref[k] == ref)
				return &c->taken[i];
	return NULL;
}

void blk_check_taken(struct blk_queue *q, uint32_t index, const uint8_t *slot)
{
	struct domain *d = q->dev->b.domain;
	struct blk_check *c = q->check;
	struct taken *t = NULL;

	if (find(c, q->request.id) && may_report(c))
		domain_log(
			d, LOG_WARN,
			"disk %s: request %#llx in slot %u has the id of one that is not answered "
			"yet: the frontend forgets which of its ids are in use",
			q->dev->spec.vdev, (unsigned long long)q->request.id,
			index & (q->nr_slots - 1));
	for (unsigned i = 0; i < c->nr && !t; i++)
		if (!c->taken[i].used)
			t = &c->taken[i];
	if (!t)
		return;
	*t = (struct taken){.used = true, .index = index, .id = q->request.id};
	memcpy(t->slot, slot, blkif_slot_size(q->abi));
	note_refs(t, &q->request);
	for (unsigned i = 0; i < t->nr_refs; i++) {
		const struct taken *other = who_has(c, t, t->ref[i]);

		if (other && may_report(c))
			domain_log(
				d, LOG_WARN,
				"disk %s: grant %u is in request %#llx (slot %u) and still in "
				"request %#llx (slot %u): the frontend had it given out twice, as "
				"after a double free",
				q->dev->spec.vdev, t->ref[i], (unsigned long long)t->id,
				t->index & (q->nr_slots - 1), (unsigned long long)other->id,
				other->index & (q->nr_slots - 1));
	}
}

void blk_check_answered(struct blk_queue *q, uint64_t id)
{
	struct blk_check *c = q->check;
	struct taken *t = find(c, id);
	uint8_t now[BLKIF_SLOT_MAX];

	if (!t)
		return;
	t->used = false;
	/* Our own answers to others may have gone over it. */
	if ((int32_t)(t->index - q->rsp_prod) < 0)
		return;
	blk_queue_slot(q, t->index, now);
	if (memcmp(now, t->slot, blkif_slot_size(q->abi)) && may_report(c))
		domain_log(
			q->dev->b.domain, LOG_WARN,
			"disk %s: request %#llx in slot %u changed after the producer's index had "
			"passed it: the frontend publishes requests before it has written them, "
			"as without a write barrier",
			q->dev->spec.vdev, (unsigned long long)id, t->index & (q->nr_slots - 1));
}
