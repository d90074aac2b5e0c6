/*
 * Files made to hurt: every bit and interesting word of the headers, seeded
 * damage anywhere, cuts at every length. What is accepted must hold together
 * (fixture_check_image), what is refused must say so in one sentence; the rest is
 * for the sanitizers. Seeds are fixed: a failure repeats.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pvabi/xen_abi.h"
#include "test/unit/loader_fixture.h"

static const uint64_t interesting[] = {
	0,
	1,
	0x7f,
	0x80,
	0xff,
	0x1000,
	0x7fff,
	0xffff,
	0x7fffffff,
	0x80000000,
	0xfffffff0,
	0xffffffff,
	1ull << 32,
	1ull << 44,
	0xffff7fffffffffff,
	1ull << 63,
	UINT64_MAX - 7,
	UINT64_MAX,
};

#define NR_INTERESTING (sizeof(interesting) / sizeof(interesting[0]))

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Any outcome that keeps its promises. */
static void survive(const void *data, size_t len)
{
	struct kernel_image img;
	struct error err = {{0}};
	int rc = kernel_image_parse(&img, data, len, "k", &err);

	if (!rc) {
		fixture_check_image(&img);
		kernel_image_free(&img);
		return;
	}
	ck_assert_int_eq(rc, -ENOEXEC);
	ck_assert_msg(!strncmp(err.text, "k: ", 3) && strlen(err.text) > 8, "%s", err.text);
	for (const char *c = err.text; *c; c++)
		ck_assert_int_ge((unsigned char)*c, ' ');
	ck_assert_ptr_null(img.elf);
	ck_assert_ptr_null(img.segments);
}

/* One kernel of each way to say things. */
#define NR_ELFS 4

static struct fixture_bytes hostile_elf(unsigned kind, size_t *headers)
{
	struct fixture_elf e;
	struct fixture_bytes b;

	fixture_linux(&e, 700);
	e.segments[1] = (struct fixture_segment){
		.paddr = 0x2000000, .vaddr = 0, .filesz = 300, .memsz = 0x1000};
	e.nr_segments = 2;
	if (kind == 1)
		e.no_pt_note = e.with_sht_note = true;
	if (kind == 2) {
		e.no_pt_note = true;
		e.guest_section =
			"GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,"
			"VIRT_ENTRY=0xffffffff81000000,ELF_PADDR_OFFSET=0x0,LOADER=generic,"
			"FEATURES=!writable_page_tables,BSD_SYMTAB=yes";
		e.with_symtab = true;
	}
	if (kind == 3) {
		fixture_note_string(&e, XEN_ELFNOTE_BSD_SYMTAB, "yes");
		e.with_symtab = true;
	}
	b = fixture_elf_build(&e);
	*headers = e.data_at;
	return b;
}

START_TEST(elf_every_bit)
{
	size_t headers;
	struct fixture_bytes b = hostile_elf((unsigned)_i, &headers);

	for (size_t bit = 0; bit < b.len * 8; bit++) {
		/* Of the contents, what lies behind them counts: the sections. */
		if (bit / 8 >= headers && bit / 8 < headers + 1000)
			continue;
		b.data[bit / 8] ^= 1 << bit % 8;
		survive(b.data, b.len);
		b.data[bit / 8] ^= 1 << bit % 8;
	}
	free(b.data);
}
END_TEST

START_TEST(elf_every_word)
{
	size_t headers;
	struct fixture_bytes b = hostile_elf((unsigned)_i, &headers);
	uint8_t saved[8];

	for (size_t at = 4; at + 8 <= b.len; at += 4) {
		if (at >= headers && at < headers + 1000)
			continue;
		memcpy(saved, b.data + at, 8);
		for (size_t i = 0; i < NR_INTERESTING * 2; i++) {
			memcpy(b.data + at, &interesting[i / 2], i & 1 ? 8 : 4);
			survive(b.data, b.len);
			memcpy(b.data + at, saved, 8);
		}
	}
	free(b.data);
}
END_TEST

START_TEST(elf_every_cut)
{
	size_t headers;
	struct fixture_bytes b = hostile_elf((unsigned)_i, &headers);

	for (size_t len = 0; len <= b.len; len++) {
		/* A copy of just that size: a read behind it is seen. */
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, b.data, len);
		survive(cut, len);
		free(cut);
	}
	free(b.data);
}
END_TEST

/* Several wounds at a time. */
START_TEST(elf_random)
{
	uint64_t seed = 0x9e3779b97f4a7c15ull + (unsigned)_i;
	size_t headers;
	struct fixture_bytes b = hostile_elf((unsigned)_i % NR_ELFS, &headers);
	uint8_t *copy = malloc(b.len);

	for (unsigned round = 0; round < 3000; round++) {
		unsigned wounds = 1 + next_random(&seed) % 6;

		memcpy(copy, b.data, b.len);
		while (wounds--) {
			uint64_t r = next_random(&seed);
			size_t at = r % (b.len - 8);

			if (r >> 40 & 1)
				at %= headers;
			if (r >> 41 & 1)
				copy[at] ^= 1 << (r >> 44 & 7);
			else
				memcpy(copy + (at & ~3ul), &interesting[(r >> 44) % NR_INTERESTING],
				       r >> 42 & 1 ? 8 : 4);
		}
		survive(copy, b.len);
	}
	free(copy);
	free(b.data);
}
END_TEST

