/*
 * The domain builder: synthetic kernels laid out in plain memory, then every
 * item of the start-of-day layout (xen.h) looked up as the guest would, through
 * the page tables that it is given.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "vmm/build.h"

#define MIB_FRAMES   256ul
#define LINUX_BASE   0xffffffff80000000ul
#define LINUX_START  0x1000000ul /* p_paddr of a Debian kernel's first segment */
#define LINUX_P2M    0x8000000000ul
#define STORE_PORT   1
#define CONSOLE_PORT 2

struct built {
	struct test_domain *t;
	struct kernel_image k;
	struct kernel_segment segments[2];
	struct build_params p;
	struct build_result r;
	struct error err;
	uint64_t l4;
	const struct start_info *si;
};

static uint8_t text[3 * PAGE_SIZE + 100], data[500];
static uint8_t ramdisk[5 * PAGE_SIZE + 7];

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (i * 31 + i / 251 + seed) & 0xff;
}

static void setup(void)
{
	fill(text, sizeof(text), 1);
	fill(data, sizeof(data), 2);
	fill(ramdisk, sizeof(ramdisk), 3);
}

/* What today's Linux looks like: text, then data with a large bss. */
static void linux_image(struct built *b, uint64_t mib)
{
	memset(b, 0, sizeof(*b));
	b->segments[0] = (struct kernel_segment){LINUX_START, text, sizeof(text), sizeof(text)};
	b->segments[1] =
		(struct kernel_segment){LINUX_START + 0x200000, data, sizeof(data), 0x12345};
	b->k.segments = b->segments;
	b->k.nr_segments = 2;
	b->k.paddr_start = LINUX_START;
	b->k.paddr_end = LINUX_START + 0x200000 + 0x12345;
	b->k.notes.virt_base = LINUX_BASE;
	b->k.virt_start = LINUX_BASE + b->k.paddr_start;
	b->k.virt_end = LINUX_BASE + b->k.paddr_end;
	b->k.notes.entry = LINUX_BASE + LINUX_START + 0x40;
	b->k.notes.init_p2m = LINUX_P2M;
	b->k.notes.has_init_p2m = true;
	b->k.notes.mod_start_pfn = true;
	b->p = (struct build_params){
		.kernel = &b->k,
		.cmdline = "console=hvc0",
		.ramdisk = ramdisk,
		.ramdisk_size = sizeof(ramdisk),
		.p2m = P2M_IDENTITY,
		.store_port = STORE_PORT,
		.console_port = CONSOLE_PORT,
	};
	b->t = test_domain_fresh(mib * MIB_FRAMES, 2, PROFILE_XEN_4_17);
}

static int build(struct built *b)
{
	struct domain *d = b->t->d;
	int rc = domain_build(d, &b->p, &b->r, &b->err);

	if (!rc) {
		b->l4 = d->vcpu[0]->guest_table;
		b->si = frame_ptr(d, b->r.start_info_mfn);
	}
	return rc;
}

static void build_ok(struct built *b)
{
	int rc = build(b);

	ck_assert_msg(rc == 0, "%d: %s", rc, b->err.text);
}

static void refused(struct built *b, int rc, const char *part)
{
	b->err.text[0] = '\0';
	ck_assert_int_eq(build(b), rc);
	ck_assert_msg(strstr(b->err.text, part), "\"%s\" in \"%s\"", part, b->err.text);
}

static void finish(struct built *b)
{
	test_domain_free(b->t);
}

/* The mfn behind a guest address that must be mapped. */
static uint64_t mfn_at(struct built *b, uint64_t va, struct guest_walk *w)
{
	ck_assert(guest_walk(b->t->d, b->l4, va, w));
	ck_assert_msg(w->present, "0x%lx is not mapped", va);
	ck_assert(w->user);
	return w->maddr >> PAGE_SHIFT;
}

static bool is_mapped(struct built *b, uint64_t va)
{
	struct guest_walk w;

	return guest_walk(b->t->d, b->l4, va, &w) && w.present;
}

