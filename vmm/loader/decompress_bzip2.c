/* bzip2, with libbz2. */
#include <bzlib.h>

#include "vmm/loader/decompress.h"

#define CHUNK (64ul << 10)

int unpack_bzip2(struct unpack *u)
{
	bz_stream z = {
		.next_in = (char *)u->in + u->in_pos,
		.avail_in = u->in_len - u->in_pos,
	};
	int rc, z_rc;

	if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
		return unpack_out_of_memory(u);
	do {
		size_t room;

		rc = unpack_room(u, CHUNK, &room);
		if (rc)
			break;
		z.next_out = (char *)u->out + u->out_len;
		z.avail_out = room;
		z_rc = BZ2_bzDecompress(&z);
		u->out_len += room - z.avail_out;
		u->in_pos = u->in_len - z.avail_in;
		if (z_rc == BZ_MEM_ERROR)
			rc = unpack_out_of_memory(u);
		else if (z_rc != BZ_OK && z_rc != BZ_STREAM_END)
			rc = unpack_damaged(u, z_rc == BZ_DATA_ERROR ? "a block's check fails"
								     : "not a bzip2 stream");
		else if (z_rc == BZ_OK && !z.avail_in && z.avail_out)
			rc = unpack_truncated(u);
	} while (!rc && z_rc != BZ_STREAM_END);
	BZ2_bzDecompressEnd(&z);
	return rc;
}
