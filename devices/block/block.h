/*
 * Disks for the guest: what the VMM calls.
 */
#ifndef DEVICES_BLOCK_BLOCK_H
#define DEVICES_BLOCK_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "devices/block/disk_spec.h"

struct backend;
struct domain;
struct event_loop;
struct xenstore;

/* Counted from the start; readable at any time by any thread. */
struct blk_stats {
	_Atomic uint64_t reads, writes, flushes, discards, errors;
	_Atomic uint64_t read_bytes, written_bytes;
	_Atomic uint64_t wakeups;	/* of a queue's thread by the frontend's event */
	_Atomic uint64_t notifications; /* events to the frontend */
};

/* A disk: opens spec's target, makes the xenstore directories. The spec is taken over
 * (also on an error). NULL and a sentence on an error. */
struct backend *blkback_create(struct event_loop *l, struct xenstore *xs, struct domain *d,
			       struct disk_spec *spec, char *err, size_t errlen);
/* Puts something else into a drive: "FILE", "FORMAT:FILE", or "" to empty it. In the event
 * loop's thread. 0, or negative errno and a sentence: what was in it is still. */
int blkback_insert(struct backend *b, const char *params, char *err, size_t errlen);
const struct blk_stats *blkback_stats(const struct backend *b);
/* Bytes that were copied between the guest's pages and buffers of ours: 0 for raw disks. */
uint64_t blkback_copied(const struct backend *b);
const struct disk_spec *blkback_spec(const struct backend *b);
/* "io_uring", "threads", or "" while not connected. */
const char *blkback_host_path(const struct backend *b);

#endif
