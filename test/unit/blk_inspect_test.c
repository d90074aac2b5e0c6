/*
 * What a disk shows of its queues: requests that were not taken, in flight and answered, and
 * the grants that it holds, while its threads run.
 */
#include <jansson.h>
#include <string.h>

#include "devices/block/blkback.h"
#include "devices/inspect.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"
#include "vmm/inspect/text.h"

static struct blkfront *f;
static json_t *shown;

static void start(unsigned queues, bool persistent)
{
	f = front_new("rw");
	front_connect(f, queues, 0, persistent);
}

static void nothing(void)
{
}

static void teardown(void)
{
	json_decref(shown);
	shown = NULL;
	front_free(f);
}

static const json_t *look(unsigned queue)
{
	json_decref(shown);
	shown = json_object();
	f->backend->class->inspect(f->backend, shown, INSPECT_REQUESTS | INSPECT_GRANTS);
	ck_assert_str_eq(text_str(shown, "name"), "xvda");
	return json_array_get(json_object_get(shown, "rings"), queue);
}

static void seg(blkif_request_t *r, grant_ref_t ref, uint8_t first, uint8_t last)
{
	r->seg[r->nr_segments++] =
		(struct blkif_request_segment){.gref = ref, .first_sect = first, .last_sect = last};
}

/* Is the grant among those that it holds, for this? */
static bool holds(grant_ref_t ref, const char *use)
{
	json_t *g;
	size_t i;

	json_array_foreach(json_object_get(shown, "grants"), i, g)
	{
		if ((grant_ref_t)text_int(g, "ref") == ref && strstr(text_str(g, "for"), use))
			return true;
	}
	return false;
}

START_TEST(idle_and_served)
{
	grant_ref_t ref;

	start(2, true);
	const json_t *r = look(1);
	ck_assert_str_eq(text_str(r, "ring"), "queue 1");
	ck_assert_int_eq(text_int(r, "port"), f->queue[1].port);
	ck_assert_int_eq(text_int(r, "slots"), 32);
	ck_assert_str_eq(text_str(r, "says"), "idle");
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "grants")), 2);
	front_page(f, false, &ref);
	for (unsigned i = 0; i < 5; i++) {
		blkif_request_t *q = front_request(f, 1, BLKIF_OP_WRITE);

		seg(q, ref, 0, 7);
		ck_assert_int_eq(front_status(f, 1), BLKIF_RSP_OKAY);
	}
	r = look(1);
	ck_assert_int_eq(text_int(r, "req_cons"), 5);
	ck_assert_int_eq(text_int(r, "rsp_prod"), 5);
	ck_assert_int_eq(text_int(r, "in_flight"), 0);
	ck_assert_int_gt(text_int(r, "taken_ns"), 0);
	ck_assert_int_gt(text_int(r, "answered_ns"), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "requests")), 0);
	ck_assert(holds(ref, "queue 1, persistent cache"));
	ck_assert_int_eq(text_int(look(0), "req_cons"), 0);
}
END_TEST

/* Nobody has told the backend of them: it does not look. */
START_TEST(requests_without_a_kick)
{
	grant_ref_t ref;

	start(1, false);
	/* Its thread would look once more after it was started. */
	struct blk_queue *real = ((struct blkback *)f->backend)->queue[0];
	blk_queue_pause(real);
	front_page(f, false, &ref);
	blkif_request_t *q = front_request(f, 0, BLKIF_OP_READ);
	q->sector_number = 77;
	seg(q, ref, 1, 3);
	seg(q, ref, 0, 0);
	q = front_request(f, 0, BLKIF_OP_WRITE);
	q->nr_segments = 99;
	/* RING_PUSH_REQUESTS: the index alone. */
	f->queue[0].ring.sring->req_prod = f->queue[0].ring.req_prod_pvt;
	const json_t *r = look(0), *all = json_object_get(r, "requests");
	ck_assert_int_eq(text_int(r, "waiting"), 2);
	ck_assert_str_eq(text_str(r, "says"),
			 "the guest waits: the disk's image is being exchanged");
	ck_assert_uint_eq(json_array_size(all), 2);
	const json_t *one = json_array_get(all, 0);
	ck_assert_str_eq(text_str(one, "where"), "not taken");
	ck_assert_str_eq(text_str(one, "op"), "read");
	ck_assert_int_eq(text_int(one, "sector"), 77);
	ck_assert_int_eq(text_int(one, "sectors"), 4);
	ck_assert_int_eq(text_int(one, "segments"), 2);
	ck_assert(json_is_true(json_object_get(json_array_get(all, 1), "bad")));
	/* An index that cannot be. */
	f->queue[0].ring.sring->req_prod += 1000;
	r = look(0);
	ck_assert_str_eq(text_str(r, "says"), "the frontend's indexes make no sense");
	ck_assert_uint_le(json_array_size(json_object_get(r, "requests")), 32);
	f->queue[0].ring.sring->req_prod -= 1000;
	/* And now they are taken. */
	blkif_response_t resp;
	ck_assert_int_eq(blk_queue_resume(real), 0);
	ck_assert(front_response(f, 0, &resp) && front_response(f, 0, &resp));
	ck_assert_int_eq(text_int(look(0), "waiting"), 0);
}
END_TEST

