/*
 * Option tables: letters with arguments, joined letters, operands in between.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/options.h"

struct got {
	int flags;
	const char *number, *text;
};

static struct got got;
static struct error err;
static bool help;

static int on_flag(void *into, const char *value, struct error *e)
{
	ck_assert_ptr_null(value);
	((struct got *)into)->flags++;
	return 0;
}

static int on_number(void *into, const char *value, struct error *e)
{
	((struct got *)into)->number = value;
	return strcmp(value, "bad") ? 0 : error_set(e, -EINVAL, "bad number");
}

static int on_text(void *into, const char *value, struct error *e)
{
	((struct got *)into)->text = value ? value : "none";
	return 0;
}

static const struct option table[] = {
	{.name = "flag", .letter = 'f', .help = "", .parse = on_flag},
	{.name = "number", .letter = 'n', .arg = "N", .help = "", .parse = on_number},
	{.name = "text",
	 .letter = 't',
	 .arg = "T",
	 .arg_optional = true,
	 .help = "",
	 .parse = on_text},
	{.name = NULL},
};

static void setup(void)
{
	got = (struct got){0};
	err.text[0] = '\0';
}

static void teardown(void)
{
}

#define PARSE(...)                                                                                \
	({                                                                                        \
		char *argv_[] = {"verb", __VA_ARGS__, NULL};                                      \
		int n_ = options_parse(table, (int)(sizeof(argv_) / sizeof(argv_[0])) - 1, argv_, \
				       &got, &help, &err);                                        \
		operand = n_ > 0 ? argv_[0] : NULL;                                               \
		n_;                                                                               \
	})
static const char *operand;

START_TEST(a_letters_argument)
{
	ck_assert_int_eq(PARSE("-n", "5", "x"), 1);
	ck_assert_str_eq(got.number, "5");
	ck_assert_str_eq(operand, "x");
	ck_assert_int_eq(PARSE("-n6"), 0);
	ck_assert_str_eq(got.number, "6");
	/* Also one that looks like an option. */
	ck_assert_int_eq(PARSE("-n", "-f"), 0);
	ck_assert_str_eq(got.number, "-f");
	ck_assert_int_eq(got.flags, 0);
}
END_TEST

START_TEST(joined_letters)
{
	ck_assert_int_eq(PARSE("x", "-ffn", "7", "y"), 2);
	ck_assert_int_eq(got.flags, 2);
	ck_assert_str_eq(got.number, "7");
	ck_assert_int_eq(PARSE("-fn8f"), 0);
	ck_assert_int_eq(got.flags, 3);
	ck_assert_str_eq(got.number, "8f");
	/* An optional argument is only that of the long form. */
	ck_assert_int_eq(PARSE("-tf"), 0);
	ck_assert_str_eq(got.text, "none");
	ck_assert_int_eq(got.flags, 4);
	ck_assert_int_eq(PARSE("-fh"), 0);
	ck_assert(help);
}
END_TEST

START_TEST(what_is_wrong)
{
	ck_assert_int_eq(PARSE("-n"), -EINVAL);
	ck_assert_str_eq(err.text, "option -n needs an argument: -n N");
	ck_assert_int_eq(PARSE("-fn"), -EINVAL);
	ck_assert_int_eq(PARSE("-n", "bad"), -EINVAL);
	ck_assert_str_eq(err.text, "bad number");
	ck_assert_int_eq(PARSE("-x"), -EINVAL);
	ck_assert_int_eq(PARSE("--number"), -EINVAL);
	/* Behind -- there are none. */
	ck_assert_int_eq(PARSE("--", "-n"), 1);
	ck_assert_str_eq(operand, "-n");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_letters_argument, joined_letters, what_is_wrong};

	return RUN_TESTS("options", setup, teardown, tests);
}
