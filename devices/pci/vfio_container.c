/*
 * VFIO's containers and groups (Documentation/driver-api/vfio.rst, <linux/vfio.h>): a group is
 * what the IOMMU can tell apart, a container is an address space that groups share. Ours maps
 * machine addresses to the guest's RAM, all of it, pinned, for as long as there is a group.
 *
 * Each errno that the kernel documents for these calls has a sentence here that says what
 * to do: hardly anybody gets VFIO right the first time.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/pci/vfio_host.h"
#include "pvabi/pvabi.h"

#define MAX_GROUPS 64

struct vfio_container {
	const struct vfio_system *system;
	int fd;
	unsigned nr_groups;
	struct {
		int number, fd;
		unsigned users;
	} group[MAX_GROUPS];
};

/* A row's sentence; the last, errno 0, is for all others. %s is the group's path. */
struct reason {
	int error;
	const char *text;
};

static int explain(const struct reason *r, const char *path, const char *name, char *err,
		   size_t errlen)
{
	int error = errno ? errno : EIO;

	while (r->error && r->error != error)
		r++;
	snprintf(err, errlen, "%s cannot be assigned: %s: %s", name, path,
		 r->error ? r->text : strerror(error));
	return -error;
}

static const struct reason no_container[] = {
	{ENOENT, "there is none; load the kernel module (modprobe vfio-pci)"},
	{ENODEV, "the module is not loaded; modprobe vfio-pci"},
	{EACCES, "permission denied; run this as root, or give yourself the file"},
	{EPERM, "permission denied; run this as root, or give yourself the file"},
	{EMFILE, "this process has too many files open; raise ulimit -n"},
	{0, NULL},
};

static const struct reason no_group[] = {
	{ENOENT, "there is none; is every function of the group bound to vfio-pci?"},
	{ENODEV, "the group is gone; the device was unbound or pulled out"},
	{EACCES, "permission denied; run this as root, or give yourself the file (chown)"},
	{EPERM, "permission denied; run this as root, or give yourself the file (chown)"},
	{EBUSY, "another program has the group; end that first (fuser -v names it)"},
	{EMFILE, "this process has too many files open; raise ulimit -n"},
	{0, NULL},
};

static const struct reason no_set_container[] = {
	{EBUSY, "the group is in use; end the program that has it"},
	{EINVAL, "the group is in another container; end the program that has it"},
	{ENODEV, "the group is gone; the device was unbound or pulled out"},
	{EPERM, "the group has no IOMMU (noiommu mode), and that is not supported: its device "
		"could write to all of the host's memory"},
	{0, NULL},
};

static const struct reason no_iommu[] = {
	{EPERM, "the IOMMU does not remap interrupts, so a guest could forge the host's; switch "
		"that on in the firmware (or load vfio_iommu_type1 with "
		"allow_unsafe_interrupts=1, if you trust the guest)"},
	{ENODEV, "there is no IOMMU behind the group; switch it on in the firmware and in the "
		 "kernel's command line (intel_iommu=on or amd_iommu=on)"},
	{EBUSY, "the group's device has another user in the kernel; unbind it from there"},
	{ENOMEM, "the kernel is out of memory"},
	{0, NULL},
};

static const struct reason no_map[] = {
	{ENOMEM, "the guest's memory cannot be locked; raise ulimit -l (LimitMEMLOCK= in systemd) "
		 "to more than the guest's memory, or run this as root"},
	{EINVAL, "the IOMMU cannot map the guest's memory: its addresses are too small, or "
		 "reserved there"},
	{ENOSPC, "the container has too many mappings; raise vfio_iommu_type1's "
		 "dma_entry_limit"},
	{EFAULT, "the guest's memory cannot be pinned"},
	{EEXIST, "the guest's memory is mapped already"},
	{EPERM, "the host does not let the guest's memory be mapped"},
	{0, NULL},
};

static int call(const struct vfio_container *c, int fd, unsigned long request, void *data)
{
	errno = 0;
	return c->system->ioctl(c->system->arg, fd, request, data);
}

/* ---- the guest's memory ---- */

static int map_range(struct vfio_container *c, uint8_t *memory, struct vfio_range r,
		     const char *name, char *err, size_t errlen)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory + r.start,
		.iova = r.start,
		.size = r.end - r.start,
	};

	return call(c, c->fd, VFIO_IOMMU_MAP_DMA, &m)
		       ? explain(no_map, "/dev/vfio/vfio", name, err, errlen)
		       : 0;
}

static int map_guest(struct vfio_container *c, struct pci_host *h, const char *name, char *err,
		     size_t errlen)
{
	struct vfio_range ram[VFIO_MAX_RANGES];
	unsigned nr = vfio_ram_ranges(h->domain, ram);
	int rc = 0;

	for (unsigned i = 0; !rc && i < nr; i++)
		rc = map_range(c, h->domain->memory, ram[i], name, err, errlen);
	return rc;
}

