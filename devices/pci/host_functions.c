/*
 * The host's PCI functions in sysfs: DIR/bus/pci/devices/BDF, a link `driver` to what it is bound
 * to, a link `iommu_group` to DIR/kernel/iommu_groups/N, whose `devices` has all of the group.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/pci/host_functions.h"

#define DRIVER "vfio-pci"

/* At most `max` hexadecimal digits, then one of `stop`. */
static bool hex(const char **s, unsigned max, unsigned limit, unsigned *value)
{
	unsigned digits = strspn(*s, "0123456789abcdefABCDEF");

	if (!digits || digits > max)
		return false;
	*value = (unsigned)strtoul(*s, NULL, 16);
	*s += digits;
	return *value <= limit;
}

int host_bdf_parse(const char *text, struct host_bdf *bdf, const char **end)
{
	unsigned domain = 0, bus, device, function;
	const char *s = text;

	/* A second colon before the dot: the domain is there. */
	size_t dot = strcspn(s, ".");
	const char *colon = memchr(s, ':', dot);
	if (colon && memchr(colon + 1, ':', (size_t)(s + dot - colon - 1)) &&
	    (!hex(&s, 4, 0xffff, &domain) || *s++ != ':'))
		return -EINVAL;
	if (!hex(&s, 2, 0xff, &bus) || *s++ != ':' || !hex(&s, 2, 0x1f, &device) || *s++ != '.' ||
	    !hex(&s, 1, 7, &function) || (!end && *s))
		return -EINVAL;
	if (end)
		*end = s;
	*bdf = (struct host_bdf){(uint16_t)domain, (uint8_t)bus, (uint8_t)device,
				 (uint8_t)function};
	return 0;
}

char *host_bdf_print(const struct host_bdf *bdf, char *buf)
{
	snprintf(buf, HOST_BDF_SIZE, "%04x:%02x:%02x.%x", bdf->domain, bdf->bus, bdf->device & 0x1f,
		 bdf->function & 7);
	return buf;
}

/* The last part of what the link `name` of dir points to; "": there is none. */
static void link_name(const char *dir, const char *name, char *buf, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];

	buf[0] = 0;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return;
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	const char *slash = strrchr(target, '/');
	snprintf(buf, len, "%.*s", (int)len - 1, slash ? slash + 1 : target);
}

/* The file `name` of dir, a number as C has it. */
static int number(const char *dir, const char *name, unsigned long *value)
{
	char path[PATH_MAX], text[32], *end;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = 0;
	*value = strtoul(text, &end, 0);
	return end == text || (*end && *end != '\n') ? -EINVAL : 0;
}

int host_function_look(const char *sysfs, const struct host_bdf *bdf, struct host_function *f)
{
	char dir[PATH_MAX], name[HOST_BDF_SIZE], group[32];
	unsigned long vendor = 0, device = 0, class = 0;

	*f = (struct host_function){.bdf = *bdf, .group = -1};
	if (snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%s", sysfs, host_bdf_print(bdf, name)) >=
	    (int)sizeof(dir))
		return -ENAMETOOLONG;
	if (access(dir, F_OK))
		return -ENODEV;
	number(dir, "vendor", &vendor);
	number(dir, "device", &device);
	number(dir, "class", &class);
	f->vendor = (uint16_t)vendor;
	f->device = (uint16_t)device;
	f->class = (uint32_t) class;
	f->is_bridge = class >> 16 == 0x06; /* PCI's base class "bridge" */
	link_name(dir, "driver", f->driver, sizeof(f->driver));
	link_name(dir, "iommu_group", group, sizeof(group));
	if (group[0])
		f->group = atoi(group);
	return 0;
}

static int by_address(const void *a, const void *b)
{
	char x[HOST_BDF_SIZE], y[HOST_BDF_SIZE];

	return strcmp(host_bdf_print(&((const struct host_function *)a)->bdf, x),
		      host_bdf_print(&((const struct host_function *)b)->bdf, y));
}

