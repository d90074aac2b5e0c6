/*
 * Rules of io/blkif.h that are about the layout and the kinds of requests: both ABIs,
 * operations that are not, indirect pages, barriers, discards, the order of a ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/block/block.h"
#include "devices/xenstore/local.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

static struct blkfront *f;

static void nothing(void)
{
	f = NULL;
}

static void teardown(void)
{
	front_free(f);
}

static void start(const char *fields, bool persistent)
{
	f = front_new(fields);
	front_connect(f, 1, 0, persistent);
}

static int one_segment(uint8_t op, uint64_t sector, grant_ref_t ref)
{
	blkif_request_t *r = front_request(f, 0, op);

	r->sector_number = sector;
	r->nr_segments = 1;
	r->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
	return front_status(f, 0);
}

static int discard(uint64_t sector, uint64_t nr, uint8_t flag)
{
	blkif_request_discard_t *r =
		(blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD);

	r->sector_number = sector;
	r->nr_sectors = nr;
	r->flag = flag;
	return front_status(f, 0);
}

/* ---- the layout of 32-bit frontends ---- */

/* As i386 compilers lay it out: 64-bit members stand at multiples of 4. */
struct __attribute__((packed)) request_32 {
	uint8_t operation, nr_segments;
	uint16_t handle;
	uint64_t id, sector_number;
	struct blkif_request_segment seg[11];
};
_Static_assert(sizeof(struct request_32) == 108, "io/blkif.h, i386");

struct __attribute__((packed)) indirect_32 {
	uint8_t operation, indirect_op;
	uint16_t nr_segments;
	uint64_t id, sector_number;
	uint16_t handle, pad;
	grant_ref_t indirect_grefs[8];
};

struct ring_32 {
	blkif_sring_t *ring; /* the indexes are where they are on x86-64 */
	uint32_t prod, cons;
};

static void *slot_32(struct ring_32 *r, uint32_t i)
{
	return (uint8_t *)r->ring + 64 + i % 32 * 108;
}

static void start_32(struct ring_32 *r)
{
	f = front_new("rw");
	ck_assert_int_eq(xenstore_write(f->xs, FRONT_FE "/protocol", "x86_32-abi"), 0);
	front_connect(f, 1, 0, false);
	*r = (struct ring_32){.ring = f->queue[0].ring.sring};
}

/* Its status; the id and the operation are those of the request. */
static int answer_32(struct ring_32 *r, uint64_t id, uint8_t op)
{
	struct evtchn_send send = {.port = f->queue[0].port};
	uint8_t *response;
	uint64_t got;
	int16_t status;

	r->prod++;
	xen_wmb();
	r->ring->req_prod = r->prod;
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_send, &send), 0);
	for (unsigned ms = 0; ms < 5000 && r->ring->rsp_prod == r->cons; ms++)
		usleep(1000);
	ck_assert_uint_ne(r->ring->rsp_prod, r->cons);
	xen_rmb();
	response = slot_32(r, r->cons++);
	memcpy(&got, response, 8);
	memcpy(&status, response + 10, 2);
	ck_assert_uint_eq(got, id);
	ck_assert_uint_eq(response[8], op);
	return status;
}

START_TEST(frontends_of_32_bits)
{
	struct ring_32 r;
	grant_ref_t ref, list;

	start_32(&r);
	uint8_t *p = front_page(f, false, &ref);
	struct blkif_request_segment *seg = (void *)front_page(f, false, &list);
	/* More than the ring has, so that every slot is used and the indexes go round. */
	for (unsigned i = 0; i < 70; i++) {
		struct request_32 *q = slot_32(&r, r.prod);
		memset(q, 0, sizeof(*q));
		q->operation = i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE;
		q->nr_segments = 1;
		q->id = 0x1122334455667700ull + i;
		q->sector_number = 8 * (i / 2);
		q->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
		memset(p, i % 2 ? 0 : (int)i, PAGE_SIZE);
		ck_assert_int_eq(answer_32(&r, 0x1122334455667700ull + i, q->operation),
				 BLKIF_RSP_OKAY);
		ck_assert_int_eq(p[4095], i & ~1u);
	}
	struct indirect_32 *n = slot_32(&r, r.prod);
	memset(n, 0, sizeof(*n));
	*n = (struct indirect_32){.operation = BLKIF_OP_INDIRECT,
				  .indirect_op = BLKIF_OP_READ,
				  .nr_segments = 20,
				  .id = 99,
				  .indirect_grefs = {list}};
	for (unsigned i = 0; i < 20; i++)
		seg[i] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
	ck_assert_int_eq(answer_32(&r, 99, BLKIF_OP_READ), BLKIF_RSP_OKAY);
	ck_assert_int_eq(p[0], 2 * 19); /* the last page that was read into it */
	struct request_32 *q = slot_32(&r, r.prod);
	memset(q, 0, sizeof(*q));
	q->operation = BLKIF_OP_READ;
	q->nr_segments = 12;
	q->id = 5;
	ck_assert_int_eq(answer_32(&r, 5, BLKIF_OP_READ), BLKIF_RSP_ERROR);
}
END_TEST

