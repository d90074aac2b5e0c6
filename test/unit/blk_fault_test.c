/*
 * Faults of the block backend that change what is on the disk or how answers are shown
 * (pvabi/faults.def); which hits are taken is inject_test.c's.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "devices/block/block.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_fault.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

static struct blkfront *f;
static struct test_fault fault;

static void setup(void)
{
	f = front_new("rw");
	front_connect(f, 1, 0, false);
}

static void teardown(void)
{
	f->t->d->fault_host = NULL;
	front_free(f);
}

static void put_write(uint64_t sector, unsigned pages, char fill)
{
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_WRITE);

	r->sector_number = sector;
	r->nr_segments = (uint8_t)pages;
	for (unsigned i = 0; i < pages; i++) {
		memset(front_page(f, true, &r->seg[i].gref), fill, PAGE_SIZE);
		r->seg[i].last_sect = 7;
	}
}

/* Sectors from `sector` on that are all of `fill`; what is behind them is all zero. */
static unsigned written(uint64_t sector, unsigned sectors, char fill)
{
	char buf[24 * 512], want[512];
	unsigned n = 0;
	int fd = open(f->image, O_RDONLY);

	ck_assert_int_eq(pread(fd, buf, sectors * 512, (off_t)sector * 512), sectors * 512);
	close(fd);
	memset(want, fill, sizeof(want));
	while (n < sectors && !memcmp(buf + n * 512, want, 512))
		n++;
	for (unsigned i = n * 512; i < sectors * 512; i++)
		ck_assert_int_eq(buf[i], 0);
	return n;
}

static void wait_for_shutdown(void)
{
	for (int i = 0; i < 5000 && !atomic_load(&f->t->d->is_shut_down); i++)
		usleep(1000);
	ck_assert(atomic_load(&f->t->d->is_shut_down));
}

/* `want` of the 16 sectors are there, nobody is told, and nothing comes after it. */
static void torn(int64_t value, unsigned want)
{
	test_fault_arm(&fault, f->t->d, PROBE_blk_submit, FAULT_TEAR, value, 1, 1);
	put_write(800, 2, 'a');
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	put_write(0, 2, 'b');
	front_push(f, 0);
	wait_for_shutdown();
	ck_assert_uint_eq(f->t->d->shutdown_code, SHUTDOWN_reboot);
	put_write(400, 1, 'c');
	front_push(f, 0);
	usleep(50000);
	ck_assert(!RING_HAS_UNCONSUMED_RESPONSES(&f->queue[0].ring));
	ck_assert_uint_eq(written(800, 16, 'a'), 16);
	ck_assert_uint_eq(written(0, 16, 'b'), want);
	ck_assert_uint_eq(written(400, 8, 'c'), 0);
}

START_TEST(torn_in_the_middle)
{
	torn(INT64_MIN, 8);
}
END_TEST

START_TEST(torn_across_a_page)
{
	torn(11, 11);
}
END_TEST

START_TEST(torn_before_the_first_sector)
{
	torn(0, 0);
}
END_TEST

START_TEST(torn_nonsense)
{
	torn(-5, 0);
}
END_TEST

START_TEST(torn_behind_the_last_sector)
{
	torn(INT64_MAX, 16);
}
END_TEST

/* ---- split ---- */

static char order[16];
static _Atomic unsigned nr_order;

static void hit(struct probe_host *h, struct domain *d, const struct probe_hit *p)
{
	if (p->id == PROBE_blk_response || p->id == PROBE_blk_notify)
		order[nr_order++ % sizeof(order)] = p->id == PROBE_blk_notify ? 'n' : 'r';
}

/* Two requests that are refused at once, so that their answers are of one time. */
static void two_answers(void)
{
	blkif_response_t r;

	for (unsigned i = 0; i < 2; i++)
		front_request(f, 0, BLKIF_OP_READ)->sector_number = UINT64_MAX;
	front_push(f, 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(front_response(f, 0, &r));
		ck_assert_int_eq(r.status, BLKIF_RSP_ERROR);
	}
}

START_TEST(split)
{
	struct probe_host p = {.hit = hit};
	struct domain *d = f->t->d;

	d->probe_host = &p;
	atomic_fetch_or(&d->probe_armed[PROBE_blk_response], PROBE_TRACED);
	atomic_fetch_or(&d->probe_armed[PROBE_blk_notify], PROBE_TRACED);
	f->queue[0].ring.sring->rsp_event = 1;
	two_answers();
	usleep(20000);
	ck_assert_msg(!memcmp(order, "rrn", 3), "%s", order);
	nr_order = 0;
	test_fault_arm(&fault, d, PROBE_blk_response, FAULT_SPLIT, INT64_MIN, 0, 1);
	f->queue[0].ring.sring->rsp_event = 3;
	two_answers();
	usleep(20000);
	ck_assert_msg(!memcmp(order, "rnr", 3), "%s", order);
	d->probe_armed[PROBE_blk_response] = d->probe_armed[PROBE_blk_notify] = 0;
}
END_TEST

/* ---- grants ---- */

START_TEST(revoked)
{
	blkif_request_t *r;

	put_write(0, 1, 'a');
	grant_ref_t ref = f->next_ref - 1;
	test_fault_arm(&fault, f->t->d, PROBE_grant_map, FAULT_REVOKE, INT64_MIN, 0, 1);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_ERROR);
	ck_assert_uint_eq(grant_v1(f->t, ref)->flags, 0);
	/* It stays away, until the guest grants anew. */
	for (unsigned i = 0; i < 2; i++) {
		r = front_request(f, 0, BLKIF_OP_WRITE);
		r->nr_segments = 1;
		r->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
		ck_assert_int_eq(front_status(f, 0), i ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
		grant_v1(f->t, ref)->flags = GTF_permit_access | GTF_readonly;
	}
	ck_assert_uint_eq(written(0, 8, 'a'), 8);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		torn_in_the_middle,
		torn_across_a_page,
		torn_before_the_first_sector,
		torn_nonsense,
		torn_behind_the_last_sector,
		split,
		revoked,
	};

	return RUN_TESTS("blk_fault", setup, teardown, tests);
}
