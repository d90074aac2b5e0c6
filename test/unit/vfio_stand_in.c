#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/vfio_stand_in.h"

#define OFFSET(region) ((uint64_t)(region) << 40) /* as vfio-pci lays them out */

/* ---- sysfs ---- */

static void put(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_dirs(const char *path)
{
	char part[PATH_MAX];

	for (const char *s = strchr(path + 1, '/');; s = strchr(s + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", s ? (int)(s - path) : PATH_MAX - 1, path);
		ck_assert(!mkdir(part, 0700) || errno == EEXIST);
		if (!s)
			break;
	}
}

void stand_in_sysfs_add(const char *dir, const char *bdf, const char *driver, int group,
			const char *class)
{
	char path[256], link[300], target[300];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", dir, bdf);
	make_dirs(path);
	put(path, "vendor", "0x1af4\n");
	put(path, "device", "0x10f0\n");
	put(path, "class", class);
	if (driver) {
		snprintf(link, sizeof(link), "%s/driver", path);
		snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", driver);
		ck_assert(!symlink(target, link));
	}
	if (group < 0)
		return;
	snprintf(link, sizeof(link), "%s/iommu_group", path);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d", group);
	ck_assert(!symlink(target, link));
	snprintf(target, sizeof(target), "%s/kernel/iommu_groups/%d/devices/%s", dir, group, bdf);
	make_dirs(target);
}

void stand_in_sysfs_make(char *dir)
{
	ck_assert(mkdtemp(dir));
}

void stand_in_sysfs_remove(const char *dir)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

/* ---- the device ---- */

uint32_t stand_in_get(struct vfio_stand_in *s, unsigned region, uint64_t offset, unsigned bytes)
{
	uint32_t val = 0;

	ck_assert_int_eq(pread(s->device, &val, bytes, (off_t)(OFFSET(region) + offset)), bytes);
	return val;
}

void stand_in_set(struct vfio_stand_in *s, unsigned region, uint64_t offset, unsigned bytes,
		  uint32_t val)
{
	ck_assert_int_eq(pwrite(s->device, &val, bytes, (off_t)(OFFSET(region) + offset)), bytes);
}

static void signal_fd(int fd)
{
	if (fd >= 0)
		ck_assert(!eventfd_write(fd, 1));
}

void stand_in_intx(struct vfio_stand_in *s, bool asserted)
{
	s->intx_line = asserted;
	if (!asserted || s->intx_masked || s->enabled != VFIO_PCI_INTX_IRQ_INDEX)
		return;
	s->intx_masked = true;
	signal_fd(s->trigger[0]);
}

void stand_in_message(struct vfio_stand_in *s, unsigned vector)
{
	ck_assert(s->enabled == VFIO_PCI_MSI_IRQ_INDEX || s->enabled == VFIO_PCI_MSIX_IRQ_INDEX);
	if (vector < s->nr_enabled)
		signal_fd(s->trigger[vector]);
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static void drop_triggers(struct vfio_stand_in *s)
{
	for (unsigned i = 0; i < PCI_MAX_MSIX; i++) {
		if (s->trigger[i] >= 0)
			close(s->trigger[i]);
		s->trigger[i] = -1;
	}
	s->enabled = VFIO_PCI_NUM_IRQS;
	s->nr_enabled = 0;
}

static int set_single(int *fd, const struct vfio_irq_set *set, const int *fds)
{
	if (*fd >= 0)
		close(*fd);
	*fd = set->count && set->flags & VFIO_IRQ_SET_DATA_EVENTFD && fds[0] >= 0 ? dup(fds[0])
										  : -1;
	return 0;
}

/* vfio_pci_set_irqs_ioctl() */
static int set_irqs(struct vfio_stand_in *s, struct vfio_irq_set *set)
{
	const int *fds = (const int *)(const void *)set->data;
	size_t data = set->flags & VFIO_IRQ_SET_DATA_EVENTFD ? set->count * sizeof(*fds) : 0;

	if (set->argsz < sizeof(*set) + data || set->index >= VFIO_PCI_NUM_IRQS ||
	    set->start > s->irqs[set->index] || set->count > s->irqs[set->index] - set->start)
		return refuse(EINVAL);
	if (set->index == VFIO_PCI_ERR_IRQ_INDEX)
		return set_single(&s->error_fd, set, fds);
	if (set->index == VFIO_PCI_REQ_IRQ_INDEX)
		return set_single(&s->request_fd, set, fds);
	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		if (set->index != VFIO_PCI_INTX_IRQ_INDEX || s->enabled != 0 || set->count != 1)
			return refuse(EINVAL);
		s->unmasks++;
		s->intx_masked = false;
		stand_in_intx(s, s->intx_line);
		return 0;
	}
	if (s->enabled == (int)set->index && !set->count && set->flags & VFIO_IRQ_SET_DATA_NONE) {
		drop_triggers(s);
		return 0;
	}
	if (s->enabled != VFIO_PCI_NUM_IRQS || !(set->flags & VFIO_IRQ_SET_DATA_EVENTFD) ||
	    set->start)
		return refuse(EINVAL);
	if (!set->index && s->intx_errno)
		return refuse(s->intx_errno);
	if (set->count > s->vectors_left)
		return (int)s->vectors_left;
	s->enabled = (int)set->index;
	s->nr_enabled = set->count;
	for (unsigned i = 0; i < set->count; i++)
		s->trigger[i] = fds[i] < 0 ? -1 : dup(fds[i]);
	s->intx_masked = false;
	if (!set->index)
		stand_in_intx(s, s->intx_line);
	return 0;
}

/* vfio_pci_ioctl_get_region_info(): what does not fit is left out, argsz says how much it is. */
static int get_region(struct vfio_stand_in *s, struct vfio_region_info *r)
{
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(r + 1);
	size_t caps = sizeof(*cap) + s->nr_sparse * sizeof(cap->areas[0]), room = r->argsz;

	if (r->index >= VFIO_PCI_VGA_REGION_INDEX)
		return refuse(EINVAL);
	r->flags = s->flags[r->index];
	r->size = s->size[r->index];
	r->offset = OFFSET(r->index);
	r->argsz = sizeof(*r);
	if (r->index || !s->nr_sparse)
		return 0;
	r->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	r->argsz = (uint32_t)(sizeof(*r) + caps);
	if (room < r->argsz) {
		r->cap_offset = 0;
		return 0;
	}
	r->cap_offset = sizeof(*r);
	memset(cap, 0, sizeof(*cap));
	cap->header.id = s->sparse_loop ? 99 : VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->header.version = 1;
	cap->header.next = s->sparse_loop ? sizeof(*r) : 0;
	cap->nr_areas = s->nr_sparse;
	memcpy(cap->areas, s->sparse, s->nr_sparse * sizeof(cap->areas[0]));
	return 0;
}

static int device_ioctl(struct vfio_stand_in *s, unsigned long request, void *data)
{
	struct vfio_device_info *info = data;
	struct vfio_irq_info *irq = data;
	struct vfio_pci_hot_reset_info *hot = data;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | (s->resets ? VFIO_DEVICE_FLAGS_RESET : 0);
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region(s, data);
	case VFIO_DEVICE_GET_IRQ_INFO:
		if (irq->index >= VFIO_PCI_NUM_IRQS ||
		    (irq->index == VFIO_PCI_ERR_IRQ_INDEX && !s->irqs[irq->index]))
			return refuse(EINVAL);
		irq->count = s->irqs[irq->index];
		irq->flags = VFIO_IRQ_INFO_EVENTFD |
			     (irq->index ? VFIO_IRQ_INFO_NORESIZE
					 : VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(s, data);
	case VFIO_DEVICE_RESET:
		s->device_resets++;
		return s->resets ? 0 : refuse(EINVAL);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		hot->count = 2;
		if (hot->argsz < sizeof(*hot) + 2 * sizeof(hot->devices[0]))
			return refuse(ENOSPC);
		hot->devices[0].group_id = STAND_IN_GROUP;
		hot->devices[1].group_id = s->hot_group;
		return 0;
	case VFIO_DEVICE_PCI_HOT_RESET:
		if (((struct vfio_pci_hot_reset *)data)->count != 1 ||
		    ((struct vfio_pci_hot_reset *)data)->group_fds[0] != s->group_fd)
			return refuse(EINVAL);
		s->hot_resets++;
		return 0;
	}
	return refuse(ENOTTY);
}

static int container_ioctl(struct vfio_stand_in *s, unsigned long request, void *data)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return s->version;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)data == VFIO_TYPE1v2_IOMMU && s->type1v2;
	case VFIO_SET_IOMMU:
		if (!s->set_container || s->iommu || (uintptr_t)data != VFIO_TYPE1v2_IOMMU)
			return refuse(EINVAL);
		s->iommu = true;
		return 0;
	case VFIO_IOMMU_MAP_DMA:
		if (!s->iommu || s->nr_maps == STAND_IN_MAPS)
			return refuse(s->iommu ? ENOSPC : EINVAL);
		s->map[s->nr_maps++] = *(struct vfio_iommu_type1_dma_map *)data;
		return 0;
	}
	return refuse(ENOTTY);
}

