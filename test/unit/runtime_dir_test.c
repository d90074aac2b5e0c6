/*
 * The folders of running domains: made private, held by a lock, cleaned of what a dead
 * process left.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/test_run.h"
#include "vmm/runtime_dir.h"

static char top[64], base[PATH_MAX];
static struct error err;

static void setup(void)
{
	strcpy(top, "/tmp/runtime_dir_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	setenv("XDG_RUNTIME_DIR", top, 1);
	snprintf(base, sizeof(base), "%s/xenolith", top);
}

static void teardown(void)
{
	rmdir(base);
	ck_assert_int_eq(rmdir(top), 0);
}

/* A listening or (closed at once) a dead socket. */
static int make_socket(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(private_and_gone_afterwards)
{
	struct runtime_dir d;
	struct stat st;

	ck_assert_int_eq(runtime_dir_open(&d, "guest", &err), 0);
	ck_assert_int_eq(stat(d.path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_int_eq(stat(base, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	runtime_dir_close(&d);
	ck_assert_int_ne(stat(d.path, &st), 0);
	runtime_dir_close(&d); /* not twice */
}
END_TEST

START_TEST(a_name_is_taken_once)
{
	struct runtime_dir a, b, c;

	ck_assert_int_eq(runtime_dir_open(&a, "guest", &err), 0);
	ck_assert_int_eq(runtime_dir_open(&b, "guest", &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.text, "'guest' is running"));
	ck_assert_int_eq(b.fd, -1);
	ck_assert_int_eq(runtime_dir_open(&c, "other", &err), 0);
	runtime_dir_close(&b);
	runtime_dir_close(&a);
	ck_assert_int_eq(runtime_dir_open(&b, "guest", &err), 0);
	runtime_dir_close(&b);
	runtime_dir_close(&c);
}
END_TEST

/* A file in the parent folder with the counter at `last`. */
static void set_counter(const char *last)
{
	char path[128];

	snprintf(path, sizeof(path), "%.99s/.domid", base);
	if (!last) {
		unlink(path);
		return;
	}
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%s\n", last);
	fclose(f);
}

static unsigned domid_of(struct runtime_dir *d)
{
	uint16_t id;

	ck_assert_int_eq(runtime_dir_domid(d, &id, &err), 0);
	return id;
}

/* As Xen gives them: each one more than the last, also when that has ended; after the
 * highest, 0x7fef, the lowest that is free. */
START_TEST(ids_go_up)
{
	struct runtime_dir a, b, c;

	ck_assert_int_eq(runtime_dir_open(&a, "a", &err), 0);
	ck_assert_uint_eq(domid_of(&a), 1);
	ck_assert_int_eq(runtime_dir_open(&b, "b", &err), 0);
	ck_assert_uint_eq(domid_of(&b), 2);
	runtime_dir_close(&b);
	ck_assert_int_eq(runtime_dir_open(&b, "b", &err), 0);
	ck_assert_uint_eq(domid_of(&b), 3);
	set_counter("32750");
	ck_assert_int_eq(runtime_dir_open(&c, "c", &err), 0);
	ck_assert_uint_eq(domid_of(&c), 32751);
	runtime_dir_close(&c);
	ck_assert_int_eq(runtime_dir_open(&c, "c", &err), 0);
	ck_assert_uint_eq(domid_of(&c), 2); /* a is 1 */
	/* Whatever was made of the counter. */
	set_counter("99999999999999999999");
	runtime_dir_close(&b);
	ck_assert_int_eq(runtime_dir_open(&b, "b", &err), 0);
	ck_assert_uint_eq(domid_of(&b), 3);
	runtime_dir_close(&a);
	runtime_dir_close(&b);
	runtime_dir_close(&c);
	set_counter(NULL);
}
END_TEST

START_TEST(another_name)
{
	struct runtime_dir a, b, c;
	char path[128];

	ck_assert_int_eq(runtime_dir_open(&a, "a", &err), 0);
	ck_assert_int_eq(runtime_dir_open(&b, "b", &err), 0);
	ck_assert_int_eq(runtime_dir_rename(&a, "b", &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.text, "'b' is running"));
	ck_assert_int_eq(runtime_dir_rename(&a, "c", &err), 0);
	snprintf(path, sizeof(path), "%.99s/c", base);
	ck_assert_str_eq(a.path, path);
	ck_assert_int_eq(runtime_dir_open(&c, "c", &err), -EBUSY);
	ck_assert_int_eq(runtime_dir_open(&c, "a", &err), 0);
	runtime_dir_close(&c);
	/* What a dead one left in the place of the new name. */
	snprintf(path, sizeof(path), "%.99s/d", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%.99s/d/control.sock", base);
	close(make_socket(path));
	ck_assert_int_eq(runtime_dir_rename(&a, "d", &err), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	runtime_dir_close(&a);
	runtime_dir_close(&b);
}
END_TEST

START_TEST(names)
{
	char longest[65];

	memset(longest, 'x', 64);
	longest[63] = '\0';
	ck_assert(domain_name_is_good("a"));
	ck_assert(domain_name_is_good("...") && domain_name_is_good("domid"));
	ck_assert(domain_name_is_good(longest));
	longest[63] = 'x';
	longest[64] = '\0';
	ck_assert(!domain_name_is_good(longest));
	ck_assert(!domain_name_is_good("") && !domain_name_is_good("."));
	ck_assert(!domain_name_is_good("..") && !domain_name_is_good("a/b"));
	ck_assert(!domain_name_is_good("a b") && !domain_name_is_good("a\n"));
	ck_assert(!domain_name_is_good(".domid")); /* the counter's place */
}
END_TEST

/* One that was killed leaves its folder and its socket, but not the lock. */
START_TEST(a_dead_process_leaves_nothing_in_the_way)
{
	struct runtime_dir d;
	char path[128];
	pid_t child = fork();

	if (!child) {
		if (!runtime_dir_open(&d, "guest", &err) &&
		    !runtime_dir_socket(&d, "s", path, sizeof(path), &err))
			make_socket(path);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	ck_assert_int_eq(runtime_dir_open(&d, "guest", &err), 0);
	snprintf(path, sizeof(path), "%.99s/s", d.path);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(runtime_dir_socket(&d, "s", path, sizeof(path), &err), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	runtime_dir_close(&d);
}
END_TEST

START_TEST(places_that_are_none)
{
	struct runtime_dir d;
	char path[128];

	setenv("XDG_RUNTIME_DIR", "/no/such/folder", 1);
	ck_assert_int_eq(runtime_dir_open(&d, "guest", &err), -ENOENT);
	ck_assert_int_eq(d.fd, -1);
	setenv("XDG_RUNTIME_DIR", top, 1);
	FILE *f = fopen(base, "w");
	ck_assert_int_eq(runtime_dir_open(&d, "guest", &err), -ENOTDIR);
	fclose(f);
	unlink(base);
	ck_assert_int_eq(runtime_dir_open(&d, "guest", &err), 0);
	ck_assert_int_eq(runtime_dir_socket(&d, "s", path, 20, &err), -ENAMETOOLONG);
	runtime_dir_close(&d);
	/* In the place of a domain's folder: a link to somewhere else. */
	snprintf(path, sizeof(path), "%.99s/link", base);
	ck_assert_int_eq(symlink("/tmp", path), 0);
	ck_assert_int_eq(runtime_dir_open(&d, "link", &err), -ENOTDIR);
	unlink(path);
}
END_TEST

START_TEST(a_users_socket)
{
	char path[128], longer[200];

	snprintf(path, sizeof(path), "%s/s", top);
	ck_assert_int_eq(runtime_socket_clear(path, &err), 0); /* nothing there */
	int fd = make_socket(path);
	ck_assert_int_eq(runtime_socket_clear(path, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.text, "in use"));
	ck_assert_int_eq(access(path, F_OK), 0);
	close(fd);
	ck_assert_int_eq(runtime_socket_clear(path, &err), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	fclose(fopen(path, "w"));
	ck_assert_int_eq(runtime_socket_clear(path, &err), -EEXIST);
	ck_assert_int_eq(unlink(path), 0);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	ck_assert_int_eq(runtime_socket_clear(longer, &err), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		private_and_gone_afterwards,
		a_name_is_taken_once,
		a_dead_process_leaves_nothing_in_the_way,
		places_that_are_none,
		ids_go_up,
		another_name,
		names,
		a_users_socket,
	};

	return RUN_TESTS("runtime_dir", setup, teardown, tests);
}
