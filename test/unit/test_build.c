/*
 * Helpers of the unit tests of the domain builder: see test_build.h.
 */
#include <check.h>
#include <string.h>

#include "test/unit/test_build.h"

uint8_t built_text[3 * PAGE_SIZE + 100], built_data[500], built_ramdisk[5 * PAGE_SIZE + 7];

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (i * 31 + i / 251 + seed) & 0xff;
}

void built_setup(void)
{
	fill(built_text, sizeof(built_text), 1);
	fill(built_data, sizeof(built_data), 2);
	fill(built_ramdisk, sizeof(built_ramdisk), 3);
}

void built_linux(struct built *b, uint64_t mib)
{
	memset(b, 0, sizeof(*b));
	b->segments[0] = (struct kernel_segment){LINUX_START, built_text, sizeof(built_text),
						 sizeof(built_text)};
	b->segments[1] = (struct kernel_segment){LINUX_START + 0x200000, built_data,
						 sizeof(built_data), 0x12345};
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
		.p2m = P2M_IDENTITY,
		.store_port = STORE_PORT,
		.console_port = CONSOLE_PORT,
	};
	b->ramdisk = built_ramdisk;
	b->ramdisk_size = sizeof(built_ramdisk);
	b->t = test_domain_fresh(mib * MIB_FRAMES, 2, PROFILE_XEN_4_17);
}

int built_try(struct built *b)
{
	struct domain *d = b->t->d;
	struct build_ramdisk ramdisk;
	int rc = build_ramdisk_init(&ramdisk, b->ramdisk, b->ramdisk_size, &b->err);

	b->p.ramdisk = &ramdisk;
	if (!rc)
		rc = domain_build(d, &b->p, &b->r, &b->err);
	build_ramdisk_free(&ramdisk);
	if (!rc) {
		b->l4 = d->vcpu[0]->guest_table;
		b->si = frame_ptr(d, b->r.start_info_mfn);
	}
	return rc;
}

void built_ok(struct built *b)
{
	int rc = built_try(b);

	ck_assert_msg(rc == 0, "%d: %s", rc, b->err.text);
}

void built_refused(struct built *b, int rc, const char *part)
{
	b->err.text[0] = '\0';
	ck_assert_int_eq(built_try(b), rc);
	ck_assert_msg(strstr(b->err.text, part), "\"%s\" in \"%s\"", part, b->err.text);
}

void built_free(struct built *b)
{
	test_domain_free(b->t);
}

uint64_t built_mfn_at(struct built *b, uint64_t va, struct guest_walk *w)
{
	ck_assert(guest_walk(b->t->d, b->l4, va, w));
	ck_assert_msg(w->present, "0x%lx is not mapped", va);
	ck_assert(w->user);
	return w->maddr >> PAGE_SHIFT;
}

bool built_is_mapped(struct built *b, uint64_t va)
{
	struct guest_walk w;

	return guest_walk(b->t->d, b->l4, va, &w) && w.present;
}

void *built_at(struct built *b, uint64_t va)
{
	struct guest_walk w;

	return (uint8_t *)frame_ptr(b->t->d, built_mfn_at(b, va, &w)) + va % PAGE_SIZE;
}

void built_assert_bytes(struct built *b, uint64_t va, const uint8_t *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ck_assert_msg(*(uint8_t *)built_at(b, va + i) == (want ? want[i] : 0),
			      "byte %zu at 0x%lx", i, va);
}

uint64_t built_p2m(struct built *b, uint64_t pfn)
{
	return *(uint64_t *)built_at(b, b->si->mfn_list + pfn * sizeof(uint64_t));
}

void built_assert_p2m(struct built *b)
{
	struct domain *d = b->t->d;

	for (uint64_t pfn = 0; pfn < d->nr_ram; pfn++) {
		uint64_t mfn = built_p2m(b, pfn);

		ck_assert_uint_lt(mfn, d->nr_ram);
		ck_assert_uint_eq(d->m2p[mfn], pfn);
	}
}

void built_assert_start_info(struct built *b)
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