/* ---- groups ---- */

static int open_path(const struct vfio_container *c, const char *what, char *path, size_t len)
{
	snprintf(path, len, "%s/%s", c->system->dev, what);
	errno = 0;
	return c->system->open(c->system->arg, path, O_RDWR | O_CLOEXEC);
}

static int create(struct vfio_container *c, const char *name, char *err, size_t errlen)
{
	char path[PATH_MAX];

	c->fd = open_path(c, "vfio", path, sizeof(path));
	if (c->fd < 0)
		return explain(no_container, path, name, err, errlen);
	int version = call(c, c->fd, VFIO_GET_API_VERSION, NULL);
	if (version != VFIO_API_VERSION) {
		snprintf(err, errlen,
			 "%s cannot be assigned: %s has version %d, and %d is what is understood",
			 name, path, version, VFIO_API_VERSION);
		return -EPROTO;
	}
	if (call(c, c->fd, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU) <= 0) {
		snprintf(err, errlen,
			 "%s cannot be assigned: %s knows no IOMMU of type 1, version 2; "
			 "modprobe vfio_iommu_type1",
			 name, path);
		return -ENODEV;
	}
	return 0;
}

static int add_group(struct vfio_container *c, struct pci_host *h, int number, const char *name,
		     char *err, size_t errlen)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[PATH_MAX], file[32];
	int rc = 0;

	snprintf(file, sizeof(file), "%d", number);
	int fd = open_path(c, file, path, sizeof(path));
	if (fd < 0)
		return explain(no_group, path, name, err, errlen);
	if (call(c, fd, VFIO_GROUP_GET_STATUS, &status))
		rc = explain(no_group, path, name, err, errlen);
	else if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		snprintf(err, errlen,
			 "%s cannot be assigned: %s: the group is not viable; bind every function "
			 "of it to vfio-pci (ls %s/kernel/iommu_groups/%d/devices)",
			 name, path, c->system->sysfs, number);
		rc = -EPERM;
	} else if (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) {
		errno = EBUSY;
		rc = explain(no_set_container, path, name, err, errlen);
	} else if (call(c, fd, VFIO_GROUP_SET_CONTAINER, &c->fd))
		rc = explain(no_set_container, path, name, err, errlen);
	/* The IOMMU's type is the container's, from its first group on. */
	if (!rc && !c->nr_groups) {
		if (call(c, c->fd, VFIO_SET_IOMMU, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU))
			rc = explain(no_iommu, path, name, err, errlen);
		if (!rc)
			rc = map_guest(c, h, name, err, errlen);
		if (rc)
			call(c, fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	}
	if (rc) {
		c->system->close(c->system->arg, fd);
		return rc;
	}
	c->group[c->nr_groups].number = number;
	c->group[c->nr_groups].fd = fd;
	c->group[c->nr_groups++].users = 1;
	return 0;
}

static void destroy(struct pci_host *h)
{
	struct vfio_container *c = h->vfio;

	/* With the container the IOMMU's mappings go. */
	if (c->fd >= 0)
		c->system->close(c->system->arg, c->fd);
	h->pin_memory(h, false);
	free(c);
	h->vfio = NULL;
}

int vfio_container_join(struct pci_host *h, const struct vfio_system *s, int group,
			const char *name, int *group_fd, char *err, size_t errlen)
{
	int rc = 0;

	if (!h->vfio) {
		h->vfio = calloc(1, sizeof(*h->vfio));
		if (!h->vfio) {
			snprintf(err, errlen, "%s cannot be assigned: out of memory", name);
			return -ENOMEM;
		}
		h->vfio->system = s;
		/* Before the IOMMU learns of any page. */
		h->pin_memory(h, true);
		rc = create(h->vfio, name, err, errlen);
	}
	struct vfio_container *c = h->vfio;
	for (unsigned i = 0; !rc && i < c->nr_groups; i++)
		if (c->group[i].number == group) {
			c->group[i].users++;
			*group_fd = c->group[i].fd;
			return 0;
		}
	if (!rc && c->nr_groups == MAX_GROUPS) {
		snprintf(err, errlen, "%s cannot be assigned: the domain has devices of %d groups",
			 name, MAX_GROUPS);
		return -ENOSPC;
	}
	if (!rc)
		rc = add_group(c, h, group, name, err, errlen);
	if (!rc)
		*group_fd = c->group[c->nr_groups - 1].fd;
	else if (!c->nr_groups)
		destroy(h);
	return rc;
}

void vfio_container_leave(struct pci_host *h, int group)
{
	struct vfio_container *c = h->vfio;

	for (unsigned i = 0; i < c->nr_groups; i++) {
		if (c->group[i].number != group || --c->group[i].users)
			continue;
		call(c, c->group[i].fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
		c->system->close(c->system->arg, c->group[i].fd);
		c->group[i] = c->group[--c->nr_groups];
		break;
	}
	if (!c->nr_groups)
		destroy(h);
}
