/*
 * Disks as a kind of device: --disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/block.h"
#include "devices/block/image.h"
#include "vmm/guest_devices.h"

static int read_spec(struct disk_spec *spec, const char *text, struct error *err)
{
	char why[200];
	int rc = disk_spec_parse(spec, text, why, sizeof(why));

	return rc ? error_set(err, rc, "disk '%s': %s", text, why) : 0;
}

static int parse(const char *text, struct error *err)
{
	struct disk_spec spec;
	int rc = read_spec(&spec, text, err);

	if (!rc)
		disk_spec_free(&spec);
	return rc;
}

static int check(const char *text, struct error *err)
{
	struct disk_spec spec;
	char why[300];
	int rc = read_spec(&spec, text, err);

	if (rc)
		return rc;
	rc = image_check(&spec, why, sizeof(why));
	/* One that is in use is a file that cannot be used. */
	if (rc)
		rc = error_set(err, rc == -EBUSY ? -EINVAL : rc, "disk %s", why);
	disk_spec_free(&spec);
	return rc;
}

static struct backend *create(struct guest_devices *g, const char *text, struct error *err)
{
	struct disk_spec spec;
	char why[300];

	if (read_spec(&spec, text, err))
		return NULL;
	struct backend *b =
		blkback_create(g->loop, g->xenstore, g->domain, &spec, why, sizeof(why));
	if (!b)
		error_set(err, -EINVAL, "disk %s", why);
	return b;
}

/* xl: libxl_vdev_to_device_disk(), a name or a number. */
static bool is(const struct backend *b, const char *which)
{
	unsigned number, disk, partition;

	return !disk_vdev_number(which, &number, &disk, &partition) && number == b->id;
}

/* ---- statistics ---- */

static unsigned long count(const _Atomic uint64_t *n)
{
	return (unsigned long)*n;
}

static void text(FILE *f, const struct backend *b)
{
	const struct blk_stats *s = blkback_stats(b);

	fprintf(f,
		"  disk %s: %lu reads (%lu KiB), %lu writes (%lu KiB), %lu flushes, "
		"%lu discards, %lu errors; woken %lu times, %lu events\n",
		blkback_spec(b)->vdev, count(&s->reads), count(&s->read_bytes) / 1024,
		count(&s->writes), count(&s->written_bytes) / 1024, count(&s->flushes),
		count(&s->discards), count(&s->errors), count(&s->wakeups),
		count(&s->notifications));
}

static void json(FILE *f, const struct backend *b)
{
	const struct blk_stats *s = blkback_stats(b);

	fprintf(f,
		"\"%s\": {\"reads\": %lu, \"read_bytes\": %lu, \"writes\": %lu, "
		"\"written_bytes\": %lu, \"flushes\": %lu, \"discards\": %lu, "
		"\"errors\": %lu, \"wakeups\": %lu, \"notifications\": %lu, "
		"\"copied_bytes\": %lu}",
		blkback_spec(b)->vdev, count(&s->reads), count(&s->read_bytes), count(&s->writes),
		count(&s->written_bytes), count(&s->flushes), count(&s->discards),
		count(&s->errors), count(&s->wakeups), count(&s->notifications),
		(unsigned long)blkback_copied(b));
}

const struct device_kind disk_kind = {
	.type = "vbd",
	.option = "disk",
	.plural = "disks",
	.parse = parse,
	.check = check,
	.create = create,
	.is = is,
	.text = text,
	.json = json,
};
