/*
 * libxenstore: children, in one message and in parts, permissions, and paths.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libxenstore/include/xenstore.h"
#include "test/unit/test_run.h"
#include "test/unit/test_store.h"

static struct xs_handle *h;

static void setup(void)
{
	h = NULL;
}

static void teardown(void)
{
	if (!h)
		return;
	xs_close(h);
	test_store_end();
}

#define OPEN(...)                         \
	do {                              \
		TEST_STORE(__VA_ARGS__);  \
		h = xs_open(0);           \
		ck_assert_ptr_nonnull(h); \
	} while (0)

/* names: with a space behind each. */
static void children(xs_transaction_t t, const char *path, const char *names)
{
	unsigned num = 99;
	char **list = xs_directory(h, t, path, &num);

	ck_assert_ptr_nonnull(list);
	for (unsigned i = 0; i < num; i++) {
		size_t len = strlen(list[i]);
		ck_assert_mem_eq(list[i], names, len);
		ck_assert_int_eq(names[len], ' ');
		names += len + 1;
	}
	ck_assert_str_eq(names, "");
	free(list);
}

static void fails(const char *path, int err)
{
	unsigned num;

	ck_assert_ptr_null(xs_directory(h, XBT_NULL, path, &num));
	ck_assert_int_eq(errno, err);
}

START_TEST(one_message)
{
	OPEN(WANT(XS_DIRECTORY, 4, "/a"), SEND(XS_DIRECTORY, 4, "x\0yy\0z"),
	     WANT(XS_DIRECTORY, 0, "/a"), SEND_BARE(XS_DIRECTORY, 0, ""),
	     WANT(XS_DIRECTORY, 0, "/b"), SEND(XS_ERROR, 0, "ENOENT"),
	     /* A store that forgets the last NUL. */
	     WANT(XS_DIRECTORY, 0, "/a"), SEND_BARE(XS_DIRECTORY, 0, "x\0y"));
	children(4, "/a", "x yy z ");
	children(0, "/a", "");
	fails("/b", ENOENT);
	children(0, "/a", "x y ");
}
END_TEST

#define TOO_BIG WANT(XS_DIRECTORY, 0, "/a"), SEND(XS_ERROR, 0, "E2BIG")
#define PART(offset, answer) \
	WANT(XS_DIRECTORY_PART, 0, "/a\0" offset), SEND_BARE(XS_DIRECTORY_PART, 0, answer)

START_TEST(parts)
{
	OPEN(TOO_BIG, PART("0", "41\0x\0yy\0"), PART("5", "41\0z\0\0"),
	     /* The end in a message of its own; everything in one. */
	     TOO_BIG, PART("0", "41\0x\0"), PART("2", "41\0\0"), TOO_BIG, PART("0", "41\0x\0y\0\0"),
	     /* All children have gone meanwhile. */
	     TOO_BIG, PART("0", "42\0\0"));
	children(0, "/a", "x yy z ");
	children(0, "/a", "x ");
	children(0, "/a", "x y ");
	children(0, "/a", "");
}
END_TEST

START_TEST(a_change_between_parts)
{
	OPEN(TOO_BIG, PART("0", "41\0x\0yy\0"), PART("5", "42\0z\0\0"), PART("0", "42\0a\0"),
	     PART("2", "42\0z\0\0"));
	children(0, "/a", "a z ");
}
END_TEST

START_TEST(parts_that_are_none)
{
	OPEN(TOO_BIG,
	     WANT(XS_DIRECTORY_PART, 0,
		  "/a\0"
		  "0"),
	     SEND(XS_ERROR, 0, "ENOSYS"), TOO_BIG,
	     WANT(XS_DIRECTORY_PART, 0,
		  "/a\0"
		  "0"),
	     SEND(XS_ERROR, 0, "EACCES"),
	     /* No names; no NUL; a generation that is no number of 64 bits. */
	     TOO_BIG, PART("0", "41\0"), TOO_BIG, PART("0", "41\0x\0"), PART("2", "41"), TOO_BIG,
	     PART("0", "123456789012345678901234\0x\0\0"));
	fails("/a", E2BIG);
	fails("/a", EACCES);
	fails("/a", EINVAL);
	fails("/a", EINVAL);
	fails("/a", EINVAL);
}
END_TEST

