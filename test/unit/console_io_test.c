/*
 * console_io: text out and in, in pieces, with bad pointers and huge counts.
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
}

static void teardown(void)
{
	test_domain_free(t);
}

static long console(unsigned cmd, uint64_t count, uint64_t va)
{
	return HCALL(t, 0, __HYPERVISOR_console_io, cmd, count, va);
}

START_TEST(test_text_out)
{
	uint64_t va = test_put(t, "hello\n", 6);

	ck_assert_int_eq(console(CONSOLEIO_write, 6, va), 0);
	ck_assert_str_eq(t->console_out, "hello\n");
	ck_assert_int_eq(console(CONSOLEIO_write, 0, va), 0);
	ck_assert_int_eq(console(CONSOLEIO_write, 0, XEN_VIRT_START), 0);
	ck_assert_uint_eq(t->console_out_len, 6);
}
END_TEST

START_TEST(test_long_write_comes_in_pieces)
{
	uint64_t va = test_alloc(t, 2 * PAGE_SIZE) + 7;
	char text[6000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = 'a' + i % 26;
	test_write(t, va, text, sizeof(text));
	ck_assert_int_eq(console(CONSOLEIO_write, sizeof(text), va), 0);
	ck_assert_uint_eq(t->console_out_len, sizeof(text));
	ck_assert_mem_eq(t->console_out, text, sizeof(text));
	ck_assert_uint_gt(t->console_writes, 1);
}
END_TEST

START_TEST(test_write_faults)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	ck_assert_int_eq(console(CONSOLEIO_write, 1, TEST_VA_UNMAPPED), -EFAULT);
	ck_assert_int_eq(console(CONSOLEIO_write, 1, XEN_VIRT_START), -EFAULT);
	ck_assert_uint_eq(t->console_out_len, 0);
	/* What was readable is out when the fault is noticed. */
	ck_assert_int_eq(console(CONSOLEIO_write, PAGE_SIZE + 1, va), -EFAULT);
	ck_assert_uint_eq(t->console_out_len, PAGE_SIZE);
}
END_TEST

/* Counts are 32 bits without a sign; this one runs into the hole. */
START_TEST(test_huge_counts)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	ck_assert_int_eq(console(CONSOLEIO_write, ~0u, va), -EFAULT);
	ck_assert_int_eq(console(CONSOLEIO_write, 1ull << 32, va), 0);
	ck_assert_int_eq(console(CONSOLEIO_read, ~0u, va), -E2BIG);
	ck_assert_int_eq(console(CONSOLEIO_read, 0x80000000u, va), -E2BIG);
	ck_assert_int_eq(console(CONSOLEIO_read, 0x7fffffff, va), 0);
}
END_TEST

START_TEST(test_text_in)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	ck_assert_int_eq(console(CONSOLEIO_read, 10, va), 0);
	t->console_in = "typed text";
	ck_assert_int_eq(console(CONSOLEIO_read, 5, va), 5);
	ck_assert_mem_eq(test_ptr(t, va), "typed", 6);
	ck_assert_int_eq(console(CONSOLEIO_read, 100, va), 5);
	ck_assert_mem_eq(test_ptr(t, va), " text", 6);
	ck_assert_int_eq(console(CONSOLEIO_read, 100, va), 0);
	ck_assert_int_eq(console(CONSOLEIO_read, 0, va), 0);
}
END_TEST

START_TEST(test_read_faults_lose_nothing)
{
	uint64_t va = test_alloc(t, PAGE_SIZE);

	t->console_in = "abc";
	ck_assert_int_eq(console(CONSOLEIO_read, 3, TEST_VA_UNMAPPED), -EFAULT);
	ck_assert_int_eq(console(CONSOLEIO_read, 3, XEN_VIRT_START), -EFAULT);
	test_map(t, 0x5000000000ull, test_frame(t), false);
	ck_assert_int_eq(console(CONSOLEIO_read, 3, 0x5000000000ull), -EFAULT);
	ck_assert_str_eq(t->console_in, "abc");
	/* Up to the end of the page there is room. */
	ck_assert_int_eq(console(CONSOLEIO_read, 3, va + PAGE_SIZE - 3), 3);
}
END_TEST

START_TEST(test_unknown)
{
	ck_assert_int_eq(console(2, 0, 0), -ENOSYS);
	ck_assert_int_eq(console(~0u, 0, 0), -ENOSYS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_text_out, test_long_write_comes_in_pieces, test_write_faults, test_huge_counts,
		test_text_in,  test_read_faults_lose_nothing,	test_unknown,
	};

	return RUN_TESTS("console_io", setup, teardown, tests);
}
