/*
 * ELF files and bzImages for the loader's tests, and the check of an image that
 * was loaded. Packing is in loader_fixture_pack.c.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/xen_abi.h"
#include "test/unit/loader_fixture.h"

struct writer {
	uint8_t *data;
	size_t len, cap;
};

static size_t put(struct writer *w, const void *src, size_t len)
{
	size_t at = w->len;

	if (w->len + len > w->cap) {
		w->cap = (w->len + len) * 2;
		w->data = realloc(w->data, w->cap);
		fixture_require(w->data != NULL);
	}
	if (src)
		memcpy(w->data + at, src, len);
	else
		memset(w->data + at, 0, len);
	w->len += len;
	return at;
}

static void align(struct writer *w, size_t to)
{
	if (w->len % to)
		put(w, NULL, to - w->len % to);
}

void fixture_note(struct fixture_elf *e, const char *owner, uint32_t type, const void *desc,
		  uint32_t len)
{
	Elf64_Nhdr hdr = {(uint32_t)strlen(owner) + 1, len, type};
	size_t name = (hdr.n_namesz + 3) & ~3u, size = sizeof(hdr) + name + ((len + 3) & ~3u);

	fixture_require(e->notes_len + size <= sizeof(e->notes));
	memcpy(e->notes + e->notes_len, &hdr, sizeof(hdr));
	memcpy(e->notes + e->notes_len + sizeof(hdr), owner, hdr.n_namesz);
	memcpy(e->notes + e->notes_len + sizeof(hdr) + name, desc, len);
	e->notes_len += size;
}

void fixture_note_u64(struct fixture_elf *e, uint32_t type, uint64_t value)
{
	fixture_note(e, "Xen", type, &value, sizeof(value));
}

void fixture_note_string(struct fixture_elf *e, uint32_t type, const char *text)
{
	fixture_note(e, "Xen", type, text, (uint32_t)strlen(text) + 1);
}

void fixture_linux(struct fixture_elf *e, size_t size)
{
	static const uint64_t l1_valid[2] = {1, 1};

	memset(e, 0, sizeof(*e));
	e->segments[0] = (struct fixture_segment){
		.paddr = FIXTURE_PADDR,
		.vaddr = FIXTURE_BASE + FIXTURE_PADDR,
		.filesz = size,
		.memsz = size + 0x3000,
	};
	e->nr_segments = 1;
	e->entry = FIXTURE_PADDR;
	fixture_note(e, "GNU", 3, "0123456789abcdef0123", 20); /* as a build id */
	fixture_note_string(e, XEN_ELFNOTE_GUEST_OS, "linux");
	fixture_note_string(e, XEN_ELFNOTE_GUEST_VERSION, "2.6");
	fixture_note_string(e, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	fixture_note_u64(e, XEN_ELFNOTE_VIRT_BASE, FIXTURE_BASE);
	fixture_note_u64(e, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
	fixture_note_u64(e, XEN_ELFNOTE_ENTRY, FIXTURE_BASE + FIXTURE_PADDR + 0x10);
	fixture_note_string(e, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
	fixture_note(e, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES, "\x11\x88\0\0", 4);
	fixture_note_string(e, XEN_ELFNOTE_PAE_MODE, "yes");
	fixture_note_string(e, XEN_ELFNOTE_LOADER, "generic");
	fixture_note(e, "Xen", XEN_ELFNOTE_L1_MFN_VALID, l1_valid, sizeof(l1_valid));
	fixture_note(e, "Xen", XEN_ELFNOTE_SUSPEND_CANCEL, "\1\0\0\0", 4);
	fixture_note(e, "Xen", XEN_ELFNOTE_MOD_START_PFN, "\1\0\0\0", 4);
	fixture_note_u64(e, XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000);
	fixture_note_u64(e, XEN_ELFNOTE_PADDR_OFFSET, 0);
}

/* Headers are kept as 64-bit ones and narrowed when they are written. */
static void put_phdr(struct writer *w, const struct fixture_elf *e, const Elf64_Phdr *p)
{
	if (e->is32) {
		Elf32_Phdr n = {.p_type = p->p_type,
				.p_offset = (uint32_t)p->p_offset,
				.p_vaddr = (uint32_t)p->p_vaddr,
				.p_paddr = (uint32_t)p->p_paddr,
				.p_filesz = (uint32_t)p->p_filesz,
				.p_memsz = (uint32_t)p->p_memsz,
				.p_flags = p->p_flags};
		put(w, &n, sizeof(n));
	} else {
		put(w, p, sizeof(*p));
	}
}

static void put_shdr(struct writer *w, const struct fixture_elf *e, const Elf64_Shdr *s)
{
	if (e->is32) {
		Elf32_Shdr n = {.sh_name = s->sh_name,
				.sh_type = s->sh_type,
				.sh_offset = (uint32_t)s->sh_offset,
				.sh_size = (uint32_t)s->sh_size,
				.sh_link = s->sh_link};
		put(w, &n, sizeof(n));
	} else {
		put(w, s, sizeof(*s));
	}
}

static void write_ehdr(struct writer *w, const struct fixture_elf *e)
{
	Elf64_Ehdr h = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, e->is32 ? ELFCLASS32 : ELFCLASS64,
			    ELFDATA2LSB, EV_CURRENT},
		.e_type = e->type ? e->type : ET_EXEC,
		.e_machine = e->machine ? e->machine
			     : e->is32	? EM_386
					: EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = e->entry,
		.e_phoff = e->phdrs_at,
		.e_shoff = e->nr_shdrs ? e->shdrs_at : 0,
		.e_ehsize = e->is32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr),
		.e_phentsize = e->is32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr),
		.e_phnum = (uint16_t)e->nr_phdrs,
		.e_shentsize = e->is32 ? sizeof(Elf32_Shdr) : sizeof(Elf64_Shdr),
		.e_shnum = (uint16_t)e->nr_shdrs,
		.e_shstrndx = e->nr_shdrs ? 1 : 0,
	};

	if (!e->is32) {
		memcpy(w->data, &h, sizeof(h));
		return;
	}
	Elf32_Ehdr n = {.e_type = h.e_type,
			.e_machine = h.e_machine,
			.e_version = h.e_version,
			.e_entry = (uint32_t)h.e_entry,
			.e_phoff = (uint32_t)h.e_phoff,
			.e_shoff = (uint32_t)h.e_shoff,
			.e_ehsize = h.e_ehsize,
			.e_phentsize = h.e_phentsize,
			.e_phnum = h.e_phnum,
			.e_shentsize = h.e_shentsize,
			.e_shnum = h.e_shnum,
			.e_shstrndx = h.e_shstrndx};
	memcpy(n.e_ident, h.e_ident, EI_NIDENT);
	memcpy(w->data, &n, sizeof(n));
}

