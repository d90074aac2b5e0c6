/*
 * The memory of a machine: files and pages that become it, what is released, and the host's pool
 * of huge pages where it has some. No KVM.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/unit/test_run.h"
#include "vmm/machine.h"
#include "vmm/pages.h"

#define MIB	   (1ul << 20)
#define FILE_PAGES 40

static struct machine m;
static struct machine_memory mem;
static struct error err;
static char path[64];
static int fd;

static void reserve(void)
{
	int rc = machine_memory_reserve(&m, &mem, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
}

static void setup(void)
{
	uint8_t page[PAGE_SIZE];

	m = (struct machine){.memory_fd = -1, .vm_fd = -1, .kvm_fd = -1};
	mem = (struct machine_memory){.size = 20 * MIB, .ram_end = 16 * MIB};
	strcpy(path, "/tmp/machine-memory-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		memset(page, 'a' + i % 26, sizeof(page));
		ck_assert_int_eq(write(fd, page, sizeof(page)), sizeof(page));
	}
	close(fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
}

static void teardown(void)
{
	machine_destroy(&m);
	close(fd);
	unlink(path);
}

static bool is_all(uint64_t offset, uint64_t size, int byte)
{
	for (uint64_t i = 0; i < size; i++)
		if (m.memory[offset + i] != byte)
			return false;
	return true;
}

START_TEST(zeros)
{
	reserve();
	ck_assert_uint_eq((uintptr_t)m.memory & (2 * MIB - 1), 0);
	ck_assert(is_all(0, mem.size, 0));
	memset(m.memory + MIB, 1, 3 * PAGE_SIZE);
	machine_release(&m, MIB + PAGE_SIZE, PAGE_SIZE);
	ck_assert(is_all(MIB, PAGE_SIZE, 1));
	ck_assert(is_all(MIB + PAGE_SIZE, PAGE_SIZE, 0));
	ck_assert(is_all(MIB + 2 * PAGE_SIZE, PAGE_SIZE, 1));
}
END_TEST

/* A file's pages are there, are written to without the file, and after their release there are
 * zeros, not the file again. */
START_TEST(a_file)
{
	uint8_t byte;

	reserve();
	ck_assert(machine_place_file(&m, 4 * MIB, 30 * PAGE_SIZE, fd, 2 * PAGE_SIZE));
	ck_assert(is_all(4 * MIB, PAGE_SIZE, 'c'));
	ck_assert(is_all(4 * MIB + 29 * PAGE_SIZE, PAGE_SIZE, 'a' + 31 % 26));
	ck_assert(is_all(4 * MIB + 30 * PAGE_SIZE, PAGE_SIZE, 0));
	m.memory[4 * MIB] = '!';
	ck_assert_int_eq(pread(fd, &byte, 1, 2 * PAGE_SIZE), 1);
	ck_assert_int_eq(byte, 'c');
	machine_release(&m, 4 * MIB - PAGE_SIZE, 3 * PAGE_SIZE);
	ck_assert(is_all(4 * MIB - PAGE_SIZE, 3 * PAGE_SIZE, 0));
	ck_assert(is_all(4 * MIB + 2 * PAGE_SIZE, PAGE_SIZE, 'e'));
	machine_release(&m, 4 * MIB + 29 * PAGE_SIZE, 2 * PAGE_SIZE);
	ck_assert(is_all(4 * MIB + 29 * PAGE_SIZE, 2 * PAGE_SIZE, 0));
}
END_TEST

START_TEST(not_whole_pages)
{
	uint8_t *pages;

	reserve();
	ck_assert(!machine_place_file(&m, 4 * MIB + 8, PAGE_SIZE, fd, 0));
	ck_assert(!machine_place_file(&m, 4 * MIB, PAGE_SIZE, fd, 8));
	ck_assert(!machine_place_file(&m, 4 * MIB, 100, fd, 0));
	ck_assert(!machine_place_file(&m, 4 * MIB, 0, fd, 0));
	pages = pages_alloc(4 * PAGE_SIZE);
	ck_assert(!machine_place_pages(&m, 4 * MIB, PAGE_SIZE, pages + 8));
	ck_assert(is_all(0, mem.size, 0));
	munmap(pages, 4 * PAGE_SIZE);
}
END_TEST

/* So many files and no more; who places more copies. */
START_TEST(many_files)
{
	unsigned n = 0;

	reserve();
	while (n < 1000 && machine_place_file(&m, 2 * n * PAGE_SIZE, PAGE_SIZE, fd, 0))
		n++;
	ck_assert_uint_eq(n, MACHINE_FILES);
	for (unsigned i = 0; i < n; i++) {
		machine_release(&m, 2 * i * PAGE_SIZE, PAGE_SIZE);
		ck_assert(is_all(2 * i * PAGE_SIZE, PAGE_SIZE, 0));
	}
}
END_TEST