static int group_ioctl(struct vfio_stand_in *s, unsigned long request, void *data)
{
	struct vfio_group_status *status = data;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = (s->viable ? VFIO_GROUP_FLAGS_VIABLE : 0) |
				(s->taken ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		if (!s->viable || *(int *)data != s->container_fd)
			return refuse(EINVAL);
		s->set_container++;
		return 0;
	case VFIO_GROUP_UNSET_CONTAINER:
		s->unset_container++;
		s->iommu = false;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		if (!s->iommu)
			return refuse(EINVAL);
		if (strncmp(data, STAND_IN_BDF, strlen(STAND_IN_BDF)))
			return refuse(ENODEV);
		if (s->token && (!strstr(data, " vf_token=") || !strstr(data, s->token)))
			return refuse(EACCES);
		s->open_fds++;
		return dup(s->device);
	}
	return refuse(ENOTTY);
}

/* ---- the system calls ---- */

static int sys_open(void *arg, const char *path, int flags)
{
	struct vfio_stand_in *s = arg;
	const char *name = strrchr(path, '/') + 1;

	ck_assert(!strncmp(path, "/dev/vfio/", 10));
	if (s->fail_open && !strcmp(name, s->fail_open))
		return refuse(s->fail_errno);
	int *fd = !strcmp(name, "vfio") ? &s->container_fd : &s->group_fd;
	if (fd == &s->group_fd && atoi(name) != STAND_IN_GROUP)
		return refuse(ENOENT);
	ck_assert_int_lt(*fd, 0);
	*fd = eventfd(0, EFD_CLOEXEC);
	s->open_fds++;
	return *fd;
}

