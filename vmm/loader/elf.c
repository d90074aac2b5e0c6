/*
 * ELF kernels: the header, the loadable segments, and the order in which an
 * image is judged. libelf decodes the tables; what they say is checked here.
 * Xen: common/libelf/libelf-loader.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/loader/elf_internal.h"

bool elf_is(const uint8_t *data, size_t len)
{
	return len >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG);
}

static const char *machine_name(unsigned machine)
{
	switch (machine) {
	case EM_ARM:
		return "ARM";
	case EM_AARCH64:
		return "64-bit ARM";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "POWER";
	case EM_S390:
		return "s390";
	case EM_IA_64:
		return "Itanium";
	default:
		return NULL;
	}
}

static int check_machine(const GElf_Ehdr *eh, const struct load_ctx *ctx)
{
	const char *name = machine_name(eh->e_machine);
	bool is64 = eh->e_ident[EI_CLASS] == ELFCLASS64;

	if (name)
		return load_refuse(ctx, "kernel for %s, not for x86-64", name);
	if (eh->e_machine != EM_X86_64 && eh->e_machine != EM_386)
		return load_refuse(ctx, "ELF file for another machine (number %u), not for x86-64",
				   eh->e_machine);
	if (is64 != (eh->e_machine == EM_X86_64))
		return load_refuse(ctx, "%d-bit ELF file for %s: not a kernel", is64 ? 64 : 32,
				   is64 ? "i386" : "x86-64 (x32)");
	return 0;
}

/* What Xen loads is ET_EXEC in practice; it does not look. Position-independent
 * files (ET_DYN) load at the addresses they give, like Xen. */
static int check_type(const GElf_Ehdr *eh, const struct load_ctx *ctx)
{
	if (eh->e_type == ET_EXEC || eh->e_type == ET_DYN)
		return 0;
	if (eh->e_type == ET_REL)
		return load_refuse(ctx, "relocatable object file (.o or .ko): not a kernel");
	if (eh->e_type == ET_CORE)
		return load_refuse(ctx, "core dump: not a kernel");
	return load_refuse(ctx, "ELF file of type %u: not an executable", eh->e_type);
}

/* Tables must be inside of the file, with entries of the size we know. */
static int check_tables(const struct elf_file *f)
{
	const GElf_Ehdr *eh = &f->ehdr;
	bool is64 = eh->e_ident[EI_CLASS] == ELFCLASS64;
	const struct {
		const char *what;
		uint64_t offset, count, size, size_must;
	} tables[] = {
		{"program", eh->e_phoff, f->nr_phdrs, eh->e_phentsize,
		 is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)},
		{"section", eh->e_shoff, f->nr_shdrs, eh->e_shentsize,
		 is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)},
	};

	for (size_t i = 0; i < 2; i++) {
		if (!tables[i].count)
			continue;
		if (tables[i].size != tables[i].size_must)
			return load_refuse(f->ctx,
					   "ELF file is damaged: %s headers of %llu bytes instead "
					   "of %llu",
					   tables[i].what, (unsigned long long)tables[i].size,
					   (unsigned long long)tables[i].size_must);
		if (tables[i].offset > f->len ||
		    tables[i].count > (f->len - tables[i].offset) / tables[i].size)
			return load_refuse(f->ctx,
					   "ELF file is truncated at byte %zu: its %s headers are "
					   "at byte %llu",
					   f->len, tables[i].what,
					   (unsigned long long)tables[i].offset);
	}
	return 0;
}

/* The fixed part of the header, before libelf sees the file: its answer to a
 * file that it dislikes is one code for everything. */
