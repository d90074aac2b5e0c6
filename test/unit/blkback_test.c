/*
 * The block backend, driven by a frontend on Xen's ring macros: what is read and written
 * is in the file, what must be refused is (io/blkif.h), nothing of the guest's is kept.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/block/block.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

static struct blkfront *f;

static void start(const char *fields, unsigned queues, unsigned order, bool persistent)
{
	f = front_new(fields);
	front_connect(f, queues, order, persistent);
}

static void teardown(void)
{
	front_free(f);
}

static void file_read(uint64_t offset, void *buf, size_t len)
{
	int fd = open(f->image, O_RDONLY);

	ck_assert_int_eq(pread(fd, buf, len, (off_t)offset), len);
	close(fd);
}

static void file_write(uint64_t offset, const void *buf, size_t len)
{
	int fd = open(f->image, O_WRONLY);

	ck_assert_int_eq(pwrite(fd, buf, len, (off_t)offset), len);
	close(fd);
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 31 + i / 251);
}

static void seg(blkif_request_t *r, grant_ref_t ref, uint8_t first, uint8_t last)
{
	r->seg[r->nr_segments++] =
		(struct blkif_request_segment){.gref = ref, .first_sect = first, .last_sect = last};
}

START_TEST(writes_and_reads)
{
	grant_ref_t a, b, c;
	uint8_t got[3 * PAGE_SIZE];

	start("rw", 1, 0, false);
	uint8_t *pa = front_page(f, true, &a), *pb = front_page(f, true, &b);
	uint8_t *pc = front_page(f, false, &c);
	fill(pa, PAGE_SIZE, 1);
	fill(pb, PAGE_SIZE, 2);
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_WRITE);
	r->sector_number = 100;
	seg(r, a, 0, 7);
	seg(r, b, 2, 4);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	file_read(51200, got, PAGE_SIZE + 3 * 512);
	ck_assert_mem_eq(got, pa, PAGE_SIZE);
	ck_assert_mem_eq(got + PAGE_SIZE, pb + 1024, 3 * 512);
	memset(pc, 0xee, PAGE_SIZE);
	r = front_request(f, 0, BLKIF_OP_READ);
	r->sector_number = 107;
	seg(r, c, 1, 2);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	ck_assert_mem_eq(pc + 512, pa + 7 * 512, 512);
	ck_assert_mem_eq(pc + 1024, pb + 1024, 512);
	ck_assert_int_eq(pc[511], 0xee); /* nothing beside it */
	ck_assert_int_eq(pc[1536], 0xee);
	ck_assert_uint_eq(front_in_use(f, a), 0);
	ck_assert_uint_eq(front_in_use(f, c), 0);
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	const struct blk_stats *s = blkback_stats(f->backend);
	ck_assert_uint_eq(s->reads, 1);
	ck_assert_uint_eq(s->writes, 1);
	ck_assert_uint_eq(s->flushes, 1);
	ck_assert_uint_eq(s->written_bytes, PAGE_SIZE + 3 * 512);
}
END_TEST

