/*
 * A PCI function behind a link: its configuration space, and its beginning and end.
 *
 * Two registers are not what the guest writes. BARs stay decoded (PCI_COMMAND_MEMORY, _IO)
 * and the power state stays D0, whatever the guest sees: it reaches a BAR through memory of
 * ours, and vfio-pci answers a touch of one that is not decoded, or is asleep, with SIGBUS.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/vfio.h"
#include "pvabi/pvabi.h"

#define MAX_CAPS 48 /* that fit into the space behind the header */

static int config(struct vfio_function *f, unsigned offset, unsigned bytes, uint32_t *val)
{
	*val = 0;
	return f->link->ops->read(f->link, VFIO_PCI_CONFIG_REGION_INDEX, offset, val, bytes);
}

unsigned vfio_ram_ranges(const struct domain *d, struct vfio_range *r)
{
	uint64_t behind = d->hole_start + d->hole_frames;

	if (!d->hole_frames || d->nr_ram <= d->hole_start) {
		r[0] = (struct vfio_range){0, d->nr_ram * PAGE_SIZE};
		return 1;
	}
	r[0] = (struct vfio_range){0, d->hole_start * PAGE_SIZE};
	r[1] = (struct vfio_range){behind * PAGE_SIZE, d->nr_ram * PAGE_SIZE};
	return d->nr_ram > behind ? 2 : 1;
}

static bool is_gone(int rc)
{
	return rc == -EIO || rc == -ENODEV;
}

/* `mask` bits of a register of `len` bytes at `at` are replaced by `bits` in a value that
 * was read, or is written, at `offset`. */
static void replace(uint32_t *val, unsigned offset, unsigned bytes, unsigned at, uint32_t mask,
		    uint32_t bits)
{
	for (unsigned i = 0; i < bytes; i++) {
		unsigned byte = offset + i - at; /* large when it is below */
		if (byte >= 4)
			continue;
		uint32_t m = (mask >> 8 * byte & 0xff) << 8 * i;
		*val = (*val & ~m) | ((bits >> 8 * byte << 8 * i) & m);
	}
}

/* The part of the register at `at` that a write of val at offset changes. */
static void follow(uint32_t val, unsigned offset, unsigned bytes, unsigned at, uint32_t mask,
		   uint32_t *bits)
{
	for (unsigned i = 0; i < bytes; i++) {
		unsigned byte = offset + i - at;
		if (byte >= 4)
			continue;
		uint32_t m = mask & 0xffu << 8 * byte;
		*bits = (*bits & ~m) | ((val >> 8 * i << 8 * byte) & m);
	}
}

int vfio_config_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	struct vfio_function *f = (struct vfio_function *)d;
	int rc = config(f, offset, bytes, val);

	/* What is gone reads as all ones. */
	if (is_gone(rc)) {
		*val = ~0u >> (32 - 8 * bytes);
		return 0;
	}
	if (rc)
		return rc;
	replace(val, offset, bytes, PCI_COMMAND, f->decodes, f->decode);
	if (f->pm)
		replace(val, offset, bytes, f->pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK,
			f->power_state);
	return 0;
}

int vfio_config_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	struct vfio_function *f = (struct vfio_function *)d;
	uint32_t decode = f->decode, power = f->power_state;
	uint32_t out = val;

	replace(&out, offset, bytes, PCI_COMMAND, f->decodes, f->decodes);
	if (f->pm)
		replace(&out, offset, bytes, f->pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, 0);
	int rc = f->link->ops->write(f->link, VFIO_PCI_CONFIG_REGION_INDEX, offset, &out, bytes);
	if (rc)
		return is_gone(rc) ? 0 : rc;
	follow(val, offset, bytes, PCI_COMMAND, f->decodes, &decode);
	f->decode = (uint16_t)decode;
	if (f->pm)
		follow(val, offset, bytes, f->pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, &power);
	f->power_state = (uint8_t)power;
	return 0;
}

/* The offset of a capability; 0: there is none, or the list is no list. */
static unsigned find_cap(struct vfio_function *f, unsigned id)
{
	uint32_t status, at, cap;

	if (config(f, PCI_STATUS, 2, &status) || !(status & PCI_STATUS_CAP_LIST) ||
	    config(f, PCI_CAPABILITY_LIST, 1, &at))
		return 0;
	for (int i = 0; i < MAX_CAPS && at >= PCI_STD_HEADER_SIZEOF; i++) {
		at &= ~3u;
		if (at >= PCI_CONFIG_SIZE || config(f, at, 2, &cap))
			return 0;
		if ((cap & 0xff) == id)
			return at;
		at = cap >> 8;
	}
	return 0;
}

static int read_msix(struct vfio_function *f, char *err, size_t errlen)
{
	unsigned at = find_cap(f, PCI_CAP_ID_MSIX);
	uint32_t flags, table;

	f->table_bar = PCI_NR_BARS;
	if (!at)
		return 0;
	if (config(f, at + PCI_MSIX_FLAGS, 2, &flags) || config(f, at + PCI_MSIX_TABLE, 4, &table))
		return -EIO;
	unsigned bar = table & PCI_MSIX_TABLE_BIR, size = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	uint64_t offset = table & PCI_MSIX_TABLE_OFFSET;

	if (bar >= PCI_NR_BARS ||
	    offset + (uint64_t)size * PCI_MSIX_ENTRY_SIZE > f->region[bar].size) {
		snprintf(err, errlen, "%s has an MSI-X table outside its BARs", f->dev.name);
		return -EPROTO;
	}
	f->unmasked = calloc(size, sizeof(*f->unmasked));
	if (!f->unmasked)
		return -ENOMEM;
	f->table_bar = bar;
	f->table_offset = offset;
	f->table_size = size;
	return 0;
}

