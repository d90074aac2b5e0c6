/*
 * A disk's xenstore keys, as libxl (libxl_disk.c) and Linux's blkback
 * (xen-blkback/xenbus.c) write them, and its queues' beginning and end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/block/blkback.h"
#include "devices/device.h"

#define RESIZE_CHECK_SECONDS 1

static struct blkback *of(struct backend *b)
{
	return (struct blkback *)b;
}

/* A drive has one: what is put into it may have no more. */
static unsigned wanted_queues(const struct blkback *k)
{
	unsigned nr = k->spec.max_queues ? k->spec.max_queues : k->b.domain->nr_vcpus;

	if (k->spec.cdrom)
		return 1;
	return nr < BLK_MAX_QUEUES ? nr : BLK_MAX_QUEUES;
}

static unsigned max_queues(const struct blkback *k)
{
	unsigned nr = wanted_queues(k);

	return nr < k->image.max_queues ? nr : k->image.max_queues;
}

uint64_t blkback_sectors(const struct blkback *k)
{
	return k->image.size / k->spec.sector_size * (k->spec.sector_size / BLKIF_SECTOR);
}

static int publish(struct backend *b)
{
	struct blkback *k = of(b);
	const struct disk_spec *s = &k->spec;
	bool discard = k->image.can_discard && !s->no_discard;
	bool flush = k->image.can_flush && !s->no_flush;

	backend_write_frontend(b, "virtual-device", "%u", s->number);
	backend_write_frontend(b, "device-type", s->cdrom ? "cdrom" : "disk");

	backend_write(b, "removable", "%d", s->cdrom);
	backend_write(b, "bootable", "1");
	backend_write(b, "dev", "%s", s->vdev);
	backend_write(b, "type", "%s", k->image.nbd ? "qdisk" : "phy");
	backend_write(b, "mode", s->readonly ? "r" : "w");
	backend_write(b, "device-type", s->cdrom ? "cdrom" : "disk");
	backend_write(b, "discard-enable", "%d", !s->no_discard);
	blk_media_publish(k);

	backend_write(b, "multi-queue-max-queues", "%u", max_queues(k));
	backend_write(b, "max-ring-page-order", "%u", s->max_ring_order);
	backend_write(b, "feature-flush-cache", "%d", flush);
	backend_write(b, "feature-barrier", "%d", flush);
	backend_write(b, "feature-persistent", "%d", !s->no_persistent);
	if (!s->no_indirect)
		backend_write(b, "feature-max-indirect-segments", "%u", BLKIF_INDIRECT_SEGS);
	if (discard) {
		backend_write(b, "discard-granularity", "%u", k->image.discard_granularity);
		backend_write(b, "discard-alignment", "0");
		backend_write(b, "discard-secure", "0");
	}
	backend_write(b, "feature-discard", "%d", discard);
	backend_write(b, "info", "%u",
		      (s->cdrom ? VDISK_CDROM : 0u) | (s->readonly ? VDISK_READONLY : 0u));
	backend_write(b, "sector-size", "%u", s->sector_size);
	backend_write(b, "physical-sector-size", "%u", s->sector_size);
	int rc = backend_write(b, "sectors", "%llu", (unsigned long long)blkback_sectors(k));
	return rc ? rc : blk_media_watch(k);
}

/* ---- connecting ---- */

static int read_abi(struct backend *b, enum blkif_abi *abi)
{
	char *s = backend_frontend_string(b, "protocol");
	int rc = 0;

	if (!s || !strcmp(s, "x86_64-abi"))
		*abi = BLKIF_X86_64;
	else if (!strcmp(s, "x86_32-abi"))
		*abi = BLKIF_X86_32;
	else
		rc = -ENOSYS;
	if (rc)
		backend_error(b, rc, "the frontend's protocol is none that this backend has");
	free(s);
	return rc;
}

/* The keys of one queue are in a directory of its own when there are several. */
static const char *key(char buf[48], const struct blkback *k, unsigned queue, const char *name)
{
	if (k->nr_queues == 1)
		snprintf(buf, 48, "%s", name);
	else
		snprintf(buf, 48, "queue-%u/%s", queue, name);
	return buf;
}