/* The table of what is in flight, without the thread. */
START_TEST(in_flight)
{
	struct blk_grant grants[] = {{.ref = 400}, {.ref = 401, .kept = true}, {.ref = 402}};

	start(1, false);
	struct blk_queue *real = ((struct blkback *)f->backend)->queue[0];
	/* It has nothing to do: its thread leaves the table alone. */
	real->request = (struct blk_request){
		.op = BLKIF_OP_WRITE, .id = 5, .sector = 8, .nr_sectors = 16, .nr_segs = 3};
	real->taken = inspect_now() - 4000000;
	unsigned a = blk_flight_begin(real, grants, 3);
	real->request.id = 6;
	real->request.op = BLKIF_OP_DISCARD;
	real->taken = inspect_now();
	unsigned b = blk_flight_begin(real, NULL, 0);
	ck_assert_uint_ne(a, b);
	const json_t *r = look(0), *all = json_object_get(r, "requests");
	ck_assert_uint_eq(json_array_size(all), 2);
	const json_t *one =
		json_array_get(all, text_int(json_array_get(all, 0), "id") == 5 ? 0 : 1);
	ck_assert_str_eq(text_str(one, "op"), "write");
	ck_assert_int_eq(text_int(one, "sectors"), 16);
	ck_assert_int_ge(text_int(one, "age_ns"), 4000000);
	ck_assert_int_eq(text_int(r, "oldest.id"), 5);
	ck_assert(holds(400, "queue 0, write of id 5"));
	ck_assert(!holds(401, ""));
	ck_assert(holds(402, "id 5"));
	blk_flight_end(real, a);
	look(0);
	ck_assert(!holds(400, ""));
	blk_flight_end(real, b);
	r = look(0);
	ck_assert_uint_eq(json_array_size(json_object_get(r, "requests")), 0);
	ck_assert_ptr_null(json_object_get(r, "oldest"));
	/* More than there are slots, as faults can have it. */
	unsigned index[40];
	for (unsigned i = 0; i < 40; i++)
		index[i] = blk_flight_begin(real, NULL, 0);
	ck_assert_uint_eq(json_array_size(json_object_get(look(0), "requests")), 32);
	for (unsigned i = 0; i < 40; i++)
		blk_flight_end(real, index[i]);
}
END_TEST

/* Looks while the queue's thread works: nothing that cannot be is seen. */
START_TEST(while_it_works)
{
	grant_ref_t ref;

	start(1, true);
	front_page(f, false, &ref);
	for (unsigned i = 0; i < 400; i++) {
		blkif_response_t resp;

		for (unsigned n = 0; n < 8; n++) {
			blkif_request_t *q =
				front_request(f, 0, n % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE);
			q->sector_number = n;
			seg(q, ref, 0, 7);
		}
		front_push(f, 0);
		for (unsigned k = 0; k < 4; k++) {
			const json_t *r = look(0), *one;
			size_t at;

			ck_assert_int_le(text_int(r, "waiting") + text_int(r, "in_flight"), 32);
			json_array_foreach(json_object_get(r, "requests"), at, one)
			{
				ck_assert(!strcmp(text_str(one, "op"), "read") ||
					  !strcmp(text_str(one, "op"), "write"));
				ck_assert_int_eq(text_int(one, "segments"), 1);
				ck_assert_int_lt(text_int(one, "sector"), 8);
			}
		}
		for (unsigned n = 0; n < 8; n++)
			ck_assert(front_response(f, 0, &resp));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {idle_and_served, requests_without_a_kick, in_flight,
				      while_it_works};

	return RUN_TESTS("blk_inspect", nothing, teardown, tests);
}
