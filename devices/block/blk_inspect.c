/*
 * A disk's queues for those who debug them. The queues' threads are neither stopped nor
 * asked, they may hang: indexes are read word by word, a request in flight is copied and
 * taken when its number did not change meanwhile.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/blkback.h"
#include "devices/inspect.h"

#define MAX_TRIES 8
#define NO_FLIGHT (~0u)

/* ---- by the queue's thread ---- */

int blk_flight_init(struct blk_queue *q)
{
	q->flight = calloc(q->nr_slots, sizeof(*q->flight));
	q->free_flight = calloc(q->nr_slots, sizeof(*q->free_flight));
	if (!q->flight || !q->free_flight)
		return -ENOMEM;
	for (unsigned i = 0; i < q->nr_slots; i++)
		q->free_flight[i] = (uint16_t)(q->nr_slots - 1 - i);
	q->nr_free_flight = q->nr_slots;
	return 0;
}

void blk_flight_free(struct blk_queue *q)
{
	free(q->flight);
	free(q->free_flight);
	q->flight = NULL;
	q->free_flight = NULL;
}

static void write_begin(struct blk_flight *f)
{
	atomic_store_explicit(&f->seq, f->seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void write_end(struct blk_flight *f)
{
	atomic_store_explicit(&f->seq, f->seq + 1, memory_order_release);
}

unsigned blk_flight_begin(struct blk_queue *q, const struct blk_grant *grant, unsigned nr)
{
	const struct blk_request *r = &q->request;
	/* A request needs a slot for its answer, so there are enough; but for faults that are
	 * injected into the ring. */
	if (!q->nr_free_flight)
		return NO_FLIGHT;
	unsigned index = q->free_flight[--q->nr_free_flight];
	struct blk_flight *f = &q->flight[index];

	write_begin(f);
	f->used = true;
	f->op = r->op;
	f->indirect = r->indirect;
	f->nr_segs = (uint16_t)r->nr_segs;
	f->id = r->id;
	f->sector = r->sector;
	f->nr_sectors = r->nr_sectors;
	f->since = q->taken;
	f->nr_grants = 0;
	for (unsigned i = 0; i < nr; i++)
		if (!grant[i].kept)
			f->grant[f->nr_grants++] = grant[i].ref;
	write_end(f);
	return index;
}

void blk_flight_end(struct blk_queue *q, unsigned index)
{
	if (index == NO_FLIGHT)
		return;
	struct blk_flight *f = &q->flight[index];

	write_begin(f);
	f->used = false;
	write_end(f);
	q->free_flight[q->nr_free_flight++] = (uint16_t)index;
}

/* ---- by the event loop's thread ---- */

/* False: nothing is in flight there, or it changes too often to be read. */
static bool read_flight(struct blk_flight *f, struct blk_flight *copy)
{
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		uint32_t seq = atomic_load_explicit(&f->seq, memory_order_acquire);

		if (seq & 1)
			continue;
		memcpy((char *)copy + sizeof(copy->seq), (char *)f + sizeof(f->seq),
		       sizeof(*copy) - sizeof(copy->seq));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&f->seq, memory_order_relaxed) == seq)
			return copy->used;
	}
	return false;
}

static const char *op_name(uint8_t op)
{
	static const char *const names[] = {
		[BLKIF_OP_READ] = "read",
		[BLKIF_OP_WRITE] = "write",
		[BLKIF_OP_WRITE_BARRIER] = "barrier",
		[BLKIF_OP_FLUSH_DISKCACHE] = "flush",
		[BLKIF_OP_DISCARD] = "discard",
		[BLKIF_OP_INDIRECT] = "indirect",
	};

	return op < sizeof(names) / sizeof(names[0]) && names[op] ? names[op] : "unknown";
}

static void add_flight(json_t *requests, const struct blk_flight *f, uint64_t now)
{
	json_array_append_new(requests,
			      json_pack("{s:s, s:I, s:s, s:I, s:I, s:i, s:b, s:I}", "where",
					"in flight", "id", (json_int_t)f->id, "op", op_name(f->op),
					"sector", (json_int_t)f->sector, "sectors",
					(json_int_t)f->nr_sectors, "segments", (int)f->nr_segs,
					"indirect", f->indirect, "age_ns",
					(json_int_t)(now > f->since ? now - f->since : 0)));
}

