/*
 * What kernels say to Xen: where the notes are, what each means, Xen's defaults,
 * and which kernels are refused because of them.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/xen_abi.h"
#include "test/unit/loader_fixture.h"

static struct error err;

static int load(struct kernel_image *img, struct fixture_elf *e)
{
	struct fixture_bytes b = fixture_elf_build(e);
	int rc;

	memset(&err, 0, sizeof(err));
	rc = kernel_image_parse(img, b.data, b.len, "k", &err);
	free(b.data);
	if (!rc)
		fixture_check_image(img);
	return rc;
}

static void loads(struct kernel_image *img, struct fixture_elf *e)
{
	ck_assert_msg(load(img, e) == 0, "%s", err.text);
}

static void refused(struct fixture_elf *e, const char *why)
{
	struct kernel_image img;

	ck_assert_int_eq(load(&img, e), -ENOEXEC);
	ck_assert_msg(strstr(err.text, "k: ") == err.text && strstr(err.text, why),
		      "\"%s\" instead of \"%s\"", err.text, why);
}

/* A segment at 16 MiB and the notes without which nothing is loaded. */
static void minimal(struct fixture_elf *e)
{
	memset(e, 0, sizeof(*e));
	e->segments[0] = (struct fixture_segment){FIXTURE_PADDR, FIXTURE_PADDR, 100, 0x2000, 0, 0};
	e->nr_segments = 1;
	e->entry = FIXTURE_PADDR + 8;
	fixture_note_string(e, XEN_ELFNOTE_LOADER, "generic");
	fixture_note_string(e, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
}

/* The same through a __xen_guest string; addresses from `base`. */
static void legacy(struct fixture_elf *e, const char *text, uint64_t base)
{
	memset(e, 0, sizeof(*e));
	e->segments[0] =
		(struct fixture_segment){base + 0x100000, base + 0x100000, 100, 0x2000, 0, 0};
	e->nr_segments = 1;
	e->entry = base + 0x100000;
	e->no_pt_note = true;
	e->guest_section = text;
}

START_TEST(all_notes)
{
	struct fixture_elf e;
	struct kernel_image img;
	struct kernel_notes *n = &img.notes;

	fixture_linux(&e, 1000);
	fixture_note_u64(&e, XEN_ELFNOTE_HYPERCALL_PAGE, FIXTURE_BASE + FIXTURE_PADDR + 0x1000);
	fixture_note_u64(&e, XEN_ELFNOTE_PHYS32_ENTRY, FIXTURE_PADDR);
	fixture_note_u64(&e, 12345, 1); /* unknown to everybody */
	loads(&img, &e);
	ck_assert_str_eq(img.notes_from, "PT_NOTE");
	ck_assert_str_eq(n->guest_os, "linux");
	ck_assert_str_eq(n->guest_version, "2.6");
	ck_assert_str_eq(n->xen_version, "xen-3.0");
	ck_assert_str_eq(n->loader, "generic");
	ck_assert_str_eq(n->features, "!writable_page_tables|pae_pgdir_above_4gb");
	ck_assert_uint_eq(n->supported_features, 0x8811);
	ck_assert_uint_eq(n->required_features, 1u << XENFEAT_writable_page_tables);
	ck_assert_uint_eq(n->virt_base, FIXTURE_BASE);
	ck_assert_uint_eq(n->elf_paddr_offset, 0);
	ck_assert_uint_eq(n->entry, FIXTURE_BASE + FIXTURE_PADDR + 0x10);
	ck_assert(n->has_hypercall_page);
	ck_assert_uint_eq(n->hypercall_page, FIXTURE_BASE + FIXTURE_PADDR + 0x1000);
	ck_assert(n->has_init_p2m);
	ck_assert_uint_eq(n->init_p2m, 0x8000000000);
	ck_assert(n->mod_start_pfn);
	ck_assert_uint_eq(n->l1_mfn_valid_mask, 1);
	ck_assert_uint_eq(n->l1_mfn_valid_value, 1);
	ck_assert(n->pae_extended);
	ck_assert_uint_eq(n->hv_start_low, 0xffff800000000000);
	ck_assert(n->suspend_cancel);
	ck_assert(!n->bsd_symtab);
	ck_assert_uint_eq(img.paddr_start, FIXTURE_PADDR);
	ck_assert_uint_eq(img.paddr_end, FIXTURE_PADDR + 1000 + 0x3000);
	ck_assert_uint_eq(img.virt_start, FIXTURE_BASE + FIXTURE_PADDR);
	kernel_image_free(&img);
}
END_TEST

START_TEST(defaults)
{
	struct fixture_elf e;
	struct kernel_image img;
	struct kernel_notes *n = &img.notes;

	minimal(&e);
	loads(&img, &e);
	ck_assert_uint_eq(n->virt_base, 0);
	ck_assert_uint_eq(n->elf_paddr_offset, 0);
	ck_assert_uint_eq(n->entry, e.entry); /* e_entry */
	ck_assert(!n->has_hypercall_page && !n->has_init_p2m && !n->mod_start_pfn);
	ck_assert(!n->pae_extended && !n->suspend_cancel && !n->bsd_symtab);
	ck_assert_uint_eq(n->supported_features | n->required_features, 0);
	ck_assert_uint_eq(n->l1_mfn_valid_mask | n->l1_mfn_valid_value, 0);
	ck_assert_uint_eq(n->hv_start_low, 0);
	kernel_image_free(&img);

	/* Xen takes a value of -1 for "not given". */
	fixture_note_u64(&e, XEN_ELFNOTE_VIRT_BASE, UINT64_MAX);
	fixture_note_u64(&e, XEN_ELFNOTE_ENTRY, UINT64_MAX);
	fixture_note_u64(&e, XEN_ELFNOTE_HYPERCALL_PAGE, UINT64_MAX);
	fixture_note_u64(&e, XEN_ELFNOTE_INIT_P2M, UINT64_MAX);
	loads(&img, &e);
	ck_assert_uint_eq(n->virt_base, 0);
	ck_assert_uint_eq(n->entry, e.entry);
	ck_assert(!n->has_hypercall_page && !n->has_init_p2m);
	kernel_image_free(&img);
}
END_TEST

/* GRUB, mini-os and XTF: everything at virtual address 0, entry 0. */
START_TEST(base_and_entry_zero)
{
	struct fixture_elf e;
	struct kernel_image img;

	minimal(&e);
	e.segments[0] = (struct fixture_segment){0, 0, 100, 0x2000, 0, 0};
	e.entry = 0;
	fixture_note_u64(&e, XEN_ELFNOTE_VIRT_BASE, 0);
	fixture_note_u64(&e, XEN_ELFNOTE_PADDR_OFFSET, 0);
	fixture_note_u64(&e, XEN_ELFNOTE_ENTRY, 0);
	fixture_note_u64(&e, XEN_ELFNOTE_HYPERCALL_PAGE, 0);
	loads(&img, &e);
	ck_assert_uint_eq(img.notes.entry, 0);
	ck_assert_uint_eq(img.virt_start, 0);
	ck_assert_uint_eq(img.paddr_start, 0);
	ck_assert(img.notes.has_hypercall_page);
	ck_assert_uint_eq(img.notes.hypercall_page, 0);
	kernel_image_free(&img);
}
END_TEST

START_TEST(paddr_offset)
{
	struct fixture_elf e;
	struct kernel_image img;

	/* Virtual addresses in p_paddr, as kernels of 2006 have them. */
	minimal(&e);
	e.segments[0].paddr = FIXTURE_BASE + 0x200000;
	e.entry = FIXTURE_BASE + 0x200010;
	fixture_note_u64(&e, XEN_ELFNOTE_VIRT_BASE, FIXTURE_BASE);
	fixture_note_u64(&e, XEN_ELFNOTE_PADDR_OFFSET, FIXTURE_BASE);
	loads(&img, &e);
	ck_assert_uint_eq(img.segments[0].paddr, 0x200000);
	ck_assert_uint_eq(img.virt_start, FIXTURE_BASE + 0x200000);
	kernel_image_free(&img);

	e.segments[0].paddr = FIXTURE_BASE - 0x1000;
	refused(&e, "lies before PADDR_OFFSET");

	minimal(&e);
	fixture_note_u64(&e, XEN_ELFNOTE_PADDR_OFFSET, 0);
	refused(&e, "PADDR_OFFSET but no VIRT_BASE");
}
END_TEST

START_TEST(sht_note)
{
	struct fixture_elf e;
	struct kernel_image img;

	fixture_linux(&e, 100);
	e.no_pt_note = e.with_sht_note = true;
	loads(&img, &e);
	ck_assert_str_eq(img.notes_from, "SHT_NOTE");
	ck_assert_uint_eq(img.notes.supported_features, 0x8811);
	kernel_image_free(&img);

	e.no_pt_note = false; /* both: segments win */
	loads(&img, &e);
	ck_assert_str_eq(img.notes_from, "PT_NOTE");
	kernel_image_free(&img);
}
END_TEST

START_TEST(guest_section)
{
	struct fixture_elf e;
	struct kernel_image img;
	struct kernel_notes *n = &img.notes;

	legacy(&e,
	       "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,"
	       "VIRT_ENTRY=0xffffffff80100010,HYPERCALL_PAGE=0x101,PAE=yes[extended-cr3],"
	       "FEATURES=writable_page_tables|!pae_pgdir_above_4gb,LOADER=generic,BSD_SYMTAB",
	       FIXTURE_BASE);
	loads(&img, &e);
	ck_assert_str_eq(img.notes_from, "__xen_guest");
	ck_assert_str_eq(n->guest_os, "linux");
	ck_assert_str_eq(n->guest_version, "2.6");
	ck_assert_str_eq(n->xen_version, "xen-3.0");
	ck_assert_str_eq(n->loader, "generic");
	ck_assert_uint_eq(n->virt_base, FIXTURE_BASE);
	ck_assert_uint_eq(n->elf_paddr_offset, FIXTURE_BASE); /* VIRT_BASE by default */
	ck_assert_uint_eq(n->entry, FIXTURE_BASE + 0x100010);
	ck_assert_uint_eq(n->hypercall_page, FIXTURE_BASE + 0x101000);
	ck_assert_uint_eq(n->supported_features, 0x11);
	ck_assert_uint_eq(n->required_features, 0x10);
	ck_assert(n->pae_extended && n->bsd_symtab);
	ck_assert_uint_eq(img.paddr_start, 0x100000);
	kernel_image_free(&img);

	legacy(&e,
	       "XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0x100000,VIRT_ENTRY=0x200000,ELF_PADDR_"
	       "OFFSET=0",
	       0);
	loads(&img, &e);
	ck_assert_uint_eq(n->elf_paddr_offset, 0);
	ck_assert_uint_eq(img.virt_start, 0x200000);
	kernel_image_free(&img);

	/* GNU Mach: notes of other owners beside the string. */
	fixture_note(&e, "GNU", XEN_ELFNOTE_VIRT_BASE, "\0\0\0\1", 4);
	fixture_note(&e, "Xenolith", XEN_ELFNOTE_VIRT_BASE, "\0\0\0\1", 4);
	e.no_pt_note = false;
	e.with_sht_note = true;
	loads(&img, &e);
	ck_assert_str_eq(img.notes_from, "__xen_guest");
	ck_assert_uint_eq(n->virt_base, 0x100000);
	kernel_image_free(&img);
}
END_TEST

START_TEST(guest_section_odd)
{
	struct fixture_elf e;
	struct kernel_image img;
	char text[1024] = "LOADER=generic,XEN_VER=xen-3.0,GUEST_VER=";

	memset(text + strlen(text), 'v', 500);
	strcat(text, ",,=,A,B=,=C,NOT_KNOWN=1,VIRT_BASE=4096,VIRT_ENTRY=nonsense");
	legacy(&e, text, 0);
	e.segments[0].paddr = 4096; /* entry 0 + base... */
	refused(&e, "entry point 0x0 is outside");
	strcat(text, ",VIRT_ENTRY=010000");
	legacy(&e, text, 0);
	e.segments[0].paddr = 4096;
	loads(&img, &e);
	ck_assert_uint_eq(img.notes.virt_base, 4096);
	ck_assert_uint_eq(strlen(img.notes.guest_version), sizeof(img.notes.guest_version) - 1);
	kernel_image_free(&img);

	legacy(&e, "", 0);
	refused(&e, "Xen loads kernels of the loader \"generic\" and Linux, not of \"\" and \"\"");
	legacy(&e, "LOADER=generic,XEN_VER=xen-3.0,FEATURES=!teleportation", 0);
	refused(&e, "requires the unknown feature \"teleportation\"");
}
END_TEST

START_TEST(features)
{
	static const struct {
		const char *text;
		uint64_t supported, required;
	} good[] = {
		{"", 0, 0},
		{"writable_page_tables", 1, 0},
		{"writable_descriptor_tables|auto_translated_physmap|supervisor_mode_kernel", 0xe,
		 0},
		{"dom0|hvm_callback_vector", 0x900, 0},
		{"teleportation|pae_pgdir_above_4gb", 0x10, 0},
		{"||!pae_pgdir_above_4gb|", 0x10, 0x10},
		{"writable_page_table|writable_page_tabless| dom0", 0, 0},
	};
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"!dom0", "domain 0 only"},
		{"!auto_translated_physmap", "auto_translated_physmap"},
		{"!supervisor_mode_kernel", "supervisor_mode_kernel"},
		{"dom0|!teleportation", "unknown feature \"teleportation\""},
		{"!", "unknown feature \"\""},
	};
	struct fixture_elf e;
	struct kernel_image img;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		minimal(&e);
		fixture_note_string(&e, XEN_ELFNOTE_FEATURES, good[i].text);
		loads(&img, &e);
		ck_assert_uint_eq(img.notes.supported_features, good[i].supported);
		ck_assert_uint_eq(img.notes.required_features, good[i].required);
		kernel_image_free(&img);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		minimal(&e);
		fixture_note_string(&e, XEN_ELFNOTE_FEATURES, bad[i].text);
		refused(&e, bad[i].why);
	}
}
END_TEST