/* What is wrong with one request is an answer; the disk goes on. */
START_TEST(requests_that_are_refused)
{
	static const struct {
		uint8_t op, segs, first, last;
		uint64_t sector;
		bool bad_ref;
		int status;
	} cases[] = {
		{BLKIF_OP_READ, 1, 0, 7, FRONT_IMAGE_SIZE / 512 - 8, false, BLKIF_RSP_OKAY},
		{BLKIF_OP_READ, 1, 0, 7, FRONT_IMAGE_SIZE / 512 - 7, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 1, 0, 7, ~0ull, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_WRITE, 1, 0, 7, 1ull << 55, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 0, 0, 0, 0, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 12, 0, 0, 0, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 255, 0, 0, 0, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 1, 3, 2, 0, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 1, 0, 8, 0, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 1, 8, 8, 0, false, BLKIF_RSP_ERROR},
		{BLKIF_OP_READ, 1, 0, 7, 0, true, BLKIF_RSP_ERROR},
		{BLKIF_OP_WRITE, 3, 0, 7, 0, true, BLKIF_RSP_ERROR},
		{BLKIF_OP_RESERVED_1, 1, 0, 7, 0, false, BLKIF_RSP_EOPNOTSUPP},
		{7, 1, 0, 7, 0, false, BLKIF_RSP_EOPNOTSUPP},
		{255, 1, 0, 7, 0, false, BLKIF_RSP_EOPNOTSUPP},
		{BLKIF_OP_READ, 11, 0, 7, 0, false, BLKIF_RSP_OKAY},
	};
	grant_ref_t ref;

	start("rw", 1, 0, false);
	front_page(f, false, &ref);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		blkif_request_t *r = front_request(f, 0, cases[i].op);

		r->sector_number = cases[i].sector;
		for (unsigned s = 0; s < cases[i].segs && s < 11; s++)
			seg(r, ref, cases[i].first, cases[i].last);
		if (cases[i].bad_ref)
			r->seg[r->nr_segments - 1].gref = 4000;
		r->nr_segments = cases[i].segs;
		int status = front_status(f, 0);
		ck_assert_msg(status == cases[i].status, "case %u: %d", i, status);
		ck_assert_uint_eq(front_in_use(f, ref), 0);
	}
}
END_TEST

START_TEST(a_page_that_may_only_be_read)
{
	grant_ref_t ref;

	start("rw", 1, 0, false);
	front_page(f, true, &ref);
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = front_request(f, 0, BLKIF_OP_WRITE);
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
}
END_TEST

START_TEST(a_disk_that_may_only_be_read)
{
	grant_ref_t ref;
	char *mode;

	start("ro", 1, 0, false);
	front_page(f, false, &ref);
	mode = xenstore_read(f->xs, FRONT_BE "/mode");
	ck_assert_str_eq(mode, "r");
	free(mode);
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_WRITE);
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = front_request(f, 0, BLKIF_OP_DISCARD);
	((blkif_request_discard_t *)r)->nr_sectors = 8;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = front_request(f, 0, BLKIF_OP_READ);
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
}
END_TEST

static blkif_request_indirect_t *indirect(uint8_t op, unsigned segs, uint64_t sector)
{
	blkif_request_indirect_t *r =
		(blkif_request_indirect_t *)front_request(f, 0, BLKIF_OP_INDIRECT);

	r->indirect_op = op;
	r->nr_segments = (uint16_t)segs;
	r->sector_number = sector;
	return r;
}

START_TEST(indirect_requests)
{
	grant_ref_t list, ref[256];
	uint8_t got[PAGE_SIZE];

	start("rw", 1, 0, false);
	struct blkif_request_segment *s = (void *)front_page(f, true, &list);
	for (unsigned i = 0; i < 256; i++) {
		fill(front_page(f, false, &ref[i]), PAGE_SIZE, i);
		s[i] = (struct blkif_request_segment){ref[i], 0, 7};
	}
	indirect(BLKIF_OP_WRITE, 256, 16)->indirect_grefs[0] = list;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	for (unsigned i = 0; i < 256; i += 51) {
		file_read(8192 + i * PAGE_SIZE, got, PAGE_SIZE);
		for (unsigned k = 0; k < PAGE_SIZE; k += 97)
			ck_assert_int_eq(got[k], (uint8_t)(i + k * 31 + k / 251));
	}
	indirect(BLKIF_OP_WRITE, 257, 0)->indirect_grefs[0] = list;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	indirect(BLKIF_OP_WRITE, 0, 0)->indirect_grefs[0] = list;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	indirect(BLKIF_OP_FLUSH_DISKCACHE, 1, 0)->indirect_grefs[0] = list;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	indirect(BLKIF_OP_INDIRECT, 1, 0)->indirect_grefs[0] = list;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	indirect(BLKIF_OP_READ, 1, 0)->indirect_grefs[0] = 4000;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	s[255].last_sect = 8;
	indirect(BLKIF_OP_READ, 256, 0)->indirect_grefs[0] = list;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	ck_assert_uint_eq(front_in_use(f, list), 0);
	ck_assert_uint_eq(front_in_use(f, ref[0]), 0);
}
END_TEST

