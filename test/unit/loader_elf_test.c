/*
 * ELF files: machines and types, segments of every kind, addresses, the symbol
 * table of BSD kernels.
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

static void bytes_refused(struct fixture_bytes b, const char *why)
{
	struct kernel_image img;

	ck_assert_int_eq(kernel_image_parse(&img, b.data, b.len, "k", &err), -ENOEXEC);
	ck_assert_msg(strstr(err.text, "k: ") == err.text && strstr(err.text, why),
		      "\"%s\" instead of \"%s\"", err.text, why);
}

static void refused(struct fixture_elf *e, const char *why)
{
	struct fixture_bytes b = fixture_elf_build(e);

	bytes_refused(b, why);
	free(b.data);
}

/* Segments at virtual base 0 of a kernel that loads; entry at the first. */
static void at_zero(struct fixture_elf *e, const struct fixture_segment *segments, unsigned n)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->segments, segments, n * sizeof(*segments));
	e->nr_segments = n;
	e->entry = segments[0].paddr;
	fixture_note_string(e, XEN_ELFNOTE_LOADER, "generic");
	fixture_note_string(e, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
}

static void one_refused(struct fixture_segment s, const char *why)
{
	struct fixture_elf e;

	at_zero(&e, &s, 1);
	refused(&e, why);
}

/* Virtual base `base`, a page at pseudo-physical `paddr`. */
static void with_base(struct fixture_elf *e, uint64_t base, uint64_t paddr, uint64_t memsz)
{
	at_zero(e, &(struct fixture_segment){.paddr = paddr, .filesz = 16, .memsz = memsz}, 1);
	fixture_note_u64(e, XEN_ELFNOTE_VIRT_BASE, base);
	e->entry = base + paddr;
}

START_TEST(machines)
{
	static const struct {
		uint16_t machine;
		bool is32;
		const char *why;
	} other[] = {
		{EM_ARM, true, "kernel for ARM, not for x86-64"},
		{EM_AARCH64, false, "kernel for 64-bit ARM, not for x86-64"},
		{EM_RISCV, false, "kernel for RISC-V"},
		{EM_PPC64, false, "kernel for POWER"},
		{EM_S390, false, "kernel for s390"},
		{EM_IA_64, false, "kernel for Itanium"},
		{EM_SPARCV9, false, "another machine (number 43)"},
		{EM_386, false, "64-bit ELF file for i386"},
		{EM_X86_64, true, "32-bit ELF file for x86-64 (x32)"},
	};
	struct fixture_elf e;
	struct fixture_bytes b;

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		fixture_linux(&e, 100);
		e.machine = other[i].machine;
		e.is32 = other[i].is32;
		refused(&e, other[i].why);
	}
	fixture_linux(&e, 100);
	b = fixture_elf_build(&e);
	b.data[EI_DATA] = ELFDATA2MSB;
	bytes_refused(b, "not little-endian");
	b.data[EI_CLASS] = 7;
	bytes_refused(b, "unknown class 7");
	free(b.data);
}
END_TEST

START_TEST(types)
{
	static const struct {
		uint16_t type;
		const char *why;
	} bad[] = {{ET_REL, "relocatable"}, {ET_CORE, "core dump"}, {99, "type 99"}};
	struct fixture_elf e;
	struct kernel_image img;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fixture_linux(&e, 100);
		e.type = bad[i].type;
		refused(&e, bad[i].why);
	}
	fixture_linux(&e, 100);
	e.type = ET_DYN;
	loads(&img, &e);
	kernel_image_free(&img);
}
END_TEST

/* GRUB: segments that share a page, that start anywhere, in any order; empty
 * ones and ones without permissions do not count. */
