/*
 * Inside the ELF part of the loader: the file as libelf sees it, and what its
 * notes say before Xen's defaults are applied.
 */
#ifndef VMM_LOADER_ELF_INTERNAL_H
#define VMM_LOADER_ELF_INTERNAL_H

#include <gelf.h>

#include "vmm/loader/loader.h"

/* An address that no note gave. Xen: libelf.h, UNSET_ADDR; a note with this
 * value counts as not given there too. */
#define ADDR_UNSET UINT64_MAX

/* 2^32 pages, more than a domain can have. */
#define ELF_PADDR_LIMIT (1ull << 44)

struct elf_file {
	const struct load_ctx *ctx;
	Elf *elf;
	const uint8_t *data;
	size_t len;
	GElf_Ehdr ehdr;
	size_t nr_phdrs, nr_shdrs;
};

enum pae_mode { PAE_NO, PAE_YES, PAE_EXTENDED, PAE_BIMODAL };

struct elf_notes {
	struct kernel_notes n; /* addresses ADDR_UNSET where not given */
	const char *from;      /* NULL: nothing found */
	uint64_t phys32_entry;
	enum pae_mode pae;
};

/* Finds and reads them: PT_NOTE, else SHT_NOTE, else __xen_guest. 0 also when
 * there are none; -ENOEXEC for what makes Xen refuse the file while reading. */
int elf_notes_read(struct elf_notes *notes, const struct elf_file *f);

/* The old form, a string; `len` bytes at `text` are readable, a NUL may end it. */
int elf_guest_section_parse(struct elf_notes *notes, const char *text, size_t len,
			    const struct load_ctx *ctx);

/* "!writable_page_tables|pae_pgdir_above_4gb" into n's masks. -ENOEXEC: an
 * unknown feature is required. */
int elf_features_parse(struct kernel_notes *n, const char *text, const struct load_ctx *ctx);

/* Xen's checks and defaults for a PV kernel: elf_check.c. */
int elf_notes_check(struct elf_notes *notes, const struct elf_file *f);
/* Segments, entry and p2m list against each other; fills the image's ranges. */
int elf_addresses_check(struct kernel_image *img, const struct load_ctx *ctx);

/* Appends the symbol table, if there is one, to img->elf and the segments (sorted,
 * with room for one more): elf_symtab.c. Closes f->elf. */
int elf_symtab_append(struct kernel_image *img, struct elf_file *f);

#endif
