/*
 * A flush reaches the host's disk: what was only in the host's memory has a place there
 * when it is answered. Seen by FIEMAP on file systems that tell (ext4, XFS, Btrfs); on others
 * the tests see only that the answers are right.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

static int request(uint8_t op, uint64_t sector, bool data)
{
	blkif_request_t *r = front_request(f, 0, op);

	r->sector_number = sector;
	r->nr_segments = data;
	r->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
	return front_status(f, 0);
}

/* Is the page at `offset` still without a place on the disk? */
static bool is_delayed(uint64_t offset)
{
	struct fiemap *m = calloc(1, sizeof(*m) + sizeof(m->fm_extents[0]));
	int fd = open(f->image, O_RDONLY);

	m->fm_start = offset;
	m->fm_length = PAGE_SIZE;
	m->fm_extent_count = 1;
	int rc = ioctl(fd, FS_IOC_FIEMAP, m);
	bool delayed = !rc && m->fm_mapped_extents &&
		       m->fm_extents[0].fe_flags & FIEMAP_EXTENT_DELALLOC;

	close(fd);
	free(m);
	return delayed;
}

START_TEST(flushes_and_barriers_without_data)
{
	static const uint8_t ops[] = {BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_WRITE_BARRIER};

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(request(BLKIF_OP_WRITE, 2048 * i, true), BLKIF_RSP_OKAY);
		ck_assert_int_eq(request(ops[i], 0, false), BLKIF_RSP_OKAY);
		ck_assert(!is_delayed(2048 * 512 * i));
	}
}
END_TEST

/* What was written before, and what comes with the request. */
START_TEST(flushes_and_barriers_with_data)
{
	static const uint8_t ops[] = {BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_WRITE_BARRIER};

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(request(BLKIF_OP_WRITE, 4096 * i, true), BLKIF_RSP_OKAY);
		ck_assert_int_eq(request(ops[i], 4096 * i + 2048, true), BLKIF_RSP_OKAY);
		ck_assert(!is_delayed(4096 * 512 * i));
		ck_assert(!is_delayed((4096 * i + 2048) * 512));
	}
}
END_TEST

static void through_threads(void)
{
	setenv("XENOLITH_NO_IO_URING", "1", 1);
	setup();
}

static void through_io_uring(void)
{
	unsetenv("XENOLITH_NO_IO_URING");
	setup();
}

int main(void)
{
	static const struct {
		const char *name;
		SFun setup;
	} hosts[] = {{"io_uring", through_io_uring}, {"threads", through_threads}};
	Suite *s = suite_create("blk_flush");

	for (unsigned h = 0; h < 2; h++) {
		TCase *c = tcase_create(hosts[h].name);
		tcase_add_checked_fixture(c, hosts[h].setup, teardown);
		tcase_add_test(c, flushes_and_barriers_without_data);
		tcase_add_test(c, flushes_and_barriers_with_data);
		suite_add_tcase(s, c);
	}
	return run_suite(s);
}
