/*
 * From a file to an image that the builder can lay out: an ELF file, a bzImage
 * around a packed ELF file, or either of them packed once more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/loader/decompress.h"

/* Files that are often mistaken for kernels. */
static const struct {
	unsigned offset, len;
	const char *magic, *what;
} others[] = {
	{0, 6, "070701", "a ramdisk (cpio archive), not a kernel"},
	{0, 6, "070702", "a ramdisk (cpio archive), not a kernel"},
	{0, 4, "QFI\xfb", "a qcow2 disk image, not a kernel"},
	{0, 4, "\x04\x22\x4d\x18",
	 "packed by lz4 in its newer frame: Linux kernels have the older one (lz4 -l)"},
	{0, 4, "hsqs", "a squashfs file system, not a kernel"},
	{0, 2, "#!", "a script, not a kernel"},
	{0, 21, "!<arch>\ndebian-binary", "a Debian package, not a kernel: unpack it (dpkg -x)"},
	{0x38, 4, "ARM\x64", "a kernel for 64-bit ARM, not for x86-64"},
	{0x24, 4, "\x18\x28\x6f\x01", "a kernel for ARM, not for x86-64"},
	{0, 2, "MZ", "an EFI program, not an ELF file or bzImage"},
};

static int refuse_unknown(const uint8_t *data, size_t len, const struct load_ctx *ctx)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (len >= others[i].offset + others[i].len &&
		    !memcmp(data + others[i].offset, others[i].magic, others[i].len))
			return load_refuse(ctx, "%s", others[i].what);
	return load_refuse(ctx, "not an ELF file or bzImage");
}

/* Replaces *b by the part of it at [offset, offset + size), unpacked when it is
 * packed. */
static int extract(struct blob *b, size_t offset, size_t size, const char **compression,
		   const struct load_ctx *ctx)
{
	const struct payload_format *f = payload_format_find(b->data + offset, size);
	struct blob inner = {0};

	if (!f) { /* kept as it is; the caller looks at what it is */
		b->data += offset;
		b->len = size;
		return 0;
	}
	int rc = payload_unpack(f, b->data + offset, size, offset, IMAGE_SIZE_LIMIT, &inner, ctx);
	if (rc)
		return rc;
	blob_free(b);
	*b = inner;
	*compression = f->name;
	return 0;
}

/* Takes `file` over, whether it succeeds or not. */
static int parse_file(struct kernel_image *img, struct blob *file, const struct load_ctx *ctx)
{
	int rc = 0;

	img->format = "ELF64";
	img->compression = "none";
	if (!elf_is(file->data, file->len) && !bzimage_is(file->data, file->len)) {
		if (!payload_format_find(file->data, file->len))
			rc = refuse_unknown(file->data, file->len, ctx);
		else /* a packed file */
			rc = extract(file, 0, file->len, &img->compression, ctx);
	}
	if (!rc && bzimage_is(file->data, file->len)) {
		size_t offset, size;

		img->format = "bzImage";
		rc = bzimage_payload(file->data, file->len, &offset, &size, ctx);
		if (!rc)
			rc = extract(file, offset, size, &img->compression, ctx);
		if (!rc && !elf_is(file->data, file->len))
			rc = load_refuse(ctx, "the payload of the bzImage is not an ELF file in "
					      "any known compression");
	}
	if (!rc && !elf_is(file->data, file->len))
		rc = refuse_unknown(file->data, file->len, ctx);
	img->elf = file->data;
	img->elf_size = file->len;
	img->elf_base = file->base;
	img->elf_mapped = file->mapped;
	img->elf_fd = file->fd;
	return rc ? rc : elf_parse(img, ctx);
}

static int parse_and_tidy(struct kernel_image *img, struct blob *file, const struct load_ctx *ctx)
{
	int rc = parse_file(img, file, ctx);

	if (rc)
		kernel_image_free(img);
	return rc;
}

int kernel_image_load(struct kernel_image *img, const char *path, struct error *err)
{
	const struct load_ctx ctx = {path, err};
	struct blob file;
	int rc;

	memset(img, 0, sizeof(*img));
	rc = kernel_file_read(&file, path, &ctx);
	return rc ? rc : parse_and_tidy(img, &file, &ctx);
}

int kernel_image_parse(struct kernel_image *img, const void *buf, size_t len, const char *name,
		       struct error *err)
{
	const struct load_ctx ctx = {name, err};
	struct blob file = {.len = len};

	memset(img, 0, sizeof(*img));
	if (!len)
		return load_refuse(&ctx, "is empty");
	if (len > IMAGE_SIZE_LIMIT)
		return load_refuse(&ctx, "has %zu MiB, too large for a kernel", len >> 20);
	file.data = malloc(len);
	if (!file.data)
		return load_fail(&ctx, -ENOMEM, "no memory for its %zu bytes", len);
	file.base = file.data;
	memcpy(file.data, buf, len);
	return parse_and_tidy(img, &file, &ctx);
}

void kernel_image_free(struct kernel_image *img)
{
	struct blob elf = {.base = img->elf_base, .mapped = img->elf_mapped, .fd = img->elf_fd};

	blob_free(&elf);
	free(img->segments);
	memset(img, 0, sizeof(*img));
}