/* What is in the ring and was not taken. The guest may write there: a copy is looked at. */
static void add_waiting(const struct blk_queue *q, json_t *requests, uint32_t from, uint32_t to)
{
	struct blk_request r;
	uint8_t slot[BLKIF_SLOT_MAX];
	size_t size = blkif_slot_size(q->abi);

	for (uint32_t i = from; i != to && i - from < q->nr_slots; i++) {
		ring_read(&q->ring, BLKIF_RING_HEADER + (i & (q->nr_slots - 1)) * size, slot, size);
		/* Once it is taken, an answer may be written over it. */
		atomic_thread_fence(memory_order_acquire);
		if ((int32_t)(__atomic_load_n(&q->req_cons, __ATOMIC_RELAXED) - i) > 0)
			continue;
		int rc = blkif_parse(q->abi, slot, &r);
		if (!rc && !r.indirect)
			blkif_check_segments(&r);
		json_t *j = json_pack("{s:s, s:I, s:s, s:i, s:b}", "where", "not taken", "id",
				      (json_int_t)r.id, "op", op_name(r.op), "segments",
				      rc ? 0 : (int)r.nr_segs, "indirect", !rc && r.indirect);
		if (rc) {
			json_object_set_new(j, "bad", json_true());
		} else {
			json_object_set_new(j, "sector", json_integer((json_int_t)r.sector));
			/* Those of an indirect one are in another page. */
			if (!r.indirect)
				json_object_set_new(j, "sectors",
						    json_integer((json_int_t)r.nr_sectors));
		}
		json_array_append_new(requests, j);
	}
}

static void put_grants(struct blk_queue *q, json_t *device)
{
	struct blk_flight f;
	char use[80];

	snprintf(use, sizeof(use), "queue %u, ring", q->index);
	for (unsigned i = 0; i < q->ring.nr; i++)
		inspect_grant(device, q->ring.ref[i], use);
	snprintf(use, sizeof(use), "queue %u, persistent cache", q->index);
	for (unsigned i = 0; q->grants.table && i < BLK_PERSISTENT_HASH; i++)
		if (__atomic_load_n(&q->grants.table[i].addr, __ATOMIC_ACQUIRE))
			inspect_grant(device, q->grants.table[i].ref, use);
	for (unsigned i = 0; i < q->nr_slots; i++) {
		if (!read_flight(&q->flight[i], &f))
			continue;
		snprintf(use, sizeof(use), "queue %u, %s of id %llu", q->index, op_name(f.op),
			 (unsigned long long)f.id);
		for (unsigned g = 0; g < f.nr_grants && g < BLKIF_INDIRECT_SEGS; g++)
			inspect_grant(device, f.grant[g], use);
	}
}

static uint32_t word(const struct blk_queue *q, unsigned which)
{
	return __atomic_load_n((uint32_t *)(void *)q->ring.page[0] + which, __ATOMIC_ACQUIRE);
}

/* All indexes, again until none moved meanwhile; a queue at work may never hold still, then
 * they are of nearly the same moment. */
static void look(struct blk_queue *q, struct ring_look *r)
{
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		r->rsp_prod = word(q, 2);
		r->rsp_made = __atomic_load_n(&q->rsp_prod, __ATOMIC_ACQUIRE);
		r->req_cons = __atomic_load_n(&q->req_cons, __ATOMIC_ACQUIRE);
		r->rsp_event = word(q, 3);
		r->req_event = word(q, 1);
		r->req_prod = word(q, 0);
		if (r->req_cons == __atomic_load_n(&q->req_cons, __ATOMIC_RELAXED) &&
		    r->rsp_prod == word(q, 2))
			break;
	}
	r->taken = __atomic_load_n(&q->taken, __ATOMIC_RELAXED);
	r->answered = __atomic_load_n(&q->answered, __ATOMIC_RELAXED);
}

static void put_queue(struct blk_queue *q, json_t *device, unsigned what)
{
	char name[24];
	struct ring_look r = {
		.ring = name,
		.kind = "block",
		.port = q->port,
		.slots = q->nr_slots,
		.now = inspect_now(),
	};
	struct blk_flight f, oldest = {0};
	unsigned nr = 0;

	snprintf(name, sizeof(name), "queue %u", q->index);
	look(q, &r);
	if (q->broken)
		r.held = "the frontend broke the protocol";
	else if (!q->started)
		r.held = "the disk's image is being exchanged";
	else if (__atomic_load_n(&q->waits_for_barrier, __ATOMIC_RELAXED))
		r.held = "a barrier waits for all before it";
	json_t *ring = inspect_ring(device, &r), *requests = json_array();
	for (unsigned i = 0; i < q->nr_slots; i++) {
		if (!read_flight(&q->flight[i], &f))
			continue;
		nr++;
		if (!oldest.since || f.since < oldest.since)
			oldest = f;
		if (what & INSPECT_REQUESTS)
			add_flight(requests, &f, r.now);
	}
	if (nr)
		json_object_set_new(
			ring, "oldest",
			json_pack("{s:I, s:s, s:I}", "id", (json_int_t)oldest.id, "op",
				  op_name(oldest.op), "age_ns",
				  (json_int_t)(r.now > oldest.since ? r.now - oldest.since : 0)));
	if (what & INSPECT_REQUESTS)
		add_waiting(q, requests, r.req_cons, r.req_prod);
	if (what & INSPECT_REQUESTS)
		json_object_set(ring, "requests", requests);
	json_decref(requests);
	if (what & INSPECT_GRANTS)
		put_grants(q, device);
}

void blkback_inspect(struct backend *b, json_t *device, unsigned what)
{
	struct blkback *k = (struct blkback *)b;

	json_object_set_new(device, "name", json_string(k->spec.vdev));
	for (unsigned i = 0; i < k->nr_queues; i++)
		if (k->queue[i])
			put_queue(k->queue[i], device, what);
}
