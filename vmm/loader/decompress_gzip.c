/* gzip, with zlib. */
#include <zlib.h>

#include "vmm/loader/decompress.h"

#define CHUNK (64ul << 10)

int unpack_gzip(struct unpack *u)
{
	z_stream z = {
		.next_in = (Bytef *)u->in + u->in_pos,
		.avail_in = u->in_len - u->in_pos, /* below IMAGE_SIZE_LIMIT */
	};
	int rc, z_rc;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: with a gzip header */
		return unpack_out_of_memory(u);
	do {
		size_t room;

		rc = unpack_room(u, CHUNK, &room);
		if (rc)
			break;
		z.next_out = u->out + u->out_len;
		z.avail_out = room;
		z_rc = inflate(&z, Z_NO_FLUSH);
		u->out_len += room - z.avail_out;
		u->in_pos = u->in_len - z.avail_in;
		if (z_rc == Z_BUF_ERROR)
			rc = unpack_truncated(u);
		else if (z_rc == Z_MEM_ERROR)
			rc = unpack_out_of_memory(u);
		else if (z_rc != Z_OK && z_rc != Z_STREAM_END)
			rc = unpack_damaged(u, z.msg ? z.msg : "not a gzip stream");
	} while (!rc && z_rc != Z_STREAM_END);
	inflateEnd(&z);
	return rc;
}
