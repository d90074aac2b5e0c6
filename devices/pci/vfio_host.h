/*
 * Functions of the host through the kernel's VFIO: what vfio_host.c and vfio_container.c
 * share. All system calls go through a table, so that a test can stand in for the kernel.
 */
#ifndef DEVICES_PCI_VFIO_HOST_H
#define DEVICES_PCI_VFIO_HOST_H

#include <sys/types.h>

#include "devices/pci/host_functions.h"
#include "devices/pci/vfio.h"

struct vfio_system {
	const char *sysfs, *dev; /* "/sys", "/dev/vfio" */
	void *arg;
	/* As the system calls of these names; -1 and errno. */
	int (*open)(void *arg, const char *path, int flags);
	int (*close)(void *arg, int fd);
	int (*ioctl)(void *arg, int fd, unsigned long request, void *data);
	ssize_t (*pread)(void *arg, int fd, void *buf, size_t len, off_t offset);
	ssize_t (*pwrite)(void *arg, int fd, const void *buf, size_t len, off_t offset);
	void *(*mmap)(void *arg, size_t len, int prot, int flags, int fd, off_t offset);
	int (*munmap)(void *arg, void *memory, size_t len);
};
extern const struct vfio_system vfio_kernel;

/* options: as pci_vfio takes them. */
struct pci_device *vfio_host_create(const struct vfio_system *s, struct pci_host *h,
				    const char *options, char *err, size_t errlen);

/*
 * What a domain's functions share: an IOMMU domain (container) that has the guest's memory,
 * and the groups that are in it. Made for the first function, gone with the last.
 */

/* h->vfio, with the group in it: *group is its descriptor, the container's. 0, or negative
 * errno and a sentence. */
int vfio_container_join(struct pci_host *h, const struct vfio_system *s, int group,
			const char *name, int *group_fd, char *err, size_t errlen);
/* The opposite, after the function's descriptor was closed. */
void vfio_container_leave(struct pci_host *h, int group);

#endif