START_TEST(supported_features_sizes)
{
	static const struct {
		uint32_t len;
		uint64_t supported;
	} sizes[] = {{0, 0}, {2, 0}, {4, 0x04030201}, {6, 0}, {8, 0x04030201}, {16, 0x04030201}};
	struct fixture_elf e;
	struct kernel_image img;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		minimal(&e);
		fixture_note(&e, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES,
			     "\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10", sizes[i].len);
		loads(&img, &e);
		ck_assert_uint_eq(img.notes.supported_features, sizes[i].supported);
		kernel_image_free(&img);
	}
}
END_TEST

/* Numbers have 1, 2, 4 or 8 bytes; of any other size they are 0. */
START_TEST(number_sizes)
{
	static const struct {
		uint32_t len;
		uint64_t value;
	} sizes[] = {{0, 0}, {1, 0}, {2, 0x1000}, {3, 0}, {4, 0x1000}, {8, 0x1000}, {16, 0}};
	struct fixture_elf e;
	struct kernel_image img;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		minimal(&e);
		e.entry = sizes[i].value + FIXTURE_PADDR;
		fixture_note(&e, "Xen", XEN_ELFNOTE_VIRT_BASE, "\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
			     sizes[i].len);
		loads(&img, &e);
		ck_assert_uint_eq(img.notes.virt_base, sizes[i].value);
		kernel_image_free(&img);
	}
}
END_TEST

