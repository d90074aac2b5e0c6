/*
 * The cache of unpacked kernels: hits, misses, entries that are not right, and folders and
 * files of others.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test/unit/loader_fixture.h"
#include "test/unit/test_run.h"
#include "vmm/loader/kernel_cache.h"

static char dir[64], kernel[96], cache_path[96];
static int cache;
static struct kernel_image img;
static struct fixture_elf e;
static struct fixture_bytes elf;
static enum kernel_cache_result result;
static char why[200];
static struct error err;

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

/* So that the file is not too new for the cache. */
static void wait_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
}

static void write_kernel(const char *format)
{
	struct fixture_bytes z = fixture_pack(format, elf.data, elf.len, true);

	write_file(kernel, z.data, z.len);
	free(z.data);
	wait_a_little();
}

static void setup(void)
{
	strcpy(dir, "/tmp/kernel-cache-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(kernel, sizeof(kernel), "%s/kernel", dir);
	snprintf(cache_path, sizeof(cache_path), "%s/cache", dir);
	fixture_linux(&e, 20000);
	elf = fixture_elf_build(&e);
	write_kernel("gzip");
	cache = kernel_cache_open(cache_path, &err);
	ck_assert_msg(cache >= 0, "%s", err.text);
}

static void teardown(void)
{
	char command[128];

	close(cache);
	free(elf.data);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Loads the kernel, which comes out right whatever is in the cache. */
static void load(enum kernel_cache_result want)
{
	int rc = kernel_image_load_cached(&img, kernel, cache, &result, why, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_int_eq(result, want);
	ck_assert_uint_eq(img.elf_size, elf.len);
	ck_assert_mem_eq(img.elf, elf.data, elf.len);
	ck_assert_uint_gt(img.nr_segments, 0);
	kernel_image_free(&img);
}

/* The one file of the cache whose name ends so. */
static const char *entry(const char *suffix)
{
	static char path[400];
	DIR *d = opendir(cache_path);
	struct dirent *file;
	unsigned nr = 0;

	while ((file = readdir(d))) {
		size_t len = strlen(file->d_name), n = strlen(suffix);

		if (len < n || strcmp(file->d_name + len - n, suffix))
			continue;
		snprintf(path, sizeof(path), "%s/%s", cache_path, file->d_name);
		nr++;
	}
	closedir(d);
	ck_assert_uint_eq(nr, 1);
	return path;
}

static unsigned nr_files(void)
{
	DIR *d = opendir(cache_path);
	struct dirent *file;
	unsigned nr = 0;

	while ((file = readdir(d)))
		nr += file->d_name[0] != '.';
	closedir(d);
	return nr;
}

START_TEST(hit_and_miss)
{
	struct stat st;

	load(KERNEL_CACHE_MISS);
	ck_assert_int_eq(stat(entry(".kernel"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	load(KERNEL_CACHE_HIT);
	load(KERNEL_CACHE_HIT);
	ck_assert_uint_eq(nr_files(), 2);
	/* What it says of the file is what it was. */
	ck_assert_int_eq(kernel_image_load_cached(&img, kernel, cache, &result, why, &err), 0);
	ck_assert_str_eq(img.compression, "gzip");
	ck_assert_str_eq(img.format, "ELF64");
	kernel_image_free(&img);
}
END_TEST

/* Another file in the same place, also of the same size and with the old time of its last
 * change. */
START_TEST(another_state_of_the_file)
{
	struct timespec times[2];
	struct stat st;

	load(KERNEL_CACHE_MISS);
	ck_assert_int_eq(stat(kernel, &st), 0);
	elf.data[e.data_at + 100] ^= 1;
	int fd = open(kernel, O_WRONLY);
	struct fixture_bytes z = fixture_pack("gzip", elf.data, elf.len, true);
	ck_assert_int_eq(write(fd, z.data, z.len), (ssize_t)z.len);
	ck_assert_int_eq(ftruncate(fd, (off_t)z.len), 0);
	free(z.data);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
	wait_a_little();
	load(KERNEL_CACHE_MISS);
	load(KERNEL_CACHE_HIT);
	ck_assert_uint_eq(nr_files(), 2);
}
END_TEST

START_TEST(just_changed)
{
	struct fixture_bytes z = fixture_pack("gzip", elf.data, elf.len, true);

	write_file(kernel, z.data, z.len);
	free(z.data);
	load(KERNEL_CACHE_UNUSED);
	ck_assert_ptr_nonnull(strstr(why, "just changed"));
	ck_assert_uint_eq(nr_files(), 0);
}
END_TEST

/* It is kept for its file, which can be the guest's memory. */
START_TEST(not_packed)
{
	write_file(kernel, elf.data, elf.len);
	wait_a_little();
	load(KERNEL_CACHE_MISS);
	ck_assert_int_eq(kernel_image_load_cached(&img, kernel, cache, &result, why, &err), 0);
	ck_assert_int_eq(result, KERNEL_CACHE_HIT);
	ck_assert_str_eq(img.compression, "none");
	ck_assert(img.elf_kept);
	ck_assert_int_ge(img.elf_fd, 0);
	kernel_image_free(&img);
}
END_TEST

/* One bit in the header, in the ELF file, its end; a file that is cut or longer. The entry is
 * made anew. */
START_TEST(damaged)
{
	static const long places[] = {0, 20, 4000, 4096, 4096 + 64, -1};
	const char *path;
	struct stat st;
	uint8_t byte;

	load(KERNEL_CACHE_MISS);
	wait_a_little();
	path = entry(".kernel");
	ck_assert_int_eq(stat(path, &st), 0);
	int fd = open(path, O_RDWR);
	if (_i < 6) {
		off_t at = places[_i] < 0 ? st.st_size - 1 : places[_i];
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 4;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	} else {
		ck_assert_int_eq(ftruncate(fd, _i == 6	 ? 0
					       : _i == 7 ? 100
					       : _i == 8 ? st.st_size - 1
							 : st.st_size + 1),
				 0);
	}
	close(fd);
	if (_i == 2) /* nothing is there that is used */
		load(KERNEL_CACHE_HIT);
	else
		load(KERNEL_CACHE_BROKEN);
	load(KERNEL_CACHE_HIT);
	ck_assert_uint_eq(nr_files(), 2);
}
END_TEST

/* A change that does not show in the entry's times, as by a disk, is seen once the host was
 * started again: the stamp is of another boot then. */
START_TEST(another_boot)
{
	uint8_t boot = 'x';

	load(KERNEL_CACHE_MISS);
	int fd = open(entry(".seen"), O_RDWR);
	ck_assert_int_eq(pwrite(fd, &boot, 1, 0), 1);
	close(fd);
	load(KERNEL_CACHE_HIT);
	load(KERNEL_CACHE_HIT);
	ck_assert_uint_eq(nr_files(), 2);
}
END_TEST

/* What others can write to, a link, or something that is no file: not believed, and no longer
 * there. */
START_TEST(not_ours_alone)
{
	char path[400], other[96];

	load(KERNEL_CACHE_MISS);
	strcpy(path, entry(".kernel"));
	snprintf(other, sizeof(other), "%s/other", dir);
	switch (_i) {
	case 0:
		ck_assert_int_eq(chmod(path, 0660), 0);
		break;
	case 1:
		ck_assert_int_eq(chmod(path, 0604), 0);
		break;
	case 2:
		ck_assert_int_eq(link(path, other), 0);
		break;
	case 3:
		ck_assert_int_eq(rename(path, other), 0);
		ck_assert_int_eq(symlink(other, path), 0);
		break;
	case 5:
		if (!geteuid())
			ck_assert_int_eq(chown(path, 12345, 0), 0);
		else
			ck_assert_int_eq(chmod(path, 0640), 0);
		break;
	case 4:
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		break;
	}
	load(KERNEL_CACHE_BROKEN);
	load(KERNEL_CACHE_HIT);
}
END_TEST

/* A folder in an entry's place cannot be removed: the kernel is loaded all the same. */
START_TEST(in_the_way)
{
	char path[400];

	load(KERNEL_CACHE_MISS);
	strcpy(path, entry(".kernel"));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	load(KERNEL_CACHE_UNUSED);
	ck_assert_ptr_nonnull(strstr(why, "not put into the cache"));
}
END_TEST

START_TEST(bad_folders)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/open", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chmod(path, 0770), 0);
	ck_assert_int_eq(kernel_cache_open(path, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "others can write"));
	ck_assert_int_eq(kernel_cache_open(kernel, &err), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/no/folder", dir);
	ck_assert_int_eq(kernel_cache_open(path, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	if (!geteuid()) {
		snprintf(path, sizeof(path), "%s/other", dir);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		ck_assert_int_eq(chown(path, 12345, 0), 0);
		ck_assert_int_eq(kernel_cache_open(path, &err), -EPERM);
		ck_assert_ptr_nonnull(strstr(err.text, "another user's"));
	}
	/* Readable by others is no harm. */
	snprintf(path, sizeof(path), "%s/readable", dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	fd = kernel_cache_open(path, &err);
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

START_TEST(only_so_many)
{
	char name[96];

	for (unsigned i = 0; i < KERNEL_CACHE_MAX + 3; i++) {
		snprintf(name, sizeof(name), "%s/kernel-%u", dir, i);
		ck_assert_int_eq(rename(kernel, name), 0);
		strcpy(kernel, name);
		struct fixture_bytes z = fixture_pack("gzip", elf.data, elf.len, true);
		snprintf(kernel, sizeof(kernel), "%s/kernel", dir);
		write_file(kernel, z.data, z.len);
		free(z.data);
		wait_a_little();
		load(KERNEL_CACHE_MISS);
	}
	ck_assert_uint_eq(nr_files(), 2 * KERNEL_CACHE_MAX);
	load(KERNEL_CACHE_HIT);
}
END_TEST

/* What is wrong with the kernel is told as ever. */
START_TEST(bad_kernels)
{
	write_file(kernel, "#!/bin/sh\n", 10);
	wait_a_little();
	ck_assert_int_eq(kernel_image_load_cached(&img, kernel, cache, &result, why, &err),
			 -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.text, "a script"));
	ck_assert_int_eq(kernel_image_load_cached(&img, dir, cache, &result, why, &err), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.text, "is a directory"));
	ck_assert_uint_eq(nr_files(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kernel_cache");
	TCase *tc = tcase_create("kernel_cache");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, hit_and_miss);
	tcase_add_test(tc, another_state_of_the_file);
	tcase_add_test(tc, just_changed);
	tcase_add_test(tc, not_packed);
	tcase_add_loop_test(tc, damaged, 0, 10);
	tcase_add_test(tc, another_boot);
	tcase_add_loop_test(tc, not_ours_alone, 0, 6);
	tcase_add_test(tc, in_the_way);
	tcase_add_test(tc, bad_folders);
	tcase_add_test(tc, only_so_many);
	tcase_add_test(tc, bad_kernels);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
