/*
 * One block request on its way: its pages mapped, its bytes read or written, its
 * answer given.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/blkback.h"
#include "pvabi/fault.h"

#define MAX_REPORTS 10 /* of a disk's errors */

struct blk_io {
	struct image_io io; /* first */
	struct blk_queue *q;
	uint64_t id, sector;
	uint8_t op;
	bool flush_before, flush_after;
	int fault;	 /* what it is to end with, when all goes well; 0: that */
	bool torn;	 /* the power goes when it is done */
	unsigned flight; /* blk_flight_begin()'s */
	unsigned nr_grants;
	struct blk_grant *grant; /* [nr_grants] */
	struct iovec iov[];
};

static int16_t status_of(int rc)
{
	if (!rc)
		return BLKIF_RSP_OKAY;
	return rc == -EOPNOTSUPP || rc == -ENOSYS ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
}

static void answer(struct blk_queue *q, const struct blk_request *r, int rc)
{
	if (rc)
		q->dev->stats.errors++;
	/* Linux's blkback answers an indirect request with what was to be done. */
	blk_queue_respond(q, r->id, r->op, status_of(rc));
}

/* The host's trouble is not only the guest's business. */
static void report(struct blk_queue *q, const struct blk_io *b, int rc)
{
	static const char *const what[] = {"reading", "writing", "flushing", "discarding"};
	struct blkback *k = q->dev;
	unsigned nr = ++k->reported;

	if (nr <= MAX_REPORTS)
		domain_log(k->b.domain, LOG_WARN, "disk %s: %s (sector %llu): %s%s", k->spec.vdev,
			   what[b->io.op], (unsigned long long)b->sector, strerror(-rc),
			   nr == MAX_REPORTS ? "; more such errors are only counted" : "");
}

/* Carries out what is left of a write that flushes. True: there was something. */
static bool next_step(struct blk_io *b)
{
	if (b->flush_before) {
		b->flush_before = false;
		b->io.op = IMAGE_WRITE;
	} else if (b->flush_after) {
		b->flush_after = false;
		b->io.op = IMAGE_FLUSH;
	} else {
		return false;
	}
	b->q->image->ops->submit(b->q->image, &b->io);
	return true;
}

/* It is no longer in flight. */
static void let_go(struct blk_io *b)
{
	struct blk_queue *q = b->q;

	for (unsigned i = 0; i < b->nr_grants; i++)
		blk_grant_unmap(&q->grants, &b->grant[i]);
	if (b->op == BLKIF_OP_WRITE_BARRIER)
		q->barrier = false;
	q->in_flight--;
	atomic_fetch_sub(&q->dev->b.domain->backend_work, 1);
	blk_flight_end(q, b->flight);
}

/* Nobody answers any more; the domain begins again, when it is to be restarted. */
static void power_cut(struct blk_io *b)
{
	struct domain *d = b->q->dev->b.domain;

	domain_log(d, LOG_WARN, "disk %s: the power is cut in a write to sector %llu",
		   b->q->dev->spec.vdev, (unsigned long long)b->sector);
	let_go(b);
	free(b);
	domain_shutdown(d, SHUTDOWN_reboot);
}

static void done(struct image_io *io, int rc)
{
	struct blk_io *b = (struct blk_io *)io;
	struct blk_queue *q = b->q;

	if (!rc && next_step(b))
		return;
	if (b->torn) {
		power_cut(b);
		return;
	}
	if (!rc)
		rc = b->fault;
	PROBE_HIT(q->dev->b.domain, blk_done, q->dev->b.id, q->index, b->id, b->op, (uint64_t)rc);
	if (rc)
		report(q, b, rc);
	let_go(b);
	if (rc)
		q->dev->stats.errors++;
	blk_queue_respond(q, b->id, b->op, status_of(rc));
	free(b);
}

static struct blk_io *new_io(struct blk_queue *q, unsigned nr)
{
	const struct blk_request *r = &q->request;
	struct blk_io *b =
		calloc(1, sizeof(*b) + nr * (sizeof(struct iovec) + sizeof(struct blk_grant)));