START_TEST(texts)
{
	struct fixture_elf e;
	struct kernel_image img;
	char text[600];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	minimal(&e);
	fixture_note_string(&e, XEN_ELFNOTE_GUEST_OS, text);
	fixture_note_string(&e, XEN_ELFNOTE_FEATURES, text);
	fixture_note_string(&e, XEN_ELFNOTE_PAE_MODE, "yes,bimodal");
	fixture_note_string(&e, XEN_ELFNOTE_BSD_SYMTAB, "no");
	loads(&img, &e);
	ck_assert_uint_eq(strlen(img.notes.guest_os), sizeof(img.notes.guest_os) - 1);
	ck_assert_uint_eq(strlen(img.notes.features), sizeof(img.notes.features) - 1);
	ck_assert(!img.notes.pae_extended && !img.notes.bsd_symtab);
	kernel_image_free(&img);

	/* Without an end inside of the file: as if it were not there. */
	minimal(&e);
	e.segments[0].filesz = 0;
	fixture_note(&e, "Xen", XEN_ELFNOTE_GUEST_OS, text, 512);
	loads(&img, &e);
	ck_assert_str_eq(img.notes.guest_os, "");
	kernel_image_free(&img);
}
END_TEST

/* GRUB for i386 has a last note that claims more bytes than the file has. */
START_TEST(note_claims_too_much)
{
	static const uint32_t claims[] = {64, 4096, 1 << 20, 0x7fffffff, 0xfffffff0, 0xffffffff};
	struct fixture_elf e;
	struct kernel_image img;

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		size_t at;

		minimal(&e);
		at = e.notes_len + 4;
		fixture_note_string(&e, XEN_ELFNOTE_PAE_MODE, "yes");
		memcpy(e.notes + at, &claims[i], 4);
		loads(&img, &e);
		ck_assert(img.notes.pae_extended);
		kernel_image_free(&img);
		/* A number whose bytes are not all there is 0; no notes follow. */
		minimal(&e);
		at = e.notes_len + 4;
		fixture_note_u64(&e, XEN_ELFNOTE_VIRT_BASE, 0x1000);
		memcpy(e.notes + at, &claims[i], 4);
		loads(&img, &e);
		ck_assert_uint_eq(img.notes.virt_base, 0);
		kernel_image_free(&img);
		/* An owner's name that long: whose note it is still shows. */
		minimal(&e);
		at = e.notes_len;
		fixture_note_string(&e, XEN_ELFNOTE_PAE_MODE, "yes");
		memcpy(e.notes + at, &claims[i], 4);
		load(&img, &e);
		kernel_image_free(&img);
	}
}
END_TEST

