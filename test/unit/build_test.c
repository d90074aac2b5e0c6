/*
 * The domain builder: synthetic kernels laid out in plain memory, then every
 * item of the start-of-day layout (xen.h) looked up as the guest would.
 */
#include "test/unit/test_build.h"
#include "test/unit/test_run.h"

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
		ck_assert_uint_eq(built_mfn_at(b, base + pfn * PAGE_SIZE, &w), built_p2m(b, pfn));
		ck_assert_uint_eq(w.level, 1);
		ck_assert_int_eq(w.writable, !is_boot_table(b, pfn));
	}
	if (base + pages * PAGE_SIZE)
		ck_assert(!built_is_mapped(b, base + pages * PAGE_SIZE));
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
	ck_assert_ptr_eq(built_at(b, v->regs.rsi), b->si);
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

/* A Linux kernel in 64 MiB: the kernel ends at pfn 0x1213, then come start_info,
 * xenstore, console, the tables (L4, L3, L2 and 10 L1s for 20 MiB) and the stack;
 * with 128 pages more that is below pfn 0x1400, where the mapping ends. */
static void linux_layout(enum p2m_order order)
{
	struct built b;
	const uint64_t kernel_end = 0x1213, tables = 3 + 10, end = 0x1400;

	built_linux(&b, 64);
	b.p.p2m = order;
	b.p.p2m_seed = 42;
	built_ok(&b);
	built_assert_p2m(&b);
	built_assert_start_info(&b);
	ck_assert_uint_eq(b.r.start_info_mfn, built_p2m(&b, kernel_end));
	ck_assert_uint_eq(b.r.store_mfn, built_p2m(&b, kernel_end + 1));
	ck_assert_uint_eq(b.r.console_mfn, built_p2m(&b, kernel_end + 2));
	ck_assert_uint_eq(b.si->pt_base, LINUX_BASE + (kernel_end + 3) * PAGE_SIZE);
	ck_assert_uint_eq(b.si->nr_pt_frames, tables);
	ck_assert_uint_eq(b.l4, built_p2m(&b, kernel_end + 3));
	assert_initial_mapping(&b, end);
	assert_vcpu(&b, kernel_end + 3 + tables);

	built_assert_bytes(&b, LINUX_BASE + LINUX_START, built_text, sizeof(built_text));
	built_assert_bytes(&b, LINUX_BASE + LINUX_START + 0x200000, built_data, sizeof(built_data));
	built_assert_bytes(&b, LINUX_BASE + LINUX_START + 0x200000 + sizeof(built_data), NULL,
			   0x12345 - sizeof(built_data));

	/* The ramdisk by frame, behind the initial mapping. */
	ck_assert_uint_eq(b.si->flags, SIF_VIRT_P2M_4TOOLS | SIF_MOD_START_PFN);
	ck_assert_uint_eq(b.si->mod_start, end);
	ck_assert_uint_eq(b.si->mod_len, 6 * PAGE_SIZE);
	for (size_t i = 0; i < 6; i++) {
		size_t n = i < 5 ? PAGE_SIZE : 7;
		ck_assert_mem_eq(frame_ptr(b.t->d, built_p2m(&b, end + i)),
				 built_ramdisk + i * PAGE_SIZE, n);
	}

	/* The list behind that, at its own address, with an L3, an L2, an L1. */
	ck_assert_uint_eq(b.si->mfn_list, LINUX_P2M);
	ck_assert_uint_eq(b.si->first_p2m_pfn, end + 6);
	ck_assert_uint_eq(b.si->nr_p2m_frames, 64 * MIB_FRAMES / 512 + 3);
	for (uint64_t i = 0; i < 64 * MIB_FRAMES / 512; i++) {
		struct guest_walk w;
		ck_assert_uint_eq(built_mfn_at(&b, LINUX_P2M + i * PAGE_SIZE, &w),
				  built_p2m(&b, end + 6 + i));
		ck_assert(w.writable);
	}
	ck_assert(!built_is_mapped(&b, LINUX_P2M + 64 * MIB_FRAMES * 8));
	built_free(&b);
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

	built_linux(&b, 32);
	b.p.p2m = _i ? P2M_SHUFFLE : P2M_IDENTITY;
	b.k.notes.has_init_p2m = false;
	b.k.notes.mod_start_pfn = false;
	b.k.notes.has_hypercall_page = true;
	b.k.notes.hypercall_page = LINUX_BASE + LINUX_START + 0x1000;
	built_ok(&b);
	built_assert_p2m(&b);
	built_assert_start_info(&b);
	ck_assert_uint_eq(b.si->flags, SIF_VIRT_P2M_4TOOLS);
	ck_assert_uint_eq(b.si->mod_start, LINUX_BASE + next * PAGE_SIZE);
	ck_assert_uint_eq(b.si->mod_len, sizeof(built_ramdisk));
	built_assert_bytes(&b, b.si->mod_start, built_ramdisk, sizeof(built_ramdisk));
	next += 6;
	ck_assert_uint_eq(b.si->mfn_list, LINUX_BASE + next * PAGE_SIZE);
	ck_assert_uint_eq(b.si->first_p2m_pfn, 0);
	ck_assert_uint_eq(b.si->nr_p2m_frames, 0);
	next += 32 * MIB_FRAMES / 512;
	ck_assert_uint_eq(built_mfn_at(&b, LINUX_BASE + next * PAGE_SIZE, &w), b.r.start_info_mfn);
	ck_assert_uint_eq(b.si->pt_base, LINUX_BASE + (next + 3) * PAGE_SIZE);
	ck_assert_uint_eq(b.si->nr_pt_frames, 13);
	assert_initial_mapping(&b, 0x1400);
	assert_vcpu(&b, next + 3 + 13);

	/* `syscall` in entry 1 of the hypercall page; the rest of the text is intact. */
	uint8_t *page = built_at(&b, b.k.notes.hypercall_page);
	uint8_t want[PAGE_SIZE] = {0};
	hypercall_page_fill(want, 0);
	ck_assert_mem_eq(page, want, PAGE_SIZE);
	built_assert_bytes(&b, LINUX_BASE + LINUX_START, built_text, PAGE_SIZE);
	built_assert_bytes(&b, LINUX_BASE + LINUX_START + 2 * PAGE_SIZE, built_text + 2 * PAGE_SIZE,
			   PAGE_SIZE);
	built_free(&b);
}
END_TEST