	if (!b)
		return NULL;
	b->q = q;
	b->id = r->id;
	b->sector = r->sector;
	b->op = r->op;
	b->grant = (struct blk_grant *)(b->iov + nr);
	b->io.done = done;
	b->io.iov = b->iov;
	b->io.offset = r->sector * BLKIF_SECTOR;
	return b;
}

static size_t bytes(const struct blk_io *b)
{
	size_t n = 0;

	for (unsigned i = 0; i < b->io.nr_iov; i++)
		n += b->io.iov[i].iov_len;
	return n;
}

/* Of what is read or written no more than the first bytes. */
static void cut(struct blk_io *b, size_t left)
{
	for (unsigned i = 0; i < b->io.nr_iov; i++) {
		if (b->io.iov[i].iov_len > left)
			b->io.iov[i].iov_len = left;
		left -= b->io.iov[i].iov_len;
	}
	while (b->io.nr_iov > 1 && !b->io.iov[b->io.nr_iov - 1].iov_len)
		b->io.nr_iov--;
}

/* True: it goes no further. */
static bool submit_faulty(struct blk_queue *q, struct blk_io *b)
{
	struct fault f;

	if (!FAULT_AT(q->dev->b.domain, blk_submit, &f, q->dev->b.id, q->index, b->id, b->op,
		      b->io.offset, q->request.nr_sectors * BLKIF_SECTOR))
		return false;
	if (f.kind == FAULT_FAIL) {
		b->flush_before = b->flush_after = false;
		done(&b->io, (int)fault_value(&f, -EIO));
		return true;
	}
	if (f.kind == FAULT_TEAR) {
		size_t keep = fault_value(&f, 0) < 0 ? 0 : (size_t)fault_value(&f, 0);

		b->torn = q->dev->powerless = true;
		b->flush_after = false;
		cut(b, f.has_value ? keep * BLKIF_SECTOR : bytes(b) / 2);
		if (b->op == BLKIF_OP_WRITE && b->io.nr_iov && b->io.iov[0].iov_len)
			return false;
		/* Nothing of it. */
		power_cut(b);
		return true;
	}
	b->fault = -EIO;
	cut(b, bytes(b) / 2);
	return false;
}

static void submit(struct blk_queue *q, struct blk_io *b)
{
	q->in_flight++;
	atomic_fetch_add(&q->dev->b.domain->backend_work, 1);
	PROBE_HIT(q->dev->b.domain, blk_submit, q->dev->b.id, q->index, b->id, b->op, b->io.offset,
		  b->op == BLKIF_OP_DISCARD ? b->io.length : q->request.nr_sectors * BLKIF_SECTOR);
	b->flight = blk_flight_begin(q, b->grant, b->nr_grants);
	if (submit_faulty(q, b))
		return;
	q->image->ops->submit(q->image, &b->io);
}

/* The segments' pages as one vector. 0, or -EINVAL with nothing mapped. */
static int map_segments(struct blk_queue *q, struct blk_io *b)
{
	const struct blk_request *r = &q->request;
	bool to_guest = r->op == BLKIF_OP_READ;

	for (unsigned i = 0; i < r->nr_segs; i++) {
		const struct blkif_request_segment *s = &r->seg[i];
		uint8_t *page =
			blk_grant_map(&q->grants, s->gref, to_guest, &b->grant[b->nr_grants]);
		if (!page) {
			while (b->nr_grants)
				blk_grant_unmap(&q->grants, &b->grant[--b->nr_grants]);
			return -EINVAL;
		}
		b->nr_grants++;
		page += s->first_sect * BLKIF_SECTOR;
		size_t len = (s->last_sect - s->first_sect + 1u) * BLKIF_SECTOR;
		struct iovec *last = b->io.nr_iov ? &b->iov[b->io.nr_iov - 1] : NULL;
		if (last && (uint8_t *)last->iov_base + last->iov_len == page)
			last->iov_len += len;
		else
			b->iov[b->io.nr_iov++] = (struct iovec){page, len};
	}
	return 0;
}

/* Within the disk, and in whole sectors of its size. */
static int check_range(const struct blk_queue *q)
{
	const struct blk_request *r = &q->request;
	uint64_t size = q->dev->image.size / BLKIF_SECTOR;
	unsigned unit = q->dev->spec.sector_size / BLKIF_SECTOR;

	if (r->sector > size || r->nr_sectors > size - r->sector)
		return -EINVAL;
	return (r->sector | r->nr_sectors) % unit ? -EINVAL : 0;
}