static int read_ring(struct blk_queue *q, unsigned order)
{
	struct blkback *k = q->dev;
	grant_ref_t refs[BACKEND_MAX_RING_PAGES];
	unsigned pages = 1u << order;
	char buf[48], name[24];
	uint64_t v;

	for (unsigned i = 0; i < pages; i++) {
		/* "ring-ref" alone, or "ring-ref0" and on. */
		int rc = -ENOENT;
		if (pages == 1)
			rc = backend_frontend_number(&k->b, key(buf, k, q->index, "ring-ref"), ~0u,
						     &v);
		if (rc == -ENOENT) {
			snprintf(name, sizeof(name), "ring-ref%u", i);
			rc = backend_frontend_number(&k->b, key(buf, k, q->index, name), ~0u, &v);
		}
		if (rc) {
			backend_error(&k->b, rc, "reading %s", buf);
			return rc;
		}
		refs[i] = (grant_ref_t)v;
	}
	int rc = backend_frontend_number(&k->b, key(buf, k, q->index, "event-channel"), ~0u, &v);
	if (rc) {
		backend_error(&k->b, rc, "reading %s", buf);
		return rc;
	}
	q->port = (evtchn_port_t)v;
	rc = ring_map(&q->ring, k->b.domain, refs, pages);
	if (rc)
		backend_error(&k->b, rc, "mapping the ring (grant %u)", refs[0]);
	return rc;
}

static void stop_queues(struct blkback *k)
{
	for (unsigned i = 0; i < k->nr_queues; i++) {
		if (!k->queue[i])
			continue;
		blk_queue_stop(k->queue[i]);
		free(k->queue[i]);
		k->queue[i] = NULL;
	}
	k->nr_queues = 0;
}

static int start_queue(struct blkback *k, unsigned i, enum blkif_abi abi, unsigned order,
		       bool persistent)
{
	struct blk_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->dev = k;
	q->index = i;
	q->abi = abi;
	int rc = read_ring(q, order);
	if (!rc) {
		rc = blk_queue_start(q, persistent);
		if (rc)
			backend_error(&k->b, rc, "starting queue %u (event channel %u)", i,
				      q->port);
	}
	if (rc)
		free(q);
	else
		k->queue[i] = q;
	return rc;
}

static void watch_size(struct blkback *k, bool on)
{
	struct itimerspec t = {{RESIZE_CHECK_SECONDS, 0}, {RESIZE_CHECK_SECONDS, 0}};

	if (!on)
		memset(&t, 0, sizeof(t));
	timerfd_settime(k->timer_fd, 0, &t, NULL);
}

static int connect(struct backend *b)
{
	struct blkback *k = of(b);
	uint64_t queues, order, persistent;
	enum blkif_abi abi;
	int rc = read_abi(b, &abi);

	if (rc)
		return rc;
	if (backend_frontend_option(b, "multi-queue-num-queues", max_queues(k), 1, &queues) ||
	    !queues) {
		backend_error(b, -EINVAL, "the frontend wants more queues than there are");
		return -EINVAL;
	}
	if (backend_frontend_option(b, "ring-page-order", k->spec.max_ring_order, 0, &order)) {
		backend_error(b, -EINVAL, "the frontend's ring is too large");
		return -EINVAL;
	}
	if (backend_frontend_option(b, "feature-persistent", 1, 0, &persistent) ||
	    k->spec.no_persistent)
		persistent = 0;
	image_resized(&k->image);
	backend_write(b, "sectors", "%llu", (unsigned long long)blkback_sectors(k));
	k->nr_queues = (unsigned)queues;
	for (unsigned i = 0; !rc && i < queues; i++)
		rc = start_queue(k, i, abi, (unsigned)order, persistent);
	if (rc)
		stop_queues(k);
	else
		watch_size(k, true);
	return rc;
}

static void drain(struct backend *b)
{
	struct blkback *k = of(b);

	for (unsigned i = 0; i < k->nr_queues; i++)
		blk_queue_drain(k->queue[i]);
}

static void disconnect(struct backend *b)
{
	struct blkback *k = of(b);

	watch_size(k, false);
	stop_queues(k);
}

/* ---- what happens in the event loop ---- */