static void *at(struct built *b, uint64_t va)
{
	struct guest_walk w;

	return (uint8_t *)frame_ptr(b->t->d, mfn_at(b, va, &w)) + va % PAGE_SIZE;
}

static void assert_bytes(struct built *b, uint64_t va, const uint8_t *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ck_assert_msg(*(uint8_t *)at(b, va + i) == (want ? want[i] : 0),
			      "byte %zu at 0x%lx", i, va);
}

/* The guest's own view: mfn of a pfn, from its list. */
static uint64_t p2m(struct built *b, uint64_t pfn)
{
	return *(uint64_t *)at(b, b->si->mfn_list + pfn * sizeof(uint64_t));
}

static void assert_p2m_and_m2p(struct built *b)
{
	struct domain *d = b->t->d;

	for (uint64_t pfn = 0; pfn < d->nr_ram; pfn++) {
		uint64_t mfn = p2m(b, pfn);

		ck_assert_uint_lt(mfn, d->nr_ram);
		ck_assert_uint_eq(d->m2p[mfn], pfn);
	}
}

/* pt_base and nr_pt_frames: one L4, then L3s, L2s, L1s, that are all reached and all read-only. */
static bool is_boot_table(struct built *b, uint64_t pfn)
{
	uint64_t first = (b->si->pt_base - b->k.notes.virt_base) / PAGE_SIZE;

	return pfn >= first && pfn < first + b->si->nr_pt_frames;
}

/* The initial mapping: pfns from 0, one after the other, up to `pages`. */
static void assert_initial_mapping(struct built *b, uint64_t pages)
{
	uint64_t base = b->k.notes.virt_base;
	struct guest_walk w;

	for (uint64_t pfn = 0; pfn < pages; pfn++) {
		ck_assert_uint_eq(mfn_at(b, base + pfn * PAGE_SIZE, &w), p2m(b, pfn));
		ck_assert_uint_eq(w.level, 1);
		ck_assert_int_eq(w.writable, !is_boot_table(b, pfn));
	}
	if (base + pages * PAGE_SIZE)
		ck_assert(!is_mapped(b, base + pages * PAGE_SIZE));
}

static void assert_vcpu(struct built *b, uint64_t stack_pfn)
{
	struct domain *d = b->t->d;
	struct vcpu *v = d->vcpu[0];
	uint64_t base = b->k.notes.virt_base;

	ck_assert(v->initialised);
	ck_assert_uint_eq(v->pause_flags, VPF_DOWN);
	ck_assert(v->kernel_mode);
	ck_assert_uint_eq(v->regs.rip, b->k.notes.entry);
	ck_assert_uint_eq(v->regs.rsp, base + (stack_pfn + 1) * PAGE_SIZE);
	ck_assert_uint_eq(v->kernel_sp, v->regs.rsp);
	ck_assert_uint_eq(v->regs.cs, FLAT_KERNEL_CS);
	ck_assert_uint_eq(v->regs.ss, FLAT_KERNEL_SS);
	ck_assert_uint_eq(v->kernel_ss, FLAT_KERNEL_SS);
	ck_assert_uint_eq(v->regs.rflags & 0x200, 0x200);
	ck_assert_ptr_eq(at(b, v->regs.rsi), b->si);
	ck_assert_uint_eq(v->guest_table_user, 0);
	ck_assert_uint_eq(v->gdt_ents, 0);
	/* Pinned, and in use by vcpu 0: no reference is lost or left over. */
	ck_assert(d->pages[b->l4].flags & PG_PINNED);
	ck_assert_int_eq(d->pages[b->l4].type, PGT_L4);
	ck_assert_uint_eq(d->pages[b->l4].type_count, 2);
	for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		ck_assert_uint_eq(d->shared_info->vcpu_info[i].evtchn_upcall_mask, 1);
	ck_assert_uint_eq(d->shared_info->arch.max_pfn, 0);
	ck_assert(!d->vcpu[1]->initialised);
}

