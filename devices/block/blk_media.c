/*
 * What is in a drive. Its backend's `params` say so: "FILE", "FORMAT:FILE", or nothing.
 * When a program writes them, the queues stand still while the image is exchanged, and the
 * frontend is told the new size (0: nothing is in it), which is all that the protocol can
 * tell it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/blkback.h"
#include "devices/xenstore/local.h"

/* QEMU's block backend is given the format with the name (libxl_disk.c, "qdisk"). */
static const char *format_prefix(const struct disk_spec *s)
{
	return s->format == DISK_RAW ? "" : disk_format_name(s->format);
}

void blk_media_publish(struct blkback *k)
{
	const struct disk_spec *s = &k->spec;

	backend_write(&k->b, "params", "%s%s%s", format_prefix(s), *format_prefix(s) ? ":" : "",
		      s->target);
}

/* The spec's target and format. 0 or -ENOMEM. */
static int parse_params(struct disk_spec *s, const char *params)
{
	static const char aio[] = "aio:"; /* QEMU's and tapdisk's word for raw */

	s->format = DISK_RAW;
	if (!strncmp(params, aio, strlen(aio)))
		params += strlen(aio);
	for (unsigned i = 0; i < NR_DISK_FORMATS; i++) {
		size_t len = strlen(disk_format_name((enum disk_format)i));

		if (!strncmp(params, disk_format_name((enum disk_format)i), len) &&
		    params[len] == ':') {
			s->format = (enum disk_format)i;
			params += len + 1;
			break;
		}
	}
	s->target = strdup(params);
	return s->target ? 0 : -ENOMEM;
}

static bool is_in(const struct blkback *k, const struct disk_spec *s)
{
	return !strcmp(k->spec.target, s->target) && k->spec.format == s->format;
}

/* The new image is open: the old one goes. */
static int exchange(struct blkback *k, struct disk_spec *s, const struct image *img)
{
	int rc = 0;

	for (unsigned i = 0; i < k->nr_queues; i++)
		blk_queue_pause(k->queue[i]);
	image_close(&k->image);
	disk_spec_free(&k->spec);
	k->spec = *s;
	k->image = *img;
	for (unsigned i = 0; !rc && i < k->nr_queues; i++)
		rc = blk_queue_resume(k->queue[i]);
	if (rc) {
		backend_fail(&k->b, rc, "the queues cannot go on: %s", strerror(-rc));
		return rc;
	}
	domain_log(k->b.domain, LOG_INFO, "drive %s: %s", k->spec.vdev,
		   k->spec.target[0] ? k->spec.target : "empty");
	blk_media_publish(k);
	blkback_tell_size(k);
	return 0;
}

int blkback_insert(struct backend *b, const char *params, char *err, size_t errlen)
{
	struct blkback *k = (struct blkback *)b;
	struct disk_spec s = k->spec;
	struct image img;

	if (!k->spec.cdrom) {
		snprintf(err, errlen, "%s is a disk, not a drive", k->spec.vdev);
		return -EINVAL;
	}
	int rc = parse_params(&s, params);
	if (rc)
		snprintf(err, errlen, "out of memory");
	else if (is_in(k, &s))
		disk_spec_free(&s);
	else if (!(rc = image_open(&img, &s, 1, err, errlen)))
		rc = exchange(k, &s, &img);
	else
		disk_spec_free(&s);
	return rc;
}

static void params_changed(void *arg)
{
	struct blkback *k = arg;
	char path[BACKEND_PATH_SIZE + 8], err[300] = "";

	strcpy(path, k->b.be_path);
	strcat(path, "/params");
	char *params = xenstore_read(k->b.xenstore, path);
	if (!params)
		return; /* removed: the device is going */
	int rc = blkback_insert(&k->b, params, err, sizeof(err));
	free(params);
	if (!rc)
		return;
	backend_error(&k->b, rc, "drive %s keeps what is in it: %s", k->spec.vdev, err);
	blk_media_publish(k);
}

int blk_media_watch(struct blkback *k)
{
	char path[BACKEND_PATH_SIZE + 8];

	if (!k->spec.cdrom)
		return 0;
	strcpy(path, k->b.be_path);
	strcat(path, "/params");
	k->media = xenstore_watch(k->b.xenstore, path, params_changed, k);
	return k->media ? 0 : -ENOMEM;
}

void blk_media_unwatch(struct blkback *k)
{
	if (k->media)
		xenstore_unwatch(k->media);
	k->media = NULL;
}
