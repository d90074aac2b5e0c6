/*
 * A disk as xl's users write it (xl-disk-configuration(5), xen-vbd-interface(7)):
 * "TARGET,FORMAT,VDEV,ACCESS", any of them as KEY=VALUE, and flags.
 */
#ifndef DEVICES_BLOCK_DISK_SPEC_H
#define DEVICES_BLOCK_DISK_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

enum disk_format {
	DISK_RAW,
	DISK_QCOW2,
	DISK_QCOW,
	DISK_VHD,
	DISK_QED,
	DISK_VMDK, /* not one of xl's */
	NR_DISK_FORMATS
};

struct disk_spec {
	char *target; /* path or address of an NBD server; "" for an empty CD drive */
	enum disk_format format;
	char vdev[32];
	unsigned number; /* virtual-device: what vdev means to the guest */
	unsigned disk, partition;
	bool readonly, cdrom;
	bool shared; /* others may have it, too: the user knows what he does */
	bool no_discard;
	/* Ours, for tests of frontends: what is published. */
	unsigned sector_size; /* 512 or 4096 */
	bool no_persistent, no_indirect, no_flush;
	bool check; /* the frontend's rings are looked at for bugs of its own (blk_check.h) */
	unsigned max_ring_order, max_queues; /* queues 0: one for each vcpu */
	unsigned timeout;		     /* seconds that an NBD server may take for a request */
};

const char *disk_format_name(enum disk_format f);

/* 0, or -EINVAL and a sentence. spec->target is the caller's to free (disk_spec_free). */
int disk_spec_parse(struct disk_spec *spec, const char *text, char *err, size_t errlen);
void disk_spec_free(struct disk_spec *spec);

/* The number of a device name: xvdN, hdN, sdN, dNpM or a number. 0 or -EINVAL. */
int disk_vdev_number(const char *vdev, unsigned *number, unsigned *disk, unsigned *partition);

#endif