START_TEST(persistent_grants_stay)
{
	grant_ref_t ref;

	start("rw", 1, 0, true);
	uint8_t *p = front_page(f, false, &ref);
	for (unsigned i = 0; i < 3; i++) {
		fill(p, PAGE_SIZE, i);
		blkif_request_t *r = front_request(f, 0, BLKIF_OP_WRITE);
		r->sector_number = 8 * i;
		seg(r, ref, 0, 7);
		ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
		ck_assert_uint_eq(front_in_use(f, ref), GTF_reading | GTF_writing);
	}
	front_state(f, XenbusStateClosing);
	ck_assert_uint_eq(front_in_use(f, ref), GTF_reading | GTF_writing);
	front_state(f, XenbusStateClosed);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
}
END_TEST

START_TEST(more_pages_than_can_stay)
{
	grant_ref_t ref;

	start("rw", 1, 0, true);
	for (unsigned i = 0; i < 1100; i++) {
		front_page(f, false, &ref);
		blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);
		seg(r, ref, 0, 7);
		ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	}
	ck_assert_uint_eq(front_in_use(f, ref), 0); /* the last one was not kept */
}
END_TEST

START_TEST(barriers_and_writes_that_flush)
{
	grant_ref_t ref[9];
	blkif_response_t r;
	uint8_t got[PAGE_SIZE];

	start("rw", 1, 0, false);
	for (unsigned i = 0; i < 9; i++) {
		fill(front_page(f, true, &ref[i]), PAGE_SIZE, i);
		blkif_request_t *q = front_request(f, 0,
						   i == 4   ? BLKIF_OP_WRITE_BARRIER
						   : i == 8 ? BLKIF_OP_FLUSH_DISKCACHE
							    : BLKIF_OP_WRITE);
		q->sector_number = 8 * i;
		seg(q, ref[i], 0, 7);
	}
	front_push(f, 0);
	for (unsigned i = 0; i < 9; i++) {
		ck_assert(front_response(f, 0, &r));
		ck_assert_int_eq(r.status, BLKIF_RSP_OKAY);
		/* Nothing passes the barrier, in either direction. */
		if (i < 4)
			ck_assert_uint_lt(r.id, 5);
		else if (i == 4)
			ck_assert_uint_eq(r.id, 5);
		else
			ck_assert_uint_gt(r.id, 5);
	}
	for (unsigned i = 0; i < 9; i++) {
		file_read(i * PAGE_SIZE, got, PAGE_SIZE);
		ck_assert_int_eq(got[0], i);
	}
}
END_TEST

START_TEST(what_is_not_offered)
{
	start("rw,no-flush,no-indirect,no-discard", 1, 0, false);
	ck_assert(!xenstore_exists(f->xs, FRONT_BE "/feature-max-indirect-segments"));
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_EOPNOTSUPP);
	indirect(BLKIF_OP_READ, 1, 0);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_EOPNOTSUPP);
	((blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD))->nr_sectors = 8;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_EOPNOTSUPP);
}
END_TEST

START_TEST(discards)
{
	uint8_t data[65536];
	struct stat before, after;

	start("rw", 1, 0, false);
	memset(data, 0xaa, sizeof(data));
	file_write(0, data, sizeof(data));
	stat(f->image, &before);
	blkif_request_discard_t *r =
		(blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD);
	r->sector_number = 64;
	r->nr_sectors = 64;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	file_read(0, data, sizeof(data));
	ck_assert_int_eq(data[32767], 0xaa);
	ck_assert_int_eq(data[32768], 0);
	ck_assert_int_eq(data[65535], 0);
	stat(f->image, &after);
	ck_assert_int_lt(after.st_blocks, before.st_blocks);
	r = (blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD);
	r->sector_number = FRONT_IMAGE_SIZE / 512 - 1;
	r->nr_sectors = 2;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = (blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD);
	r->nr_sectors = ~0ull;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
}
END_TEST