static void on_wake(void *arg, uint32_t events)
{
	struct blkback *k = arg;
	eventfd_t n;

	eventfd_read(k->wake_fd, &n);
	for (unsigned i = 0; i < k->nr_queues; i++)
		if (k->queue[i] && k->queue[i]->broken) {
			backend_fail(&k->b, -EIO,
				     "the frontend's ring claims more requests "
				     "than it has room for");
			return;
		}
}

void blkback_tell_size(struct blkback *k)
{
	backend_write(&k->b, "sectors", "%llu", (unsigned long long)blkback_sectors(k));
	if (k->b.state == XenbusStateConnected)
		backend_write(&k->b, "state", "%d", XenbusStateConnected);
}

static void on_timer(void *arg, uint32_t events)
{
	struct blkback *k = arg;
	uint64_t n;

	if (read(k->timer_fd, &n, sizeof(n)) < 0 || !k->b.connected || !image_resized(&k->image))
		return;
	domain_log(k->b.domain, LOG_INFO, "disk %s has %llu sectors now", k->spec.vdev,
		   (unsigned long long)blkback_sectors(k));
	blkback_tell_size(k);
}

static void destroy(struct backend *b)
{
	struct blkback *k = of(b);

	blk_media_unwatch(k);
	if (k->wake_fd >= 0) {
		event_loop_del(b->loop, k->wake_fd);
		close(k->wake_fd);
	}
	if (k->timer_fd >= 0) {
		event_loop_del(b->loop, k->timer_fd);
		close(k->timer_fd);
	}
	image_close(&k->image);
	disk_spec_free(&k->spec);
	free(k);
}

static const struct backend_class blkback_class = {
	.type = "vbd",
	.publish = publish,
	.connect = connect,
	.serves_closing = true,
	.drain = drain,
	.disconnect = disconnect,
	.destroy = destroy,
	.inspect = blkback_inspect,
};

static int open_descriptors(struct blkback *k)
{
	k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (k->wake_fd < 0 || k->timer_fd < 0)
		return -errno;
	int rc = event_loop_add(k->b.loop, k->wake_fd, EPOLLIN, on_wake, k);
	return rc ? rc : event_loop_add(k->b.loop, k->timer_fd, EPOLLIN, on_timer, k);
}

struct backend *blkback_create(struct event_loop *l, struct xenstore *xs, struct domain *d,
			       struct disk_spec *spec, char *err, size_t errlen)
{
	struct blkback *k = calloc(1, sizeof(*k));

	if (!k) {
		disk_spec_free(spec);
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	k->b = (struct backend){
		.class = &blkback_class,
		.loop = l,
		.xenstore = xs,
		.domain = d,
		.id = spec->number,
	};
	k->spec = *spec;
	spec->target = NULL;
	k->wake_fd = k->timer_fd = -1;
	int rc = image_open(&k->image, &k->spec, wanted_queues(k), err, errlen);
	if (!rc) {
		rc = open_descriptors(k);
		if (!rc)
			rc = backend_create(&k->b);
		if (rc)
			snprintf(err, errlen, "%s: %s", k->spec.vdev,
				 rc == -EEXIST ? "the guest has a device of this name already"
					       : strerror(-rc));
	}
	if (rc) {
		destroy(&k->b);
		return NULL;
	}
	const char *format = image_format_seen(&k->image);
	if (k->spec.format == DISK_RAW && format)
		domain_log(d, LOG_WARN,
			   "disk %s: %s begins like a %s image; format=%s would read it as one",
			   k->spec.vdev, k->spec.target, format, format);
	return &k->b;
}

const struct blk_stats *blkback_stats(const struct backend *b)
{
	return &((const struct blkback *)b)->stats;
}

uint64_t blkback_copied(const struct backend *b)
{
	return ((const struct blkback *)b)->image.copied;
}

const struct disk_spec *blkback_spec(const struct backend *b)
{
	return &((const struct blkback *)b)->spec;
}

const char *blkback_host_path(const struct backend *b)
{
	const struct blkback *k = (const struct blkback *)b;

	return k->nr_queues && k->queue[0] ? k->queue[0]->image->ops->name : "";
}