int host_functions_assignable(const char *sysfs, struct host_function **list, unsigned *nr)
{
	struct host_function *all = NULL, f;
	unsigned n = 0, room = 0;
	char dir[PATH_MAX];
	struct dirent *e;
	struct host_bdf bdf;
	int rc = 0;

	*list = NULL;
	*nr = 0;
	if (snprintf(dir, sizeof(dir), "%s/bus/pci/devices", sysfs) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		if (host_bdf_parse(e->d_name, &bdf, NULL) || host_function_look(sysfs, &bdf, &f) ||
		    strcmp(f.driver, DRIVER))
			continue;
		if (n == room) {
			room = room ? 2 * room : 16;
			struct host_function *more = realloc(all, room * sizeof(*all));
			if (!more) {
				rc = -ENOMEM;
				break;
			}
			all = more;
		}
		all[n++] = f;
	}
	closedir(d);
	if (rc || !n) {
		free(all);
		return rc;
	}
	qsort(all, n, sizeof(*all), by_address);
	*list = all;
	*nr = n;
	return 0;
}

/*
 * Of another function of the group: VFIO gives the group to a program only when none of it is
 * used by a driver of the host. A function without a driver, or a bridge (pcieport, which does
 * no DMA), is in nobody's way.
 */
static bool in_the_way(const struct host_function *f)
{
	return f->driver[0] && strcmp(f->driver, DRIVER) && strcmp(f->driver, "pci-stub") &&
	       strcmp(f->driver, "pcieport");
}

static int check_group(const char *sysfs, const struct host_function *f, char *err, size_t errlen)
{
	char dir[PATH_MAX], name[HOST_BDF_SIZE], other[HOST_BDF_SIZE];
	struct host_function g;
	struct host_bdf bdf;
	struct dirent *e;
	int rc = 0;

	snprintf(dir, sizeof(dir), "%s/kernel/iommu_groups/%d/devices", sysfs, f->group);
	DIR *d = opendir(dir);
	while (d && !rc && (e = readdir(d))) {
		if (host_bdf_parse(e->d_name, &bdf, NULL) || host_function_look(sysfs, &bdf, &g) ||
		    !in_the_way(&g))
			continue;
		snprintf(err, errlen,
			 "%s cannot be assigned while %s, which is in its IOMMU group %d, is bound "
			 "to %s; unbind it or bind it to vfio-pci, too",
			 host_bdf_print(&f->bdf, name), host_bdf_print(&g.bdf, other), f->group,
			 g.driver);
		rc = -EBUSY;
	}
	if (d)
		closedir(d);
	return rc;
}

int host_function_check(const char *sysfs, const struct host_bdf *bdf, char *err, size_t errlen)
{
	char name[HOST_BDF_SIZE];
	struct host_function f;
	int rc = host_function_look(sysfs, bdf, &f);

	host_bdf_print(bdf, name);
	if (rc == -ENODEV)
		snprintf(err, errlen, "this host has no PCI function %s; see lspci -D", name);
	else if (rc)
		snprintf(err, errlen, "PCI function %s cannot be looked at: %s", name,
			 strerror(-rc));
	if (rc)
		return rc;
	if (f.is_bridge) {
		snprintf(err, errlen, "%s is a bridge, which cannot be assigned", name);
		return -EINVAL;
	}
	if (f.group < 0) {
		snprintf(err, errlen,
			 "%s is in no IOMMU group; switch the IOMMU on in the firmware and in the "
			 "kernel's command line (intel_iommu=on or amd_iommu=on)",
			 name);
		return -ENODEV;
	}
	if (strcmp(f.driver, DRIVER)) {
		snprintf(err, errlen,
			 "%s is %s%s; bind it to vfio-pci first (modprobe vfio-pci; driverctl "
			 "set-override %s vfio-pci)",
			 name, f.driver[0] ? "bound to " : "not bound to vfio-pci", f.driver, name);
		return f.driver[0] ? -EBUSY : -ENODEV;
	}
	return check_group(sysfs, &f, err, errlen);
}