START_TEST(protocols)
{
	static const struct {
		const char *name;
		unsigned state;
	} cases[] = {{"x86_64-abi", XenbusStateConnected},
		     {"x86_32-abi", XenbusStateConnected},
		     {"arm-abi", XenbusStateClosing},
		     {"", XenbusStateClosing},
		     {"x86_64-abi ", XenbusStateClosing}};

	start("rw", false);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		front_free(f);
		start("rw", false);
		front_state(f, XenbusStateClosing);
		front_state(f, XenbusStateClosed);
		front_state(f, XenbusStateInitialising);
		xenstore_write(f->xs, FRONT_FE "/protocol", "%s", cases[i].name);
		/* The old port is closed on our side: a new one. */
		struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};
		EVTCHN_OP(f->t, 0, EVTCHNOP_alloc_unbound, &a);
		front_write(f, "event-channel", a.port);
		front_state(f, XenbusStateInitialised);
		ck_assert_msg(front_backend_state(f) == cases[i].state, "'%s'", cases[i].name);
	}
}
END_TEST

/* ---- indirect requests ---- */

static int indirect(uint8_t op, unsigned segs, uint64_t sector, grant_ref_t page)
{
	blkif_request_indirect_t *r =
		(blkif_request_indirect_t *)front_request(f, 0, BLKIF_OP_INDIRECT);

	r->indirect_op = op;
	r->nr_segments = (uint16_t)segs;
	r->sector_number = sector;
	r->indirect_grefs[0] = page;
	return front_status(f, 0);
}

START_TEST(indirect_pages_and_what_they_name)
{
	grant_ref_t list, readonly, data, fixed;

	start("rw", false);
	struct blkif_request_segment *s = (void *)front_page(f, false, &list);
	struct blkif_request_segment *ro = (void *)front_page(f, true, &readonly);
	front_page(f, false, &data);
	front_page(f, true, &fixed);
	for (unsigned i = 0; i < 256; i++)
		s[i] = ro[i] = (struct blkif_request_segment){data, 0, 7};
	/* One grant has 128 holders at most. */
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, 0, list), BLKIF_RSP_OKAY);
	/* A list is only read. */
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, 0, readonly), BLKIF_RSP_OKAY);
	/* Its end is beyond the disk's. */
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, FRONT_IMAGE_SIZE / 512 - 792, list),
			 BLKIF_RSP_ERROR);
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, FRONT_IMAGE_SIZE / 512 - 800, list),
			 BLKIF_RSP_OKAY);
	/* One bad segment of many. */
	s[50].gref = 4000;
	ck_assert_int_eq(indirect(BLKIF_OP_WRITE, 100, 0, list), BLKIF_RSP_ERROR);
	s[50] = (struct blkif_request_segment){fixed, 0, 7};
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, 0, list), BLKIF_RSP_ERROR);
	ck_assert_int_eq(indirect(BLKIF_OP_WRITE, 100, 0, list), BLKIF_RSP_OKAY);
	s[50] = (struct blkif_request_segment){data, 5, 4};
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, 0, list), BLKIF_RSP_ERROR);
	s[50] = (struct blkif_request_segment){data, 0, 255};
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 100, 0, list), BLKIF_RSP_ERROR);
	/* Barriers and flushes are no indirect operations. */
	s[50] = s[0];
	ck_assert_int_eq(indirect(BLKIF_OP_WRITE_BARRIER, 100, 0, list), BLKIF_RSP_ERROR);
	ck_assert_int_eq(indirect(BLKIF_OP_DISCARD, 100, 0, list), BLKIF_RSP_ERROR);
	ck_assert_int_eq(indirect(77, 100, 0, list), BLKIF_RSP_ERROR);
	ck_assert_int_eq(indirect(BLKIF_OP_READ, 65535, 0, list), BLKIF_RSP_ERROR);
	ck_assert_uint_eq(front_in_use(f, list) | front_in_use(f, data) | front_in_use(f, fixed),
			  0);
}
END_TEST