START_TEST(sectors_of_4096_bytes)
{
	grant_ref_t ref;
	uint64_t v;

	start("rw,sector-size=4096", 1, 0, false);
	ck_assert_int_eq(xenstore_read_number(f->xs, FRONT_BE "/sector-size", 4096, &v), 0);
	ck_assert_uint_eq(v, 4096);
	ck_assert_int_eq(xenstore_read_number(f->xs, FRONT_BE "/sectors", ~0ull, &v), 0);
	ck_assert_uint_eq(v, FRONT_IMAGE_SIZE / 512);
	front_page(f, false, &ref);
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);
	r->sector_number = 8;
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	r = front_request(f, 0, BLKIF_OP_READ);
	r->sector_number = 4;
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = front_request(f, 0, BLKIF_OP_READ);
	seg(r, ref, 0, 3);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
}
END_TEST

START_TEST(a_file_that_shrinks)
{
	grant_ref_t ref;

	start("rw", 1, 0, false);
	front_page(f, false, &ref);
	ck_assert_int_eq(truncate(f->image, 6144), 0);
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);
	r->sector_number = 8;
	seg(r, ref, 0, 7); /* half of it is there */
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = front_request(f, 0, BLKIF_OP_READ);
	r->sector_number = 8;
	seg(r, ref, 0, 3);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
}
END_TEST

START_TEST(a_host_that_cannot_write)
{
	struct rlimit limit = {1 << 20, 1 << 20};
	grant_ref_t ref;

	start("rw", 1, 0, false);
	front_page(f, false, &ref);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_WRITE);
	r->sector_number = 2048;
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	r = front_request(f, 0, BLKIF_OP_WRITE);
	r->sector_number = 2040;
	seg(r, ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
}
END_TEST

/* Every slot of the largest ring, several times over. */
START_TEST(a_full_ring_of_sixteen_pages)
{
	grant_ref_t ref[8]; /* one grant has 128 holders at most */
	blkif_response_t r;
	uint8_t seen[4096] = {0};

	start("rw", 1, 4, false);
	for (unsigned i = 0; i < 8; i++)
		front_page(f, false, &ref[i]);
	unsigned slots = RING_SIZE(&f->queue[0].ring);
	ck_assert_uint_eq(slots, 512);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < slots; i++)
			seg(front_request(f, 0, BLKIF_OP_READ), ref[i % 8], 0, 7);
		front_push(f, 0);
		for (unsigned i = 0; i < slots; i++) {
			ck_assert(front_response(f, 0, &r));
			ck_assert_int_eq(r.status, BLKIF_RSP_OKAY);
			ck_assert_int_eq(seen[r.id]++, 0);
		}
	}
}
END_TEST

START_TEST(several_queues)
{
	grant_ref_t ref;
	blkif_response_t r;

	start("rw,queues=4", 4, 1, true);
	front_page(f, false, &ref);
	for (unsigned i = 0; i < 400; i++) {
		blkif_request_t *q = front_request(f, i % 4, BLKIF_OP_READ);
		seg(q, ref, 0, 7);
		if (i % 8 > 3)
			front_push(f, i % 4);
		if (i % 40 > 35)
			for (unsigned k = 0; k < 10; k++)
				ck_assert(front_response(f, i % 4, &r));
	}
}
END_TEST

START_TEST(events_only_when_they_are_wanted)
{
	grant_ref_t ref;

	start("rw", 1, 0, false);
	front_page(f, false, &ref);
	f->queue[0].ring.sring->rsp_event = 3;
	for (unsigned i = 0; i < 2; i++) {
		seg(front_request(f, 0, BLKIF_OP_READ), ref, 0, 7);
		blkif_response_t r;
		front_push(f, 0);
		ck_assert(front_response(f, 0, &r));
		f->queue[0].ring.sring->rsp_event = 3;
	}
	ck_assert_uint_eq(blkback_stats(f->backend)->notifications, 0);
	seg(front_request(f, 0, BLKIF_OP_READ), ref, 0, 7);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	for (unsigned ms = 0; ms < 5000 && !blkback_stats(f->backend)->notifications; ms++)
		usleep(1000);
	ck_assert_uint_eq(blkback_stats(f->backend)->notifications, 1);
}
END_TEST

