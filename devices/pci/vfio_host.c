/*
 * A PCI function of the host, through /dev/vfio: `--pci 0000:03:00.0`. It must be bound to
 * vfio-pci. Options: vf-token=UUID, for a virtual function whose physical one vfio-pci has, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/pci/vfio_host.h"
#include "pvabi/pvabi.h"

#define UUID_LENGTH 36

struct host_link {
	struct vfio_link link;
	const struct vfio_system *system;
	struct pci_host *host;
	int fd, group, group_fd;
	char name[HOST_BDF_SIZE];
	bool resets; /* VFIO_DEVICE_RESET works */
	uint64_t offset[VFIO_PCI_NUM_REGIONS];
};

/* ---- the kernel ---- */

static int kernel_open(void *arg, const char *path, int flags)
{
	return open(path, flags);
}

static int kernel_close(void *arg, int fd)
{
	return close(fd);
}

static int kernel_ioctl(void *arg, int fd, unsigned long request, void *data)
{
	return ioctl(fd, request, data);
}

static ssize_t kernel_pread(void *arg, int fd, void *buf, size_t len, off_t offset)
{
	return pread(fd, buf, len, offset);
}

static ssize_t kernel_pwrite(void *arg, int fd, const void *buf, size_t len, off_t offset)
{
	return pwrite(fd, buf, len, offset);
}

static void *kernel_mmap(void *arg, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap(NULL, len, prot, flags, fd, offset);
}

static int kernel_munmap(void *arg, void *memory, size_t len)
{
	return munmap(memory, len);
}

const struct vfio_system vfio_kernel = {
	.sysfs = HOST_SYSFS,
	.dev = "/dev/vfio",
	.open = kernel_open,
	.close = kernel_close,
	.ioctl = kernel_ioctl,
	.pread = kernel_pread,
	.pwrite = kernel_pwrite,
	.mmap = kernel_mmap,
	.munmap = kernel_munmap,
};

/* ---- the link ---- */

/* Negative errno; some calls have an answer above zero. */
static int call(struct host_link *l, unsigned long request, void *data)
{
	int rc = l->system->ioctl(l->system->arg, l->fd, request, data);

	return rc < 0 ? -errno : rc;
}

static int device_info(struct vfio_link *link, struct vfio_device_info *info)
{
	struct host_link *l = (struct host_link *)link;
	int rc = call(l, VFIO_DEVICE_GET_INFO, info);

	l->resets = !rc && info->flags & VFIO_DEVICE_FLAGS_RESET;
	return rc;
}

static int region_info(struct vfio_link *link, struct vfio_region_info *info)
{
	struct host_link *l = (struct host_link *)link;
	int rc = call(l, VFIO_DEVICE_GET_REGION_INFO, info);

	if (!rc && info->index < VFIO_PCI_NUM_REGIONS)
		l->offset[info->index] = info->offset;
	return rc;
}

static int irq_info(struct vfio_link *link, struct vfio_irq_info *info)
{
	return call((struct host_link *)link, VFIO_DEVICE_GET_IRQ_INFO, info);
}

static int set_irqs(struct vfio_link *link, const struct vfio_irq_set *set, const int *fds)
{
	size_t data = set->flags & VFIO_IRQ_SET_DATA_EVENTFD ? set->count * sizeof(*fds) : 0;
	struct vfio_irq_set *s = malloc(sizeof(*s) + data);

	if (!s)
		return -ENOMEM;
	*s = *set;
	s->argsz = (uint32_t)(sizeof(*s) + data);
	memcpy(s->data, fds ? (const void *)fds : "", data);
	int rc = call((struct host_link *)link, VFIO_DEVICE_SET_IRQS, s);
	free(s);
	return rc;
}

static int link_read(struct vfio_link *link, unsigned region, uint64_t offset, void *buf,
		     size_t len)
{
	struct host_link *l = (struct host_link *)link;
	ssize_t n = l->system->pread(l->system->arg, l->fd, buf, len,
				     (off_t)(l->offset[region] + offset));

	return n < 0 ? -errno : (size_t)n != len ? -EIO : 0;
}

static int link_write(struct vfio_link *link, unsigned region, uint64_t offset, const void *buf,
		      size_t len)
{
	struct host_link *l = (struct host_link *)link;
	ssize_t n = l->system->pwrite(l->system->arg, l->fd, buf, len,
				      (off_t)(l->offset[region] + offset));

	return n < 0 ? -errno : (size_t)n != len ? -EIO : 0;
}

static void *link_map(struct vfio_link *link, unsigned region, uint64_t offset, size_t len)
{
	struct host_link *l = (struct host_link *)link;
	void *p = l->system->mmap(l->system->arg, len, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd,
				  (off_t)(l->offset[region] + offset));

	return p == MAP_FAILED ? NULL : p;
}

static void link_unmap(struct vfio_link *link, void *memory, size_t len)
{
	struct host_link *l = (struct host_link *)link;

	l->system->munmap(l->system->arg, memory, len);
}

/*
 * The reset of the function, or of its slot or bus where it has none and all that would be
 * reset with it is in our group.
 */
