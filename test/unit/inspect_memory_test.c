/*
 * What inspection shows of a guest's memory: page tables, the p2m, frames.
 */
#include <errno.h>

#include "test/unit/test_inspect.h"
#include "test/unit/test_run.h"
#include "vmm/inspect/frames.h"

/* ---- memory ---- */

START_TEST(page_table_walks)
{
	uint64_t mfn = test_frame(in_t);
	char va[32];

	test_map(in_t, 0x10203000, mfn, false);
	ASK("pagetable", "0x10203123", NULL, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "levels")), 4);
	const json_t *l1 = row("levels", "level", 1);
	ck_assert_int_eq(NUMBER(l1, "mfn"), (int64_t)mfn);
	ck_assert_int_eq(NUMBER(l1, "slot"), 0x3);
	ck_assert_int_eq(NUMBER(row("levels", "level", 4), "table.mfn"), (int64_t)in_t->l4);
	snprintf(va, sizeof(va), "%#lx", (unsigned long)(mfn * PAGE_SIZE + 0x123));
	is(shown, "maddr", va);
	ck_assert(!yes(shown, "writable") && yes(shown, "user") && yes(shown, "executable"));
	ck_assert_int_eq(NUMBER(shown, "frame.pfn"), (int64_t)mfn);
	HAS("read-only, user, executable");
	ASK("pagetable", "0xffffffff80000000", "vcpu", "1");
	is(shown, "ends", "not present at level 4");
	ck_assert_int_eq(NUMBER(shown, "vcpu"), 1);
	ck_assert_int_eq(ask("pagetable", "0x10203000", "user", NULL), -EINVAL);
	ck_assert_int_eq(ask("pagetable", "0x800000000000", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("pagetable", "there", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("pagetable", "0", "vcpu", "2"), -EINVAL);
	ck_assert_int_eq(ask("pagetable", "0", "vcpu", NULL), -EINVAL);
	ck_assert_int_eq(ask("pagetable", "0", "root", NULL), -EINVAL);
	ck_assert_int_eq(ask("pagetable", NULL, NULL, NULL), -EINVAL);
	/* A table that is no memory ends the walk, too. */
	((uint64_t *)frame_ptr(in_t->d, in_t->l4))[0] = 0x123456789000ull | PTE_P;
	ASK("pagetable", "0x1000", NULL, NULL);
	HAS("is no memory");
}
END_TEST

START_TEST(p2m_of_both_forms)
{
	struct arch_shared_info *a = &in_t->d->shared_info->arch;
	uint64_t page = test_frame(in_t), list = test_frame(in_t), top = test_frame(in_t);
	uint64_t *words = frame_ptr(in_t->d, page);

	ck_assert_int_eq(ask("p2m", NULL, NULL, NULL), -EAGAIN);
	for (unsigned i = 0; i < 512; i++)
		words[i] = P2M_INVALID;
	words[0] = 0;
	words[1] = 1;
	words[2] = 9;
	in_t->d->m2p[9] = 2;
	words[3] = 20; /* the M2P has something else there */
	words[4] = P2M_IDENTITY | 4;
	words[5] = P2M_FOREIGN | 77;
	words[6] = 1ull << 50; /* no frame of the machine */
	a->max_pfn = 600;
	((uint64_t *)frame_ptr(in_t->d, top))[0] = list;
	((uint64_t *)frame_ptr(in_t->d, list))[0] = page;
	((uint64_t *)frame_ptr(in_t->d, list))[1] = ~0ull; /* no frame */
	for (int form = 0; form < 2; form++) {
		a->pfn_to_mfn_frame_list_list = form ? ~0ull : top;
		if (form) {
			test_map(in_t, 0x40000000, page, true);
			a->p2m_vaddr = 0x40000000;
			a->p2m_cr3 = in_t->l4 * PAGE_SIZE;
		}
		ASK("p2m", NULL, NULL, NULL);
		is(shown, "form", form ? "linear" : "tree");
		const json_t *r = row("rows", "pfn", 0);
		ck_assert_int_eq(NUMBER(r, "count"), 2);
		ck_assert_int_eq(NUMBER(row("rows", "pfn", 2), "mfn"), 9);
		r = row("rows", "pfn", 3);
		is(r, "kind", "frame, M2P differs");
		ck_assert_int_eq(NUMBER(r, "m2p"), 20);
		is(row("rows", "pfn", 4), "kind", "identity");
		is(row("rows", "pfn", 5), "kind", "another domain's");
		ck_assert_int_eq(NUMBER(row("rows", "pfn", 5), "mfn"), 77);
		is(row("rows", "pfn", 6), "kind", "frame, M2P differs");
		ck_assert_int_eq(NUMBER(row("rows", "pfn", 7), "count"), 512 - 7);
		is(row("rows", "pfn", 512), "kind", "no table");
		ck_assert_int_eq(NUMBER(shown, "counts.frame"), 3);
		ASK("p2m", "2-3", NULL, NULL);
		ck_assert_int_eq(NUMBER(shown, "looked_at"), 2);
		HAS("M2P says");
	}
	ck_assert_int_eq(ask("p2m", "600", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("p2m", "5-4", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("p2m", "5-", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("p2m", "-5", NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(frames_and_who_refers)
{
	char mfn[24];

	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)in_t->l4);
	ASK("frame", mfn, NULL, NULL);
	HAS("vcpu 0: its kernel's L4");
	HAS("vcpu 1: its kernel's L4");
	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)in_t->d->shared_info_mfn);
	ASK("frame", mfn, NULL, NULL);
	HAS("shared_info");
	is(shown, "owner", "Xen, shared with the guest");
	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)in_t->d->grant_table->frames[0]);
	ASK("frame", mfn, NULL, NULL);
	HAS("frame 0 of the grant table");
	/* A table that names it. */
	uint64_t table = test_frame(in_t), page = test_frame(in_t);
	((uint64_t *)frame_ptr(in_t->d, table))[5] = page * PAGE_SIZE | PTE_P | PTE_US;
	domain_lock(in_t->d);
	ck_assert_int_eq(mm_get_page_and_type(in_t->d, table, PGT_L1), 0);
	domain_unlock(in_t->d);
	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)page);
	ASK("frame", mfn, NULL, NULL);
	ck_assert_int_eq(NUMBER(shown, "refs"), 1);
	snprintf(mfn, sizeof(mfn), "entry 5 of the L1");
	HAS(mfn);
	ck_assert(yes(shown, "complete"));
	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)table);
	ASK("frame", mfn, NULL, NULL);
	is(shown, "type", "L1 table");
	ck_assert_int_eq(NUMBER(shown, "type_count"), 1);
	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)in_t->d->nr_frames);
	ck_assert_int_eq(ask("frame", mfn, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("frame", "0x", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("frame", "-1", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("frame", NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("frame", "1", "2", NULL), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		page_table_walks,
		p2m_of_both_forms,
		frames_and_who_refers,
	};

	return RUN_TESTS("inspect_memory", inspect_setup, inspect_teardown, tests);
}