static int sys_close(void *arg, int fd)
{
	struct vfio_stand_in *s = arg;

	s->open_fds--;
	if (fd == s->container_fd) {
		s->container_fd = -1;
		s->nr_maps = 0;
		s->iommu = false;
	} else if (fd == s->group_fd)
		s->group_fd = -1;
	else
		drop_triggers(s);
	return close(fd);
}

static int sys_ioctl(void *arg, int fd, unsigned long request, void *data)
{
	struct vfio_stand_in *s = arg;

	if (s->fail_request && request == s->fail_request)
		return refuse(s->fail_errno);
	if (fd == s->container_fd)
		return container_ioctl(s, request, data);
	if (fd == s->group_fd)
		return group_ioctl(s, request, data);
	return device_ioctl(s, request, data);
}

static bool access_ok(struct vfio_stand_in *s, size_t len, off_t offset, uint32_t flag)
{
	unsigned region = (unsigned)(offset >> 40);
	uint64_t at = (uint64_t)offset & (OFFSET(1) - 1);

	return region < VFIO_PCI_NUM_REGIONS && s->flags[region] & flag &&
	       at + len <= s->size[region];
}

static ssize_t sys_pread(void *arg, int fd, void *buf, size_t len, off_t offset)
{
	struct vfio_stand_in *s = arg;

	if (!access_ok(s, len, offset, VFIO_REGION_INFO_FLAG_READ))
		return refuse(EINVAL);
	return pread(fd, buf, len, offset);
}

static ssize_t sys_pwrite(void *arg, int fd, const void *buf, size_t len, off_t offset)
{
	struct vfio_stand_in *s = arg;

	if (!access_ok(s, len, offset, VFIO_REGION_INFO_FLAG_WRITE))
		return refuse(EINVAL);
	s->writes[offset >> 40]++;
	return pwrite(fd, buf, len, offset);
}

