/*
 * Inside the loader: what its files share. The folder's contract is
 * kernel_image.h. An image passes through these, each in its own file:
 *
 *	kernel_file.c	the file's bytes
 *	bzimage.c	where the kernel is inside of a bzImage
 *	decompress*.c	the payload, unpacked
 *	elf.c		the ELF file: machine, segments, addresses
 *	elf_notes.c	what the kernel says to Xen, elf_guest_section.c the old form
 *	elf_symtab.c	the symbol table that BSD kernels want behind them
 */
#ifndef VMM_LOADER_LOADER_H
#define VMM_LOADER_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/loader/kernel_image.h"

/* No file and nothing that comes out of one is larger: a kernel with all of its
 * debugging information stays below it. */
#define IMAGE_SIZE_LIMIT (1ull << 30)

/* Which file a message is about, and where messages go. */
struct load_ctx {
	const char *name;
	struct error *err;
};

/* Bytes, owned by whoever holds the struct: on the heap, in pages of their own, or mapped from
 * a file and not to be written to. */
struct blob {
	uint8_t *data;
	size_t len;
	uint8_t *base; /* where the memory begins that is owned */
	size_t mapped; /* its size when it is a mapping; 0: it is on the heap */
	int fd;	       /* of the file that is mapped; -1: none */
};

void blob_free(struct blob *b);

/* Writes "NAME: SENTENCE" and returns -ENOEXEC. Bytes that are not printable
 * become '?': parts of a sentence may come from the file. */
int load_refuse(const struct load_ctx *ctx, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for trouble of the host, with its errno. */
int load_fail(const struct load_ctx *ctx, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Maps the whole file, or reads what cannot be mapped. 0, -ENOEXEC (not a file that can be read to
 * the end) or the host's errno. */
int kernel_file_read(struct blob *file, const char *path, const struct load_ctx *ctx);

bool bzimage_is(const uint8_t *data, size_t len);
/* Where the compressed kernel is: data + *offset, *size bytes, all inside. */
int bzimage_payload(const uint8_t *data, size_t len, size_t *offset, size_t *size,
		    const struct load_ctx *ctx);

bool elf_is(const uint8_t *data, size_t len);
/* Fills in everything but format and compression from img->elf, and may make the
 * buffer longer. What was allocated on failure is kernel_image_free()'s. */
int elf_parse(struct kernel_image *img, const struct load_ctx *ctx);

#endif