START_TEST(segments)
{
	static const struct fixture_segment s[] = {
		{.paddr = 0x1800, .filesz = 0x700, .memsz = 0x790, .flags = PF_R | PF_W},
		{.paddr = 0, .filesz = 0x1234, .memsz = 0x1234},
		{.paddr = 0x1234, .filesz = 0, .memsz = 0x100},
		{.paddr = 0x5001, .filesz = 1, .memsz = 1},
		{.paddr = 0x100, .filesz = 0, .memsz = 0},
		{.paddr = 0x9000, .filesz = 8, .memsz = 0x10000, .no_flags = true},
	};
	struct fixture_elf e;
	struct kernel_image img;

	at_zero(&e, s, 6);
	e.entry = 0x2; /* in the first by address */
	loads(&img, &e);
	ck_assert_uint_eq(img.nr_segments, 4);
	ck_assert_uint_eq(img.segments[0].paddr, 0);
	ck_assert_uint_eq(img.segments[0].memsz, 0x1234);
	ck_assert_uint_eq(img.segments[1].paddr, 0x1234);
	ck_assert_uint_eq(img.segments[1].filesz, 0);
	ck_assert_uint_eq(img.segments[2].filesz, 0x700);
	ck_assert_uint_eq(img.segments[2].memsz, 0x790);
	ck_assert_uint_eq(img.segments[3].paddr, 0x5001);
	ck_assert_uint_eq(img.paddr_start, 0);
	ck_assert_uint_eq(img.paddr_end, 0x5002);
	kernel_image_free(&img);
}
END_TEST

/* The bytes are the right ones. */
START_TEST(segment_contents)
{
	static const struct fixture_segment s[] = {
		{.paddr = 0x3000, .filesz = 777, .memsz = 0x1000},
		{.paddr = 0x1000, .filesz = 555, .memsz = 0x1000},
	};
	struct fixture_elf e;
	struct kernel_image img;
	struct fixture_bytes b;

	at_zero(&e, s, 2);
	b = fixture_elf_build(&e);
	ck_assert_int_eq(kernel_image_parse(&img, b.data, b.len, "k", &err), 0);
	ck_assert_mem_eq(img.segments[0].data, b.data + e.data_at + 777, 555);
	ck_assert_mem_eq(img.segments[1].data, b.data + e.data_at, 777);
	kernel_image_free(&img);
	free(b.data);
}
END_TEST

START_TEST(bad_segments)
{
	struct fixture_segment two[] = {{.paddr = 0x1000, .filesz = 8, .memsz = 0x1001},
					{.paddr = 0x2000, .filesz = 8, .memsz = 0x1000}};
	struct fixture_elf e;

	one_refused((struct fixture_segment){.paddr = 0, .filesz = 9, .memsz = 8},
		    "more bytes in the file than in memory");
	one_refused((struct fixture_segment){.paddr = 0 - 0x1000ull, .memsz = 0x1001},
		    "wraps around");
	one_refused((struct fixture_segment){.paddr = 0 - 0x1000ull, .memsz = 0x1000},
		    "wraps around");
	one_refused((struct fixture_segment){.vaddr = 0 - 0x1000ull, .memsz = 0x1001},
		    "wraps around");
	one_refused((struct fixture_segment){.paddr = 1, .memsz = UINT64_MAX}, "wraps around");
	one_refused((struct fixture_segment){.paddr = 0, .memsz = UINT64_MAX},
		    "beyond any domain's memory");
	one_refused((struct fixture_segment){.paddr = 1ull << 44, .memsz = 1},
		    "beyond any domain's memory");
	at_zero(&e, two, 2);
	refused(&e, "segments at 0x1000 and 0x2000 overlap in memory");
	two[1] = (struct fixture_segment){.paddr = 0x800, .filesz = 8, .memsz = 0x10000};
	at_zero(&e, two, 2);
	refused(&e, "overlap in memory");
	at_zero(&e, two, 0);
	refused(&e, "without loadable segments");
}
END_TEST

START_TEST(segment_out_of_file)
{
	static const uint64_t offsets[] = {UINT64_MAX, 1ull << 63, 1 << 20, UINT64_MAX - 50};
	struct fixture_elf e;
	struct fixture_bytes b;
	Elf64_Phdr *ph;

	fixture_linux(&e, 100);
	b = fixture_elf_build(&e);
	ph = (Elf64_Phdr *)(b.data + e.phdrs_at);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		ph->p_offset = offsets[i];
		bytes_refused(b, "is truncated at byte");
	}
	ph->p_offset = b.len - 99;
	bytes_refused(b, "is truncated at byte");
	ph->p_offset = 64;
	ph->p_filesz = ph->p_memsz = UINT64_MAX - 0x1000000;
	bytes_refused(b, "is truncated at byte");
	free(b.data);
}
END_TEST