static void *sys_mmap(void *arg, size_t len, int prot, int flags, int fd, off_t offset)
{
	struct vfio_stand_in *s = arg;

	if (!(flags & MAP_SHARED) || len % 4096 || offset % 4096 ||
	    !access_ok(s, len, offset, VFIO_REGION_INFO_FLAG_MMAP)) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	s->mmaps++;
	return mmap(NULL, len, prot, flags, fd, offset);
}

static int sys_munmap(void *arg, void *memory, size_t len)
{
	struct vfio_stand_in *s = arg;

	s->mmaps--;
	return munmap(memory, len);
}

void stand_in_init(struct vfio_stand_in *s)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	const unsigned c = VFIO_PCI_CONFIG_REGION_INDEX;

	*s = (struct vfio_stand_in){
		.system = {.dev = "/dev/vfio",
			   .arg = s,
			   .open = sys_open,
			   .close = sys_close,
			   .ioctl = sys_ioctl,
			   .pread = sys_pread,
			   .pwrite = sys_pwrite,
			   .mmap = sys_mmap,
			   .munmap = sys_munmap},
		.dir = "/tmp/vfio_sysfs.XXXXXX",
		.type1v2 = true,
		.viable = true,
		.resets = true,
		.size = {16384, 32, 8192, [VFIO_PCI_CONFIG_REGION_INDEX] = PCIE_CONFIG_SIZE},
		.flags = {rw | VFIO_REGION_INFO_FLAG_MMAP, rw,
			  rw | VFIO_REGION_INFO_FLAG_MMAP, [VFIO_PCI_CONFIG_REGION_INDEX] = rw},
		.irqs = {1, 4, 4, 1, 1},
		.vectors_left = PCI_MAX_MSIX,
		.enabled = VFIO_PCI_NUM_IRQS,
		.error_fd = -1,
		.request_fd = -1,
		.container_fd = -1,
		.group_fd = -1,
		.hot_group = STAND_IN_GROUP,
	};
	memset(s->trigger, 0xff, sizeof(s->trigger));
	stand_in_sysfs_make(s->dir);
	s->system.sysfs = s->dir;
	stand_in_sysfs_add(s->dir, STAND_IN_BDF, "vfio-pci", STAND_IN_GROUP, "0x020000\n");
	s->device = memfd_create("device", MFD_CLOEXEC);
	ck_assert_int_ge(s->device, 0);
	ck_assert(!ftruncate(s->device, (off_t)OFFSET(VFIO_PCI_NUM_REGIONS)));
	stand_in_set(s, c, PCI_VENDOR_ID, 4, 0x10f01af4);
	stand_in_set(s, c, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	stand_in_set(s, c, PCI_CLASS_DEVICE, 2, 0x0200);
	stand_in_set(s, c, PCI_BASE_ADDRESS_0, 4, 0xfe000000);
	stand_in_set(s, c, PCI_BASE_ADDRESS_1, 4, 0xc000 | PCI_BASE_ADDRESS_SPACE_IO);
	stand_in_set(s, c, PCI_BASE_ADDRESS_2, 4, 0xe000000c); /* 64 bits wide, prefetchable */
	stand_in_set(s, c, PCI_CAPABILITY_LIST, 1, 0x40);
	stand_in_set(s, c, 0x40, 2, PCI_CAP_ID_PM | 0x50 << 8);
	stand_in_set(s, c, 0x40 + PCI_PM_CTRL, 2, 3); /* asleep */
	stand_in_set(s, c, 0x50, 4, PCI_CAP_ID_MSIX | 3u << 16);
	stand_in_set(s, c, 0x50 + PCI_MSIX_TABLE, 4, 0x2000);
	stand_in_set(s, c, 0x50 + PCI_MSIX_PBA, 4, 0x2800);
	stand_in_set(s, c, 0x100, 4, PCI_EXT_CAP_ID_ERR | 2 << 16);
}

void stand_in_free(struct vfio_stand_in *s)
{
	drop_triggers(s);
	if (s->error_fd >= 0)
		close(s->error_fd);
	if (s->request_fd >= 0)
		close(s->request_fd);
	close(s->device);
	stand_in_sysfs_remove(s->dir);
}
