/*
 * Payloads: one row of the table in decompress.c for each format in which Linux
 * packs a kernel, one file for each library that unpacks them.
 */
#ifndef VMM_LOADER_DECOMPRESS_H
#define VMM_LOADER_DECOMPRESS_H

#include "vmm/loader/loader.h"

/* Unpacking under way. A format's function takes `in` from in_pos on, moves
 * in_pos behind what it used and appends to `out`. */
struct unpack {
	const struct load_ctx *ctx;
	const char *format;
	const uint8_t *in;
	size_t in_len, in_pos;
	uint64_t in_offset; /* of `in` in the file, for messages */
	uint8_t *out;
	size_t out_len, out_cap;
	size_t out_limit;
};

struct payload_format {
	const char *name;
	const char *magic;
	unsigned magic_len;
	bool may_repeat; /* several such streams may follow each other (pbzip2, pigz) */
	int (*unpack)(struct unpack *u);
};

/* NULL: no known magic. */
const struct payload_format *payload_format_find(const uint8_t *data, size_t len);

/* The name of a format with this name, or "none"; else NULL. */
const char *payload_format_known(const char *name);

/* Unpacks into a new blob of 1 to `limit` bytes. What follows the payload is
 * ignored. `offset` is where `data` lies in the file. */
int payload_unpack(const struct payload_format *f, const uint8_t *data, size_t len, uint64_t offset,
		   size_t limit, struct blob *result, const struct load_ctx *ctx);

/*
 * For the formats. Room for `want` more bytes, or for fewer at the limit: at
 * least one; *room says how many. Fails when there is none or no memory.
 */
int unpack_room(struct unpack *u, size_t want, size_t *room);
/* Sentences; all return -ENOEXEC, out_of_memory -ENOMEM. */
int unpack_truncated(struct unpack *u);
int unpack_damaged(struct unpack *u, const char *why);
int unpack_too_large(struct unpack *u);
int unpack_out_of_memory(struct unpack *u);

int unpack_gzip(struct unpack *u);
int unpack_bzip2(struct unpack *u);
int unpack_lzma(struct unpack *u);
int unpack_xz(struct unpack *u);
int unpack_lzo(struct unpack *u);
int unpack_lz4(struct unpack *u);
int unpack_zstd(struct unpack *u);

#endif
