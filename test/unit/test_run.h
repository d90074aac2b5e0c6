/*
 * The main() of a Check program with one suite and one fixture.
 */
#ifndef TEST_UNIT_TEST_RUN_H
#define TEST_UNIT_TEST_RUN_H

#include <check.h>

/* For suites with loop tests or several fixtures. */
static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

#define RUN_TESTS(name, setup, teardown, tests) \
	run_tests(name, setup, teardown, tests, sizeof(tests) / sizeof((tests)[0]))

static inline int run_tests(const char *name, SFun setup, SFun teardown, const TTest *const *tests,
			    size_t nr)
{
	Suite *s = suite_create(name);
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60); /* seconds of a busy machine */
	for (size_t i = 0; i < nr; i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	return run_suite(s);
}

#endif
