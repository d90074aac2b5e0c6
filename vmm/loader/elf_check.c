/*
 * Which kernels can run: Xen's checks of what the notes say, its defaults for
 * what they do not say, and the addresses against each other. Xen:
 * common/libelf/libelf-dominfo.c (elf_xen_note_check, elf_xen_addr_calc_check),
 * tools/libs/guest/xg_dom_elfloader.c and xg_dom_core.c.
 */
#include <string.h>

#include "pvabi/xen_abi.h"
#include "vmm/loader/elf_internal.h"

#define PAGE_OFFSET_MASK 0xfffull
#define XEN_RANGE	 HYPERVISOR_VIRT_START
#define XEN_RANGE_UP	 HYPERVISOR_VIRT_END
#define FEAT(name)	 (1ull << XENFEAT_##name)

/* What Xen has for no PV domU, and who says so. Being able to do without
 * writable_page_tables is what '!' before it means in Linux. */
static const struct {
	uint64_t mask;
	const char *why;
} never_offered[] = {
	/* xg_dom_elfloader.c, xc_dom_parse_elf_kernel */
	{FEAT(dom0), "it runs as domain 0 only (it requires the feature dom0)"},
	/* xg_dom_x86.c, bootearly */
	{FEAT(auto_translated_physmap),
	 "it requires auto_translated_physmap, which PV domains no longer have"},
	/* arch/x86/pv/dom0_build.c */
	{FEAT(supervisor_mode_kernel),
	 "it requires supervisor_mode_kernel, which no 64-bit Xen has"},
};

static bool is_canonical(uint64_t va)
{
	return va + (1ull << 47) < 1ull << 48;
}

static bool starts_with(const char *s, const char *start)
{
	return !strncmp(s, start, strlen(start));
}

/* A 32-bit file: says which kind it is, so that users know what to wait for. */
static int refuse_32bit(const struct elf_notes *notes, const struct load_ctx *ctx)
{
	if (!notes->from)
		return load_refuse(ctx, "32-bit kernel, and no Xen ELF notes: not a PV kernel");
	if (notes->phys32_entry != ADDR_UNSET && notes->n.entry == ADDR_UNSET)
		return load_refuse(ctx, "32-bit PVH kernel: only PV kernels are supported");
	if (notes->pae == PAE_NO)
		return load_refuse(ctx,
				   "32-bit kernel without PAE: not supported, by no Xen since 4.0");
	return load_refuse(ctx, "32-bit PAE kernel: not supported yet");
}

static int check_features(const struct kernel_notes *n, const struct load_ctx *ctx)
{
	for (size_t i = 0; i < sizeof(never_offered) / sizeof(never_offered[0]); i++)
		if (n->required_features & never_offered[i].mask)
			return load_refuse(ctx, "%s", never_offered[i].why);
	return 0;
}

/* Addresses that nothing gave, in Xen's order: each default needs the one before. */
static int apply_defaults(struct elf_notes *notes, const struct elf_file *f)
{
	struct kernel_notes *n = &notes->n;
	bool legacy = !strcmp(notes->from, "__xen_guest");

	if (n->elf_paddr_offset != ADDR_UNSET && n->virt_base == ADDR_UNSET)
		return load_refuse(f->ctx, "has PADDR_OFFSET but no VIRT_BASE");
	if (n->virt_base == ADDR_UNSET)
		n->virt_base = 0;
	/* Kernels of the string form have virtual addresses in p_paddr. */
	if (n->elf_paddr_offset == ADDR_UNSET)
		n->elf_paddr_offset = legacy ? n->virt_base : 0;
	if (n->entry == ADDR_UNSET)
		n->entry = f->ehdr.e_entry;
	n->has_hypercall_page = n->hypercall_page != ADDR_UNSET;
	if (!n->has_hypercall_page)
		n->hypercall_page = 0;
	if (n->hv_start_low == ADDR_UNSET)
		n->hv_start_low = 0;
	n->pae_extended = notes->pae == PAE_EXTENDED;
	return 0;
}

