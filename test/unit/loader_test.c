/*
 * The loader's ways in: plain ELF files, bzImages of every compression, packed
 * files, and what happens to files that are none of these.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/loader_fixture.h"
#include "vmm/loader/decompress.h"

#define NAME "some/kernel"

static struct error err;

static int parse(struct kernel_image *img, struct fixture_bytes b)
{
	memset(&err, 0, sizeof(err));
	return kernel_image_parse(img, b.data, b.len, NAME, &err);
}

static struct fixture_bytes linux_elf(size_t size)
{
	struct fixture_elf e;

	fixture_linux(&e, size);
	return fixture_elf_build(&e);
}

/* Refused with this sentence behind the name. */
static void refused(struct fixture_bytes b, const char *why)
{
	struct kernel_image img;

	ck_assert_int_eq(parse(&img, b), -ENOEXEC);
	ck_assert_msg(!strncmp(err.text, NAME ": ", strlen(NAME ": ")) && strstr(err.text, why),
		      "\"%s\" instead of \"%s\"", err.text, why);
	ck_assert_ptr_null(img.elf);
	ck_assert_ptr_null(img.segments);
}

static void loads(struct fixture_bytes file, struct fixture_bytes elf, const char *format,
		  const char *compression)
{
	struct kernel_image img;

	ck_assert_msg(parse(&img, file) == 0, "%s", err.text);
	fixture_check_image(&img);
	ck_assert_str_eq(img.format, format);
	ck_assert_str_eq(img.compression, compression);
	ck_assert_uint_eq(img.elf_size, elf.len);
	ck_assert_mem_eq(img.elf, elf.data, elf.len);
	kernel_image_free(&img);
	kernel_image_free(&img); /* harmless */
}

START_TEST(plain_elf)
{
	struct fixture_bytes elf = linux_elf(100000);

	loads(elf, elf, "ELF64", "none");
	free(elf.data);
}
END_TEST

START_TEST(every_format)
{
	const char *format = fixture_formats[_i];
	struct fixture_bytes elf = linux_elf(600000); /* several lzo blocks */
	struct fixture_bytes bare = fixture_pack(format, elf.data, elf.len, false);
	struct fixture_bytes sized = fixture_pack(format, elf.data, elf.len, true);
	struct fixture_bytes bz = fixture_bzimage(sized.data, sized.len, 0x20f);
	struct fixture_bytes bz_bare = fixture_bzimage(bare.data, bare.len, 0x208);
	struct fixture_bytes twice = fixture_pack("gzip", bz.data, bz.len, false);

	loads(bare, elf, "ELF64", format);
	loads(sized, elf, "ELF64", format);
	loads(bz, elf, "bzImage", format);
	loads(bz_bare, elf, "bzImage", format);
	loads(twice, elf, "bzImage", format);
	free(elf.data);
	free(bare.data);
	free(sized.data);
	free(bz.data);
	free(bz_bare.data);
	free(twice.data);
}
END_TEST

/* The size that Linux appends is a hint: a wrong one changes nothing. */
START_TEST(wrong_size_hint)
{
	static const uint32_t hints[] = {0, 1, 0x7fffffff, 0xffffffff, 100, 1 << 20};
	struct fixture_bytes elf = linux_elf(1200 << 10);
	struct fixture_bytes b = fixture_pack(fixture_formats[_i], elf.data, elf.len, true);

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (_i) /* gzip's own is part of its checks */
			memcpy(b.data + b.len - 4, &hints[i], 4);
		loads(b, elf, "ELF64", fixture_formats[_i]);
	}
	free(elf.data);
	free(b.data);
}
END_TEST

/* More than one 8 MiB block of LZ4; more than a window of zstd. */
START_TEST(large)
{
	struct fixture_bytes elf = linux_elf(9 << 20);
	struct fixture_bytes b = fixture_pack(fixture_formats[_i], elf.data, elf.len, true);

	loads(b, elf, "ELF64", fixture_formats[_i]);
	free(elf.data);
	free(b.data);
}
END_TEST

