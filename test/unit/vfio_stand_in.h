/*
 * A stand-in for the kernel's VFIO and the sysfs beside it: one device in one group, with
 * Linux 6.1's rules (drivers/vfio) for what is refused and how. Its memory is a file, so
 * that it can be mapped.
 */
#ifndef TEST_UNIT_VFIO_STAND_IN_H
#define TEST_UNIT_VFIO_STAND_IN_H

#include "devices/pci/vfio_host.h"

#define STAND_IN_BDF   "0000:03:00.0"
#define STAND_IN_GROUP 7
#define STAND_IN_MAPS  8

struct vfio_stand_in {
	struct vfio_system system;
	char dir[32]; /* sysfs */
	int version;
	bool type1v2, viable, taken, resets;
	/* This call fails, with this errno: an ioctl, or an open of a path's last part. */
	unsigned long fail_request;
	const char *fail_open;
	int fail_errno;
	const char *token; /* that it wants; NULL: none */

	int device; /* the file that its regions are in; open while the stand-in is */
	uint64_t size[VFIO_PCI_NUM_REGIONS];
	uint32_t flags[VFIO_PCI_NUM_REGIONS];
	unsigned nr_sparse; /* of BAR 0 */
	struct vfio_region_sparse_mmap_area sparse[16];
	bool sparse_loop; /* the list of capabilities leads back to itself */
	unsigned irqs[VFIO_PCI_NUM_IRQS], vectors_left;
	int intx_errno; /* setting up INTx fails so; 0: it works */

	/* What was done. */
	unsigned open_fds, mmaps, set_container, unset_container;
	bool iommu;
	unsigned nr_maps;
	struct vfio_iommu_type1_dma_map map[STAND_IN_MAPS];
	int enabled; /* VFIO_PCI_*_IRQ_INDEX; VFIO_PCI_NUM_IRQS: none */
	unsigned nr_enabled;
	int trigger[PCI_MAX_MSIX], error_fd, request_fd; /* -1: none */
	bool intx_line, intx_masked;
	unsigned unmasks, device_resets, hot_resets;
	unsigned hot_group; /* of the other function that a hot reset would reset */
	int container_fd, group_fd;
	unsigned writes[VFIO_PCI_NUM_REGIONS];
};

/* A card: BAR 0 of 16 KiB with an MSI-X table of 4 entries in its third page, ports at BAR 1,
 * 64-bit memory at BAR 2, INTx, 4 MSIs, power management, errors. */
void stand_in_init(struct vfio_stand_in *s);
void stand_in_free(struct vfio_stand_in *s);
/* Bytes of a region, as the device has them. */
uint32_t stand_in_get(struct vfio_stand_in *s, unsigned region, uint64_t offset, unsigned bytes);
void stand_in_set(struct vfio_stand_in *s, unsigned region, uint64_t offset, unsigned bytes,
		  uint32_t val);
/* The device asserts INTx or lets it go; sends a message. */
void stand_in_intx(struct vfio_stand_in *s, bool asserted);
void stand_in_message(struct vfio_stand_in *s, unsigned vector);

/* A function in a directory that stands for /sys; driver, group NULL, -1: none. */
void stand_in_sysfs_add(const char *dir, const char *bdf, const char *driver, int group,
			const char *class);
/* A new one of these: fills a "…XXXXXX". */
void stand_in_sysfs_make(char *dir);
void stand_in_sysfs_remove(const char *dir);

#endif