static int check_ident(const uint8_t *data, size_t len, const struct load_ctx *ctx)
{
	if (len < sizeof(Elf32_Ehdr) || (data[EI_CLASS] == ELFCLASS64 && len < sizeof(Elf64_Ehdr)))
		return load_refuse(ctx, "ELF file is truncated at byte %zu, in its header", len);
	if (data[EI_CLASS] != ELFCLASS64 && data[EI_CLASS] != ELFCLASS32)
		return load_refuse(ctx, "ELF file of unknown class %u", data[EI_CLASS]);
	if (data[EI_DATA] != ELFDATA2LSB)
		return load_refuse(ctx, "ELF file is not little-endian: not for x86");
	return 0;
}

/* Table places from the header itself; libelf refuses files whose tables are cut. */
static void read_ehdr(struct elf_file *f)
{
	if (f->data[EI_CLASS] == ELFCLASS64) {
		memcpy(&f->ehdr, f->data, sizeof(Elf64_Ehdr));
	} else {
		Elf32_Ehdr e;

		memcpy(&e, f->data, sizeof(e));
		memcpy(f->ehdr.e_ident, e.e_ident, EI_NIDENT);
		f->ehdr.e_type = e.e_type;
		f->ehdr.e_machine = e.e_machine;
		f->ehdr.e_entry = e.e_entry;
		f->ehdr.e_phoff = e.e_phoff;
		f->ehdr.e_shoff = e.e_shoff;
		f->ehdr.e_phentsize = e.e_phentsize;
		f->ehdr.e_phnum = e.e_phnum;
		f->ehdr.e_shentsize = e.e_shentsize;
		f->ehdr.e_shnum = e.e_shnum;
		f->ehdr.e_shstrndx = e.e_shstrndx;
	}
	f->nr_phdrs = f->ehdr.e_phnum;
	f->nr_shdrs = f->ehdr.e_shnum;
}

static int open_elf(struct elf_file *f)
{
	int rc = check_ident(f->data, f->len, f->ctx);

	if (rc)
		return rc;
	read_ehdr(f);
	rc = check_machine(&f->ehdr, f->ctx);
	if (!rc)
		rc = check_type(&f->ehdr, f->ctx);
	if (!rc)
		rc = check_tables(f);
	if (rc)
		return rc;
	elf_version(EV_CURRENT);
	/* libelf only reads; its parameter is not const for elf_update()'s sake. */
	f->elf = elf_memory((char *)f->data, f->len);
	if (!f->elf || elf_kind(f->elf) != ELF_K_ELF)
		return load_refuse(f->ctx, "ELF file is damaged: %s", elf_errmsg(-1));
	/* With more than 65,534 of them the count is in section 0. */
	if (elf_getphdrnum(f->elf, &f->nr_phdrs) || elf_getshdrnum(f->elf, &f->nr_shdrs))
		return load_refuse(f->ctx, "ELF file is damaged: %s", elf_errmsg(-1));
	return check_tables(f);
}

/* Loadable as Xen sees it: PT_LOAD with any permission. */
static bool is_loadable(const GElf_Phdr *ph)
{
	return ph->p_type == PT_LOAD && (ph->p_flags & (PF_R | PF_W | PF_X));
}

/* All that is to be loaded must be there. Before the notes are looked at: what a
 * cut file lacks may be these. */
static int check_extents(const struct elf_file *f)
{
	for (size_t i = 0; i < f->nr_phdrs; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(f->elf, (int)i, &ph))
			return load_refuse(f->ctx, "ELF file is damaged: %s", elf_errmsg(-1));
		if (is_loadable(&ph) &&
		    (ph.p_offset > f->len || ph.p_filesz > f->len - ph.p_offset))
			return load_refuse(f->ctx,
					   "ELF file is truncated at byte %zu: segment %zu is %llu "
					   "bytes at byte %llu",
					   f->len, i, (unsigned long long)ph.p_filesz,
					   (unsigned long long)ph.p_offset);
	}
	return 0;
}