/* pigz, pbzip2 and others write several streams one after the other. */
START_TEST(streams_in_a_row)
{
	const char *format = fixture_formats[_i];
	struct fixture_bytes elf = linux_elf(50000);
	struct fixture_bytes a = fixture_pack(format, elf.data, 20000, false);
	struct fixture_bytes b = fixture_pack(format, elf.data + 20000, elf.len - 20000, false);
	struct fixture_bytes both = fixture_join(a, b);

	if (strcmp(format, "lzma")) /* has no magic to speak of */
		loads(both, elf, "ELF64", format);
	free(elf.data);
	free(a.data);
	free(b.data);
	free(both.data);
}
END_TEST

START_TEST(uncompressed_bzimage)
{
	struct fixture_bytes elf = linux_elf(5000);
	struct fixture_bytes bz = fixture_bzimage(elf.data, elf.len, 0x20f);

	loads(bz, elf, "bzImage", "none");
	free(elf.data);
	free(bz.data);
}
END_TEST

START_TEST(bzimage_header)
{
	struct fixture_bytes elf = linux_elf(5000);
	struct fixture_bytes z = fixture_pack("gzip", elf.data, elf.len, false);
	struct fixture_bytes bz = fixture_bzimage(z.data, z.len, 0x20f);
	uint32_t v;

	bz.data[0x206] = 7;
	bz.data[0x207] = 2;
	refused(bz, "boot protocol 2.07: before 2.08");
	bz.data[0x206] = 0;
	refused(bz, "boot protocol 2.00");
	bz.data[0x206] = 8;
	v = 0;
	memcpy(bz.data + 0x24c, &v, 4);
	refused(bz, "without a payload");
	v = (uint32_t)bz.len;
	memcpy(bz.data + 0x24c, &v, 4);
	refused(bz, "truncated at byte ");
	v = 0xffffffff;
	memcpy(bz.data + 0x24c, &v, 4);
	memcpy(bz.data + 0x248, &v, 4);
	refused(bz, "truncated at byte ");
	v = 4;
	memcpy(bz.data + 0x24c, &v, 4);
	v = 0;
	memcpy(bz.data + 0x248, &v, 4);
	refused(bz, "not an ELF file in any known compression");
	free(bz.data);

	bz = fixture_bzimage("#! gets no further", 18, 0x20f);
	refused(bz, "not an ELF file in any known compression");
	free(bz.data);
	free(elf.data);
	free(z.data);
}
END_TEST

/* boot.rst: setup_sects 0 means 4. */
START_TEST(bzimage_no_setup_sects)
{
	struct fixture_bytes elf = linux_elf(5000);
	struct fixture_bytes bz = fixture_bzimage(elf.data, elf.len, 0x20f);
	uint32_t offset;

	memcpy(&offset, bz.data + 0x248, 4);
	bz.data[0x1f1] = 0;
	offset = 3 * 512 + offset - 5 * 512; /* may wrap, is 32 bits */
	memcpy(bz.data + 0x248, &offset, 4);
	refused(bz, "truncated");
	free(bz.data);

	struct fixture_bytes pad = {calloc(1, 2 * 512), 2 * 512};
	struct fixture_bytes moved = fixture_join(pad, elf);
	bz = fixture_bzimage(moved.data, moved.len, 0x20f);
	bz.data[0x1f1] = 0;
	memcpy(bz.data + 0x24c, &(uint32_t){(uint32_t)elf.len}, 4);
	loads(bz, elf, "bzImage", "none");
	free(bz.data);
	free(moved.data);
	free(pad.data);
	free(elf.data);
}
END_TEST

START_TEST(truncated_payload)
{
	const char *format = fixture_formats[_i];
	struct fixture_bytes elf = linux_elf(3000);
	struct fixture_bytes z = fixture_pack(format, elf.data, elf.len, false);
	char where[64];

	for (size_t len = z.len - 1; len > 8; len--) {
		struct fixture_bytes cut = {z.data, len};

		/* Four bytes at a block's place look like the appended size. */
		bool lz4_hint = !strcmp(format, "lz4") && len == 8;
		snprintf(where, sizeof(where), "%s payload is truncated at byte %zu", format, len);
		if (!lz4_hint && !(!strcmp(format, "lzo") && len < 9))
			refused(cut, where);
	}
	free(elf.data);
	free(z.data);
}
END_TEST

