/*
 * Drives: empty ones, and what is put in and taken out while a frontend is connected.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/block/block.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

static struct blkfront *f;
static char file[2][32];
static grant_ref_t ref;
static uint8_t *page;

/* Two media of 1 and 2 MiB, whose bytes are 1s and 2s. */
static void setup(void)
{
	uint8_t bytes[PAGE_SIZE];

	for (unsigned i = 0; i < 2; i++) {
		strcpy(file[i], "/tmp/media.XXXXXX");
		int fd = mkstemp(file[i]);
		memset(bytes, (int)i + 1, sizeof(bytes));
		for (unsigned k = 0; k < 256 * (i + 1); k++)
			ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
		close(fd);
	}
	f = NULL;
}

static void teardown(void)
{
	front_free(f);
	for (unsigned i = 0; i < 2; i++)
		unlink(file[i]);
}

static void drive(const char *target)
{
	char spec[100];

	snprintf(spec, sizeof(spec), "%s,raw,xvda,cdrom", target);
	f = front_new_on(spec);
	page = front_page(f, false, &ref);
}

static void insert(const char *params)
{
	ck_assert_int_eq(xenstore_write(f->xs, FRONT_BE "/params", "%s", params), 0);
	local_run(f->xs);
	local_run(f->xs);
}

static unsigned sectors(void)
{
	uint64_t v = ~0ull;

	xenstore_read_number(f->xs, FRONT_BE "/sectors", 1u << 30, &v);
	return (unsigned)v;
}

static void assert_params(const char *expected)
{
	char *is = xenstore_read(f->xs, FRONT_BE "/params");

	ck_assert_str_eq(is, expected);
	free(is);
}

static int read_page(uint64_t sector)
{
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);

	r->sector_number = sector;
	r->nr_segments = 1;
	r->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
	return front_status(f, 0);
}

static int flush(void)
{
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	return front_status(f, 0);
}

START_TEST(an_empty_drive)
{
	drive("");
	ck_assert_uint_eq(sectors(), 0);
	assert_params("");
	front_connect(f, 1, 0, false);
	ck_assert_int_eq(read_page(0), BLKIF_RSP_ERROR);
	ck_assert_int_eq(flush(), BLKIF_RSP_OKAY);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
}
END_TEST

START_TEST(media_come_and_go)
{
	drive("");
	front_connect(f, 1, 0, true);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 2; i++) {
			insert(file[i]);
			ck_assert_uint_eq(sectors(), 2048 * (i + 1));
			assert_params(file[i]);
			ck_assert_uint_eq(front_backend_state(f), XenbusStateConnected);
			ck_assert_int_eq(read_page(8), BLKIF_RSP_OKAY);
			ck_assert_int_eq(page[77], i + 1);
			/* The frontend's grants stay: it was not asked for new ones. */
			ck_assert_uint_ne(front_in_use(f, ref), 0);
		}
	ck_assert_int_eq(read_page(4096), BLKIF_RSP_ERROR);
	insert("");
	ck_assert_uint_eq(sectors(), 0);
	ck_assert_int_eq(read_page(0), BLKIF_RSP_ERROR);
}
END_TEST

/* Requests that are pushed while the image is exchanged are answered from the one or the
 * other. */
START_TEST(requests_during_a_change)
{
	blkif_response_t r;

	drive(file[0]);
	front_connect(f, 1, 2, true);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 16; i++) {
			blkif_request_t *q = front_request(f, 0, BLKIF_OP_READ);
			q->nr_segments = 1;
			q->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
		}
		front_push(f, 0);
		insert(file[(round + 1) % 2]);
		for (unsigned i = 0; i < 16; i++) {
			ck_assert(front_response(f, 0, &r));
			ck_assert_int_eq(r.status, BLKIF_RSP_OKAY);
		}
	}
}
END_TEST

START_TEST(a_medium_before_there_is_a_frontend)
{
	drive("");
	insert(file[1]);
	ck_assert_uint_eq(sectors(), 4096);
	ck_assert_uint_eq(front_backend_state(f), XenbusStateInitWait);
	front_connect(f, 1, 0, false);
	ck_assert_int_eq(read_page(4088), BLKIF_RSP_OKAY);
	ck_assert_int_eq(page[0], 2);
}
END_TEST

START_TEST(media_that_cannot_be)
{
	static const char *const wrong[] = {"/nonexistent", "/tmp", "qcow2:", "/dev/null"};

	drive(file[0]);
	front_connect(f, 1, 0, false);
	for (unsigned i = 0; i < 4; i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s%s", wrong[i], i == 2 ? file[1] : "");
		insert(text);
		assert_params(file[0]);
		ck_assert(
			xenstore_exists(f->xs, "/local/domain/0/error/backend/vbd/1/51712/error"));
		ck_assert_int_eq(read_page(0), BLKIF_RSP_OKAY);
		ck_assert_int_eq(page[0], 1);
	}
	insert("aio:/nonexistent");
	assert_params(file[0]);
}
END_TEST

START_TEST(a_disk_keeps_what_it_is)
{
	char spec[100];

	snprintf(spec, sizeof(spec), "%s,raw,xvda,rw", file[0]);
	f = front_new_on(spec);
	front_page(f, false, &ref);
	front_connect(f, 1, 0, false);
	insert(file[1]);
	ck_assert_uint_eq(sectors(), 2048);
	ck_assert_int_eq(read_page(2048), BLKIF_RSP_ERROR);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_empty_drive,		  media_come_and_go,
		requests_during_a_change, a_medium_before_there_is_a_frontend,
		media_that_cannot_be,	  a_disk_keeps_what_it_is,
	};

	return RUN_TESTS("blk_media", setup, teardown, tests);
}