static int read_description(struct vfio_function *f, char *err, size_t errlen)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	uint32_t header, command;
	int rc = f->link->ops->device_info(f->link, &info);

	if (rc)
		return rc;
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		snprintf(err, errlen, "%s is no PCI function", f->dev.name);
		return -EPROTO;
	}
	f->flags = info.flags;
	for (unsigned i = 0; i < VFIO_PCI_NUM_REGIONS && i < info.num_regions; i++) {
		struct vfio_region_info region = {.argsz = sizeof(region), .index = i};
		rc = f->link->ops->region_info(f->link, &region);
		/* vfio-pci has no VGA region where the device has none. */
		if (rc == -EINVAL && i >= VFIO_PCI_VGA_REGION_INDEX)
			continue;
		if (rc)
			return rc;
		f->region[i] = (struct vfio_region){region.size, region.flags};
	}
	struct vfio_region *space = &f->region[VFIO_PCI_CONFIG_REGION_INDEX];
	if (space->size < PCI_CONFIG_SIZE || !(space->flags & VFIO_REGION_INFO_FLAG_READ) ||
	    !(space->flags & VFIO_REGION_INFO_FLAG_WRITE)) {
		snprintf(err, errlen, "%s has no configuration space of %u bytes", f->dev.name,
			 PCI_CONFIG_SIZE);
		return -EPROTO;
	}
	f->dev.config_size = space->size >= PCIE_CONFIG_SIZE ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE;
	rc = config(f, PCI_HEADER_TYPE, 1, &header);
	if (!rc)
		rc = config(f, PCI_COMMAND, 2, &command);
	if (rc)
		return rc;
	if ((header & 0x7f) != PCI_HEADER_TYPE_NORMAL) {
		snprintf(err, errlen, "%s is %s, which cannot be assigned", f->dev.name,
			 (header & 0x7f) == 0x7f ? "gone (it reads as all ones)" : "a bridge");
		return -EPROTO;
	}
	f->decode = command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	f->pm = find_cap(f, PCI_CAP_ID_PM);
	return read_msix(f, err, errlen);
}

static int bring_up(struct vfio_function *f, char *err, size_t errlen)
{
	int rc = read_description(f, err, errlen);

	if (!rc)
		rc = vfio_bars_create(f, err, errlen);
	for (unsigned i = 0; !rc && i < PCI_NR_BARS; i++)
		if (f->dev.bar[i].kind != PCI_BAR_NONE)
			f->decodes |= f->dev.bar[i].kind == PCI_BAR_IO ? PCI_COMMAND_IO
								       : PCI_COMMAND_MEMORY;
	f->decode &= f->decodes;
	/* As it is for the guest now; for the device, decoded and awake. */
	if (!rc)
		rc = vfio_config_write(&f->dev, PCI_COMMAND, 2, f->decode);
	if (!rc && f->pm)
		rc = vfio_config_write(&f->dev, f->pm + PCI_PM_CTRL, 2, 0);
	if (!rc)
		rc = vfio_irqs_create(f, err, errlen);
	return rc;
}

static void tear_down(struct vfio_function *f)
{
	vfio_irqs_destroy(f);
	vfio_bars_destroy(f);
	free((void *)f->unmasked);
}

struct pci_device *vfio_function_create(struct pci_host *h, const struct pci_device_ops *ops,
					struct vfio_link *link, const char *name, char *err,
					size_t errlen)
{
	struct vfio_function *f = calloc(1, sizeof(*f));

	err[0] = 0;
	if (!f) {
		snprintf(err, errlen, "%s: out of memory", name);
		return NULL;
	}
	f->dev.ops = ops;
	f->dev.host = h;
	f->link = link;
	snprintf(f->dev.name, sizeof(f->dev.name), "%s", name);
	int rc = bring_up(f, err, errlen);
	if (!rc)
		return &f->dev;
	if (!err[0])
		snprintf(err, errlen, "%s does not answer as a PCI function must: %s", name,
			 strerror(-rc));
	tear_down(f);
	free(f);
	return NULL;
}

void vfio_destroy(struct pci_device *d)
{
	struct vfio_function *f = (struct vfio_function *)d;

	tear_down(f);
	f->link->ops->destroy(f->link);
	free(f);
}

void vfio_function_lost(struct pci_device *d)
{
	struct vfio_function *f = (struct vfio_function *)d;

	f->lost = true;
	if (f->left)
		return;
	f->left = true;
	pci_leave(d);
}

/* Interrupts are off before and INTx is on after. */
int vfio_reset(struct pci_device *d)
{
	struct vfio_function *f = (struct vfio_function *)d;
	uint32_t command;

	vfio_msi_disable(d);
	vfio_msix_disable(d);
	int rc = f->link->ops->reset(f->link);
	if (rc)
		domain_log(d->host->domain, LOG_WARN, "pci: %s cannot be reset: %s", d->name,
			   strerror(-rc));
	if (config(f, PCI_COMMAND, 2, &command))
		return rc ? rc : -EIO;
	f->power_state = 0;
	int again = vfio_config_write(d, PCI_COMMAND, 2, command & ~(uint32_t)f->decodes);
	return rc ? rc : again;
}

void vfio_stats(struct pci_device *d, void *file)
{
	struct vfio_function *f = (struct vfio_function *)d;

	fprintf(file, "\"bar_reads\": %llu, \"bar_writes\": %llu, \"interrupts\": %llu",
		(unsigned long long)f->reads, (unsigned long long)f->writes,
		(unsigned long long)f->interrupts);
}