START_TEST(nothing_is_written_to_what_is_read_only)
{
	grant_ref_t list, data;
	uint8_t is[PAGE_SIZE], was[PAGE_SIZE];
	int fd;

	start("ro", false);
	struct blkif_request_segment *s = (void *)front_page(f, false, &list);
	memset(front_page(f, false, &data), 0xaa, PAGE_SIZE);
	s[0] = (struct blkif_request_segment){data, 0, 7};
	fd = open(f->image, O_RDONLY);
	ck_assert_int_eq(pread(fd, was, sizeof(was), 0), sizeof(was));
	ck_assert_int_eq(one_segment(BLKIF_OP_WRITE, 0, data), BLKIF_RSP_ERROR);
	ck_assert_int_eq(one_segment(BLKIF_OP_WRITE_BARRIER, 0, data), BLKIF_RSP_ERROR);
	ck_assert_int_eq(one_segment(BLKIF_OP_FLUSH_DISKCACHE, 0, data), BLKIF_RSP_ERROR);
	ck_assert_int_eq(indirect(BLKIF_OP_WRITE, 1, 0, list), BLKIF_RSP_ERROR);
	ck_assert_int_eq(discard(0, 8, 0), BLKIF_RSP_ERROR);
	ck_assert_int_eq(pread(fd, is, sizeof(is), 0), sizeof(is));
	close(fd);
	ck_assert_mem_eq(is, was, sizeof(is));
	/* A barrier that was refused holds nothing up. */
	ck_assert_int_eq(one_segment(BLKIF_OP_READ, 0, data), BLKIF_RSP_OKAY);
}
END_TEST

/* ---- barriers and discards ---- */

START_TEST(barriers_without_data)
{
	grant_ref_t ref;
	blkif_response_t r;

	start("rw", false);
	front_page(f, false, &ref);
	for (unsigned i = 0; i < 15; i++) {
		blkif_request_t *q =
			front_request(f, 0, i % 5 == 4 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE);
		if (i % 5 == 4)
			continue;
		q->nr_segments = 1;
		q->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
	}
	front_push(f, 0);
	for (unsigned i = 0; i < 15; i++) {
		ck_assert(front_response(f, 0, &r));
		ck_assert_int_eq(r.status, BLKIF_RSP_OKAY);
		/* Groups of four, and a barrier behind each. */
		ck_assert_uint_eq((r.id - 1) / 5, i / 5);
		ck_assert(i % 5 != 4 || r.operation == BLKIF_OP_WRITE_BARRIER);
	}
	ck_assert_uint_eq(blkback_stats(f->backend)->flushes, 3);
}
END_TEST

/* A barrier fails: the requests behind it go on. */
START_TEST(a_barrier_that_cannot_be)
{
	grant_ref_t ref;

	start("rw", false);
	front_page(f, false, &ref);
	ck_assert_int_eq(one_segment(BLKIF_OP_WRITE_BARRIER, ~0ull, ref), BLKIF_RSP_ERROR);
	ck_assert_int_eq(one_segment(BLKIF_OP_WRITE_BARRIER, 0, 4000), BLKIF_RSP_ERROR);
	ck_assert_int_eq(one_segment(BLKIF_OP_WRITE, 0, ref), BLKIF_RSP_OKAY);
}
END_TEST

START_TEST(discards_at_the_edges)
{
	start("rw", false);
	ck_assert_int_eq(discard(0, 0, 0), BLKIF_RSP_OKAY);
	ck_assert_int_eq(discard(FRONT_IMAGE_SIZE / 512, 0, 0), BLKIF_RSP_OKAY);
	ck_assert_int_eq(discard(FRONT_IMAGE_SIZE / 512, 1, 0), BLKIF_RSP_ERROR);
	ck_assert_int_eq(discard(1, ~0ull, 0), BLKIF_RSP_ERROR);
	ck_assert_int_eq(discard(0, 1, 0), BLKIF_RSP_OKAY);
	/* discard-secure is 0: the flag means nothing, as to Linux's blkback. */
	ck_assert_int_eq(discard(0, 8, BLKIF_DISCARD_SECURE), BLKIF_RSP_OKAY);
	ck_assert_int_eq(discard(0, FRONT_IMAGE_SIZE / 512, 0), BLKIF_RSP_OKAY);
}
END_TEST

