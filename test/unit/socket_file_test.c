/*
 * A socket's file: private, and removed by its own server only, also when its folder has
 * another name by then.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/socket_file.h"
#include "test/unit/test_run.h"

static char top[40], path[64];

static void setup(void)
{
	strcpy(top, "/tmp/socket_file_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/s", top);
}

static void teardown(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(top), 0);
}

START_TEST(private_and_removed)
{
	struct socket_file f;
	struct stat st;
	int fd = socket_file_listen(&f, path, 1);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0600);
	close(fd);
	socket_file_remove(&f);
	ck_assert_int_eq(access(path, F_OK), -1);
	socket_file_remove(&f); /* not twice */
}
END_TEST

START_TEST(what_is_in_the_way)
{
	struct socket_file f, again;
	char longer[200];
	int fd = socket_file_listen(&f, path, 1);

	ck_assert_int_eq(socket_file_listen(&again, path, 1), -EADDRINUSE);
	socket_file_remove(&again);
	ck_assert_int_eq(access(path, F_OK), 0);
	close(fd);
	socket_file_remove(&f);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(socket_file_listen(&f, longer, 1), -ENAMETOOLONG);
	ck_assert_int_eq(socket_file_listen(&f, "/no/such/folder/s", 1), -ENOENT);
	socket_file_remove(&f);
}
END_TEST

/* The folder was renamed, and somebody else has a socket at the old path. */
START_TEST(a_socket_of_somebody_else)
{
	struct socket_file ours, theirs;
	int a = socket_file_listen(&ours, path, 1);
	char moved[64];

	snprintf(moved, sizeof(moved), "%s/moved", top);
	ck_assert_int_eq(rename(path, moved), 0);
	int b = socket_file_listen(&theirs, path, 1);
	ck_assert_int_ge(b, 0);
	socket_file_remove(&ours);
	ck_assert_int_eq(access(path, F_OK), 0);
	socket_file_remove(&theirs);
	ck_assert_int_eq(access(path, F_OK), -1);
	close(a);
	close(b);
	unlink(moved);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {private_and_removed, what_is_in_the_way,
				      a_socket_of_somebody_else};

	return RUN_TESTS("socket_file", setup, teardown, tests);
}
