/* Zstandard, with libzstd. */
#include <zstd.h>
#include <zstd_errors.h>

#include "vmm/loader/decompress.h"

#define CHUNK (128ul << 10)
/* 128 MiB, what `zstd -22 --ultra`, Linux' choice, uses at most. */
#define WINDOW_LOG_MAX 27

int unpack_zstd(struct unpack *u)
{
	ZSTD_inBuffer in = {u->in, u->in_len, u->in_pos};
	ZSTD_DStream *z = ZSTD_createDStream();
	size_t left = 1;
	int rc = 0;

	if (!z || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDStream(z);
		return unpack_out_of_memory(u);
	}
	while (left) {
		ZSTD_outBuffer out;
		size_t room;

		rc = unpack_room(u, CHUNK, &room);
		if (rc)
			break;
		out = (ZSTD_outBuffer){u->out + u->out_len, room, 0};
		left = ZSTD_decompressStream(z, &out, &in);
		u->out_len += out.pos;
		u->in_pos = in.pos;
		if (ZSTD_isError(left))
			rc = ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation
				     ? unpack_out_of_memory(u)
				     : unpack_damaged(u, ZSTD_getErrorName(left));
		else if (left && in.pos == in.size && out.pos < room)
			rc = unpack_truncated(u);
		if (rc)
			break;
	}
	ZSTD_freeDStream(z);
	return rc;
}