static int read_or_write(struct blk_queue *q)
{
	struct blk_request *r = &q->request;
	bool write = r->op != BLKIF_OP_READ;
	int rc = blkif_check_segments(r);

	if (!rc)
		rc = check_range(q);
	if (!rc && write && q->dev->spec.readonly)
		rc = -EROFS;
	if (rc)
		return rc;
	struct blk_io *b = new_io(q, r->nr_segs);
	if (!b)
		return -ENOMEM;
	rc = map_segments(q, b);
	if (rc) {
		free(b);
		return rc;
	}
	b->io.op = write ? IMAGE_WRITE : IMAGE_READ;
	/* What was written before is on the disk before this is (Linux's blkback:
	 * REQ_PREFLUSH), and this is when it is answered: blkfront sends a forced unit
	 * access so. */
	if (r->op == BLKIF_OP_WRITE_BARRIER || r->op == BLKIF_OP_FLUSH_DISKCACHE) {
		b->flush_before = b->flush_after = true;
		b->io.op = IMAGE_FLUSH;
	}
	q->barrier = r->op == BLKIF_OP_WRITE_BARRIER;
	if (write) {
		q->dev->stats.writes++;
		q->dev->stats.written_bytes += r->nr_sectors * BLKIF_SECTOR;
	} else {
		q->dev->stats.reads++;
		q->dev->stats.read_bytes += r->nr_sectors * BLKIF_SECTOR;
	}
	submit(q, b);
	return 0;
}

static int flush_cache(struct blk_queue *q)
{
	if (!q->dev->spec.target[0]) { /* an empty drive */
		answer(q, &q->request, 0);
		return 0;
	}
	struct blk_io *b = new_io(q, 0);

	if (!b)
		return -ENOMEM;
	b->io.op = IMAGE_FLUSH;
	q->barrier = q->request.op == BLKIF_OP_WRITE_BARRIER;
	q->dev->stats.flushes++;
	submit(q, b);
	return 0;
}

static int discard(struct blk_queue *q)
{
	const struct blk_request *r = &q->request;
	int rc = check_range(q);

	if (rc)
		return rc;
	if (q->dev->spec.readonly)
		return -EROFS;
	if (q->dev->spec.no_discard || !q->dev->image.can_discard)
		return -EOPNOTSUPP;
	if (!r->nr_sectors) {
		answer(q, r, 0);
		return 0;
	}
	struct blk_io *b = new_io(q, 0);
	if (!b)
		return -ENOMEM;
	b->io.op = IMAGE_DISCARD;
	b->io.length = r->nr_sectors * BLKIF_SECTOR;
	q->dev->stats.discards++;
	submit(q, b);
	return 0;
}

/* Fetches the segments from the pages that the request names. */
static int fetch_indirect(struct blk_queue *q)
{
	struct blk_request *r = &q->request;

	if (q->dev->spec.no_indirect)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < r->nr_indirect; i++) {
		struct blk_grant g;
		void *page = blk_grant_map(&q->grants, r->indirect_ref[i], false, &g);

		if (!page)
			return -EINVAL;
		blkif_indirect_page(r, i, page);
		blk_grant_unmap(&q->grants, &g);
	}
	return 0;
}

static int start(struct blk_queue *q)
{
	struct blk_request *r = &q->request;
	bool flushes = r->op == BLKIF_OP_FLUSH_DISKCACHE || r->op == BLKIF_OP_WRITE_BARRIER;

	if (flushes && (q->dev->spec.no_flush || !q->dev->image.can_flush))
		return -EOPNOTSUPP;
	if (r->op == BLKIF_OP_DISCARD)
		return discard(q);
	if (flushes && !r->nr_segs)
		return flush_cache(q);
	int rc = r->indirect ? fetch_indirect(q) : 0;
	return rc ? rc : read_or_write(q);
}

void blk_request_start(struct blk_queue *q)
{
	int rc;

	if (q->dev->powerless)
		return;
	rc = start(q);

	if (rc)
		answer(q, &q->request, rc);
}
