/*
 * The end of a connection: a frontend that is Closing goes on using its ring, and what it
 * published before it was Closed is answered (Linux's del_gendisk() waits for that), unless the
 * backend itself ends the connection.
 */
#include "devices/block/block.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_run.h"

static struct blkfront *f;
static grant_ref_t ref;

static void setup(void)
{
	f = front_new("rw");
	front_connect(f, 1, 0, false);
	front_page(f, false, &ref);
}

static void teardown(void)
{
	front_free(f);
}

static void request(uint8_t op, uint64_t sector)
{
	blkif_request_t *r = front_request(f, 0, op);

	r->sector_number = sector;
	r->nr_segments = 1;
	r->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
}

/* Shown to the backend, whom nobody tells. */
static void publish(void)
{
	RING_PUSH_REQUESTS(&f->queue[0].ring);
}

static unsigned answers(void)
{
	blkif_front_ring_t *r = &f->queue[0].ring;

	return r->sring->rsp_prod - r->rsp_cons;
}

static void close_and_expect(unsigned nr)
{
	front_state(f, XenbusStateClosed);
	ck_assert_uint_eq(front_backend_state(f), XenbusStateClosed);
	ck_assert_uint_eq(answers(), nr);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
}

START_TEST(a_frontend_that_closes_is_served)
{
	request(BLKIF_OP_WRITE, 0);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	front_state(f, XenbusStateClosing);
	ck_assert_uint_eq(front_backend_state(f), XenbusStateClosing);
	request(BLKIF_OP_READ, 0);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	close_and_expect(0);
}
END_TEST

START_TEST(what_nobody_told_of)
{
	for (unsigned i = 0; i < 200; i++) {
		request(i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, 8 * i);
		publish();
		close_and_expect(1);
		front_state(f, XenbusStateInitialising);
		front_connect(f, 1, 0, false);
	}
}
END_TEST

START_TEST(a_full_ring_with_barriers)
{
	unsigned nr = RING_SIZE(&f->queue[0].ring);

	for (unsigned i = 0; i < nr; i++)
		request(i % 5 == 3 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_READ, 8 * i);
	publish();
	close_and_expect(nr);
}
END_TEST

START_TEST(a_ring_that_lies)
{
	blkif_sring_t *s = f->queue[0].ring.sring;

	request(BLKIF_OP_READ, 0);
	publish();
	s->req_prod += 1000;
	close_and_expect(0);
}
END_TEST

START_TEST(a_connection_that_we_end)
{
	request(BLKIF_OP_READ, 0);
	publish();
	backend_destroy(f->backend);
	f->backend = NULL;
	ck_assert_uint_eq(answers(), 0);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_frontend_that_closes_is_served, what_nobody_told_of,
		a_full_ring_with_barriers,	  a_ring_that_lies,
		a_connection_that_we_end,
	};
	Suite *s = suite_create("blk_close");
	TCase *c = tcase_create("blk_close");

	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	return run_suite(s);
}