START_TEST(a_ring_that_lies)
{
	start("rw", 1, 0, false);
	f->queue[0].ring.req_prod_pvt += 1000;
	event_loop_start(f->loop);
	front_push(f, 0);
	for (unsigned ms = 0; ms < 5000 && front_backend_state(f) != XenbusStateClosing; ms++)
		usleep(1000);
	event_loop_stop(f->loop);
	ck_assert_uint_eq(front_backend_state(f), XenbusStateClosing);
	ck_assert(xenstore_exists(f->xs, "/local/domain/0/error/backend/vbd/1/51712/error"));
}
END_TEST

START_TEST(keys_that_cannot_be)
{
	static const struct {
		const char *key;
		unsigned value;
	} cases[] = {
		{"ring-ref", 4000},
		{"event-channel", 4000},
		{"event-channel", 0},
		{"multi-queue-num-queues", 3},
		{"multi-queue-num-queues", 0},
		{"ring-page-order", 5},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start("rw,queues=2", 1, 0, false);
		front_state(f, XenbusStateClosing);
		front_state(f, XenbusStateClosed);
		front_state(f, XenbusStateInitialising);
		ck_assert_uint_eq(front_backend_state(f), XenbusStateInitWait);
		front_write(f, cases[i].key, cases[i].value);
		front_state(f, XenbusStateInitialised);
		ck_assert_uint_eq(front_backend_state(f), XenbusStateClosing);
		if (i < sizeof(cases) / sizeof(cases[0]) - 1)
			front_free(f);
	}
}
END_TEST

START_TEST(a_new_size_is_told)
{
	uint64_t v = 0;

	start("rw", 1, 0, false);
	ck_assert_int_eq(truncate(f->image, 2 * FRONT_IMAGE_SIZE), 0);
	event_loop_start(f->loop);
	for (unsigned ms = 0; ms < 5000 && v != 2 * FRONT_IMAGE_SIZE / 512; ms++) {
		usleep(1000);
		xenstore_read_number(f->xs, FRONT_BE "/sectors", ~0ull, &v);
	}
	event_loop_stop(f->loop);
	ck_assert_uint_eq(v, 2 * FRONT_IMAGE_SIZE / 512);
}
END_TEST

START_TEST(files_that_are_no_disks)
{
	static const char *const wrong[] = {"/dev/null,raw,xvdb,rw", "/tmp,raw,xvdb,ro",
					    "/nonexistent,raw,xvdb,rw"};

	start("rw", 1, 0, false);
	for (unsigned i = 0; i < 3; i++) {
		struct disk_spec spec;
		char err[300] = "";
		ck_assert_int_eq(disk_spec_parse(&spec, wrong[i], err, sizeof(err)), 0);
		ck_assert_ptr_null(
			blkback_create(f->loop, f->xs, f->t->d, &spec, err, sizeof(err)));
		ck_assert_int_gt(strlen(err), 10);
	}
}
END_TEST

static void through_threads(void)
{
	setenv("XENOLITH_NO_IO_URING", "1", 1);
}

static void through_io_uring(void)
{
	unsetenv("XENOLITH_NO_IO_URING");
}

int main(void)
{
	const TTest *const tests[] = {
		writes_and_reads,
		requests_that_are_refused,
		a_page_that_may_only_be_read,
		a_disk_that_may_only_be_read,
		indirect_requests,
		persistent_grants_stay,
		more_pages_than_can_stay,
		barriers_and_writes_that_flush,
		what_is_not_offered,
		discards,
		sectors_of_4096_bytes,
		a_file_that_shrinks,
		a_host_that_cannot_write,
		a_full_ring_of_sixteen_pages,
		several_queues,
		events_only_when_they_are_wanted,
		a_ring_that_lies,
		keys_that_cannot_be,
		a_new_size_is_told,
		files_that_are_no_disks,
	};
	Suite *s = suite_create("blkback");
	static const struct {
		const char *name;
		SFun setup;
	} hosts[] = {{"io_uring", through_io_uring}, {"threads", through_threads}};

	for (unsigned h = 0; h < 2; h++) {
		TCase *c = tcase_create(hosts[h].name);
		tcase_add_checked_fixture(c, hosts[h].setup, teardown);
		for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
			tcase_add_test(c, tests[i]);
		suite_add_tcase(s, c);
	}
	return run_suite(s);
}