/* Everything in start_info that does not depend on the layout. */
static void assert_start_info(struct built *b)
{
	struct domain *d = b->t->d;

	ck_assert_str_eq(b->si->magic, "xen-3.0-x86_64");
	ck_assert_uint_eq(b->si->nr_pages, d->nr_ram);
	ck_assert_uint_eq(b->si->shared_info, d->shared_info_mfn << PAGE_SHIFT);
	ck_assert_uint_eq(b->si->store_mfn, b->r.store_mfn);
	ck_assert_uint_eq(b->si->store_evtchn, STORE_PORT);
	ck_assert_uint_eq(b->si->console.domU.mfn, b->r.console_mfn);
	ck_assert_uint_eq(b->si->console.domU.evtchn, CONSOLE_PORT);
	ck_assert_str_eq((const char *)b->si->cmd_line, b->p.cmdline);
	ck_assert_uint_eq(b->si->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN), 0);
	ck_assert_uint_eq(b->si->flags & SIF_VIRT_P2M_4TOOLS, SIF_VIRT_P2M_4TOOLS);
}

/* A Linux kernel in 64 MiB: the kernel ends at pfn 0x1213, then come start_info,
 * xenstore, console, the tables (L4, L3, L2 and 10 L1s for 20 MiB) and the stack;
 * with 128 pages more that is below pfn 0x1400, where the mapping ends. */
static void linux_layout(enum p2m_order order)
{
	struct built b;
	const uint64_t kernel_end = 0x1213, tables = 3 + 10, end = 0x1400;

	linux_image(&b, 64);
	b.p.p2m = order;
	b.p.p2m_seed = 42;
	build_ok(&b);
	assert_p2m_and_m2p(&b);
	assert_start_info(&b);
	ck_assert_uint_eq(b.r.start_info_mfn, p2m(&b, kernel_end));
	ck_assert_uint_eq(b.r.store_mfn, p2m(&b, kernel_end + 1));
	ck_assert_uint_eq(b.r.console_mfn, p2m(&b, kernel_end + 2));
	ck_assert_uint_eq(b.si->pt_base, LINUX_BASE + (kernel_end + 3) * PAGE_SIZE);
	ck_assert_uint_eq(b.si->nr_pt_frames, tables);
	ck_assert_uint_eq(b.l4, p2m(&b, kernel_end + 3));
	assert_initial_mapping(&b, end);
	assert_vcpu(&b, kernel_end + 3 + tables);

	assert_bytes(&b, LINUX_BASE + LINUX_START, text, sizeof(text));
	assert_bytes(&b, LINUX_BASE + LINUX_START + 0x200000, data, sizeof(data));
	assert_bytes(&b, LINUX_BASE + LINUX_START + 0x200000 + sizeof(data), NULL,
		     0x12345 - sizeof(data));

	/* The ramdisk by frame, behind the initial mapping. */
	ck_assert_uint_eq(b.si->flags, SIF_VIRT_P2M_4TOOLS | SIF_MOD_START_PFN);
	ck_assert_uint_eq(b.si->mod_start, end);
	ck_assert_uint_eq(b.si->mod_len, 6 * PAGE_SIZE);
	for (size_t i = 0; i < 6; i++) {
		size_t n = i < 5 ? PAGE_SIZE : 7;
		ck_assert_mem_eq(frame_ptr(b.t->d, p2m(&b, end + i)), ramdisk + i * PAGE_SIZE, n);
	}

	/* The list behind that, at its own address, with an L3, an L2, an L1. */
	ck_assert_uint_eq(b.si->mfn_list, LINUX_P2M);
	ck_assert_uint_eq(b.si->first_p2m_pfn, end + 6);
	ck_assert_uint_eq(b.si->nr_p2m_frames, 64 * MIB_FRAMES / 512 + 3);
	for (uint64_t i = 0; i < 64 * MIB_FRAMES / 512; i++) {
		struct guest_walk w;
		ck_assert_uint_eq(mfn_at(&b, LINUX_P2M + i * PAGE_SIZE, &w), p2m(&b, end + 6 + i));
		ck_assert(w.writable);
	}
	ck_assert(!is_mapped(&b, LINUX_P2M + 64 * MIB_FRAMES * 8));
	finish(&b);
}