static int link_reset(struct vfio_link *link)
{
	struct host_link *l = (struct host_link *)link;
	struct vfio_pci_hot_reset_info first = {.argsz = sizeof(first)}, *info;
	union {
		struct vfio_pci_hot_reset reset;
		uint8_t room[sizeof(struct vfio_pci_hot_reset) + sizeof(int32_t)];
	} hot = {.reset = {.argsz = sizeof(hot), .count = 1}};

	if (l->resets)
		return call(l, VFIO_DEVICE_RESET, NULL);
	int rc = call(l, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &first);
	if (rc && rc != -ENOSPC)
		return rc;
	if (first.count > 256)
		return -EINVAL;
	size_t size = sizeof(*info) + first.count * sizeof(info->devices[0]);
	info = calloc(1, size);
	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	rc = call(l, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
	for (unsigned i = 0; !rc && i < info->count && i < first.count; i++)
		if (info->devices[i].group_id != (uint32_t)l->group)
			rc = -EPERM;
	free(info);
	if (rc)
		return rc;
	memcpy(hot.reset.group_fds, &l->group_fd, sizeof(int32_t));
	return call(l, VFIO_DEVICE_PCI_HOT_RESET, &hot);
}

static void link_destroy(struct vfio_link *link)
{
	struct host_link *l = (struct host_link *)link;

	if (l->fd >= 0)
		l->system->close(l->system->arg, l->fd);
	vfio_container_leave(l->host, l->group);
	free(l);
}

static const struct vfio_link_ops link_ops = {
	.device_info = device_info,
	.region_info = region_info,
	.irq_info = irq_info,
	.set_irqs = set_irqs,
	.read = link_read,
	.write = link_write,
	.map = link_map,
	.unmap = link_unmap,
	.reset = link_reset,
	.destroy = link_destroy,
};

/* ---- the model ---- */

struct host_options {
	struct host_bdf bdf;
	char vf_token[UUID_LENGTH + 1];
};

static int parse(const char *options, struct host_options *o, char *err, size_t errlen)
{
	const char *s = options ? options : "";

	memset(o, 0, sizeof(*o));
	if (host_bdf_parse(s, &o->bdf, &s) || (*s && *s != ',')) {
		snprintf(err, errlen,
			 "'%s' is no PCI function of the host; it is written [DDDD:]BB:DD.F, as "
			 "lspci -D does",
			 options ? options : "");
		return -EINVAL;
	}
	while (*s++ == ',') {
		size_t len = strcspn(s, ",");
		if (len == strlen("vf-token=") + UUID_LENGTH && !strncmp(s, "vf-token=", 9))
			memcpy(o->vf_token, s + 9, UUID_LENGTH);
		else {
			snprintf(err, errlen,
				 "'%.*s' is no option of a function of the host; "
				 "there is vf-token=UUID",
				 (int)len, s);
			return -EINVAL;
		}
		s += len;
	}
	return 0;
}

static int check(const char *options, bool files, char *err, size_t errlen)
{
	struct host_options o;
	int rc = parse(options, &o, err, errlen);

	return rc || !files ? rc : host_function_check(HOST_SYSFS, &o.bdf, err, errlen);
}

static const struct pci_device_ops host_ops = {.model = "vfio", VFIO_FUNCTION_OPS(vfio_stats)};

static int get_device(struct host_link *l, const struct host_options *o, char *err, size_t errlen)
{
	char text[HOST_BDF_SIZE + sizeof(" vf_token=") + UUID_LENGTH];

	snprintf(text, sizeof(text), "%s%s%s", l->name, o->vf_token[0] ? " vf_token=" : "",
		 o->vf_token);
	l->fd = l->system->ioctl(l->system->arg, l->group_fd, VFIO_GROUP_GET_DEVICE_FD, text);
	if (l->fd >= 0)
		return 0;
	int rc = -errno;
	const char *why = rc == -ENODEV	  ? "it is not bound to vfio-pci, or was pulled out"
			  : rc == -EACCES ? "its physical function is behind VFIO, too; say "
					    "vf-token=UUID as that one's user has it"
			  : rc == -EINVAL ? "it takes no vf-token"
			  : rc == -EBUSY  ? "another program has it"
			  : rc == -EMFILE ? "this process has too many files open; raise ulimit -n"
					  : strerror(-rc);
	snprintf(err, errlen, "%s cannot be opened: %s", l->name, why);
	return rc;
}

struct pci_device *vfio_host_create(const struct vfio_system *s, struct pci_host *h,
				    const char *options, char *err, size_t errlen)
{
	struct host_options o;
	struct host_function f;
	struct pci_device *d = NULL;

	if (parse(options, &o, err, errlen) || host_function_check(s->sysfs, &o.bdf, err, errlen) ||
	    host_function_look(s->sysfs, &o.bdf, &f))
		return NULL;
	struct host_link *l = calloc(1, sizeof(*l));
	if (!l) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	*l = (struct host_link){
		.link.ops = &link_ops, .system = s, .host = h, .fd = -1, .group = f.group};
	host_bdf_print(&o.bdf, l->name);
	if (vfio_container_join(h, s, l->group, l->name, &l->group_fd, err, errlen)) {
		free(l);
		return NULL;
	}
	if (!get_device(l, &o, err, errlen))
		d = vfio_function_create(h, &host_ops, &l->link, l->name, err, errlen);
	if (!d) {
		link_destroy(&l->link);
		return NULL;
	}
	/* Whatever the host's driver or another guest left in it ends here. */
	if (link_reset(&l->link))
		domain_log(h->domain, LOG_WARN,
			   "pci: %s cannot be reset: it may remember what was done with it before",
			   l->name);
	return d;
}

static struct pci_device *create(struct pci_host *h, const char *options, char *err, size_t errlen)
{
	return vfio_host_create(&vfio_kernel, h, options, err, errlen);
}

const struct pci_model pci_vfio = {
	.name = "vfio",
	.create = create,
	.check = check,
	.options_help = "[DDDD:]BB:DD.F[,vf-token=UUID]: a function of the host, bound to vfio-pci",
};