/* Half text, half noise: packs, but not to nothing. */
static void put_contents(struct writer *w, size_t len, unsigned seed)
{
	size_t at = put(w, NULL, len);
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		w->data[at + i] = i & 0x40 ? (uint8_t)(x >> 24) : (uint8_t)("segment "[i & 7]);
	}
}

static void write_phdrs(struct writer *w, struct fixture_elf *e)
{
	struct writer phdrs = {0};
	uint64_t at = e->data_at;

	for (unsigned i = 0; i < e->nr_segments; i++) {
		const struct fixture_segment *s = &e->segments[i];
		Elf64_Phdr p = {.p_type = PT_LOAD,
				.p_offset = at,
				.p_vaddr = s->vaddr,
				.p_paddr = s->paddr,
				.p_filesz = s->filesz,
				.p_memsz = s->memsz,
				.p_flags = s->no_flags ? 0
					   : s->flags  ? s->flags
						       : PF_R | PF_X};
		at += s->filesz;
		put_phdr(&phdrs, e, &p);
	}
	if (!e->no_pt_note)
		put_phdr(&phdrs, e,
			 &(Elf64_Phdr){.p_type = PT_NOTE,
				       .p_offset = e->notes_at,
				       .p_filesz = e->notes_len,
				       .p_memsz = e->notes_len,
				       .p_flags = PF_R});
	if (phdrs.len)
		memcpy(w->data + e->phdrs_at, phdrs.data, phdrs.len);
	free(phdrs.data);
}

static void put_sections(struct writer *w, struct fixture_elf *e)
{
	static const char names[] = "\0.shstrtab\0.notes\0__xen_guest\0.symtab\0.strtab";
	static const char strings[] = "\0first_symbol\0second";
	static const Elf64_Sym symbols[3] = {
		{0}, {.st_name = 1, .st_value = 0x1234}, {.st_name = 14, .st_value = 0x5678}};
	Elf64_Shdr sh[6] = {{0}};
	unsigned n = 2;

	sh[1] = (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_STRTAB, .sh_size = sizeof(names)};
	sh[1].sh_offset = put(w, names, sizeof(names));
	if (e->with_sht_note)
		sh[n++] = (Elf64_Shdr){.sh_name = 11,
				       .sh_type = SHT_NOTE,
				       .sh_offset = e->notes_at,
				       .sh_size = e->notes_len};
	if (e->guest_section) {
		size_t len = strlen(e->guest_section) + 1;

		sh[n] = (Elf64_Shdr){.sh_name = 18, .sh_type = SHT_PROGBITS, .sh_size = len};
		sh[n++].sh_offset = put(w, e->guest_section, len);
	}
	align(w, 8);
	if (e->with_symtab) {
		sh[n] = (Elf64_Shdr){.sh_name = 30,
				     .sh_type = SHT_SYMTAB,
				     .sh_size = sizeof(symbols),
				     .sh_link = n + 1,
				     .sh_entsize = sizeof(symbols[0])};
		sh[n++].sh_offset = put(w, symbols, sizeof(symbols));
		sh[n] = (Elf64_Shdr){
			.sh_name = 38, .sh_type = SHT_STRTAB, .sh_size = sizeof(strings)};
		sh[n++].sh_offset = put(w, strings, sizeof(strings));
	}
	align(w, 8);
	e->shdrs_at = w->len;
	e->nr_shdrs = n;
	for (unsigned i = 0; i < n; i++)
		put_shdr(w, e, &sh[i]);
}

