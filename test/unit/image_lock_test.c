/* A raw file has one writer or many readers, and QEMU's programs are among them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"
#include "test/unit/test_run.h"

static char path[64];

static void setup(void)
{
	strcpy(path, "/tmp/image-lock-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
}

static int open_as(struct image *img, const char *access, char *err, size_t errlen)
{
	struct disk_spec spec;
	char text[128];

	snprintf(text, sizeof(text), "%s,raw,xvda,%s", path, access);
	ck_assert_int_eq(disk_spec_parse(&spec, text, err, errlen), 0);
	int rc = image_open(img, &spec, 1, err, errlen);
	disk_spec_free(&spec);
	return rc;
}

START_TEST(test_pairs)
{
	static const struct {
		const char *first, *second;
		int rc;
	} cases[] = {
		{"rw", "rw", -EBUSY}, {"rw", "ro", -EBUSY}, {"ro", "rw", -EBUSY}, {"ro", "ro", 0},
		{"rw", "rw!", 0},     {"rw!", "rw!", 0},    {"w!", "rw", 0},	  {"rw", "r!", 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct image a, b;
		char err[256] = "";

		ck_assert_int_eq(open_as(&a, cases[i].first, err, sizeof(err)), 0);
		int rc = open_as(&b, cases[i].second, err, sizeof(err));
		ck_assert_msg(rc == cases[i].rc, "%s, then %s: %d", cases[i].first, cases[i].second,
			      rc);
		if (rc) {
			ck_assert_ptr_nonnull(strstr(err, path));
			ck_assert_ptr_nonnull(strstr(err, "in use"));
		} else {
			image_close(&b);
		}
		image_close(&a);
		/* Nothing is left of them. */
		ck_assert_int_eq(open_as(&a, "rw", err, sizeof(err)), 0);
		image_close(&a);
	}
}
END_TEST

static int qemu_io(const char *options)
{
	char command[256];

	snprintf(command, sizeof(command), "qemu-io %s -f raw -c 'read 0 512' %s >/dev/null 2>&1",
		 options, path);
	return system(command);
}

/* qemu-io without -r opens to write. */
START_TEST(test_qemu_sees_it)
{
	struct image a;
	char err[256];

	if (system("command -v qemu-io >/dev/null 2>&1"))
		return;
	ck_assert_int_eq(qemu_io(""), 0);
	ck_assert_int_eq(open_as(&a, "rw", err, sizeof(err)), 0);
	ck_assert_int_ne(qemu_io(""), 0);
	image_close(&a);
	ck_assert_int_eq(open_as(&a, "ro", err, sizeof(err)), 0);
	ck_assert_int_ne(qemu_io(""), 0);
	ck_assert_int_eq(qemu_io("-r"), 0);
	image_close(&a);
	ck_assert_int_eq(qemu_io(""), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {test_pairs, test_qemu_sees_it};

	return RUN_TESTS("image_lock", setup, teardown, tests);
}
