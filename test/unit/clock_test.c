/*
 * The clock of a domain: system time from the TSC, and how many ticks of that a time takes.
 */
#include "test/unit/test_run.h"
#include "vmm/clock.h"

static const uint32_t khz[] = {1000, 999983, 2399998, 2400000, 5000000};

#define NR_KHZ (sizeof(khz) / sizeof(khz[0]))

/* When so many ticks have passed the time has, too, to the microsecond by which a bell may come
 * too early, and it is not much later. */
START_TEST(ticks_of_a_time)
{
	static const uint64_t ns[] = {0,       1,	  999,	       50000,
				      4000000, 123456789, 10000000000, 999999999999};

	for (unsigned i = 0; i < NR_KHZ; i++) {
		struct clock c = {0};

		clock_start(&c, khz[i], 0);
		for (unsigned k = 0; k < sizeof(ns) / sizeof(ns[0]); k++) {
			uint64_t then = clock_at(&c, c.tsc_start + clock_ticks(&c, ns[k]));

			ck_assert_uint_ge(then + 1000, ns[k]);
			ck_assert_uint_le(then, ns[k] + 1000 + ns[k] / 1000000);
		}
	}
}
END_TEST

/* A deadline that is farther away is looked at again before it comes. */
START_TEST(ticks_of_a_long_time)
{
	for (unsigned i = 0; i < NR_KHZ; i++) {
		struct clock c = {0};

		clock_start(&c, khz[i], 0);
		ck_assert_uint_eq(clock_ticks(&c, UINT64_MAX), clock_ticks(&c, 1000000000000));
		ck_assert_uint_gt(clock_ticks(&c, UINT64_MAX), clock_ticks(&c, 900000000000));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("clock");
	TCase *c = tcase_create("clock");

	tcase_add_test(c, ticks_of_a_time);
	tcase_add_test(c, ticks_of_a_long_time);
	suite_add_tcase(s, c);
	return run_suite(s);
}
