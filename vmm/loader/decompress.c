/*
 * Unpacking a payload: the table of formats, and the output buffer that all of
 * them fill. Linux: lib/decompress.c (magics), scripts/Makefile.lib (what is
 * appended to each format).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/loader/decompress.h"
#include "vmm/pages.h"

#define OUT_MIN (64ul << 10)
/* Kernels shrink to a third or a sixth. A size that claims more than this is not
 * believed; the buffer then grows as the bytes come. */
#define RATIO_BELIEVED 32

static const struct payload_format formats[] = {
	{"gzip", "\x1f\x8b", 2, true, unpack_gzip},
	{"bzip2", "BZh", 3, true, unpack_bzip2},
	{"xz",
	 "\xfd"
	 "7zXZ\0",
	 6, true, unpack_xz},
	{"lzma", "\x5d\0\0", 3, false, unpack_lzma},
	{"lzo", "\x89LZO\0\r\n\x1a\n", 9, true, unpack_lzo},
	{"lz4", "\x02\x21\x4c\x18", 4, false, unpack_lz4},
	{"zstd", "\x28\xb5\x2f\xfd", 4, true, unpack_zstd},
};

const struct payload_format *payload_format_find(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (len >= formats[i].magic_len &&
		    !memcmp(data, formats[i].magic, formats[i].magic_len))
			return &formats[i];
	return NULL;
}

const char *payload_format_known(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i].name, name))
			return formats[i].name;
	return strcmp(name, "none") ? NULL : "none";
}

int unpack_truncated(struct unpack *u)
{
	return load_refuse(u->ctx, "%s payload is truncated at byte %llu", u->format,
			   (unsigned long long)(u->in_offset + u->in_len));
}

int unpack_damaged(struct unpack *u, const char *why)
{
	return load_refuse(u->ctx, "%s payload is damaged near byte %llu: %s", u->format,
			   (unsigned long long)(u->in_offset + u->in_pos), why);
}

int unpack_too_large(struct unpack *u)
{
	return load_refuse(u->ctx, "%s payload unpacks to more than %zu MiB: not a kernel",
			   u->format, u->out_limit >> 20);
}

int unpack_out_of_memory(struct unpack *u)
{
	return load_fail(u->ctx, -ENOMEM, "no memory to unpack its %s payload", u->format);
}

/* In pages, from which the kernel can become the guest's without being copied. Growing moves
 * them at most. */
static int resize(struct unpack *u, size_t cap)
{
	void *out = u->out ? mremap(u->out, u->out_cap, cap, MREMAP_MAYMOVE) : pages_alloc(cap);

	if (!out || out == MAP_FAILED)
		return unpack_out_of_memory(u);
	u->out = out;
	u->out_cap = cap;
	return 0;
}

int unpack_room(struct unpack *u, size_t want, size_t *room)
{
	size_t cap = u->out_cap;
	int rc = 0;

	if (u->out_len == u->out_limit)
		return unpack_too_large(u);
	while (cap - u->out_len < want && cap < u->out_limit)
		cap = cap < u->out_limit / 2 ? cap * 2 : u->out_limit;
	if (cap != u->out_cap)
		rc = resize(u, cap);
	*room = u->out_cap - u->out_len;
	return rc;
}

static size_t first_size(const struct unpack *u)
{
	const uint8_t *p = u->in + u->in_len - 4;
	size_t size = OUT_MIN;

	/* gzip ends with its own ISIZE, in the same form. */
	if (u->in_len >= 4) {
		size_t said = p[0] | p[1] << 8 | p[2] << 16 | (size_t)p[3] << 24;

		if (said / RATIO_BELIEVED <= u->in_len)
			size = said + 4096; /* the end is noticed with room to spare */
	}
	if (size < OUT_MIN)
		size = OUT_MIN;
	return size < u->out_limit ? size : u->out_limit;
}

static bool another_follows(const struct payload_format *f, const struct unpack *u)
{
	return f->may_repeat && u->in_pos < u->in_len &&
	       payload_format_find(u->in + u->in_pos, u->in_len - u->in_pos) == f;
}

int payload_unpack(const struct payload_format *f, const uint8_t *data, size_t len, uint64_t offset,
		   size_t limit, struct blob *result, const struct load_ctx *ctx)
{
	struct unpack u = {
		.ctx = ctx,
		.format = f->name,
		.in = data,
		.in_len = len,
		.in_offset = offset,
		.out_limit = limit,
	};
	int rc = resize(&u, first_size(&u));

	if (rc)
		return rc;
	do {
		rc = f->unpack(&u);
	} while (!rc && another_follows(f, &u));
	if (!rc && !u.out_len)
		rc = load_refuse(ctx, "%s payload unpacks to nothing", f->name);
	if (!rc)
		rc = resize(&u, u.out_len);
	if (rc) {
		if (u.out)
			munmap(u.out, u.out_cap);
		return rc;
	}
	*result = (struct blob){u.out, u.out_len, u.out, u.out_len, -1};
	return 0;
}