START_TEST(discards_of_large_sectors)
{
	start("rw,sector-size=4096", false);
	ck_assert_int_eq(discard(8, 8, 0), BLKIF_RSP_OKAY);
	ck_assert_int_eq(discard(4, 8, 0), BLKIF_RSP_ERROR);
	ck_assert_int_eq(discard(8, 4, 0), BLKIF_RSP_ERROR);
}
END_TEST

/* ---- grants ---- */

/* A page that is granted read-only cannot be kept for reads, but can be written from. */
START_TEST(persistent_and_read_only)
{
	grant_ref_t ref;

	start("rw", true);
	front_page(f, true, &ref);
	ck_assert_int_eq(one_segment(BLKIF_OP_WRITE, 0, ref), BLKIF_RSP_OKAY);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
	ck_assert_int_eq(one_segment(BLKIF_OP_READ, 0, ref), BLKIF_RSP_ERROR);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
}
END_TEST

/* Eleven segments of one page: it is held eleven times and let go as often. */
START_TEST(a_page_of_many_segments)
{
	grant_ref_t ref;

	start("rw", false);
	uint8_t *p = front_page(f, false, &ref);
	for (unsigned round = 0; round < 20; round++) {
		blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);
		for (unsigned i = 0; i < 8; i++)
			r->seg[r->nr_segments++] = (struct blkif_request_segment){
				.gref = ref, .first_sect = (uint8_t)i, .last_sect = (uint8_t)i};
		for (unsigned i = 0; i < 3; i++)
			r->seg[r->nr_segments++] =
				(struct blkif_request_segment){.gref = ref, .last_sect = 0};
		ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
		ck_assert_uint_eq(front_in_use(f, ref), 0);
	}
	ck_assert_int_eq(p[0], 0);
}
END_TEST

/* Whatever is in a slot, it is answered, and nothing stays in use. */
START_TEST(slots_of_any_bytes)
{
	grant_ref_t ref[4];
	blkif_response_t r;
	unsigned okay = 0;

	start("rw", true);
	for (unsigned i = 0; i < 4; i++)
		front_page(f, i == 1, &ref[i]);
	srand(4711);
	for (unsigned i = 0; i < 4000; i++) {
		for (unsigned n = 0; n < 8; n++) {
			blkif_request_t *q = front_request(f, 0, 0);
			uint64_t id = q->id;
			for (unsigned k = 0; k < sizeof(*q); k++)
				((uint8_t *)q)[k] = (uint8_t)rand();
			q->id = id;
			q->operation = (uint8_t)(rand() % 9);
			if (rand() % 2) { /* nearly right */
				q->nr_segments = (uint8_t)(rand() % 13);
				q->sector_number = (uint64_t)(rand() % (FRONT_IMAGE_SIZE / 500));
				for (unsigned k = 0; k < 11; k++)
					q->seg[k] = (struct blkif_request_segment){
						ref[rand() % 4], (uint8_t)(rand() % 9),
						(uint8_t)(rand() % 9)};
			}
		}
		front_push(f, 0);
		for (unsigned n = 0; n < 8; n++) {
			ck_assert(front_response(f, 0, &r));
			okay += r.status == BLKIF_RSP_OKAY;
		}
	}
	ck_assert_uint_gt(okay, 500);
	front_state(f, XenbusStateClosed);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(front_in_use(f, ref[i]), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		frontends_of_32_bits,
		protocols,
		indirect_pages_and_what_they_name,
		nothing_is_written_to_what_is_read_only,
		barriers_without_data,
		a_barrier_that_cannot_be,
		discards_at_the_edges,
		discards_of_large_sectors,
		persistent_and_read_only,
		a_page_of_many_segments,
		slots_of_any_bytes,
	};

	return RUN_TESTS("blkif_rules", nothing, teardown, tests);
}