/* Its bytes are counted from the start of the file. */
START_TEST(truncated_bzimage)
{
	struct fixture_bytes elf = linux_elf(3000);
	struct fixture_bytes z = fixture_pack("xz", elf.data, elf.len, true);
	struct fixture_bytes bz = fixture_bzimage(z.data, z.len, 0x20f);
	char where[64];

	for (size_t len = 1; len < bz.len - 100; len++) {
		struct fixture_bytes cut = {bz.data, len};

		snprintf(where, sizeof(where), "truncated at byte %zu", len);
		refused(cut, len < 0x206 ? "not an ELF file or bzImage" : where);
	}
	/* Cut within the payload, by its length. */
	memcpy(bz.data + 0x24c, &(uint32_t){(uint32_t)z.len / 2}, 4);
	snprintf(where, sizeof(where), "xz payload is truncated at byte %zu",
		 3 * 512 + 64 + z.len / 2);
	refused(bz, where);
	free(elf.data);
	free(z.data);
	free(bz.data);
}
END_TEST

START_TEST(damaged_payload)
{
	const char *format = fixture_formats[_i];
	struct fixture_bytes elf = linux_elf(30000);
	struct fixture_bytes z = fixture_pack(format, elf.data, elf.len, true);

	for (size_t i = 0; i < 64; i++)
		z.data[z.len / 2 + i] ^= 0x5a;
	/* LZ4's old frame has no checks: what comes out of it may be wrong. */
	if (strcmp(format, "lz4"))
		refused(z, "payload is ");
	free(elf.data);
	free(z.data);
}
END_TEST

/* A limit that tests can afford; the loader's is 1 GiB. */
START_TEST(output_limit)
{
	const struct load_ctx ctx = {NAME, &err};
	size_t len = 9 << 20, limit = 6 << 20;
	uint8_t *zeroes = calloc(1, len);
	struct fixture_bytes z = fixture_pack(fixture_formats[_i], zeroes, len, true);
	const struct payload_format *f = payload_format_find(z.data, z.len);
	struct blob out = {0};

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(payload_unpack(f, z.data, z.len, 0, limit, &out, &ctx), -ENOEXEC);
	ck_assert_msg(strstr(err.text, "unpacks to more than 6 MiB") != NULL, "%s", err.text);
	ck_assert_ptr_null(out.data);
	ck_assert_int_eq(payload_unpack(f, z.data, z.len, 0, len + 1, &out, &ctx), 0);
	ck_assert_uint_eq(out.len, len);
	ck_assert_mem_eq(out.data, zeroes, len);
	blob_free(&out);
	free(z.data);
	free(zeroes);
}
END_TEST

START_TEST(empty_payload)
{
	struct fixture_bytes z = fixture_pack(fixture_formats[_i], "", 0, false);

	refused(z, "unpacks to nothing");
	free(z.data);
}
END_TEST

START_TEST(not_kernels)
{
	static const struct {
		const char *data;
		size_t len;
		const char *why;
	} files[] = {
		{"", 0, "is empty"},
		{"x", 1, "not an ELF file or bzImage"},
		{"hello, world", 12, "not an ELF file or bzImage"},
		{"070701000", 9, "a ramdisk"},
		{"#!/bin/sh\n", 10, "a script"},
		{"QFI\xfb....", 8, "qcow2"},
		{"MZ......", 8, "an EFI program"},
		{"\x04\x22\x4d\x18....", 8, "lz4 -l"},
		{"!<arch>\ndebian-binary   ", 24, "Debian package"},
		{"\x7f"
		 "ELF",
		 4, "truncated at byte 4"},
	};
	uint8_t arm[64] = {0};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		refused((struct fixture_bytes){(uint8_t *)files[i].data, files[i].len},
			files[i].why);
	memcpy(arm + 0x38, "ARM\x64", 4);
	refused((struct fixture_bytes){arm, 64}, "64-bit ARM");
	memset(arm, 0, sizeof(arm));
	memcpy(arm + 0x24, "\x18\x28\x6f\x01", 4);
	refused((struct fixture_bytes){arm, 64}, "kernel for ARM");
	for (unsigned i = 0; i < 7; i++) {
		struct fixture_bytes z = fixture_pack(fixture_formats[i], "070701", 6, true);

		refused(z, "a ramdisk");
		free(z.data);
	}
}
END_TEST

