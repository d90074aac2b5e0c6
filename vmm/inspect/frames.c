#include "vmm/inspect/frames.h"

#include "pvabi/m2p.h"

static const char *type_name(const struct page_info *p)
{
	static const char *const names[] = {
		[PGT_NONE] = "none",	     [PGT_L1] = "L1 table", [PGT_L2] = "L2 table",
		[PGT_L3] = "L3 table",	     [PGT_L4] = "L4 table", [PGT_SEGDESC] = "descriptors",
		[PGT_WRITABLE] = "writable",
	};

	unsigned type = __atomic_load_n(&p->type, __ATOMIC_RELAXED);

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static const char *owner(const struct domain *d, uint64_t mfn)
{
	const struct page_info *p = mfn < d->nr_frames ? &d->pages[mfn] : NULL;

	if (!domain_is_memory(d, mfn))
		return mfn < d->nr_frames ? "the hole for devices" : "no memory";
	if (mfn >= d->heap_start)
		return p->flags & PG_SHARED ? "Xen, shared with the guest" : "Xen";
	if (p->flags & PG_GIVEN_BACK)
		return "the guest, which gave it back and still refers to it";
	return mm_page_of_guest(d, mfn) ? "the guest" : "nobody";
}

uint64_t frame_pfn(const struct domain *d, uint64_t mfn)
{
	return mfn < d->nr_m2p ? m2p_get(d, mfn) : INVALID_MFN;
}

void frame_describe(const struct domain *d, uint64_t mfn, json_t *j)
{
	uint64_t pfn = frame_pfn(d, mfn);

	json_put(j, "mfn", mfn);
	json_object_set_new(j, "owner", json_string(owner(d, mfn)));
	if (!domain_is_memory(d, mfn))
		return;
	const struct page_info *p = &d->pages[mfn];
	json_object_set_new(j, "type", json_string(p->type_count ? type_name(p) : "none"));
	json_put(j, "type_count", p->type_count);
	json_put(j, "refs", p->refs);
	json_object_set_new(j, "pinned", json_boolean(p->flags & PG_PINNED));
	if (p->flags & PG_VALIDATING)
		json_object_set_new(j, "validating", json_true());
	if (!p->type_count && p->type != PGT_NONE)
		json_object_set_new(j, "last_type", json_string(type_name(p)));
	if (pfn != INVALID_MFN)
		json_put(j, "pfn", pfn);
}

json_t *pte_flags(uint64_t pte, unsigned level)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} bits[] = {
		{PTE_P, "present"},	{PTE_RW, "writable"},
		{PTE_US, "user"},	{PTE_PWT, "write-through"},
		{PTE_PCD, "uncached"},	{PTE_A, "accessed"},
		{PTE_D, "dirty"},	{PTE_PSE, NULL},
		{PTE_G, "global"},	{PTE_GUEST_KERNEL, "guest-kernel"},
		{PTE_NX, "no-execute"},
	};
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (pte & bits[i].bit)
			json_array_append_new(all, json_string(bits[i].name ? bits[i].name
							       : level == 1 ? "PAT"
									    : "large"));
	for (unsigned bit = 9; bit <= 11; bit++)
		if (pte >> bit & 1)
			json_array_append_new(all, json_sprintf("avail%u", bit - 9));
	return all;
}
