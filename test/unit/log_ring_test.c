/*
 * The last lines of a domain's log: whole lines, the newest, nothing that could pass for
 * another line.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/log_ring.h"

static struct log_ring r;

static void setup(void)
{
	log_ring_init(&r, 1000000000);
}

static void teardown(void)
{
	log_ring_free(&r);
}

static void holds(const char *want)
{
	char *all = log_ring_read(&r, false);

	ck_assert_str_eq(all, want);
	free(all);
}

START_TEST(lines)
{
	holds("");
	log_ring_add(&r, 1000000000, "one");
	log_ring_add(&r, 63250000999, "two\nthree\r\x1b[2J");
	holds("[    0.000000] one\n[   62.250000] two three  [2J\n");
	free(log_ring_read(&r, true));
	holds("");
	log_ring_add(&r, 2000000000, "four");
	holds("[    1.000000] four\n");
}
END_TEST

START_TEST(the_newest_are_kept)
{
	char line[64], *all, *end;

	for (int i = 0; i < 10000; i++) {
		snprintf(line, sizeof(line), "line %d %.*s", i, i % 40,
			 "........................................");
		log_ring_add(&r, 1000000000, line);
	}
	all = log_ring_read(&r, false);
	ck_assert_uint_le(strlen(all), LOG_RING_SIZE);
	ck_assert_uint_gt(strlen(all), LOG_RING_SIZE - 100);
	int first = -1, last = -1;
	for (char *p = all; *p; p = end + 1) {
		int n;
		end = strchr(p, '\n');
		ck_assert_ptr_nonnull(end);
		ck_assert_int_eq(sscanf(p, "[    0.000000] line %d", &n), 1);
		ck_assert(last < 0 || n == last + 1);
		first = first < 0 ? n : first;
		last = n;
	}
	ck_assert_int_eq(last, 9999);
	ck_assert_int_gt(first, 0);
	free(all);
}
END_TEST

START_TEST(a_long_line_is_cut)
{
	static char line[100000];

	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 100; i++)
		log_ring_add(&r, 1000000000, line);
	char *all = log_ring_read(&r, false);
	ck_assert_uint_le(strcspn(all, "\n"), 1024);
	ck_assert_int_eq(all[strlen(all) - 1], '\n');
	free(all);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {lines, the_newest_are_kept, a_long_line_is_cut};

	return RUN_TESTS("log_ring", setup, teardown, tests);
}