/* The end of the padding right on a boundary, and one page more: another 4 MiB. */
START_TEST(padding)
{
	struct built b;
	/* kernel, 3 pages, L4 L3 L2 and 2 L1s, stack, 128 pages: 1024 in all. */
	uint64_t pages = 1024 - 128 - 1 - 5 - 3 + _i;

	built_linux(&b, 32);
	b.segments[0].paddr = b.k.paddr_start = 0;
	b.k.nr_segments = 1;
	b.k.paddr_end = pages * PAGE_SIZE;
	b.ramdisk = NULL;
	b.k.notes.entry = LINUX_BASE;
	built_ok(&b);
	/* alloc_pgtables_pv first guesses without tables; both have room for them. */
	assert_initial_mapping(&b, _i ? 2048 : 1024);
	ck_assert_uint_eq(b.si->nr_pt_frames, _i ? 7 : 5);
	ck_assert_uint_eq(b.si->mod_start, 0);
	ck_assert_uint_eq(b.si->mod_len, 0);
	ck_assert_uint_eq(b.si->flags, SIF_VIRT_P2M_4TOOLS);
	built_free(&b);
}
END_TEST

/* GRUB: virtual base 0, entry 0, segments that begin anywhere and share pages.
 * Its p2m address is above the base and not honoured. */
START_TEST(grub_like)
{
	struct built b;

	built_linux(&b, 16);
	b.segments[0] =
		(struct kernel_segment){0x123, built_text, sizeof(built_text), sizeof(built_text)};
	b.segments[1] = (struct kernel_segment){0x123 + sizeof(built_text), built_data,
						sizeof(built_data), sizeof(built_data) + 9};
	b.k.paddr_start = 0x123;
	b.k.paddr_end = 0x123 + sizeof(built_text) + sizeof(built_data) + 9;
	b.k.notes.virt_base = 0;
	b.k.notes.entry = 0x123;
	b.k.notes.mod_start_pfn = false;
	built_ok(&b);
	built_assert_p2m(&b);
	built_assert_bytes(&b, 0x123, built_text, sizeof(built_text));
	built_assert_bytes(&b, 0x123 + sizeof(built_text), built_data, sizeof(built_data));
	ck_assert_uint_eq(b.si->nr_p2m_frames, 0);
	ck_assert_uint_eq(b.si->mfn_list, 4 * PAGE_SIZE + 6 * PAGE_SIZE);
	assert_initial_mapping(&b, 1024);
	built_free(&b);
}
END_TEST

/* A list below the kernel in the same 512 GiB shares its L3 with it, and in the
 * same 1 GiB its L2 too. */
START_TEST(p2m_shares_tables)
{
	struct built b;

	built_linux(&b, 64);
	b.k.notes.virt_base = _i ? LINUX_BASE + (4ul << 20) : LINUX_BASE;
	b.k.notes.init_p2m = LINUX_BASE - (_i ? 0 : 1ul << 30);
	built_ok(&b);
	built_assert_p2m(&b);
	ck_assert_uint_eq(b.si->mfn_list, b.k.notes.init_p2m);
	ck_assert_uint_eq(b.si->nr_p2m_frames, 64 * MIB_FRAMES / 512 + (_i ? 1 : 2));
	assert_initial_mapping(&b, 0x1400);
	built_free(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("build");
	TCase *tc = tcase_create("build");

	tcase_add_checked_fixture(tc, built_setup, NULL);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, linux_identity);
	tcase_add_test(tc, linux_shuffle);
	tcase_add_loop_test(tc, all_mapped, 0, 2);
	tcase_add_loop_test(tc, padding, 0, 2);
	tcase_add_test(tc, grub_like);
	tcase_add_loop_test(tc, p2m_shares_tables, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
