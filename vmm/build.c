/*
 * The domain builder: from a kernel image to a domain whose vcpu 0 only has to
 * be let run. The steps and their order are the toolstack's
 * (tools/libs/guest/xg_dom_boot.c: xc_dom_boot_image).
 */
#include <errno.h>
#include <string.h>

#include "vmm/build_internal.h"

/* SDM vol. 3, table 10-1: the debug registers after reset. */
#define DR6_DEFAULT 0xffff0ff0u
#define DR7_DEFAULT 0x00000400u
#define RFLAGS_IF   (1u << 9)

struct builder {
	struct domain *d;
	const struct build_params *p;
	const struct build_ramdisk *ramdisk;
	struct build_placement place;
	struct build_layout layout;
	struct build_p2m p2m;
};

static int check_params(const struct domain *d, const struct build_params *p, struct error *err)
{
	if (p->cmdline && strlen(p->cmdline) >= MAX_GUEST_CMDLINE)
		return error_set(err, -EINVAL,
				 "the kernel's command line has %zu characters; start_info has "
				 "room for %d",
				 strlen(p->cmdline), MAX_GUEST_CMDLINE - 1);
	if (d->nr_m2p < d->nr_ram || domain_ram_end(d, d->tot_pages) != d->ram_used ||
	    !d->vcpu[0] || d->vcpu[0]->initialised)
		return error_set(err, -EINVAL, "the domain is not a fresh one");
	return 0;
}

static int plan(struct builder *b, struct error *err)
{
	const struct kernel_image *k = b->p->kernel;
	uint64_t needed;
	int rc = build_layout_compute(&b->layout, k, b->ramdisk, b->d->tot_pages, err);

	if (rc)
		return rc;
	if (b->layout.end_pfn > b->d->tot_pages) {
		needed = build_layout_needed_mib(k, b->ramdisk);
		if (!needed)
			return error_set(err, -EINVAL,
					 "no amount of memory is right for this kernel%s: its "
					 "p2m list grows out of its initial mapping",
					 b->ramdisk->size ? " and ramdisk" : "");
		return error_set(
			err, -ENOMEM, "%llu MiB are not enough for this kernel%s: %llu MiB needed",
			(unsigned long long)b->d->tot_pages >> (20 - PAGE_SHIFT),
			b->ramdisk->size ? " and ramdisk" : "", (unsigned long long)needed);
	}
	build_p2m_init(&b->p2m, b->d, b->p->p2m, b->p->p2m_seed);
	return 0;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a_len && b_len && a < b + b_len && b < a + a_len;
}

/* Does another segment have some of these bytes of the file? */
static bool shares_bytes(const struct kernel_image *k, unsigned i)
{
	const struct kernel_segment *s = &k->segments[i];

	for (unsigned j = 0; j < k->nr_segments; j++)
		if (j != i && overlap((uintptr_t)s->data, s->filesz, (uintptr_t)k->segments[j].data,
				      k->segments[j].filesz))
			return true;
	return false;
}

/* Memory is zero, but for where an earlier segment is. */
static void zero_rest(struct builder *b, unsigned i)
{
	const struct kernel_segment *s = b->p->kernel->segments, *this = &s[i];
	uint64_t from = this->paddr + this->filesz, len = this->memsz - this->filesz;

	for (unsigned j = 0; j < i; j++)
		if (overlap(from, len, s[j].paddr, s[j].memsz)) {
			build_copy(b->d, &b->p2m, from, NULL, len);
			return;
		}
}

/* Segments may share pages and even overlap; the last one wins, as it does with
 * libelf (elf_load_binary). */
static int load_kernel(struct builder *b, struct error *err)
{
	const struct kernel_image *k = b->p->kernel;
	uint64_t start = b->layout.kernel.pfn * PAGE_SIZE;
	uint64_t end = start + b->layout.kernel.pages * PAGE_SIZE;

	for (unsigned i = 0; i < k->nr_segments; i++) {
		const struct kernel_segment *s = &k->segments[i];
		struct build_source src = {
			.data = s->data,
			.size = s->filesz,
			.movable = k->elf_mapped && !shares_bytes(k, i),
			.fd = k->elf_mapped ? k->elf_fd : -1,
			.fd_offset = (uint64_t)(s->data - k->elf_base),
			.kept = k->elf_kept,
		};

		if (s->paddr < start || s->paddr > end || s->memsz > end - s->paddr ||
		    s->filesz > s->memsz)
			return error_set(err, -EINVAL,
					 "segment %u of the kernel lies outside of the kernel", i);
		int rc = build_place(&b->place, s->paddr, &src);
		if (rc)
			return error_set(err, rc, "segment %u of the kernel cannot be read: %s", i,
					 strerror(-rc));
		zero_rest(b, i);
	}
	return 0;
}

static int load_ramdisk(struct builder *b, struct error *err)
{
	const struct build_ramdisk *r = b->ramdisk;
	struct build_source src = {
		.data = r->data,
		.size = r->size,
		.movable = r->unpacked,
		.fd = -1,
	};
	int rc = build_place(&b->place, b->layout.ramdisk.pfn * PAGE_SIZE, &src);

	return rc ? error_set(err, rc, "the ramdisk cannot be read: %s", strerror(-rc)) : 0;
}

/* The address may be anywhere in the initial mapping; Xen fills whole frames
 * (XEN_DOMCTL_hypercall_init). */