START_TEST(linux_identity)
{
	linux_layout(P2M_IDENTITY);
}
END_TEST

START_TEST(linux_shuffle)
{
	linux_layout(P2M_SHUFFLE);
}
END_TEST

/* An older kernel: everything is mapped, in xen.h's order. */
START_TEST(all_mapped)
{
	struct built b;
	uint64_t next = 0x1213;
	struct guest_walk w;

	linux_image(&b, 32);
	b.p.p2m = _i ? P2M_SHUFFLE : P2M_IDENTITY;
	b.k.notes.has_init_p2m = false;
	b.k.notes.mod_start_pfn = false;
	b.k.notes.has_hypercall_page = true;
	b.k.notes.hypercall_page = LINUX_BASE + LINUX_START + 0x1000;
	build_ok(&b);
	assert_p2m_and_m2p(&b);
	assert_start_info(&b);
	ck_assert_uint_eq(b.si->flags, SIF_VIRT_P2M_4TOOLS);
	ck_assert_uint_eq(b.si->mod_start, LINUX_BASE + next * PAGE_SIZE);
	ck_assert_uint_eq(b.si->mod_len, sizeof(ramdisk));
	assert_bytes(&b, b.si->mod_start, ramdisk, sizeof(ramdisk));
	next += 6;
	ck_assert_uint_eq(b.si->mfn_list, LINUX_BASE + next * PAGE_SIZE);
	ck_assert_uint_eq(b.si->first_p2m_pfn, 0);
	ck_assert_uint_eq(b.si->nr_p2m_frames, 0);
	next += 32 * MIB_FRAMES / 512;
	ck_assert_uint_eq(mfn_at(&b, LINUX_BASE + next * PAGE_SIZE, &w), b.r.start_info_mfn);
	ck_assert_uint_eq(b.si->pt_base, LINUX_BASE + (next + 3) * PAGE_SIZE);
	ck_assert_uint_eq(b.si->nr_pt_frames, 13);
	assert_initial_mapping(&b, 0x1400);
	assert_vcpu(&b, next + 3 + 13);

	/* `syscall` in entry 1 of the hypercall page; the rest of the text is intact. */
	uint8_t *page = at(&b, b.k.notes.hypercall_page);
	uint8_t want[PAGE_SIZE] = {0};
	hypercall_page_fill(want, 0);
	ck_assert_mem_eq(page, want, PAGE_SIZE);
	assert_bytes(&b, LINUX_BASE + LINUX_START, text, PAGE_SIZE);
	assert_bytes(&b, LINUX_BASE + LINUX_START + 2 * PAGE_SIZE, text + 2 * PAGE_SIZE, PAGE_SIZE);
	finish(&b);
}
END_TEST

/* The end of the padding right on a boundary, and one page more: another 4 MiB. */
START_TEST(padding)
{
	struct built b;
	/* kernel, 3 pages, L4 L3 L2 and 2 L1s, stack, 128 pages: 1024 in all. */
	uint64_t pages = 1024 - 128 - 1 - 5 - 3 + _i;

	linux_image(&b, 32);
	b.segments[0].paddr = b.k.paddr_start = 0;
	b.k.nr_segments = 1;
	b.k.paddr_end = pages * PAGE_SIZE;
	b.p.ramdisk = NULL;
	b.k.notes.entry = LINUX_BASE;
	build_ok(&b);
	/* alloc_pgtables_pv first guesses without tables; both have room for them. */
	assert_initial_mapping(&b, _i ? 2048 : 1024);
	ck_assert_uint_eq(b.si->nr_pt_frames, _i ? 7 : 5);
	ck_assert_uint_eq(b.si->mod_start, 0);
	ck_assert_uint_eq(b.si->mod_len, 0);
	ck_assert_uint_eq(b.si->flags, SIF_VIRT_P2M_4TOOLS);
	finish(&b);
}
END_TEST

