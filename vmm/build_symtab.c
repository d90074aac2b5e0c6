/*
 * The kernel's symbol table, for kernels whose notes ask for it (BSD_SYMTAB;
 * NetBSD does): behind the kernel come a 32-bit size, an ELF header with three
 * section headers (none, the symbols, their strings), and the two tables.
 * Xen: common/libelf/libelf-loader.c, elf_parse_bsdsyms and elf_load_bsdsyms.
 */
#include <elf.h>
#include <string.h>

#include "vmm/build_internal.h"

#define ALIGN	    8ull
#define MAX_TABLE   (1ull << 30)
#define NR_SECTIONS 3

struct symtab_header {
	uint32_t size; /* of all that follows */
	Elf64_Ehdr ehdr;
	Elf64_Shdr section[NR_SECTIONS];
} __attribute__((packed));

static uint64_t align(uint64_t n)
{
	return (n + ALIGN - 1) & ~(ALIGN - 1);
}

static bool in_file(const struct kernel_image *k, uint64_t offset, uint64_t size)
{
	return offset <= k->elf_size && size <= k->elf_size - offset;
}

static bool read_section(const struct kernel_image *k, const Elf64_Ehdr *ehdr, unsigned nr,
			 Elf64_Shdr *s)
{
	uint64_t offset = ehdr->e_shoff + (uint64_t)nr * ehdr->e_shentsize;

	if (ehdr->e_shoff > k->elf_size || ehdr->e_shentsize < sizeof(*s) ||
	    !in_file(k, offset, sizeof(*s)))
		return false;
	memcpy(s, k->elf + offset, sizeof(*s));
	return true;
}

static bool has_contents(const struct kernel_image *k, const Elf64_Shdr *s)
{
	return in_file(k, s->sh_offset, s->sh_size) && s->sh_size < MAX_TABLE;
}

/* The first symbol table and its strings. */
static bool find_tables(const struct kernel_image *k, const Elf64_Ehdr *ehdr, Elf64_Shdr *symbols,
			Elf64_Shdr *strings)
{
	for (unsigned i = 0; i < ehdr->e_shnum; i++) {
		if (!read_section(k, ehdr, i, symbols))
			return false;
		if (symbols->sh_type != SHT_SYMTAB)
			continue;
		return symbols->sh_link != SHN_UNDEF && symbols->sh_link < ehdr->e_shnum &&
		       read_section(k, ehdr, symbols->sh_link, strings) &&
		       strings->sh_type == SHT_STRTAB && has_contents(k, symbols) &&
		       has_contents(k, strings);
	}
	return false;
}

static bool read_tables(const struct kernel_image *k, Elf64_Ehdr *ehdr, Elf64_Shdr *symbols,
			Elf64_Shdr *strings)
{
	if (!k->notes.bsd_symtab || !k->elf || !in_file(k, 0, sizeof(*ehdr)))
		return false;
	memcpy(ehdr, k->elf, sizeof(*ehdr));
	return ehdr->e_ident[EI_CLASS] == ELFCLASS64 && find_tables(k, ehdr, symbols, strings);
}

uint64_t build_kernel_end(const struct kernel_image *k)
{
	Elf64_Shdr symbols, strings;
	Elf64_Ehdr ehdr;

	if (!read_tables(k, &ehdr, &symbols, &strings) || k->paddr_end > UINT64_MAX / 2)
		return k->paddr_end;
	return align(k->paddr_end) + align(sizeof(struct symtab_header)) + align(symbols.sh_size) +
	       align(strings.sh_size);
}

void build_symtab_load(struct domain *d, const struct build_p2m *m, const struct kernel_image *k)
{
	uint64_t start = align(k->paddr_end), symbols_at, strings_at;
	struct symtab_header h = {0};
	Elf64_Shdr symbols, strings;
	Elf64_Ehdr ehdr;

	if (!read_tables(k, &ehdr, &symbols, &strings))
		return;
	symbols_at = start + align(sizeof(h));
	strings_at = align(symbols_at + symbols.sh_size);
	build_copy(d, m, symbols_at, k->elf + symbols.sh_offset, symbols.sh_size);
	build_copy(d, m, strings_at, k->elf + strings.sh_offset, strings.sh_size);

	ehdr.e_ehsize = sizeof(h.ehdr);
	ehdr.e_shentsize = sizeof(h.section[0]);
	ehdr.e_version = EV_CURRENT;
	ehdr.e_shoff = sizeof(h.ehdr);
	ehdr.e_shnum = NR_SECTIONS;
	ehdr.e_phoff = ehdr.e_phentsize = ehdr.e_phnum = 0;
	ehdr.e_shstrndx = SHN_UNDEF;
	h.ehdr = ehdr;
	/* Offsets count from the ELF header, which follows the size. */
	symbols.sh_offset = symbols_at - start - sizeof(h.size);
	symbols.sh_link = 2;
	strings.sh_offset = strings_at - start - sizeof(h.size);
	h.section[1] = symbols;
	h.section[2] = strings;
	h.size = strings.sh_offset + strings.sh_size;
	build_copy(d, m, start, &h, sizeof(h));
}