START_TEST(addresses)
{
	static const struct {
		uint64_t base, paddr, memsz;
		const char *why; /* NULL: legal */
	} cases[] = {
		{0, 0, 0x1000, NULL},
		{0x7fffffff0000, 0, 0x10000, NULL},
		{0x7fffffff0000, 0, 0x10001, "not all valid"},
		{0x800000000000, 0, 0x1000, "not all valid"},
		{0xffff7ffffffff000, 0, 0x1000, "not all valid"},
		{0xffff800000000000, 0, 0x1000, "Xen's part"},
		{0xffff87fffffff000, 0, 0x1000, "Xen's part"},
		{0xffff87fffffff000, 0x1000, 0x1000, "Xen's part"},
		{0xffff880000000000, 0, 0x1000, NULL},
		{0xffffffff80000000, 0x1000000, 0x7f000000, NULL}, /* to the very end */
		{0xffffffff80000000, 0x1000000, 0x7f000001, "not all valid"},
		{0x7ffffffff000, 0xffff800000000000 - 0x7ffffffff000, 0x1000, "beyond any"},
		{0xffffffff80000800, 0, 0x1000, "not page-aligned"},
		{1, 0x1000, 0x1000, "not page-aligned"},
	};
	struct fixture_elf e;
	struct kernel_image img;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		with_base(&e, cases[i].base, cases[i].paddr, cases[i].memsz);
		if (cases[i].why) {
			refused(&e, cases[i].why);
			continue;
		}
		loads(&img, &e);
		ck_assert_uint_eq(img.virt_start, cases[i].base + cases[i].paddr);
		kernel_image_free(&img);
	}
}
END_TEST

START_TEST(entry)
{
	struct fixture_elf e;
	struct kernel_image img;
	const uint64_t base = FIXTURE_BASE, start = base + 0x100000;

	for (uint64_t at = start; at < start + 0x2000; at += 0x1fff) {
		with_base(&e, base, 0x100000, 0x2000);
		e.entry = at;
		loads(&img, &e);
		kernel_image_free(&img);
	}
	with_base(&e, base, 0x100000, 0x2000);
	e.entry = start - 1;
	refused(&e, "entry point 0xffffffff800fffff is outside");
	e.entry = start + 0x2000;
	refused(&e, "is outside");
	e.entry = 0;
	refused(&e, "is outside");
	e.entry = start;
	fixture_note_u64(&e, XEN_ELFNOTE_HYPERCALL_PAGE, base - 0x1000);
	refused(&e, "hypercall page 0xffffffff7ffff000 lies before");
}
END_TEST

START_TEST(tables)
{
	struct fixture_elf e;
	struct fixture_bytes b, longer;
	Elf64_Ehdr *eh;

	fixture_linux(&e, 100);
	e.with_sht_note = true;
	b = fixture_elf_build(&e);
	eh = (Elf64_Ehdr *)b.data;
	eh->e_phentsize = 55;
	bytes_refused(b, "program headers of 55 bytes instead of 56");
	eh->e_phentsize = 56;
	eh->e_shentsize = 40;
	bytes_refused(b, "section headers of 40 bytes instead of 64");
	eh->e_shentsize = 64;
	eh->e_phoff = UINT64_MAX - 8;
	bytes_refused(b, "program headers are at byte 18446744073709551607");
	eh->e_phoff = 64;
	eh->e_shoff = b.len - 8;
	bytes_refused(b, "truncated at byte");
	eh->e_shoff = e.shdrs_at;
	eh->e_phnum = 0xfffe;
	bytes_refused(b, "program headers");
	/* Their number is in section 0, and absurd. */
	eh->e_phnum = PN_XNUM;
	((Elf64_Shdr *)(b.data + e.shdrs_at))->sh_info = 0xffffffff;
	longer.len = 5 << 20;
	longer.data = calloc(1, longer.len);
	memcpy(longer.data, b.data, b.len);
	bytes_refused(longer, "ELF file is ");
	((Elf64_Shdr *)(longer.data + e.shdrs_at))->sh_info = 2;
	struct kernel_image img;
	ck_assert_int_eq(kernel_image_parse(&img, longer.data, longer.len, "k", &err), 0);
	fixture_check_image(&img);
	kernel_image_free(&img);
	free(longer.data);
	free(b.data);
}
END_TEST