/* GRUB: virtual base 0, entry 0, segments that begin anywhere and share pages.
 * Its p2m address is above the base and not honoured. */
START_TEST(grub_like)
{
	struct built b;

	linux_image(&b, 16);
	b.segments[0] = (struct kernel_segment){0x123, text, sizeof(text), sizeof(text)};
	b.segments[1] =
		(struct kernel_segment){0x123 + sizeof(text), data, sizeof(data), sizeof(data) + 9};
	b.k.paddr_start = 0x123;
	b.k.paddr_end = 0x123 + sizeof(text) + sizeof(data) + 9;
	b.k.notes.virt_base = 0;
	b.k.notes.entry = 0x123;
	b.k.notes.mod_start_pfn = false;
	build_ok(&b);
	assert_p2m_and_m2p(&b);
	assert_bytes(&b, 0x123, text, sizeof(text));
	assert_bytes(&b, 0x123 + sizeof(text), data, sizeof(data));
	ck_assert_uint_eq(b.si->nr_p2m_frames, 0);
	ck_assert_uint_eq(b.si->mfn_list, 4 * PAGE_SIZE + 6 * PAGE_SIZE);
	assert_initial_mapping(&b, 1024);
	finish(&b);
}
END_TEST

/* A list below the kernel in the same 512 GiB shares its L3 with it, and in the
 * same 1 GiB its L2 too. */
START_TEST(p2m_shares_tables)
{
	struct built b;

	linux_image(&b, 64);
	b.k.notes.virt_base = _i ? LINUX_BASE + (4ul << 20) : LINUX_BASE;
	b.k.notes.init_p2m = LINUX_BASE - (_i ? 0 : 1ul << 30);
	build_ok(&b);
	assert_p2m_and_m2p(&b);
	ck_assert_uint_eq(b.si->mfn_list, b.k.notes.init_p2m);
	ck_assert_uint_eq(b.si->nr_p2m_frames, 64 * MIB_FRAMES / 512 + (_i ? 1 : 2));
	assert_initial_mapping(&b, 0x1400);
	finish(&b);
}
END_TEST

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
	static uint8_t packed[4 * PAGE_SIZE + sizeof(ramdisk)];
	struct built b;
	size_t n = gzip(ramdisk, sizeof(ramdisk), packed, sizeof(packed));
	size_t member = n;

	if (_i == 1)
		packed[n / 2] ^= 0xff;
	if (_i == 2)
		n += gzip(ramdisk, sizeof(ramdisk), packed + n, sizeof(packed) - n);
	linux_image(&b, 64);
	b.k.notes.mod_start_pfn = false;
	b.p.ramdisk = packed;
	b.p.ramdisk_size = n;
	build_ok(&b);
	if (_i == 0) {
		ck_assert_uint_eq(b.si->mod_len, sizeof(ramdisk) + 16);
		assert_bytes(&b, b.si->mod_start, ramdisk, sizeof(ramdisk));
		assert_bytes(&b, b.si->mod_start + sizeof(ramdisk), NULL, 16);
	} else {
		ck_assert_uint_eq(b.si->mod_len, n);
		assert_bytes(&b, b.si->mod_start, packed, n);
	}
	ck_assert_uint_gt(member, 6);
	finish(&b);
}
END_TEST