static int add_segment(struct kernel_image *img, size_t index, const GElf_Phdr *ph,
		       const struct load_ctx *ctx)
{
	struct kernel_segment *s = &img->segments[img->nr_segments];
	uint64_t offset = img->notes.elf_paddr_offset;

	if (ph->p_filesz > ph->p_memsz)
		return load_refuse(ctx, "segment %zu has more bytes in the file than in memory",
				   index);
	/* Up to 2^64, but not around it. Xen does not look at p_vaddr. */
	if (ph->p_memsz && (ph->p_paddr + ph->p_memsz - 1 < ph->p_paddr ||
			    ph->p_vaddr + ph->p_memsz - 1 < ph->p_vaddr))
		return load_refuse(ctx, "segment %zu wraps around the end of the address space",
				   index);
	if (!ph->p_memsz)
		return 0;
	if (ph->p_paddr < offset)
		return load_refuse(ctx, "segment %zu (at 0x%llx) lies before PADDR_OFFSET (0x%llx)",
				   index, (unsigned long long)ph->p_paddr,
				   (unsigned long long)offset);
	s->paddr = ph->p_paddr - offset;
	if (s->paddr + ph->p_memsz < s->paddr)
		return load_refuse(ctx, "segment %zu wraps around the end of the address space",
				   index);
	s->data = img->elf + ph->p_offset;
	s->filesz = ph->p_filesz;
	s->memsz = ph->p_memsz;
	img->nr_segments++;
	return 0;
}

static int by_paddr(const void *a, const void *b)
{
	const struct kernel_segment *x = a, *y = b;

	return x->paddr < y->paddr ? -1 : x->paddr > y->paddr;
}

static int check_overlap(const struct kernel_image *img, const struct load_ctx *ctx)
{
	for (unsigned i = 1; i < img->nr_segments; i++) {
		const struct kernel_segment *s = &img->segments[i - 1];

		if (s->paddr + s->memsz > img->segments[i].paddr)
			return load_refuse(ctx,
					   "its segments at 0x%llx and 0x%llx overlap in memory",
					   (unsigned long long)s->paddr,
					   (unsigned long long)img->segments[i].paddr);
	}
	return 0;
}

/* By p_paddr; in Linux p_vaddr does not follow (per-cpu data is at 0). */
static int load_segments(struct kernel_image *img, const struct elf_file *f)
{
	/* One more for the symbol table. */
	img->segments = calloc(f->nr_phdrs + 1, sizeof(*img->segments));
	if (!img->segments)
		return load_fail(f->ctx, -ENOMEM, "no memory for its %zu segments", f->nr_phdrs);
	for (size_t i = 0; i < f->nr_phdrs; i++) {
		GElf_Phdr ph;
		int rc;

		if (!gelf_getphdr(f->elf, (int)i, &ph) || !is_loadable(&ph))
			continue;
		rc = add_segment(img, i, &ph, f->ctx);
		if (rc)
			return rc;
	}
	if (!img->nr_segments)
		return load_refuse(f->ctx, "ELF file without loadable segments: not a kernel");
	qsort(img->segments, img->nr_segments, sizeof(*img->segments), by_paddr);
	return check_overlap(img, f->ctx);
}

static int parse(struct kernel_image *img, struct elf_file *f)
{
	struct elf_notes notes;
	int rc = open_elf(f);

	if (!rc)
		rc = check_extents(f);
	if (!rc)
		rc = elf_notes_read(&notes, f);
	if (!rc)
		rc = elf_notes_check(&notes, f);
	if (rc)
		return rc;
	img->notes = notes.n;
	img->notes_from = notes.from;
	rc = load_segments(img, f);
	if (!rc && img->notes.bsd_symtab)
		rc = elf_symtab_append(img, f);
	return rc ? rc : elf_addresses_check(img, f->ctx);
}

int elf_parse(struct kernel_image *img, const struct load_ctx *ctx)
{
	struct elf_file f = {.ctx = ctx, .data = img->elf, .len = img->elf_size};
	int rc = parse(img, &f);

	elf_end(f.elf);
	return rc;
}
