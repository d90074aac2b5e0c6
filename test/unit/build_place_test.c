/*
 * Which parts of a kernel become the guest's memory as they are, and which are copied. The
 * placer copies, and notes what it was asked for.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/unit/test_build.h"
#include "test/unit/test_run.h"
#include "vmm/pages.h"

#define SIZE (6 * PAGE_SIZE + 100)

static struct built b;
static uint8_t *pages;
static int fd;
static unsigned nr_files, nr_pages;
static uint64_t placed, placed_at;

static bool place_file(void *arg, uint64_t maddr, uint64_t size, int from, uint64_t at)
{
	struct domain *d = arg;

	nr_files++;
	placed += size;
	placed_at = maddr;
	ck_assert_int_eq(from, fd);
	return pread(fd, (uint8_t *)frame_ptr(d, maddr >> PAGE_SHIFT), size, (off_t)at) ==
	       (ssize_t)size;
}

static bool place_pages(void *arg, uint64_t maddr, uint64_t size, void *from)
{
	struct domain *d = arg;

	nr_pages++;
	placed += size;
	placed_at = maddr;
	memcpy(frame_ptr(d, maddr >> PAGE_SHIFT), from, size);
	memset(from, 0, size);
	return true;
}

static const struct build_placer placer = {place_file, place_pages};

/* One segment, from byte `shift` of the buffer, `shift` behind a page. */
static void setup(void)
{
	char path[] = "/tmp/build-place-XXXXXX";

	built_setup();
	built_linux(&b, 64);
	pages = pages_alloc(SIZE + PAGE_SIZE);
	for (unsigned i = 0; i < SIZE + PAGE_SIZE; i++)
		pages[i] = (uint8_t)(i * 7 + i / 256 + 1);
	fd = mkstemp(path);
	unlink(path);
	ck_assert_int_eq(write(fd, pages, SIZE + PAGE_SIZE), (ssize_t)(SIZE + PAGE_SIZE));
	b.k.elf = b.k.elf_base = pages;
	b.k.elf_size = b.k.elf_mapped = SIZE + PAGE_SIZE;
	b.k.elf_fd = -1;
	b.k.nr_segments = 1;
	b.segments[0] = (struct kernel_segment){LINUX_START, pages, SIZE, SIZE + 5000};
	b.k.paddr_start = LINUX_START;
	b.k.paddr_end = LINUX_START + 16 * PAGE_SIZE;
	b.p.placer = &placer;
	b.p.placer_arg = b.t->d;
	nr_files = nr_pages = 0;
	placed = 0;
}

static void teardown(void)
{
	built_free(&b);
	munmap(pages, SIZE + PAGE_SIZE);
	close(fd);
}

static void build_and_compare(void)
{
	uint8_t *want = malloc(SIZE + PAGE_SIZE);
	const struct kernel_segment *s = &b.segments[0];

	ck_assert_int_eq(pread(fd, want, SIZE + PAGE_SIZE, 0), (ssize_t)(SIZE + PAGE_SIZE));
	built_ok(&b);
	built_assert_bytes(&b, LINUX_BASE + s->paddr, want + (s->data - pages), s->filesz);
	built_assert_bytes(&b, LINUX_BASE + s->paddr + s->filesz, NULL, s->memsz - s->filesz);
	free(want);
}

START_TEST(unpacked)
{
	build_and_compare();
	ck_assert_uint_eq(nr_pages, 1);
	ck_assert_uint_eq(placed, 6 * PAGE_SIZE);
	ck_assert_uint_eq(placed_at, LINUX_START);
}
END_TEST

/* Beginning and end inside of a page. */
START_TEST(in_the_middle)
{
	b.segments[0].data += 50;
	b.segments[0].paddr += 50;
	build_and_compare();
	ck_assert_uint_eq(placed, 5 * PAGE_SIZE);
	ck_assert_uint_eq(placed_at, LINUX_START + PAGE_SIZE);
}
END_TEST

START_TEST(at_another_place_in_the_page)
{
	b.segments[0].data += 50;
	build_and_compare();
	ck_assert_uint_eq(placed, 0);
}
END_TEST

START_TEST(shuffled)
{
	b.p.p2m = P2M_SHUFFLE;
	build_and_compare();
	ck_assert_uint_eq(placed, 0);
}
END_TEST

/* On the heap, or from somewhere else: only read. */
START_TEST(not_ours_to_give)
{
	b.k.elf_mapped = 0;
	build_and_compare();
	ck_assert_uint_eq(placed, 0);
}
END_TEST

/* Bytes that two segments have cannot be given away with the first. */
START_TEST(two_have_the_same_bytes)
{
	b.k.nr_segments = 2;
	b.segments[1] = (struct kernel_segment){LINUX_START + 10 * PAGE_SIZE, pages + 3 * PAGE_SIZE,
						PAGE_SIZE, PAGE_SIZE};
	build_and_compare();
	ck_assert_uint_eq(placed, 0);
	built_assert_bytes(&b, LINUX_BASE + LINUX_START + 10 * PAGE_SIZE, pages + 3 * PAGE_SIZE,
			   PAGE_SIZE);
}
END_TEST

START_TEST(a_file)
{
	b.k.elf_fd = fd;
	b.k.elf_kept = true;
	build_and_compare();
	ck_assert_uint_eq(nr_files, 1);
	ck_assert_uint_eq(placed, 6 * PAGE_SIZE);
}
END_TEST

/* A file that others may write to is read. */
START_TEST(a_file_of_all)
{
	b.k.elf_fd = fd;
	build_and_compare();
	ck_assert_uint_eq(placed, 0);
}
END_TEST

/* And found to be cut. */
START_TEST(a_cut_file)
{
	b.k.elf_fd = fd;
	ck_assert_int_eq(ftruncate(fd, 3 * PAGE_SIZE), 0);
	built_refused(&b, -EIO, "segment 0 of the kernel cannot be read");
}
END_TEST

/* The last one wins, also with its zeros. */
START_TEST(overlapping)
{
	b.k.nr_segments = 2;
	b.segments[1] = (struct kernel_segment){LINUX_START + PAGE_SIZE + 10, built_data,
						sizeof(built_data), 2 * PAGE_SIZE};
	built_ok(&b);
	built_assert_bytes(&b, LINUX_BASE + LINUX_START + PAGE_SIZE + 10, built_data,
			   sizeof(built_data));
	built_assert_bytes(&b, LINUX_BASE + LINUX_START + PAGE_SIZE + 10 + sizeof(built_data), NULL,
			   2 * PAGE_SIZE - sizeof(built_data));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		unpacked,    in_the_middle,    at_another_place_in_the_page,
		shuffled,    not_ours_to_give, two_have_the_same_bytes,
		a_file,	     a_file_of_all,    a_cut_file,
		overlapping,
	};

	return RUN_TESTS("build_place", setup, teardown, tests);
}
