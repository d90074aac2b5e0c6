/*
 * The domain builder: ramdisks that are packed, shuffled frames, too little and
 * very much memory, and images that no loader should let through.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "pvabi/m2p.h"
#include "test/unit/test_build.h"
#include "test/unit/test_run.h"

static size_t gzip(const uint8_t *from, size_t len, uint8_t *to, size_t room)
{
	z_stream z = {
		.next_in = (uint8_t *)from, .avail_in = len, .next_out = to, .avail_out = room};

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

/* The toolstack unpacks a gzip file, with 16 bytes to spare; a broken one, or one
 * with more behind it, stays as it is. */
START_TEST(gzip_ramdisk)
{
	static uint8_t packed[4 * PAGE_SIZE + sizeof(built_ramdisk)];
	struct built b;
	size_t n = gzip(built_ramdisk, sizeof(built_ramdisk), packed, sizeof(packed));
	size_t member = n;

	if (_i == 1)
		packed[n / 2] ^= 0xff;
	if (_i == 2)
		n += gzip(built_ramdisk, sizeof(built_ramdisk), packed + n, sizeof(packed) - n);
	built_linux(&b, 64);
	b.k.notes.mod_start_pfn = false;
	b.ramdisk = packed;
	b.ramdisk_size = n;
	built_ok(&b);
	if (_i == 0) {
		ck_assert_uint_eq(b.si->mod_len, sizeof(built_ramdisk) + 16);
		built_assert_bytes(&b, b.si->mod_start, built_ramdisk, sizeof(built_ramdisk));
		built_assert_bytes(&b, b.si->mod_start + sizeof(built_ramdisk), NULL, 16);
	} else {
		ck_assert_uint_eq(b.si->mod_len, n);
		built_assert_bytes(&b, b.si->mod_start, packed, n);
	}
	ck_assert_uint_gt(member, 6);
	built_free(&b);
}
END_TEST

START_TEST(shuffle_is_deterministic)
{
	struct built a, b, c;
	uint64_t same = 0;

	built_linux(&a, 64);
	built_linux(&b, 64);
	built_linux(&c, 64);
	a.p.p2m = b.p.p2m = c.p.p2m = P2M_SHUFFLE;
	a.p.p2m_seed = b.p.p2m_seed = 7;
	c.p.p2m_seed = 8;
	built_ok(&a);
	built_ok(&b);
	built_ok(&c);
	ck_assert_mem_eq(a.t->d->m2p, b.t->d->m2p, a.t->d->nr_ram * 8);
	for (uint64_t i = 0; i < a.t->d->nr_ram; i++)
		same += a.t->d->m2p[i] == c.t->d->m2p[i];
	ck_assert_uint_lt(same, 20);
	for (uint64_t i = same = 0; i < a.t->d->nr_ram; i++)
		same += a.t->d->m2p[i] == i;
	ck_assert_uint_lt(same, 20);
	built_free(&a);
	built_free(&b);
	built_free(&c);
}
END_TEST

/* The sentence names the least memory that is enough, and that is right. */
START_TEST(too_little_memory)
{
	struct built b;
	unsigned needed = 0;

	built_linux(&b, 16);
	built_refused(&b, -ENOMEM, "16 MiB are not enough for this kernel and ramdisk: ");
	ck_assert_int_eq(sscanf(strchr(b.err.text, ':'), ": %u MiB needed", &needed), 1);
	built_free(&b);
	built_linux(&b, needed - 1);
	built_refused(&b, -ENOMEM, "not enough");
	built_free(&b);
	built_linux(&b, needed);
	built_ok(&b);
	built_free(&b);
	built_linux(&b, 16);
	b.ramdisk = NULL;
	built_refused(&b, -ENOMEM, "16 MiB are not enough for this kernel: ");
	built_free(&b);
}
END_TEST

START_TEST(command_line_length)
{
	char line[MAX_GUEST_CMDLINE + 1];
	struct built b;

	memset(line, 'x', sizeof(line));
	line[MAX_GUEST_CMDLINE] = '\0';
	built_linux(&b, 64);
	b.p.cmdline = line;
	built_refused(&b, -EINVAL, "1024 characters");
	line[MAX_GUEST_CMDLINE - 1] = '\0';
	built_ok(&b);
	ck_assert_str_eq((const char *)b.si->cmd_line, line);
	built_free(&b);
}
END_TEST

/* Images that no loader should let through, and odd wishes of their notes. */
static void spoil_segment_start(struct built *b)
{
	b->segments[1].paddr = LINUX_START - PAGE_SIZE;
}

static void spoil_segment_end(struct built *b)
{
	b->segments[1].memsz = -8ull;
}

static void spoil_segment_size(struct built *b)
{
	b->segments[0].memsz = 1;
}