int elf_notes_check(struct elf_notes *notes, const struct elf_file *f)
{
	const struct kernel_notes *n = &notes->n;
	int rc;

	if (f->ehdr.e_ident[EI_CLASS] == ELFCLASS32)
		return refuse_32bit(notes, f->ctx);
	if (!notes->from)
		return load_refuse(f->ctx, "no Xen ELF notes: not a PV kernel");
	if (notes->phys32_entry != ADDR_UNSET && n->entry == ADDR_UNSET)
		return load_refuse(f->ctx, "PVH-only kernel: it has a PHYS32_ENTRY note but no "
					   "entry point for PV");
	if (!starts_with(n->loader, "generic") && !starts_with(n->guest_os, "linux"))
		return load_refuse(f->ctx,
				   "Xen loads kernels of the loader \"generic\" and Linux, not of "
				   "\"%s\" and \"%s\"",
				   n->loader, n->guest_os);
	if (!starts_with(n->xen_version, "xen-3.0"))
		return load_refuse(f->ctx, "made for \"%s\": its notes must say \"xen-3.0\"",
				   n->xen_version);
	rc = check_features(n, f->ctx);
	return rc ? rc : apply_defaults(notes, f);
}

static int check_range(const struct kernel_image *img, const struct load_ctx *ctx)
{
	uint64_t base = img->notes.virt_base, last = base + img->paddr_end - 1;

	if (base & PAGE_OFFSET_MASK)
		return load_refuse(ctx, "its virtual base 0x%llx is not page-aligned",
				   (unsigned long long)base);
	if (img->paddr_end > ELF_PADDR_LIMIT)
		return load_refuse(ctx, "its segments end at 0x%llx, beyond any domain's memory",
				   (unsigned long long)img->paddr_end);
	if (last < base || !is_canonical(base) || !is_canonical(last) || (base ^ last) >> 63)
		return load_refuse(ctx,
				   "its addresses, from 0x%llx for 0x%llx bytes, are not all valid",
				   (unsigned long long)base, (unsigned long long)img->paddr_end);
	if (base < XEN_RANGE_UP && last >= XEN_RANGE)
		return load_refuse(ctx,
				   "its addresses, from 0x%llx for 0x%llx bytes, are in Xen's part "
				   "of the address space",
				   (unsigned long long)base, (unsigned long long)img->paddr_end);
	return 0;
}

/* libelf refuses a list inside of the kernel; xg_dom_core.c ignores an address
 * that it cannot map apart from it. */
static int check_init_p2m(struct kernel_image *img, const struct load_ctx *ctx)
{
	struct kernel_notes *n = &img->notes;

	if (n->init_p2m != ADDR_UNSET &&
	    n->init_p2m - img->virt_start < img->paddr_end - img->paddr_start)
		return load_refuse(ctx, "it wants its p2m list inside of itself, at 0x%llx",
				   (unsigned long long)n->init_p2m);
	n->has_init_p2m = n->init_p2m < n->virt_base && !(n->init_p2m & PAGE_OFFSET_MASK);
	if (!n->has_init_p2m)
		n->init_p2m = 0;
	return 0;
}

int elf_addresses_check(struct kernel_image *img, const struct load_ctx *ctx)
{
	const struct kernel_notes *n = &img->notes;
	int rc;

	img->paddr_start = UINT64_MAX;
	img->paddr_end = 0;
	for (unsigned i = 0; i < img->nr_segments; i++) {
		const struct kernel_segment *s = &img->segments[i];

		if (s->paddr < img->paddr_start)
			img->paddr_start = s->paddr;
		if (s->paddr + s->memsz > img->paddr_end)
			img->paddr_end = s->paddr + s->memsz;
	}
	rc = check_range(img, ctx);
	if (rc)
		return rc;
	img->virt_start = n->virt_base + img->paddr_start;
	img->virt_end = n->virt_base + img->paddr_end;
	/* Behind the last byte is legal for Xen, but nothing can run there. The end
	 * of the address space is 0 in virt_end. */
	if (n->entry - img->virt_start >= img->paddr_end - img->paddr_start)
		return load_refuse(ctx,
				   "its entry point 0x%llx is outside of its segments (0x%llx to "
				   "0x%llx)",
				   (unsigned long long)n->entry,
				   (unsigned long long)img->virt_start,
				   (unsigned long long)img->virt_end);
	if (n->has_hypercall_page && n->hypercall_page < n->virt_base)
		return load_refuse(
			ctx, "its hypercall page 0x%llx lies before its virtual base 0x%llx",
			(unsigned long long)n->hypercall_page, (unsigned long long)n->virt_base);
	return check_init_p2m(img, ctx);
}