START_TEST(truncated)
{
	struct fixture_elf e;
	struct fixture_bytes b;

	fixture_linux(&e, 500);
	e.with_sht_note = e.with_symtab = true;
	b = fixture_elf_build(&e);
	for (size_t len = 4; len < b.len; len++)
		bytes_refused((struct fixture_bytes){b.data, len}, "truncated at byte");
	free(b.data);

	fixture_linux(&e, 500); /* without sections: the segment is last */
	b = fixture_elf_build(&e);
	for (size_t len = 4; len < b.len; len++)
		bytes_refused((struct fixture_bytes){b.data, len}, "truncated at byte");
	free(b.data);
}
END_TEST

/* NetBSD and others: BSD_SYMTAB. */
START_TEST(symtab)
{
	struct fixture_elf e;
	struct kernel_image img;
	const struct kernel_segment *s;
	Elf64_Ehdr eh;
	Elf64_Shdr sh[3];
	Elf64_Sym sym;
	uint32_t size;

	fixture_linux(&e, 1001);
	fixture_note_string(&e, XEN_ELFNOTE_BSD_SYMTAB, "yes");
	e.with_symtab = true;
	loads(&img, &e);
	ck_assert_uint_eq(img.nr_segments, 2);
	s = &img.segments[1];
	ck_assert_uint_eq(s->paddr, (FIXTURE_PADDR + 1001 + 0x3000 + 7) & ~7ull);
	ck_assert_uint_eq(s->filesz, 264 + 3 * 24 + 24); /* two strings, rounded */
	ck_assert_uint_eq(s->memsz, s->filesz);
	ck_assert_uint_eq(img.paddr_end, s->paddr + s->memsz);
	memcpy(&size, s->data, 4);
	memcpy(&eh, s->data + 4, sizeof(eh));
	memcpy(sh, s->data + 4 + eh.e_shoff, sizeof(sh));
	ck_assert_uint_eq(size, 260 + 72 + 21);
	ck_assert_mem_eq(eh.e_ident, ELFMAG, SELFMAG);
	ck_assert_uint_eq(eh.e_shnum, 3);
	ck_assert_uint_eq(eh.e_phnum, 0);
	ck_assert_uint_eq(sh[0].sh_type, SHT_NULL);
	ck_assert_uint_eq(sh[1].sh_type, SHT_SYMTAB);
	ck_assert_uint_eq(sh[1].sh_link, 2);
	ck_assert_uint_eq(sh[2].sh_type, SHT_STRTAB);
	memcpy(&sym, s->data + 4 + sh[1].sh_offset + sizeof(sym), sizeof(sym));
	ck_assert_uint_eq(sym.st_value, 0x1234);
	ck_assert_str_eq((const char *)s->data + 4 + sh[2].sh_offset + sym.st_name, "first_symbol");
	kernel_image_free(&img);

	e.with_symtab = false; /* asked for, but not there */
	loads(&img, &e);
	ck_assert_uint_eq(img.nr_segments, 1);
	kernel_image_free(&img);
}
END_TEST

START_TEST(bad_symtab)
{
	struct fixture_elf e;
	struct fixture_bytes b;
	struct kernel_image img;
	Elf64_Shdr *sh;
	uint64_t offset;

	fixture_linux(&e, 1001);
	fixture_note_string(&e, XEN_ELFNOTE_BSD_SYMTAB, "yes");
	e.with_symtab = true;
	b = fixture_elf_build(&e);
	sh = (Elf64_Shdr *)(b.data + e.shdrs_at) + 2; /* symbols, then strings */
	offset = sh->sh_offset;
	sh->sh_offset = UINT64_MAX - 8;
	bytes_refused(b, "symbol table is truncated");
	sh->sh_offset = offset;
	sh[1].sh_size = UINT64_MAX;
	bytes_refused(b, "symbol table is truncated");
	sh[1].sh_type = SHT_PROGBITS; /* no strings: Xen loads none */
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(kernel_image_parse(&img, b.data, b.len, "k", &err), 0);
		ck_assert_uint_eq(img.nr_segments, 1);
		kernel_image_free(&img);
		sh[0].sh_link = 1000;
	}
	free(b.data);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loader_elf");
	TCase *t = tcase_create("elf");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, machines);
	tcase_add_test(t, types);
	tcase_add_test(t, segments);
	tcase_add_test(t, segment_contents);
	tcase_add_test(t, bad_segments);
	tcase_add_test(t, segment_out_of_file);
	tcase_add_test(t, addresses);
	tcase_add_test(t, entry);
	tcase_add_test(t, tables);
	tcase_add_test(t, truncated);
	tcase_add_test(t, symtab);
	tcase_add_test(t, bad_symtab);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