struct fixture_bytes fixture_elf_build(struct fixture_elf *e)
{
	struct writer w = {0};

	put(&w, NULL, e->is32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr));
	e->nr_phdrs = e->nr_segments + !e->no_pt_note;
	e->phdrs_at =
		put(&w, NULL, e->nr_phdrs * (e->is32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr)));
	e->notes_at = put(&w, e->notes, e->notes_len);
	align(&w, 16);
	e->data_at = w.len;
	for (unsigned i = 0; i < e->nr_segments; i++)
		put_contents(&w, e->segments[i].filesz, i + 1);
	write_phdrs(&w, e);
	e->nr_shdrs = 0;
	if (e->with_sht_note || e->guest_section || e->with_symtab) {
		align(&w, 8);
		put_sections(&w, e);
	}
	write_ehdr(&w, e);
	return (struct fixture_bytes){w.data, w.len};
}

/* Linux: Documentation/arch/x86/boot.rst. Three sectors of setup, 64 bytes of
 * protected-mode code, the payload, 100 bytes more. */
struct fixture_bytes fixture_bzimage(const void *payload, size_t len, unsigned version)
{
	uint32_t offset = 64, length = (uint32_t)len;
	struct writer w = {0};

	put(&w, NULL, 3 * 512 + offset);
	put(&w, payload, len);
	put(&w, NULL, 100);
	w.data[0x1f1] = 2;
	memcpy(w.data + 0x1fe, "\x55\xaa", 2);
	memcpy(w.data + 0x202, "HdrS", 4);
	w.data[0x206] = (uint8_t)version;
	w.data[0x207] = (uint8_t)(version >> 8);
	memcpy(w.data + 0x248, &offset, 4);
	memcpy(w.data + 0x24c, &length, 4);
	return (struct fixture_bytes){w.data, w.len};
}

struct fixture_bytes fixture_join(struct fixture_bytes a, struct fixture_bytes b)
{
	struct writer w = {0};

	put(&w, a.data, a.len);
	put(&w, b.data, b.len);
	return (struct fixture_bytes){w.data, w.len};
}

void fixture_check_image(const struct kernel_image *img)
{
	const struct kernel_notes *n = &img->notes;
	unsigned sum = 0;

	fixture_require(img->elf != NULL);
	fixture_require(img->nr_segments >= 1);
	fixture_require(img->format != NULL);
	fixture_require(img->compression != NULL);
	fixture_require(img->notes_from != NULL);
	fixture_require(img->paddr_start < img->paddr_end);
	fixture_require(img->virt_start == n->virt_base + img->paddr_start);
	fixture_require(img->virt_end == n->virt_base + img->paddr_end);
	fixture_require(n->entry - img->virt_start < img->paddr_end - img->paddr_start);
	fixture_require(n->virt_base % 4096 == 0);
	for (unsigned i = 0; i < img->nr_segments; i++) {
		const struct kernel_segment *s = &img->segments[i];

		fixture_require(s->filesz <= s->memsz);
		fixture_require(s->memsz >= 1);
		fixture_require(s->paddr >= img->paddr_start);
		fixture_require(s->paddr + s->memsz <= img->paddr_end);
		fixture_require(s->data >= img->elf);
		fixture_require(s->filesz <= img->elf_size);
		fixture_require((size_t)(s->data - img->elf) <= img->elf_size - s->filesz);
		if (i)
			fixture_require(s->paddr >= s[-1].paddr + s[-1].memsz);
		for (size_t j = 0; j < s->filesz; j++)
			sum += s->data[j];
	}
	/* Texts end within their fields. */
	sum += (unsigned)(strlen(n->guest_os) + strlen(n->guest_version) + strlen(n->xen_version) +
			  strlen(n->loader) + strlen(n->features));
	fixture_require(sum >= 1);
}