static void load_refused(const char *path, const char *why)
{
	struct kernel_image img;

	ck_assert_int_eq(kernel_image_load(&img, path, &err), -ENOEXEC);
	ck_assert_msg(strstr(err.text, path) == err.text && strstr(err.text, why), "%s", err.text);
	kernel_image_free(&img);
}

START_TEST(files)
{
	struct fixture_bytes elf = linux_elf(2 << 20);
	char dir[] = "/tmp/loader_test.XXXXXX", path[64];
	struct kernel_image img;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	load_refused(dir, "is a directory");
	load_refused("/dev/null", "is a device");
	snprintf(path, sizeof(path), "%s/none", dir);
	load_refused(path, "cannot be opened: No such file");
	snprintf(path, sizeof(path), "%s/kernel", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fflush(f);
	load_refused(path, "is empty");
	ck_assert_int_eq(ftruncate(fileno(f), 1ll << 40), 0); /* a sparse TiB */
	load_refused(path, "too large");
	ck_assert_int_eq(ftruncate(fileno(f), 0), 0);
	fwrite(elf.data, 1, elf.len, f);
	fclose(f);
	ck_assert_int_eq(kernel_image_load(&img, path, &err), 0);
	fixture_check_image(&img);
	ck_assert_uint_eq(img.elf_size, elf.len);
	kernel_image_free(&img);
	if (geteuid()) {
		chmod(path, 0);
		load_refused(path, "cannot be opened: Permission denied");
	}
	unlink(path);
	rmdir(dir);
	free(elf.data);
}
END_TEST

/* `<(command)` of a shell is /dev/fd/N, a pipe. */
START_TEST(from_a_pipe)
{
	struct fixture_bytes elf = linux_elf(3 << 20);
	struct kernel_image img;
	char path[32];
	FILE *p;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	if (fork() == 0) {
		p = fdopen(fds[1], "w");
		fwrite(elf.data, 1, elf.len, p);
		fclose(p);
		_exit(0);
	}
	close(fds[1]);
	ck_assert_msg(kernel_image_load(&img, path, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(img.elf_size, elf.len);
	kernel_image_free(&img);
	close(fds[0]);
	free(elf.data);
}
END_TEST

/* Names may be long, and what is shown is one printable line. */
START_TEST(sentences)
{
	struct kernel_image img;
	char name[4001];

	memset(name, 'n', 4000);
	name[4000] = '\0';
	ck_assert_int_eq(kernel_image_parse(&img, "nothing", 7, name, &err), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.text, "...nnn"));
	ck_assert_ptr_nonnull(strstr(err.text, "nn: not an ELF file or bzImage"));
	ck_assert_int_eq(kernel_image_parse(&img, "nothing", 7, "a\n\033b", &err), -ENOEXEC);
	ck_assert_str_eq(err.text, "a??b: not an ELF file or bzImage");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loader");
	TCase *t = tcase_create("images");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, plain_elf);
	tcase_add_loop_test(t, every_format, 0, 7);
	tcase_add_loop_test(t, wrong_size_hint, 0, 7);
	tcase_add_loop_test(t, large, 5, 7);
	tcase_add_loop_test(t, streams_in_a_row, 0, 7);
	tcase_add_test(t, uncompressed_bzimage);
	tcase_add_test(t, bzimage_header);
	tcase_add_test(t, bzimage_no_setup_sects);
	tcase_add_loop_test(t, truncated_payload, 0, 7);
	tcase_add_test(t, truncated_bzimage);
	tcase_add_loop_test(t, damaged_payload, 0, 7);
	tcase_add_loop_test(t, output_limit, 0, 7);
	tcase_add_loop_test(t, empty_payload, 0, 7);
	tcase_add_test(t, not_kernels);
	tcase_add_test(t, files);
	tcase_add_test(t, from_a_pipe);
	tcase_add_test(t, sentences);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
