/*
 * Kernel images for the loader's tests, made in memory: ELF files with segments
 * and notes of any kind, packed in each format, and bzImages around them.
 */
#ifndef TEST_UNIT_LOADER_FIXTURE_H
#define TEST_UNIT_LOADER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "vmm/loader/kernel_image.h"

/* Check's assertions work within its tests only; the fuzzer has none. */
#define fixture_require(condition)                                                      \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

struct fixture_segment {
	uint64_t paddr, vaddr, filesz, memsz;
	uint32_t flags; /* 0: PF_R | PF_X */
	bool no_flags;	/* none at all */
};

#define FIXTURE_SEGMENTS 6

/* What to put into an ELF file. All zeroes with segments is legal. */
struct fixture_elf {
	bool is32;
	uint16_t machine; /* 0: EM_X86_64, EM_386 */
	uint16_t type;	  /* 0: ET_EXEC */
	uint64_t entry;
	struct fixture_segment segments[FIXTURE_SEGMENTS];
	unsigned nr_segments;
	uint8_t notes[2048];
	size_t notes_len;
	bool no_pt_note, with_sht_note; /* where the notes are said to be */
	const char *guest_section;	/* text of __xen_guest, NULL: none */
	bool with_symtab;
	/* Filled by fixture_elf_build(): where things are in the file. */
	size_t phdrs_at, notes_at, data_at, shdrs_at;
	unsigned nr_phdrs, nr_shdrs;
};

struct fixture_bytes {
	uint8_t *data;
	size_t len;
};

/* A PV kernel that loads: one segment of `size` bytes at 16 MiB, the notes of
 * Linux, virtual base 0xffffffff80000000. */
void fixture_linux(struct fixture_elf *e, size_t size);
#define FIXTURE_BASE  0xffffffff80000000ull
#define FIXTURE_PADDR 0x1000000ull

void fixture_note(struct fixture_elf *e, const char *owner, uint32_t type, const void *desc,
		  uint32_t len);
void fixture_note_u64(struct fixture_elf *e, uint32_t type, uint64_t value);
void fixture_note_string(struct fixture_elf *e, uint32_t type, const char *text);

/* Results are on the heap, the caller frees .data. */
struct fixture_bytes fixture_elf_build(struct fixture_elf *e);
/* By the names of kernel_image.compression; `with_size` appends the 4 bytes. */
struct fixture_bytes fixture_pack(const char *format, const void *data, size_t len, bool with_size);
extern const char *const fixture_formats[7];
struct fixture_bytes fixture_bzimage(const void *payload, size_t len, unsigned version);
/* a then b; frees neither. */
struct fixture_bytes fixture_join(struct fixture_bytes a, struct fixture_bytes b);

/* Aborts unless everything that the image says of itself holds; reads
 * every byte of its segments. */
void fixture_check_image(const struct kernel_image *img);

#endif
