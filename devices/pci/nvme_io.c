/*
 * NVMe: commands of the namespace (1.4, 6), one row each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/nvme.h"
#include "pvabi/pvabi.h"

#define FUA	    (1u << 30) /* CDW12 */
#define DEALLOCATE  (1u << 25) /* of write zeroes */
#define DSM_AD	    (1u << 2)  /* CDW11: deallocate */
#define MAX_REPORTS 10

/* Zeros to write: so many bytes at a time. */
#define ZEROS 65536u
static const uint8_t zeros[ZEROS];

uint16_t nvme_host_status(const struct nvme_request *r, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		return NVME_SC_CAP_EXCEEDED;
	switch (r->io.op) {
	case IMAGE_READ:
		return NVME_MEDIA(NVME_SC_READ_ERROR);
	case IMAGE_WRITE:
	case IMAGE_DISCARD:
		return NVME_MEDIA(NVME_SC_WRITE_FAULT);
	case IMAGE_FLUSH:
		break;
	}
	return NVME_SC_INTERNAL;
}

/* The host's trouble is not only the guest's business. */
static void report(struct nvme_request *r, int rc)
{
	static const char *const what[] = {"reading", "writing", "flushing", "discarding"};
	struct nvme *n = r->n;

	if (++n->reported > MAX_REPORTS)
		return;
	domain_log(n->d.host->domain, LOG_WARN, "%s: %s: %s%s", n->d.name, what[r->io.op],
		   strerror(-rc),
		   n->reported == MAX_REPORTS ? "; more such errors are only counted" : "");
}

static void done(struct image_io *io, int rc)
{
	struct nvme_request *r = (struct nvme_request *)io;

	if (rc) {
		report(r, rc);
		nvme_complete(r, nvme_host_status(r, rc));
	} else if (!r->step || !r->step(r)) {
		nvme_complete(r, r->status);
	}
}

static void begin(struct nvme_request *r, enum image_op op, uint64_t offset)
{
	r->io.op = op;
	r->io.offset = offset;
	r->io.done = done;
	nvme_submit(r);
}

static uint64_t start_of(const struct nvme_request *r)
{
	return (uint64_t)r->cmd.cdw11 << 32 | r->cmd.cdw10;
}

static uint64_t blocks_of(const struct nvme_request *r)
{
	return (r->cmd.cdw12 & 0xffff) + 1;
}

static bool is_inside(const struct nvme *n, uint64_t start, uint64_t blocks)
{
	uint64_t size = nvme_blocks(n);

	return start <= size && blocks <= size - start;
}

/* ---- flush, also as the last step of a write ---- */

static bool has_cache(const struct nvme *n)
{
	return n->image.can_flush && !n->options.no_flush;
}

static bool flush_step(struct nvme_request *r)
{
	r->step = NULL;
	begin(r, IMAGE_FLUSH, 0);
	return true;
}

/* Without a cache, to the guest, what is written is there. */
static bool is_durable(const struct nvme_request *r)
{
	const struct nvme *n = r->n;

	if (!n->image.can_flush)
		return false;
	return !has_cache(n) || !nvme_write_cache(n) || r->cmd.cdw12 & FUA;
}

static uint16_t flush(struct nvme_request *r)
{
	r->n->stats.flushes++;
	if (!r->n->image.can_flush)
		return 0;
	begin(r, IMAGE_FLUSH, 0);
	return NVME_LATER;
}

/* ---- data ---- */

static uint16_t map(struct nvme_request *r, bool to_guest, size_t *len)
{
	*len = blocks_of(r) << r->n->lba_shift;
	return *len > NVME_MAX_TRANSFER ? NVME_SC_INVALID_FIELD : nvme_map_data(r, *len, to_guest);
}

static uint16_t read_blocks(struct nvme_request *r)
{
	size_t len;
	uint16_t status = map(r, true, &len);

	if (status)
		return status;
	r->n->stats.reads++;
	r->n->stats.read_bytes += len;
	r->io.iov = r->iov;
	r->io.nr_iov = r->nr_iov;
	begin(r, IMAGE_READ, start_of(r) << r->n->lba_shift);
	return NVME_LATER;
}

static uint16_t write_blocks(struct nvme_request *r)
{
	size_t len;
	uint16_t status = map(r, false, &len);

	if (status)
		return status;
	r->n->stats.writes++;
	r->n->stats.written_bytes += len;
	r->io.iov = r->iov;
	r->io.nr_iov = r->nr_iov;
	r->step = is_durable(r) ? flush_step : NULL;
	begin(r, IMAGE_WRITE, start_of(r) << r->n->lba_shift);
	return NVME_LATER;
}

/* What was read is in the first half of the buffer; the guest's goes to the second. */
static bool compare_step(struct nvme_request *r)
{
	size_t len = blocks_of(r) << r->n->lba_shift;
	uint8_t *mine = r->buffer, *theirs = mine + len;

	nvme_data_read(r, theirs, len);
	if (memcmp(mine, theirs, len))
		r->status = NVME_MEDIA(NVME_SC_COMPARE_FAILED);
	return false;
}