static struct fixture_bytes packed_bzimage(const char *format, size_t *payload)
{
	size_t headers;
	struct fixture_bytes elf = hostile_elf(3, &headers);
	struct fixture_bytes z = fixture_pack(format, elf.data, elf.len, true);
	struct fixture_bytes bz = fixture_bzimage(z.data, z.len, 0x20f);

	*payload = bz.len - z.len - 100;
	free(elf.data);
	free(z.data);
	return bz;
}

START_TEST(packed_every_bit)
{
	size_t start;
	struct fixture_bytes b = packed_bzimage(fixture_formats[_i], &start);
	size_t end = b.len - 100;

	/* All of a stream's head and tail, a bit here and there between. */
	for (size_t at = start; at < end; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			if (at > start + 48 && at + 24 < end && bit * 4 != at % 32)
				continue;
			b.data[at] ^= 1 << bit;
			survive(b.data, b.len);
			b.data[at] ^= 1 << bit;
		}
	free(b.data);
}
END_TEST

START_TEST(packed_every_word)
{
	size_t start;
	struct fixture_bytes b = packed_bzimage(fixture_formats[_i], &start);
	uint8_t saved[8];

	for (size_t at = start; at + 8 <= b.len - 100; at++) {
		if (at == start + 40)
			at = b.len - 100 - 32;
		memcpy(saved, b.data + at, 8);
		for (size_t i = 0; i < NR_INTERESTING * 2; i++) {
			memcpy(b.data + at, &interesting[i / 2], i & 1 ? 8 : 4);
			survive(b.data, b.len);
			memcpy(b.data + at, saved, 8);
		}
	}
	free(b.data);
}
END_TEST

START_TEST(packed_every_cut)
{
	size_t start;
	struct fixture_bytes b = packed_bzimage(fixture_formats[_i], &start);

	for (size_t len = start; len < b.len; len++) {
		uint8_t *cut = malloc(len - start + 1);

		memcpy(cut, b.data + start, len - start); /* without the bzImage */
		survive(cut, len - start);
		free(cut);
	}
	free(b.data);
}
END_TEST

START_TEST(packed_random)
{
	uint64_t seed = 0xd1b54a32d192ed03ull + (unsigned)_i;
	size_t start;
	struct fixture_bytes b = packed_bzimage(fixture_formats[_i], &start);
	uint8_t *copy = malloc(b.len);

	for (unsigned round = 0; round < 1000; round++) {
		unsigned wounds = 1 + next_random(&seed) % 4;

		memcpy(copy, b.data, b.len);
		while (wounds--) {
			uint64_t r = next_random(&seed);

			copy[start + r % (b.len - 100 - start)] ^= 1 << (r >> 44 & 7);
		}
		survive(copy, b.len);
	}
	free(copy);
	free(b.data);
}
END_TEST

START_TEST(bzimage_every_word)
{
	size_t start;
	struct fixture_bytes b = packed_bzimage("gzip", &start);
	uint8_t saved[8];

	for (size_t at = 0x1f1; at < 0x258; at++) {
		memcpy(saved, b.data + at, 8);
		for (size_t i = 0; i < NR_INTERESTING * 3; i++) {
			memcpy(b.data + at, &interesting[i / 3], (size_t)2 << i % 3);
			survive(b.data, b.len);
			memcpy(b.data + at, saved, 8);
		}
	}
	free(b.data);
}
END_TEST

/* Small files that promise much: sizes are not believed without bytes. */
START_TEST(small_files_take_little_memory)
{
	size_t headers, before, most;
	struct fixture_bytes elf = hostile_elf(0, &headers);
	struct fixture_bytes z = fixture_pack(fixture_formats[_i], elf.data, elf.len, true);
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	before = (size_t)usage.ru_maxrss;
	memset(z.data + z.len - 4, 0xff, 4); /* "unpacks to 4 GiB" */
	for (unsigned i = 0; i < 20; i++)
		survive(z.data, z.len);
	getrusage(RUSAGE_SELF, &usage);
	most = (size_t)usage.ru_maxrss - before;
	ck_assert_msg(most < 64 << 10, "%zu KiB", most);
	free(elf.data);
	free(z.data);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loader_hostile");
	TCase *t = tcase_create("hostile");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, elf_every_bit, 0, NR_ELFS);
	tcase_add_loop_test(t, elf_every_word, 0, NR_ELFS);
	tcase_add_loop_test(t, elf_every_cut, 0, NR_ELFS);
	tcase_add_loop_test(t, elf_random, 0, NR_ELFS);
	tcase_add_loop_test(t, packed_every_bit, 0, 7);
	tcase_add_loop_test(t, packed_every_word, 0, 7);
	tcase_add_loop_test(t, packed_every_cut, 0, 7);
	tcase_add_loop_test(t, packed_random, 0, 7);
	tcase_add_test(t, bzimage_every_word);
	tcase_add_loop_test(t, small_files_take_little_memory, 0, 7);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