START_TEST(shuffle_is_deterministic)
{
	struct built a, b, c;
	uint64_t same = 0;

	linux_image(&a, 64);
	linux_image(&b, 64);
	linux_image(&c, 64);
	a.p.p2m = b.p.p2m = c.p.p2m = P2M_SHUFFLE;
	a.p.p2m_seed = b.p.p2m_seed = 7;
	c.p.p2m_seed = 8;
	build_ok(&a);
	build_ok(&b);
	build_ok(&c);
	ck_assert_mem_eq(a.t->d->m2p, b.t->d->m2p, a.t->d->nr_ram * 8);
	for (uint64_t i = 0; i < a.t->d->nr_ram; i++)
		same += a.t->d->m2p[i] == c.t->d->m2p[i];
	ck_assert_uint_lt(same, 20);
	for (uint64_t i = same = 0; i < a.t->d->nr_ram; i++)
		same += a.t->d->m2p[i] == i;
	ck_assert_uint_lt(same, 20);
	finish(&a);
	finish(&b);
	finish(&c);
}
END_TEST

/* The sentence names the least memory that is enough, and that is right. */
START_TEST(too_little_memory)
{
	struct built b;
	unsigned needed = 0;

	linux_image(&b, 16);
	refused(&b, -ENOMEM, "16 MiB are not enough for this kernel and ramdisk: ");
	ck_assert_int_eq(sscanf(strchr(b.err.text, ':'), ": %u MiB needed", &needed), 1);
	finish(&b);
	linux_image(&b, needed - 1);
	refused(&b, -ENOMEM, "not enough");
	finish(&b);
	linux_image(&b, needed);
	build_ok(&b);
	finish(&b);
	linux_image(&b, 16);
	b.p.ramdisk = NULL;
	refused(&b, -ENOMEM, "16 MiB are not enough for this kernel: ");
	finish(&b);
}
END_TEST

START_TEST(command_line_length)
{
	char line[MAX_GUEST_CMDLINE + 1];
	struct built b;

	memset(line, 'x', sizeof(line));
	line[MAX_GUEST_CMDLINE] = '\0';
	linux_image(&b, 64);
	b.p.cmdline = line;
	refused(&b, -EINVAL, "1024 characters");
	line[MAX_GUEST_CMDLINE - 1] = '\0';
	build_ok(&b);
	ck_assert_str_eq((const char *)b.si->cmd_line, line);
	finish(&b);
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

	linux_image(&b, 64);
	bad[_i].spoil(&b);
	refused(&b, -EINVAL, bad[_i].part);
	finish(&b);
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

/* 64 GiB cost the two lists, 128 MiB each, and the tables for the first. */
START_TEST(huge_domain)
{
	const size_t list = (64ul << 30) / PAGE_SIZE * 8 / PAGE_SIZE;
	struct built b;
	size_t before, touched;

	linux_image(&b, 64ul << 10);
	madvise(b.t->memory, b.t->memory_size, MADV_NOHUGEPAGE);
	before = pages_touched(b.t->memory, b.t->memory_size);
	build_ok(&b);
	touched = pages_touched(b.t->memory, b.t->memory_size) - before;
	ck_assert_uint_ge(touched, 2 * list);
	ck_assert_uint_le(touched, 2 * list + 200);
	ck_assert_uint_eq(b.si->nr_p2m_frames, list + 2 + 64);
	ck_assert_uint_eq(p2m(&b, b.t->d->nr_ram - 1), b.t->d->nr_ram - 1);
	ck_assert_uint_eq(b.t->d->m2p[b.t->d->nr_ram - 1], b.t->d->nr_ram - 1);
	finish(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("build");
	TCase *tc = tcase_create("layout");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, linux_identity);
	tcase_add_test(tc, linux_shuffle);
	tcase_add_loop_test(tc, all_mapped, 0, 2);
	tcase_add_loop_test(tc, padding, 0, 2);
	tcase_add_test(tc, grub_like);
	tcase_add_loop_test(tc, p2m_shares_tables, 0, 2);
	tcase_add_loop_test(tc, gzip_ramdisk, 0, 3);
	tcase_add_test(tc, shuffle_is_deterministic);
	tcase_add_test(tc, too_little_memory);
	tcase_add_test(tc, command_line_length);
	tcase_add_loop_test(tc, bad_images, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, huge_domain);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