static uint16_t compare_blocks(struct nvme_request *r)
{
	size_t len;
	uint16_t status = map(r, false, &len);

	if (status)
		return status;
	r->buffer = malloc(2 * len);
	if (!r->buffer)
		return NVME_SC_INTERNAL;
	r->piece[0] = (struct iovec){r->buffer, len};
	r->io.iov = r->piece;
	r->io.nr_iov = 1;
	r->step = compare_step;
	begin(r, IMAGE_READ, start_of(r) << r->n->lba_shift);
	return NVME_LATER;
}

/* ---- zeros ---- */

/* The next part of them. */
static bool zero_step(struct nvme_request *r)
{
	uint64_t len = blocks_of(r) << r->n->lba_shift, left = len - r->done;
	unsigned i = 0;

	if (!left)
		return is_durable(r) && flush_step(r);
	uint64_t offset = (start_of(r) << r->n->lba_shift) + r->done;
	for (; i < sizeof(r->piece) / sizeof(r->piece[0]) && left; i++) {
		size_t n = left < ZEROS ? left : ZEROS;

		r->piece[i] = (struct iovec){(void *)(uintptr_t)zeros, n};
		left -= n;
		r->done += n;
	}
	r->io.iov = r->piece;
	r->io.nr_iov = i;
	begin(r, IMAGE_WRITE, offset);
	return true;
}

static bool can_discard(const struct nvme *n)
{
	return n->image.can_discard && !n->options.no_discard;
}

static uint16_t write_zeroes(struct nvme_request *r)
{
	struct nvme *n = r->n;

	n->stats.zeroes++;
	if (r->cmd.cdw12 & DEALLOCATE && can_discard(n) && n->image.fd >= 0) {
		r->io.length = blocks_of(r) << n->lba_shift;
		r->step = is_durable(r) ? flush_step : NULL;
		begin(r, IMAGE_DISCARD, start_of(r) << n->lba_shift);
		return NVME_LATER;
	}
	r->step = zero_step;
	zero_step(r);
	return NVME_LATER;
}

/* ---- dataset management ---- */

static bool discard_step(struct nvme_request *r)
{
	const struct nvme_dsm_range *range = r->buffer;
	unsigned nr = (r->cmd.cdw10 & 0xff) + 1;

	while (r->done < nr) {
		const struct nvme_dsm_range *g = &range[r->done++];

		if (!g->nlb)
			continue;
		r->io.length = (uint64_t)g->nlb << r->n->lba_shift;
		begin(r, IMAGE_DISCARD, g->slba << r->n->lba_shift);
		return true;
	}
	return false;
}

static uint16_t dataset_management(struct nvme_request *r)
{
	unsigned nr = (r->cmd.cdw10 & 0xff) + 1;
	struct nvme *n = r->n;
	struct nvme_dsm_range *range;
	uint16_t status = nvme_map_data(r, nr * sizeof(*range), false);

	if (status)
		return status;
	range = r->buffer = malloc(nr * sizeof(*range));
	if (!range)
		return NVME_SC_INTERNAL;
	nvme_data_read(r, range, nr * sizeof(*range));
	for (unsigned i = 0; i < nr; i++)
		if (!is_inside(n, range[i].slba, range[i].nlb))
			return NVME_SC_LBA_RANGE;
	/* The rest is advice about how it will be used. */
	if (!(r->cmd.cdw11 & DSM_AD) || !can_discard(n))
		return 0;
	n->stats.discards++;
	r->step = discard_step;
	return discard_step(r) ? NVME_LATER : 0;
}

/* ---- the table ---- */

static const struct {
	uint16_t (*fn)(struct nvme_request *r);
	bool has_range, writes;
} commands[256] = {
	[nvme_cmd_flush] = {.fn = flush},
	[nvme_cmd_write] = {.fn = write_blocks, .has_range = true, .writes = true},
	[nvme_cmd_read] = {.fn = read_blocks, .has_range = true},
	[nvme_cmd_compare] = {.fn = compare_blocks, .has_range = true},
	[nvme_cmd_write_zeroes] = {.fn = write_zeroes, .has_range = true, .writes = true},
	[nvme_cmd_dsm] = {.fn = dataset_management, .writes = true},
};

static bool exists(const struct nvme *n, uint8_t opcode)
{
	if (opcode == nvme_cmd_dsm)
		return can_discard(n);
	if (opcode == nvme_cmd_write_zeroes)
		return !n->image.readonly;
	return commands[opcode].fn;
}

uint32_t nvme_io_effects(const struct nvme *n, uint8_t opcode)
{
	if (!exists(n, opcode))
		return 0;
	return NVME_CMD_EFFECTS_CSUPP | (commands[opcode].writes ? NVME_CMD_EFFECTS_LBCC : 0);
}

uint16_t nvme_io_command(struct nvme_request *r)
{
	struct nvme *n = r->n;
	uint8_t op = r->cmd.opcode;

	if (!exists(n, op))
		return NVME_SC_INVALID_OPCODE;
	if (r->cmd.flags & 3)
		return NVME_SC_INVALID_FIELD;
	/* A flush may be for all there are (6.8). */
	if (r->cmd.nsid != NVME_NSID && !(op == nvme_cmd_flush && r->cmd.nsid == ~0u))
		return NVME_SC_INVALID_NS;
	if (commands[op].has_range && !is_inside(n, start_of(r), blocks_of(r)))
		return NVME_SC_LBA_RANGE;
	if (commands[op].writes && n->image.readonly)
		return NVME_SC_NS_WRITE_PROTECTED;
	return commands[op].fn(r);
}