START_TEST(get_permissions)
{
	unsigned num = 0;

	OPEN(WANT(XS_GET_PERMS, 2, "/a"), SEND(XS_GET_PERMS, 2, "n0\0r5\0w32751\0b7"),
	     WANT(XS_GET_PERMS, 0, "/a"), SEND(XS_GET_PERMS, 0, "n0\0x5"),
	     WANT(XS_GET_PERMS, 0, "/a"), SEND(XS_ERROR, 0, "EACCES"), WANT(XS_GET_PERMS, 0, "/a"),
	     SEND_BARE(XS_GET_PERMS, 0, ""));
	struct xs_permissions *p = xs_get_permissions(h, 2, "/a", &num);
	ck_assert_uint_eq(num, 4);
	ck_assert(p[0].id == 0 && p[0].perms == XS_PERM_NONE);
	ck_assert(p[1].id == 5 && p[1].perms == XS_PERM_READ);
	ck_assert(p[2].id == 32751 && p[2].perms == XS_PERM_WRITE);
	ck_assert(p[3].id == 7 && p[3].perms == (XS_PERM_READ | XS_PERM_WRITE));
	free(p);
	ck_assert_ptr_null(xs_get_permissions(h, XBT_NULL, "/a", &num));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(xs_get_permissions(h, XBT_NULL, "/a", &num));
	ck_assert_int_eq(errno, EACCES);
	p = xs_get_permissions(h, XBT_NULL, "/a", &num);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(num, 0);
	free(p);
}
END_TEST

START_TEST(set_permissions)
{
	struct xs_permissions p[] = {{0, XS_PERM_NONE},
				     {5, XS_PERM_READ},
				     {32751, XS_PERM_WRITE | XS_PERM_IGNORE},
				     {7, XS_PERM_READ | XS_PERM_WRITE}};
	struct xs_permissions *many = calloc(4096, sizeof(*many));

	OPEN(WANT(XS_SET_PERMS, 2, "/a\0n0\0r5\0w32751\0b7"), SEND(XS_SET_PERMS, 2, "OK"),
	     WANT(XS_SET_PERMS, 0, "/a\0n0"), SEND(XS_ERROR, 0, "EPERM"));
	ck_assert(xs_set_permissions(h, 2, "/a", p, 4));
	ck_assert(!xs_set_permissions(h, XBT_NULL, "/a", p, 1));
	ck_assert_int_eq(errno, EPERM);
	p[1].perms = XS_PERM_OWNER;
	ck_assert(!xs_set_permissions(h, XBT_NULL, "/a", p, 2));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert(!xs_set_permissions(h, XBT_NULL, "/a", many, 4096));
	ck_assert_int_eq(errno, E2BIG);
	ck_assert(!xs_set_permissions(h, XBT_NULL, "/a", many, 4096 / 3));
	ck_assert_int_eq(errno, E2BIG);
	free(many);
}
END_TEST

START_TEST(permissions_that_are_none)
{
	static const char *const bad[] = {"", "r", "5", "x5", "r5x", "rx", "R5"};
	struct xs_permissions p;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		ck_assert_msg(!xs_strings_to_perms(&p, 1, bad[i]), "%s", bad[i]);
		ck_assert_int_eq(errno, EINVAL);
	}
	ck_assert(xs_strings_to_perms(&p, 1, "r0x10"));
	ck_assert(p.id == 16 && p.perms == XS_PERM_READ);
	ck_assert(xs_strings_to_perms(&p, 0, ""));
}
END_TEST

START_TEST(subpaths)
{
	static const struct {
		const char *parent, *child;
		bool is;
	} cases[] = {
		{"/a", "/a", true},	{"/a", "/a/b", true}, {"/a", "/ab", false},
		{"/a/b", "/a", false},	{"a", "/a", false},   {"/", "/", true},
		{"/", "/a", false},	{"", "/a", true},     {"@x", "@x", true},
		{"/a", "/a/b/c", true},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(xs_path_is_subpath(cases[i].parent, cases[i].child) == cases[i].is,
			      "%s %s", cases[i].parent, cases[i].child);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_message,	 parts,		  a_change_between_parts,    parts_that_are_none,
		get_permissions, set_permissions, permissions_that_are_none, subpaths};

	return RUN_TESTS("libxenstore_lists", setup, teardown, tests);
}
