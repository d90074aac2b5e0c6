/*
 * Packing for the loader's tests, with each format's own library and the options
 * that Linux' build uses (scripts/Makefile.lib, scripts/xz_wrap.sh).
 */
#include <bzlib.h>
#include <lz4hc.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "test/unit/loader_fixture.h"

const char *const fixture_formats[7] = {"gzip", "bzip2", "xz", "lzma", "lzo", "lz4", "zstd"};

/* Enough for any of them, and the appended size. */
static struct fixture_bytes room_for(size_t len)
{
	struct fixture_bytes b = {malloc(len + len / 2 + 4096), 0};

	fixture_require(b.data != NULL);
	b.len = len + len / 2 + 4000;
	return b;
}

static void pack_gzip(struct fixture_bytes *out, const void *data, size_t len)
{
	z_stream z = {.next_in = (Bytef *)data,
		      .avail_in = (uInt)len,
		      .next_out = out->data,
		      .avail_out = (uInt)out->len};

	fixture_require(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
			Z_OK);
	fixture_require(deflate(&z, Z_FINISH) == Z_STREAM_END);
	out->len = z.total_out;
	deflateEnd(&z);
}

static void pack_bzip2(struct fixture_bytes *out, const void *data, size_t len)
{
	unsigned n = (unsigned)out->len;

	fixture_require(BZ2_bzBuffToBuffCompress((char *)out->data, &n, (char *)data, (unsigned)len,
						 len > 900000 ? 9 : 1, 0, 0) == BZ_OK);
	out->len = n;
}

static void pack_xz(struct fixture_bytes *out, const void *data, size_t len)
{
	lzma_options_lzma opt;
	lzma_filter filters[] = {
		{LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &opt}, {LZMA_VLI_UNKNOWN, NULL}};
	size_t n = 0;

	lzma_lzma_preset(&opt, 1);
	fixture_require(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, data, len,
						  out->data, &n, out->len) == LZMA_OK);
	out->len = n;
}

static void pack_lzma(struct fixture_bytes *out, const void *data, size_t len)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_options_lzma opt;

	lzma_lzma_preset(&opt, 1);
	fixture_require(lzma_alone_encoder(&s, &opt) == LZMA_OK);
	s.next_in = data;
	s.avail_in = len;
	s.next_out = out->data;
	s.avail_out = out->len;
	fixture_require(lzma_code(&s, LZMA_FINISH) == LZMA_STREAM_END);
	out->len = s.total_out;
	lzma_end(&s);
}

static uint8_t *put_be(uint8_t *p, uint32_t v, unsigned bytes)
{
	while (bytes--)
		*p++ = (uint8_t)(v >> 8 * bytes);
	return p;
}

/* As lzop writes it: blocks of 256 KiB with Adler-32 of the unpacked bytes. */
static void pack_lzo(struct fixture_bytes *out, const void *data, size_t len)
{
	static const char name[] = "vmlinux.bin";
	const uint8_t *from = data;
	uint8_t *p = out->data, *checked;
	void *work = malloc(LZO1X_1_MEM_COMPRESS);

	fixture_require(work != NULL);
	fixture_require(lzo_init() == LZO_E_OK);
	memcpy(p, "\x89LZO\0\r\n\x1a\n", 9);
	checked = p += 9;
	p = put_be(p, 0x1040, 2);
	p = put_be(p, 0x20a0, 2);
	p = put_be(p, 0x0940, 2);
	p = put_be(p, 0x0105, 2); /* LZO1X-1, level 5 */
	p = put_be(p, 1, 4);	  /* flags: Adler-32 of blocks */
	p = put_be(p, 0100644, 4);
	p = put_be(p, 0, 4);
	p = put_be(p, 0, 4);
	p = put_be(p, sizeof(name) - 1, 1);
	memcpy(p, name, sizeof(name) - 1);
	p += sizeof(name) - 1;
	p = put_be(p, (uint32_t)adler32(1, checked, (uInt)(p - checked)), 4);
	for (size_t n; len; len -= n, from += n) {
		uint8_t *head = p;
		lzo_uint packed = 0;

		n = len < 256 << 10 ? len : 256 << 10;
		p += 12;
		lzo1x_1_compress(from, n, p, &packed, work);
		if (packed >= n) {
			memcpy(p, from, n);
			packed = n;
		}
		head = put_be(head, (uint32_t)n, 4);
		head = put_be(head, (uint32_t)packed, 4);
		put_be(head, (uint32_t)adler32(1, from, (uInt)n), 4);
		p += packed;
	}
	p = put_be(p, 0, 4);
	out->len = (size_t)(p - out->data);
	free(work);
}

static void pack_lz4(struct fixture_bytes *out, const void *data, size_t len)
{
	const uint8_t *from = data;
	uint8_t *p = out->data;

	memcpy(p, "\x02\x21\x4c\x18", 4);
	p += 4;
	for (size_t n; len; len -= n, from += n) {
		n = len < 8 << 20 ? len : 8 << 20;
		int packed = LZ4_compress_HC((const char *)from, (char *)p + 4, (int)n,
					     LZ4_compressBound((int)n), 4);
		uint32_t size = (uint32_t)packed;

		fixture_require(packed > 0);
		memcpy(p, &size, 4);
		p += 4 + packed;
	}
	out->len = (size_t)(p - out->data);
}

/* The tool, and so Linux, adds a checksum; the library does not by itself. */
static void pack_zstd(struct fixture_bytes *out, const void *data, size_t len)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	fixture_require(z != NULL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	out->len = ZSTD_compress2(z, out->data, out->len, data, len);
	fixture_require(!ZSTD_isError(out->len));
	ZSTD_freeCCtx(z);
}

struct fixture_bytes fixture_pack(const char *format, const void *data, size_t len, bool with_size)
{
	static void (*const packers[7])(struct fixture_bytes *, const void *, size_t) = {
		pack_gzip, pack_bzip2, pack_xz, pack_lzma, pack_lzo, pack_lz4, pack_zstd};
	struct fixture_bytes out = room_for(len);
	uint32_t size = (uint32_t)len;

	for (unsigned i = 0; i < 7; i++)
		if (!strcmp(format, fixture_formats[i]))
			packers[i](&out, data, len);
	if (with_size) {
		memcpy(out.data + out.len, &size, 4);
		out.len += 4;
	}
	return out;
}
