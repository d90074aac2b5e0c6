/*
 * Kernel images: ELF64 files, and bzImages with any payload that Linux makes.
 * Everything that is read from the file is checked; a hostile file gets an
 * error, never a crash. Nothing here touches KVM or a domain.
 */
#ifndef VMM_LOADER_KERNEL_IMAGE_H
#define VMM_LOADER_KERNEL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

struct kernel_segment {
	uint64_t paddr;	     /* as the notes' PADDR_OFFSET rule leaves it: offset from virt_base */
	const uint8_t *data; /* into the image's buffer */
	uint64_t filesz, memsz;
};

/* What the Xen ELF notes say (elfnote.h), with libelf's (Xen's) defaults. */
struct kernel_notes {
	char guest_os[32], guest_version[32], xen_version[16], loader[16];
	char features[256];	     /* XEN_ELFNOTE_FEATURES, text */
	uint64_t supported_features; /* bit XENFEAT_*: from SUPPORTED_FEATURES or FEATURES */
	uint64_t required_features;  /* the ones marked with '!' */
	uint64_t virt_base;
	uint64_t elf_paddr_offset;
	uint64_t entry;
	uint64_t hypercall_page; /* virtual address */
	bool has_hypercall_page;
	uint64_t init_p2m;
	bool has_init_p2m;
	bool mod_start_pfn; /* the module is passed by frame, not mapped */
	uint64_t l1_mfn_valid_mask, l1_mfn_valid_value;
	bool pae_extended;
	uint64_t hv_start_low; /* 0: not given, like init_p2m */
	bool suspend_cancel;
	bool bsd_symtab;
};

struct kernel_image {
	uint8_t *elf; /* the decompressed ELF file, in memory at elf_base that is owned */
	size_t elf_size;
	uint8_t *elf_base;
	size_t elf_mapped;	 /* it is a mapping of so many bytes; 0: it is on the heap ... */
	int elf_fd;		 /* ... of this file, from its beginning; -1: of none */
	bool elf_kept;		 /* nobody writes to that file: it can be the guest's memory */
	const char *format;	 /* "ELF64", "bzImage" */
	const char *compression; /* "none", "gzip", "xz", ... */
	const char *notes_from;	 /* "PT_NOTE", "SHT_NOTE", "__xen_guest" */
	struct kernel_segment *segments;
	unsigned nr_segments;
	struct kernel_notes notes;
	uint64_t virt_start,
		virt_end; /* of all segments, by virtual address; an end of 2^64 is 0 */
	uint64_t paddr_start, paddr_end; /* the same from virt_base: [start, end) offsets */
};

/* Reads, decompresses and parses `path`. 0, or a negative errno with the sentence
 * in `err`; files that are not PV kernels we can run get -ENOEXEC. */
int kernel_image_load(struct kernel_image *img, const char *path, struct error *err);
/* The same from memory (copied). `name` is for messages. */
int kernel_image_parse(struct kernel_image *img, const void *buf, size_t len, const char *name,
		       struct error *err);
void kernel_image_free(struct kernel_image *img);

#endif
