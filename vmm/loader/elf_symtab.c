/*
 * BSD kernels ask (BSD_SYMTAB) for their symbols in memory behind the kernel: a
 * 4-byte size, an ELF header, three section headers, the symbol table, its
 * strings. Offsets in the headers count from that ELF header. The layout is that
 * of Xen's common/libelf/libelf-loader.c, elf_parse_bsdsyms and elf_load_bsdsyms.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/loader/elf_internal.h"

#define SYMTAB 1
#define STRTAB 2

/* Starts on an 8-byte boundary; so do symbols and strings, behind it. */
struct symtab_header {
	uint32_t size; /* of what follows */
	Elf64_Ehdr ehdr;
	Elf64_Shdr sections[3];
} __attribute__((packed));

struct symtab_layout {
	Elf64_Shdr symbols, strings; /* as in the file */
	uint64_t symbols_at, strings_at, end;
};

static uint64_t round_up(uint64_t v)
{
	return (v + 7) & ~7ull;
}

static bool in_file(const Elf64_Shdr *sh, const struct elf_file *f)
{
	return sh->sh_offset <= f->len && sh->sh_size <= f->len - sh->sh_offset;
}

/* GElf_Shdr is Elf64_Shdr. Xen takes the first symbol table, and none when the
 * link of that one leads nowhere. */
static bool find_tables(struct symtab_layout *l, const struct elf_file *f)
{
	Elf_Scn *scn = NULL, *linked;

	while ((scn = elf_nextscn(f->elf, scn))) {
		if (!gelf_getshdr(scn, &l->symbols) || l->symbols.sh_type != SHT_SYMTAB)
			continue;
		linked = l->symbols.sh_link ? elf_getscn(f->elf, l->symbols.sh_link) : NULL;
		return linked && gelf_getshdr(linked, &l->strings) &&
		       l->strings.sh_type == SHT_STRTAB;
	}
	return false;
}

static void write_tables(uint8_t *at, const struct symtab_layout *l, const struct elf_file *f,
			 const uint8_t *file)
{
	const uint64_t ehdr_at = offsetof(struct symtab_header, ehdr);
	struct symtab_header h = {
		.size = (uint32_t)(l->strings_at + l->strings.sh_size - ehdr_at),
		.ehdr = f->ehdr,
		.sections[SYMTAB] = l->symbols,
		.sections[STRTAB] = l->strings,
	};

	h.ehdr.e_version = EV_CURRENT;
	h.ehdr.e_ehsize = sizeof(Elf64_Ehdr);
	h.ehdr.e_phoff = h.ehdr.e_phentsize = h.ehdr.e_phnum = 0;
	h.ehdr.e_shoff = offsetof(struct symtab_header, sections) - ehdr_at;
	h.ehdr.e_shentsize = sizeof(Elf64_Shdr);
	h.ehdr.e_shnum = 3;
	h.ehdr.e_shstrndx = 0;
	h.sections[SYMTAB].sh_offset = l->symbols_at - ehdr_at;
	h.sections[SYMTAB].sh_link = STRTAB;
	h.sections[STRTAB].sh_offset = l->strings_at - ehdr_at;
	memset(at, 0, l->end);
	memcpy(at, &h, sizeof(h));
	memcpy(at + l->symbols_at, file + l->symbols.sh_offset, l->symbols.sh_size);
	memcpy(at + l->strings_at, file + l->strings.sh_offset, l->strings.sh_size);
}

/* Room for the tables at the end of the image's buffer, which may move. */
static uint8_t *extend(struct kernel_image *img, uint64_t size)
{
	const uint8_t *old = img->elf;
	uint64_t at = round_up(img->elf_size);
	uint8_t *buf = malloc(at + size);

	if (!buf)
		return NULL;
	memcpy(buf, old, img->elf_size);
	for (unsigned i = 0; i < img->nr_segments; i++)
		img->segments[i].data = buf + (img->segments[i].data - old);
	struct blob elf = {.base = img->elf_base, .mapped = img->elf_mapped, .fd = img->elf_fd};
	blob_free(&elf);
	img->elf = img->elf_base = buf;
	img->elf_mapped = 0;
	img->elf_size = at + size;
	return buf + at;
}

int elf_symtab_append(struct kernel_image *img, struct elf_file *f)
{
	const struct kernel_segment *last = &img->segments[img->nr_segments - 1];
	uint64_t offset = img->notes.elf_paddr_offset, end = last->paddr + last->memsz;
	struct symtab_layout l;
	uint8_t *at;

	if (!find_tables(&l, f))
		return 0;
	if (!in_file(&l.symbols, f) || !in_file(&l.strings, f))
		return load_refuse(f->ctx, "its symbol table is truncated at byte %zu", f->len);
	l.symbols_at = round_up(sizeof(struct symtab_header));
	l.strings_at = round_up(l.symbols_at + l.symbols.sh_size);
	l.end = round_up(l.strings_at + l.strings.sh_size);
	if (end > ELF_PADDR_LIMIT)
		return 0; /* elf_addresses_check() says why not */

	elf_end(f->elf); /* it points into the buffer */
	f->elf = NULL;
	at = extend(img, l.end);
	if (!at)
		return load_fail(f->ctx, -ENOMEM, "no memory for its symbol table");
	f->data = img->elf;
	write_tables(at, &l, f, img->elf);
	img->segments[img->nr_segments++] = (struct kernel_segment){
		.paddr = round_up(end + offset) - offset,
		.data = at,
		.filesz = l.end,
		.memsz = l.end,
	};
	return 0;
}