START_TEST(too_many_notes)
{
	/* 2048 bytes of empty notes in the fixture, as often as it takes: the file's
	 * segment becomes notes too. */
	struct fixture_elf e;
	struct kernel_image img;
	struct fixture_bytes b;

	minimal(&e);
	e.segments[0].filesz = e.segments[0].memsz = 70000 * 12;
	b = fixture_elf_build(&e);
	memset(b.data + e.data_at, 0, 70000 * 12);
	Elf64_Phdr *ph = (Elf64_Phdr *)(b.data + e.phdrs_at);
	ph[1].p_filesz = e.data_at - e.notes_at + 70000 * 12;
	ck_assert_int_eq(kernel_image_parse(&img, b.data, b.len, "k", &err), 0);
	fixture_check_image(&img);
	kernel_image_free(&img);
	free(b.data);
}
END_TEST

START_TEST(not_pv)
{
	struct fixture_elf e;

	minimal(&e);
	e.notes_len = 0;
	refused(&e, "no Xen ELF notes: not a PV kernel");
	e.no_pt_note = true;
	refused(&e, "no Xen ELF notes: not a PV kernel");
	fixture_note(&e, "GNU", 3, "abc", 4);
	e.no_pt_note = false;
	refused(&e, "no Xen ELF notes: not a PV kernel");

	minimal(&e);
	fixture_note_u64(&e, XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
	refused(&e, "PVH-only kernel");

	memset(&e, 0, sizeof(e));
	minimal(&e);
	e.notes_len = 0;
	fixture_note_string(&e, XEN_ELFNOTE_LOADER, "special");
	fixture_note_string(&e, XEN_ELFNOTE_GUEST_OS, "ghost");
	fixture_note_string(&e, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	refused(&e, "not of \"special\" and \"ghost\"");
	e.notes_len = 0;
	fixture_note_string(&e, XEN_ELFNOTE_GUEST_OS, "linux");
	fixture_note_string(&e, XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
	refused(&e, "made for \"xen-2.0\"");
	e.notes_len = 0;
	fixture_note_string(&e, XEN_ELFNOTE_GUEST_OS, "linux");
	refused(&e, "made for \"\"");
}
END_TEST

START_TEST(machines_of_32_bits)
{
	struct fixture_elf e;

	minimal(&e);
	e.is32 = true;
	fixture_note_string(&e, XEN_ELFNOTE_PAE_MODE, "yes");
	refused(&e, "32-bit PAE kernel: not supported yet");
	minimal(&e);
	e.is32 = true;
	fixture_note_string(&e, XEN_ELFNOTE_PAE_MODE, "bimodal");
	refused(&e, "32-bit PAE kernel: not supported yet");
	minimal(&e);
	e.is32 = true;
	refused(&e, "32-bit kernel without PAE");
	minimal(&e);
	e.is32 = true;
	e.notes_len = 0;
	refused(&e, "32-bit kernel, and no Xen ELF notes: not a PV kernel");
	fixture_note_u64(&e, XEN_ELFNOTE_PHYS32_ENTRY, 0x100000);
	refused(&e, "32-bit PVH kernel");
	minimal(&e);
	e.is32 = e.with_sht_note = e.no_pt_note = true;
	fixture_note_string(&e, XEN_ELFNOTE_PAE_MODE, "yes");
	refused(&e, "32-bit PAE kernel: not supported yet");
	legacy(&e, "XEN_VER=xen-3.0,LOADER=generic,PAE=yes", 0);
	e.is32 = true;
	refused(&e, "32-bit PAE kernel: not supported yet");
}
END_TEST

START_TEST(init_p2m)
{
	struct fixture_elf e;
	struct kernel_image img;

	fixture_linux(&e, 1000);
	fixture_note_u64(&e, XEN_ELFNOTE_INIT_P2M, FIXTURE_BASE + FIXTURE_PADDR + 0x1000);
	refused(&e, "p2m list inside of itself");
	fixture_linux(&e, 1000); /* above, or within a page: Xen puts it elsewhere */
	fixture_note_u64(&e, XEN_ELFNOTE_INIT_P2M, FIXTURE_BASE + 0x20000000);
	loads(&img, &e);
	ck_assert(!img.notes.has_init_p2m);
	kernel_image_free(&img);
	fixture_note_u64(&e, XEN_ELFNOTE_INIT_P2M, 0x8000000008);
	loads(&img, &e);
	ck_assert(!img.notes.has_init_p2m);
	kernel_image_free(&img);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loader_notes");
	TCase *t = tcase_create("notes");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_notes);
	tcase_add_test(t, defaults);
	tcase_add_test(t, base_and_entry_zero);
	tcase_add_test(t, paddr_offset);
	tcase_add_test(t, sht_note);
	tcase_add_test(t, guest_section);
	tcase_add_test(t, guest_section_odd);
	tcase_add_test(t, features);
	tcase_add_test(t, supported_features_sizes);
	tcase_add_test(t, number_sizes);
	tcase_add_test(t, texts);
	tcase_add_test(t, note_claims_too_much);
	tcase_add_test(t, too_many_notes);
	tcase_add_test(t, not_pv);
	tcase_add_test(t, machines_of_32_bits);
	tcase_add_test(t, init_p2m);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