static int fill_hypercall_page(struct builder *b, struct error *err)
{
	const struct kernel_notes *n = &b->p->kernel->notes;
	uint64_t pfn;

	if (!n->has_hypercall_page)
		return 0;
	pfn = (n->hypercall_page - n->virt_base) >> PAGE_SHIFT;
	if (n->hypercall_page < n->virt_base || pfn >= b->layout.maps[0].pages)
		return error_set(err, -EINVAL,
				 "the kernel wants its hypercall page at 0x%llx, outside of its "
				 "initial mapping",
				 (unsigned long long)n->hypercall_page);
	hypercall_page_fill(build_pfn_ptr(b->d, &b->p2m, pfn), b->p->vmcall);
	return 0;
}

/* xg_dom_x86.c: start_info_x86_64. */
static void write_start_info(struct builder *b, struct build_result *r)
{
	const struct build_layout *l = &b->layout;
	struct start_info *si = build_pfn_ptr(b->d, &b->p2m, l->start_info_pfn);

	memset(si, 0, PAGE_SIZE);
	strcpy(si->magic, "xen-3.0-x86_64");
	si->nr_pages = b->d->tot_pages;
	si->shared_info = b->d->shared_info_mfn << PAGE_SHIFT;
	si->flags = SIF_VIRT_P2M_4TOOLS;
	si->store_mfn = r->store_mfn;
	si->store_evtchn = b->p->store_port;
	si->console.domU.mfn = r->console_mfn;
	si->console.domU.evtchn = b->p->console_port;
	si->pt_base = build_pfn_to_va(l, l->maps[0].tables_pfn);
	si->nr_pt_frames = l->maps[0].nr_tables;
	if (l->p2m_apart) {
		si->mfn_list = l->maps[1].va;
		si->first_p2m_pfn = l->p2m.pfn;
		si->nr_p2m_frames = l->p2m.pages;
	} else {
		si->mfn_list = build_pfn_to_va(l, l->p2m.pfn);
	}
	if (l->ramdisk_by_frame) {
		si->flags |= SIF_MOD_START_PFN;
		si->mod_start = l->ramdisk.pfn;
		si->mod_len = l->ramdisk.pages * PAGE_SIZE;
	} else if (b->ramdisk->size) {
		si->mod_start = build_pfn_to_va(l, l->ramdisk.pfn);
		si->mod_len = b->ramdisk->seg_size;
	}
	if (b->p->cmdline)
		strcpy((char *)si->cmd_line, b->p->cmdline);
}

/* xg_dom_x86.c: shared_info_x86_64. The rest of the page is the guest's to fill:
 * arch.max_pfn and the frame list are zero at start. */
static void write_shared_info(struct domain *d)
{
	for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
}

/* xg_dom_x86.c: vcpu_x86_64. */
static int start_vcpu(struct builder *b, struct error *err)
{
	const struct build_layout *l = &b->layout;
	struct vcpu *v = b->d->vcpu[0];
	uint64_t l4 = build_pfn_to_mfn(&b->p2m, l->maps[0].tables_pfn);
	struct vcpu_guest_context c = {
		.flags = VGCF_in_kernel | VGCF_online,
		.user_regs =
			{
				.rip = b->p->kernel->notes.entry,
				.rsp = build_pfn_to_va(l, l->stack_pfn + 1),
				.rsi = build_pfn_to_va(l, l->start_info_pfn),
				.rflags = RFLAGS_IF,
				.cs = FLAT_KERNEL_CS,
				.ss = FLAT_KERNEL_SS,
				.ds = FLAT_KERNEL_DS,
				.es = FLAT_KERNEL_DS,
				.fs = FLAT_KERNEL_DS,
				.gs = FLAT_KERNEL_DS,
			},
		.debugreg = {[6] = DR6_DEFAULT, [7] = DR7_DEFAULT},
	};
	int rc;

	c.kernel_ss = c.user_regs.ss;
	c.kernel_sp = c.user_regs.rsp;
	c.ctrlreg[3] = xen_pfn_to_cr3(l4);
	rc = mm_boot_tables(v, l4);
	if (rc)
		return error_set(err, rc, "the start-of-day page tables were refused: %s",
				 strerror(-rc));
	rc = vcpu_set_context(v, &c);
	if (rc)
		return error_set(err, rc,
				 "the kernel cannot be entered at 0x%llx: vcpu 0 was refused (%s)",
				 (unsigned long long)c.user_regs.rip, strerror(-rc));
	return 0;
}

static int build(struct builder *b, struct build_result *r, struct error *err)
{
	int rc;

	rc = load_kernel(b, err);
	if (rc)
		return rc;
	rc = load_ramdisk(b, err);
	if (rc)
		return rc;
	build_p2m_write(b->d, &b->p2m, b->layout.p2m.pfn);
	build_tables_write(b->d, &b->p2m, &b->layout);
	r->store_mfn = build_pfn_to_mfn(&b->p2m, b->layout.xenstore_pfn);
	r->console_mfn = build_pfn_to_mfn(&b->p2m, b->layout.console_pfn);
	r->start_info_mfn = build_pfn_to_mfn(&b->p2m, b->layout.start_info_pfn);
	write_start_info(b, r);
	rc = fill_hypercall_page(b, err);
	if (rc)
		return rc;
	write_shared_info(b->d);
	return start_vcpu(b, err);
}

int domain_build(struct domain *d, const struct build_params *p, struct build_result *r,
		 struct error *err)
{
	static const struct build_ramdisk none;
	struct builder b = {.d = d, .p = p, .ramdisk = p->ramdisk ? p->ramdisk : &none};
	b.place = (struct build_placement){d, &b.p2m, p->placer, p->placer_arg};
	int rc = check_params(d, p, err);

	if (!rc)
		rc = plan(&b, err);
	if (!rc)
		rc = build(&b, r, err);
	return rc;
}
