/* xz and the older lzma, with liblzma. */
#include <lzma.h>

#include "vmm/loader/decompress.h"

#define CHUNK (64ul << 10)
/* Linux' xz_wrap.sh takes dictionaries of 32 MiB, of 128 MiB since 6.13. */
#define MEMORY_LIMIT (256ull << 20)

static const char *why(lzma_ret ret)
{
	switch (ret) {
	case LZMA_FORMAT_ERROR:
		return "not a stream of this format";
	case LZMA_OPTIONS_ERROR:
		return "it wants an unknown filter or option";
	case LZMA_MEMLIMIT_ERROR:
		return "its dictionary is too large";
	default:
		return "its data or a check is wrong";
	}
}

static int run(struct unpack *u, lzma_stream *s)
{
	lzma_ret ret;
	int rc;

	s->next_in = u->in + u->in_pos;
	s->avail_in = u->in_len - u->in_pos;
	do {
		size_t room;

		rc = unpack_room(u, CHUNK, &room);
		if (rc)
			break;
		s->next_out = u->out + u->out_len;
		s->avail_out = room;
		ret = lzma_code(s, LZMA_RUN);
		u->out_len += room - s->avail_out;
		u->in_pos = u->in_len - s->avail_in;
		if (ret == LZMA_BUF_ERROR)
			rc = unpack_truncated(u);
		else if (ret == LZMA_MEM_ERROR)
			rc = unpack_out_of_memory(u);
		else if (ret != LZMA_OK && ret != LZMA_STREAM_END)
			rc = unpack_damaged(u, why(ret));
	} while (!rc && ret != LZMA_STREAM_END);
	lzma_end(s);
	return rc;
}

int unpack_xz(struct unpack *u)
{
	lzma_stream s = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&s, MEMORY_LIMIT, 0) != LZMA_OK)
		return unpack_out_of_memory(u);
	return run(u, &s);
}

int unpack_lzma(struct unpack *u)
{
	lzma_stream s = LZMA_STREAM_INIT;

	if (lzma_alone_decoder(&s, MEMORY_LIMIT) != LZMA_OK)
		return unpack_out_of_memory(u);
	return run(u, &s);
}