static void spoil_range(struct built *b)
{
	b->k.paddr_end = b->k.paddr_start;
}

static void spoil_huge(struct built *b)
{
	b->k.paddr_end = -1ull;
}

static void spoil_large(struct built *b)
{
	b->k.paddr_end = 3ull << 30; /* beyond the top 2 GiB */
}

static void spoil_base_unaligned(struct built *b)
{
	b->k.notes.virt_base += 8;
}

static void spoil_base_xen(struct built *b)
{
	b->k.notes.virt_base = XEN_VIRT_START + (1ul << 40);
}

static void spoil_base_hole(struct built *b)
{
	b->k.notes.virt_base = 1ull << 50;
}

static void spoil_base_wrap(struct built *b)
{
	b->k.notes.virt_base = -PAGE_SIZE;
}

static void spoil_p2m_overlap(struct built *b)
{
	b->k.notes.init_p2m = LINUX_BASE - PAGE_SIZE;
}

static void spoil_p2m_hole(struct built *b)
{
	b->k.notes.init_p2m = (1ul << 47) - PAGE_SIZE;
}

static void spoil_p2m_xen(struct built *b)
{
	b->k.notes.init_p2m = XEN_VIRT_START;
}

static void spoil_hypercall_page(struct built *b)
{
	b->k.notes.has_hypercall_page = true;
	b->k.notes.hypercall_page = LINUX_BASE + 0x1400 * PAGE_SIZE;
}

static void spoil_hypercall_page_low(struct built *b)
{
	b->k.notes.has_hypercall_page = true;
	b->k.notes.hypercall_page = 0;
}

static void spoil_entry(struct built *b)
{
	b->k.notes.entry = 1ull << 60;
}

static const struct {
	void (*spoil)(struct built *b);
	const char *part;
} bad[] = {
	{spoil_segment_start, "segment 1"},
	{spoil_segment_end, "segment 1"},
	{spoil_segment_size, "segment 0"},
	{spoil_range, "no memory range"},
	{spoil_huge, "no memory range"},
	{spoil_large, "virtual base"},
	{spoil_base_unaligned, "page-aligned"},
	{spoil_base_xen, "virtual base"},
	{spoil_base_hole, "virtual base"},
	{spoil_base_wrap, "virtual base"},
	{spoil_p2m_overlap, "p2m list"},
	{spoil_p2m_hole, "p2m list"},
	{spoil_p2m_xen, "p2m list"},
	{spoil_hypercall_page, "hypercall page"},
	{spoil_hypercall_page_low, "hypercall page"},
	{spoil_entry, "cannot be entered"},
};

START_TEST(bad_images)
{
	struct built b;

	built_linux(&b, 64);
	bad[_i].spoil(&b);
	built_refused(&b, -EINVAL, bad[_i].part);
	built_free(&b);
}
END_TEST

static size_t pages_touched(const uint8_t *from, size_t bytes)
{
	size_t pages = bytes / PAGE_SIZE, n = 0;
	unsigned char *v = malloc(pages);

	ck_assert_ptr_nonnull(v);
	ck_assert_int_eq(mincore((void *)from, bytes, v), 0);
	for (size_t i = 0; i < pages; i++)
		n += v[i] & 1;
	free(v);
	return n;
}

/* 64 GiB cost the p2m list, 128 MiB, and its tables; nothing of the M2P. */
START_TEST(huge_domain)
{
	const size_t list = (64ul << 30) / PAGE_SIZE * 8 / PAGE_SIZE;
	struct built b;
	size_t before, touched;

	built_linux(&b, 64ul << 10);
	madvise(b.t->memory, b.t->memory_size, MADV_NOHUGEPAGE);
	before = pages_touched(b.t->memory, b.t->memory_size);
	built_ok(&b);
	touched = pages_touched(b.t->memory, b.t->memory_size) - before;
	ck_assert_uint_ge(touched, list);
	ck_assert_uint_le(touched, list + 200);
	ck_assert_uint_eq(b.si->nr_p2m_frames, list + 2 + 64);
	ck_assert_uint_eq(built_p2m(&b, b.t->d->nr_ram - 1), b.t->d->nr_ram - 1);
	ck_assert_uint_eq(m2p_get(b.t->d, b.t->d->nr_ram - 1), b.t->d->nr_ram - 1);
	built_free(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("build_limits");
	TCase *tc = tcase_create("build_limits");

	tcase_add_checked_fixture(tc, built_setup, NULL);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, gzip_ramdisk, 0, 3);
	tcase_add_test(tc, shuffle_is_deterministic);
	tcase_add_test(tc, too_little_memory);
	tcase_add_test(tc, command_line_length);
	tcase_add_loop_test(tc, bad_images, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, huge_domain);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