START_TEST(pages)
{
	uint8_t *from = pages_alloc(3 * MIB);

	reserve();
	memset(from, 7, 3 * MIB);
	ck_assert(machine_place_pages(&m, 6 * MIB, 2 * MIB + PAGE_SIZE, from + PAGE_SIZE));
	ck_assert(is_all(6 * MIB, 2 * MIB + PAGE_SIZE, 7));
	ck_assert(is_all(8 * MIB + PAGE_SIZE, PAGE_SIZE, 0));
	/* Nobody else may get these addresses before they are given back. */
	ck_assert_int_eq(from[0], 7);
	ck_assert_int_eq(from[PAGE_SIZE], 0);
	ck_assert_int_eq(from[2 * MIB + 2 * PAGE_SIZE], 7);
	munmap(from, 3 * MIB);
	machine_release(&m, 6 * MIB, PAGE_SIZE);
	ck_assert(is_all(6 * MIB, PAGE_SIZE, 0));
}
END_TEST

/* Memory that is shared with others must be in its file. */
START_TEST(shared)
{
	uint8_t *from, byte = 0;

	mem.shared = true;
	reserve();
	ck_assert_uint_eq(m.fd_size, mem.size);
	ck_assert(!machine_place_file(&m, 4 * MIB, PAGE_SIZE, fd, 0));
	from = pages_alloc(PAGE_SIZE);
	ck_assert(!machine_place_pages(&m, 4 * MIB, PAGE_SIZE, from));
	munmap(from, PAGE_SIZE);
	m.memory[5 * MIB] = 9;
	ck_assert_int_eq(pread(m.memory_fd, &byte, 1, 5 * MIB), 1);
	ck_assert_int_eq(byte, 9);
	machine_release(&m, 5 * MIB, PAGE_SIZE);
	ck_assert_int_eq(m.memory[5 * MIB], 0);
}
END_TEST

static unsigned long number(const char *file)
{
	char name[100];
	unsigned long n = 0;

	snprintf(name, sizeof(name), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", file);
	FILE *f = fopen(name, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static bool have_pool(unsigned long nr)
{
	unsigned long n = number("nr_hugepages");
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "w");

	if (f) {
		fprintf(f, "%lu\n", n + nr);
		fclose(f);
	}
	if (number("free_hugepages") >= nr)
		return true;
	fprintf(stderr, "no huge pages here: skipped\n");
	return false;
}

static void give_pool(unsigned long nr)
{
	unsigned long n = number("nr_hugepages");
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "w");

	if (f) {
		fprintf(f, "%lu\n", n > nr ? n - nr : 0);
		fclose(f);
	}
}

/* All pages are reserved at once and taken when they are touched; small parts that are released
 * are zeros, a whole page goes back to the pool and comes again, if there is one. */
START_TEST(pool)
{
	unsigned long free_pages;

	if (!have_pool(8))
		return;
	mem.huge_shift = 21;
	reserve();
	free_pages = number("free_hugepages");
	m.memory[0] = m.memory[3 * MIB] = 5;
	m.memory[18 * MIB] = 5; /* the heap is not of the pool */
	ck_assert_uint_eq(number("free_hugepages"), free_pages - 2);
	machine_release(&m, 3 * MIB, PAGE_SIZE);
	ck_assert_int_eq(m.memory[3 * MIB], 0);
	ck_assert_uint_eq(number("free_hugepages"), free_pages - 2);
	machine_release_huge(&m, 3 * MIB);
	ck_assert_uint_eq(number("free_hugepages"), free_pages - 1);
	ck_assert(machine_take_back(&m, 3 * MIB, PAGE_SIZE));
	ck_assert_uint_eq(number("free_hugepages"), free_pages - 2);
	ck_assert_int_eq(m.memory[3 * MIB], 0);
	/* Nothing of a file or of other pages can be put there. */
	ck_assert(!machine_place_file(&m, 4 * MIB, PAGE_SIZE, fd, 0));
	machine_destroy(&m);
	give_pool(8);
}
END_TEST

START_TEST(no_pool)
{
	mem.size = mem.ram_end = 1ul << 40;
	mem.size += 4 * MIB;
	mem.huge_shift = _i ? 30 : 21;
	ck_assert_int_lt(machine_memory_reserve(&m, &mem, &err), 0);
	ck_assert_msg(strstr(err.text, _i ? "huge pages of 1024 MiB" : "huge pages of 2 MiB"), "%s",
		      err.text);
	ck_assert_ptr_nonnull(strstr(err.text, "nr_hugepages"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("machine_memory");
	TCase *tc = tcase_create("machine_memory");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, zeros);
	tcase_add_test(tc, a_file);
	tcase_add_test(tc, not_whole_pages);
	tcase_add_test(tc, many_files);
	tcase_add_test(tc, pages);
	tcase_add_test(tc, shared);
	tcase_add_test(tc, pool);
	tcase_add_loop_test(tc, no_pool, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
